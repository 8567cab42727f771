// The panel of one node. The kernel is asked for what is behind a node only when somebody opens it.
import { clockTime, count, duration, el, setText } from "./dom.js";
import { icon, pill, word, WORST_FIRST } from "./states.js";

const CELLS = 1200; // more members than this are binned: each cell then shows the worst of its bin

export class Details {
  /** `hooks`: close(focusBack), send(message), answer(i). */
  constructor(store, hooks) {
    Object.assign(this, { store, hooks, i: null, known: new Map(), parts: new Map() });
    this.title = el("h3", { tabindex: -1 });
    this.state = el("span", { class: "state" });
    this.close = el("button", { type: "button", class: "close", "aria-label": "Close details", title: "Close", click: () => hooks.close(true) }, "×");
    this.facts = el("dl");
    this.go = el("button", { type: "button", class: "btn", hidden: true, click: () => hooks.answer(this.i) }, "Go to the question");
    this.body = el("div");
    this.node = el("aside", { class: "drawer", "aria-label": "Task details", keydown: (event) => this.key(event) }, this.close, this.title, this.state, this.facts, this.go, this.body);
  }

  key(event) {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    this.hooks.close(true);
  }

  open(i, focus) {
    this.i = i;
    this.parts.clear();
    this.body.replaceChildren();
    this.node.scrollTop = 0;
    this.node.classList.add("on");
    this.ask();
    this.paint();
    if (focus) this.title.focus({ preventScroll: true });
  }

  shut() {
    this.i = null;
    this.node.classList.remove("on");
  }

  /** The graph has changed: node `i` is where the open one is now (null: gone); what was known of others is void. */
  moveTo(i) {
    const detail = this.known.get(this.i);
    this.known.clear();
    if (i == null) return;
    this.i = i;
    if (detail) this.known.set(i, detail);
    this.changed();
  }

  ask() {
    this.askedAt = Date.now();
    this.hooks.send({ t: "detail", i: this.i });
  }

  /** Something changed at the node: show it, and ask for more, but no more than once a second. */
  changed() {
    this.paint();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.i != null && this.ask(), Math.max(0, 1000 - (Date.now() - this.askedAt)));
  }

  take(i, detail) {
    this.known.set(i, detail || {});
    if (i === this.i) this.paint();
  }

  paint() {
    const { store, i } = this;
    const node = store.topo.nodes[i];
    if (!node) return;
    const code = store.code(i);
    const detail = this.known.get(i) || {};
    setText(this.title, node.label);
    if (this.code !== code) this.state.replaceChildren(pill((this.code = code), word(code)));
    this.go.hidden = code !== "w";
    this.paintFacts(node, detail);
    this.part("cells", node.n > 1 && detail.cells, "Mapped tasks", () => cellsOf(detail.cells));
    this.part("failures", detail.failures?.length && detail.failures, "First failures", () => failuresOf(detail.failures));
    this.part("change", detail.change, "Changed since it ran", () => changeOf(detail.change));
    this.part("error", detail.error, "Error", () => errorOf(detail.error));
    this.part("attempts", detail.attempts?.length > 1 && detail.attempts, "Attempts", () => attemptsOf(detail.attempts));
    this.part("value", detail.value ?? detail.out, "Value", () => el("pre", {}, previewOf(detail.value ?? detail.out)));
    this.part("log", detail.log, "Log", () => logOf(detail.log));
    this.part("story", detail.story?.length && detail.story, "Story", () => storyOf(detail.story));
    const bare = !this.body.childElementCount && this.known.has(i);
    this.part("nothing", bare, "", () => el("p", { class: "quiet" }, "pq".includes(code) ? "Nothing has happened here yet." : "There is nothing more to show."));
  }

  paintFacts(node, detail) {
    const { store, i } = this;
    const [t0, , attempt, done, total] = store.row(i);
    const facts = [];
    if (detail.function && detail.function !== node.label) facts.push(["Function", detail.function]);
    if (t0) facts.push(["Started", clockTime(t0, true)], ["Took", duration(store.took(i))]);
    if (attempt) facts.push(["Attempts", String(attempt)]);
    if (total) facts.push([node.n > 1 ? "Finished" : "Progress", `${count(done || 0)} of ${count(total)}`]);
    for (const [name, value] of Object.entries(detail.facts || {})) facts.push([name, String(value)]);
    if (detail.key) facts.push(["Checkpoint", detail.key]);
    const key = JSON.stringify(facts);
    if (this.factsKey === key) return;
    this.factsKey = key;
    this.facts.replaceChildren(...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  }

  /** Keep one section; it is made again only when its content changed, so a selection or a scroll position stays. */
  part(name, content, title, make) {
    const key = content ? JSON.stringify(content) : "";
    const old = this.parts.get(name);
    if (old?.key === key) return;
    if (!content) {
      old?.node.remove();
      this.parts.delete(name);
      return;
    }
    const node = el("section", { class: "sec", "data-part": name }, title ? el("h4", {}, title) : null, make());
    if (old) old.node.replaceWith(node);
    else this.body.append(node);
    if (name !== "nothing") {
      this.parts.get("nothing")?.node.remove();
      this.parts.delete("nothing");
    }
    this.parts.set(name, { key, node });
    const log = node.querySelector(".log");
    if (log) log.scrollTop = log.scrollHeight; // the tail is what matters
  }
}

