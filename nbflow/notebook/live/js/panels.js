// The tables below the graph of a machine or a flow: events that wait, were set aside or came, and what to do with them.
import { count, el, setText } from "./dom.js";

const SHOWN = 200; // rows that a panel shows; the rest is a count

export class Panels {
  /** `hooks`: send(message). A panel is {name, title, columns, rows: [key, cells, acts], empty}. */
  constructor(hooks) {
    Object.assign(this, { hooks, drawn: new Map(), pending: new Map(), serial: 0 });
    this.node = el("div", { class: "panels", hidden: true });
  }

  update(panels) {
    const wanted = panels.filter((panel) => panel.rows.length || panel.empty);
    for (const [name, part] of this.drawn) {
      if (wanted.some((panel) => panel.name === name)) continue;
      part.node.remove();
      this.drawn.delete(name);
    }
    for (const panel of wanted) this.draw(panel);
    this.node.append(...wanted.map((panel) => this.drawn.get(panel.name).node));
    this.node.hidden = !wanted.length;
  }

  draw(panel) {
    const key = JSON.stringify(panel);
    let part = this.drawn.get(panel.name);
    if (part?.key === key) return;
    if (!part) {
      part = { title: el("span"), count: el("span", { class: "cnt" }), body: el("div", { class: "pbody" }) };
      part.node = el("details", { class: "panel", open: true }, el("summary", {}, part.title, part.count), part.body);
      this.drawn.set(panel.name, part);
    }
    part.key = key;
    setText(part.title, panel.title);
    setText(part.count, panel.rows.length ? count(panel.rows.length) : "");
    if (part.body.querySelector("textarea")) return void (part.later = panel); // nobody's words are taken away
    this.fill(part, panel);
  }

  fill(part, panel) {
    part.later = null;
    const at = part.body.contains(document.activeElement) ? document.activeElement.dataset.at : null;
    if (!panel.rows.length) return part.body.replaceChildren(el("p", { class: "none" }, panel.empty));
    const acting = panel.rows.some((row) => row[2].length);
    const head = el("tr", {}, ...panel.columns.map((name) => el("th", { scope: "col" }, name)), acting ? el("th", { scope: "col" }, el("span", { class: "sr" }, "What can be done")) : null);
    const rows = panel.rows.slice(0, SHOWN).map((row) => this.row(part, panel, row, acting));
    const table = el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows));
    const left = panel.rows.length - rows.length;
    part.body.replaceChildren(table, left ? el("p", { class: "none" }, `and ${count(left)} more`) : "");
    if (at) part.body.querySelector(`[data-at="${CSS.escape(at)}"]`)?.focus();
  }

  row(part, panel, [key, cells, acts], acting) {
    const buttons = acts.map(([name, label, text]) => {
      const press = (event) => (text == null ? this.act(event.target, panel.name, key, name) : this.edit(part, event.target, panel, key, name, label, text));
      return el("button", { type: "button", class: "btn", "data-at": `${key}:${name}`, "aria-label": `${label}: ${cells[0]}`, click: press }, label);
    });
    return el("tr", {}, ...cells.map((cell) => el("td", { title: cell.length > 40 ? cell : null }, cell)), acting ? el("td", { class: "pacts" }, ...buttons) : null);
  }

  /** Ask for the text that an act needs, under its row. */
  edit(part, button, panel, key, name, label, text) {
    const area = el("textarea", { rows: 3, spellcheck: "false", "aria-label": label });
    area.value = text;
    const line = el("tr", {}, el("td", { colspan: panel.columns.length + 1, class: "editor" }, area));
    const leave = () => {
      line.remove();
      if (part.later) this.fill(part, part.later);
    };
    const send = (event) => this.act(event.target, panel.name, key, name, area.value, leave);
    line.firstChild.append(el("div", {}, el("button", { type: "button", class: "btn pri", click: send }, label), el("button", { type: "button", class: "btn", click: leave }, "Leave it")));
    button.closest("tr").after(line);
    area.focus();
  }

  act(button, panel, row, act, text = null, done = null) {
    const id = ++this.serial;
    button.disabled = true;
    this.pending.set(id, { button, done });
    this.hooks.send({ t: "act", id, panel, row, act, text });
  }

  /** What became of an act: a mistake is said beside its button. */
  acted({ id, text, wrong }) {
    const { button, done } = this.pending.get(id) || {};
    this.pending.delete(id);
    if (!button) return;
    button.disabled = false;
    const cell = button.closest("td");
    cell?.querySelector(".said")?.remove();
    if (!wrong) done?.();
    if (text && cell?.isConnected) cell.append(el("p", { class: wrong ? "said wrong" : "said", role: "status" }, text));
  }
}