function cellsOf(cells) {
  const bin = Math.ceil(cells.length / CELLS);
  const worst = (part) => [...WORST_FIRST].find((code) => part.includes(code)) || "p";
  const list = [];
  for (let i = 0; i < cells.length; i += bin) {
    const code = worst(cells.slice(i, i + bin));
    const name = bin > 1 ? `#${i} to #${Math.min(i + bin, cells.length) - 1}` : `#${i}`;
    list.push(el("i", { class: `c-${code}`, title: `${name}: ${word(code)}` }));
  }
  const text = [...WORST_FIRST].map((code) => [code, cells.split(code).length - 1]).filter(([, n]) => n);
  const label = text.map(([code, n]) => `${n} ${word(code).toLowerCase()}`).join(", ");
  return el("div", { class: "cells", role: "img", "aria-label": label }, ...list);
}

function failuresOf(failures) {
  const line = (one) => el("li", {}, icon("f", 13), el("b", {}, one.label ?? one.node_id ?? ""), ` ${one.message ?? one.error ?? ""}`);
  return el("ul", { class: "plain" }, ...failures.map(line));
}

/** What differs from what made the result: in words, and the lines that went and came. */
function changeOf(change) {
  const kind = (line) => ({ "+": "came", "-": "went" })[line[0]] || (line.startsWith("...") ? "gap" : "");
  const line = (one) => el("span", { class: kind(one) }, one || " ");
  const diff = change.diff ? el("pre", { class: "diff", tabindex: 0 }, ...change.diff.split("\n").map(line)) : null;
  return el("div", {}, el("p", { class: "chgline" }, change.what), diff);
}

function errorOf(error) {
  if (typeof error === "string") return el("pre", { class: "tb" }, error);
  const head = el("p", { class: "errline" }, el("b", {}, error.type || "Error"), error.message ? `: ${error.message}` : "");
  return el("div", {}, head, error.traceback ? el("pre", { class: "tb", tabindex: 0 }, error.traceback) : null);
}

function attemptsOf(attempts) {
  const line = (one, i) => {
    const failed = Boolean(one.error);
    const said = failed ? (typeof one.error === "string" ? one.error : `${one.error.type}: ${one.error.message}`) : "";
    const took = one.ended && one.started ? duration(one.ended - one.started) : "";
    return el("li", {}, icon(failed ? "f" : one.ended ? "s" : "r", 13), el("b", {}, `${one.attempt ?? i + 1}`), ` ${[took, said].filter(Boolean).join(" · ")}`);
  };
  return el("ul", { class: "plain" }, ...attempts.map(line));
}

function previewOf(value) {
  if (typeof value === "string") return value;
  return [value.type, value.preview].filter(Boolean).join("\n");
}

function logOf(log) {
  return el("pre", { class: "log", tabindex: 0 }, Array.isArray(log) ? log.join("\n") : log);
}

function storyOf(story) {
  const line = (one) => (typeof one === "string" ? el("li", {}, one) : el("li", {}, one.at ? el("time", {}, clockTime(one.at, true)) : null, el("span", {}, one.text)));
  return el("ol", { class: "story" }, ...story.map(line));
}
