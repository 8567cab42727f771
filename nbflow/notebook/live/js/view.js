// The live view of a run: puts its parts together and keeps them true to the model.
//
// From the kernel come the traits topo, st, rows, run, asks and panels, and the messages rows, detail, receipt, acted
// and note. To the kernel go the messages hello, bye, detail, answer, act, dir, draw, cancel and resume. All changes of one frame are
// drawn together; nothing is drawn while the view is out of sight.
import { Details } from "./details.js";
import { el, setText, walkable } from "./dom.js";
import { Graph } from "./graph.js";
import { Header } from "./header.js";
import { Panels } from "./panels.js";
import { Questions } from "./questions.js";
import { runLook, word } from "./states.js";
import { Store } from "./store.js";
import { Table } from "./table.js";
import { watchTheme } from "./theme.js";

const TICK = 500; // ms between two looks at the clock: durations and countdowns tick in the browser
const WIDE = 820; // px from which the table stands beside the graph
const TABS = [["both", "Overview"], ["graph", "Graph"], ["table", "Table"]];

class View {
  constructor(model, host) {
    this.model = model;
    this.uid = `nbf${Math.random().toString(36).slice(2, 8)}`;
    this.store = new Store(model);
    this.dirty = new Set();
    this.inSight = true;
    this.build();
    host.append(this.root);
    this.tab("both");
    this.listen();
    this.topology();
    this.header.paint();
    this.questions.update(model.get("asks") || []);
    this.panels.update(model.get("panels") || []);
    this.send({ t: "hello", view: this.uid });
  }

  build() {
    const send = (message) => this.send(message);
    const filter = (code) => this.setFilter(code);
    const open = (i, focus) => this.open(i, focus);
    this.root = el("section", { class: "nbf", "aria-label": "Workflow run" });
    this.header = new Header(this.store, { send, filter });
    this.questions = new Questions({
      root: this.root, uid: this.uid, send: (message) => this.model.send(message), say: (text) => this.say(text),
      now: () => this.store.now(), run: () => this.store.run, refresh: () => this.questions.update(this.model.get("asks") || []),
    });
    this.graph = new Graph(this.store, { uid: this.uid, send, open, close: () => this.close() });
    this.table = new Table(this.store, { open, filter });
    this.details = new Details(this.store, { send, close: (back) => this.close(back), answer: (i) => this.toQuestion(i) });
    this.panels = new Panels({ send });
    this.tabs = TABS.map(([name, title]) => el("button", { type: "button", role: "tab", "data-t": name, id: `${this.uid}-tab-${name}`, click: () => this.choose(name) }, title));
    const tablist = el("div", { class: "tabs", role: "tablist", "aria-label": "Parts of the view" }, ...this.tabs);
    walkable(tablist, (button) => this.choose(button.dataset.t));
    this.note = el("p", { class: "kernelnote", role: "status", hidden: true });
    this.panes = el("div", { class: "panes", id: `${this.uid}-panes`, role: "tabpanel" }, this.graph.node, this.table.node, this.details.node);
    this.live = el("div", { class: "sr", role: "status", "aria-live": "polite" });
    this.root.append(this.header.node, this.note, this.questions.node, tablist, this.panes, this.panels.node, this.live);
    for (const button of this.tabs) button.setAttribute("aria-controls", this.panes.id);
    // to the notebook a plain key is a command, whatever has the focus: X would cut the cell, D D delete it
    this.root.addEventListener("keydown", (event) => event.ctrlKey || event.metaKey || event.altKey || event.stopPropagation());
  }

  // ---- what comes in ----

  listen() {
    const { model } = this;
    const on = {
      "change:st": () => this.states(),
      "change:rows": () => this.rows(model.get("rows")),
      "change:topo": () => this.soon((this.newTopology = true)),
      "change:run": () => this.soon(),
      "change:asks": () => this.questions.update(model.get("asks") || []),
      "change:panels": () => this.panels.update(model.get("panels") || []),
      "msg:custom": (message) => this.message(message),
    };
    for (const [event, handler] of Object.entries(on)) model.on(event, handler);
    const resize = new ResizeObserver(() => this.resized());
    resize.observe(this.root);
    const sight = new IntersectionObserver(([entry]) => this.sight(entry.isIntersecting), { rootMargin: "200px" });
    sight.observe(this.root);
    const offTheme = watchTheme(this.root, () => this.questions.repaint());
    const clock = setInterval(() => this.tick(), TICK);
    this.dispose = () => {
      for (const [event, handler] of Object.entries(on)) model.off(event, handler);
      resize.disconnect();
      sight.disconnect();
      offTheme();
      clearInterval(clock);
      cancelAnimationFrame(this.frame);
      this.graph.view.stop();
      this.questions.leave();
      this.send({ t: "bye", view: this.uid });
    };
  }

  states() {
    if (this.newTopology) return;
    const changed = this.store.takeStates();
    for (const i of changed) this.dirty.add(i);
    const told = changed.filter((i) => "f".includes(this.store.code(i))).map((i) => `${this.store.topo.nodes[i]?.label}: ${word(this.store.code(i))}`);
    if (told.length) this.say(told.slice(0, 3).join(", "));
    this.soon();
  }

  rows(rows) {
    if (!rows || this.newTopology) return; // a topology brings all rows with it
    for (const i of this.store.takeRows(rows)) this.dirty.add(i);
    this.soon();
  }

  message(message) {
    if (message.t === "rows") {
      if (message.now) this.store.skew = message.now - Date.now() / 1000;
      this.rows(message.rows);
    } else if (message.t === "acted") this.panels.acted(message);
    else if (message.t === "detail") this.details.take(message.i, message.d);
    else if (message.t === "receipt") this.questions.receipt(message);
    else if (message.t === "note") {
      this.note.hidden = !message.text;
      setText(this.note, message.text || "");
    }
  }

  send(message) {
    try {
      this.model.send(message);
    } catch {
      // a saved notebook without a kernel: what is in the model can still be looked at
    }
  }

  // ---- drawing ----

  soon() {
    if (this.inSight) this.frame ||= requestAnimationFrame(() => this.flush());
  }

  flush() {
    this.frame = 0;
    if (this.newTopology) this.topology();
    if (this.dirty.has(this.details.i)) this.details.changed();
    this.graph.paintSome(this.dirty);
    this.dirty.clear();
    this.graph.follow(false);
    this.header.paint();
    if (this.shows("table")) this.table.draw();
    this.tellEnd();
  }

  topology() {
    this.newTopology = false;
    const chosen = this.details.i != null ? this.store.topo.nodes[this.details.i]?.label : null;
    this.store.takeTopology();
    this.dirty.clear();
    this.graph.setTopology();
    if (!this.chosen) this.tab(this.store.topo.table_first ? "table" : "both");
    const again = chosen != null ? this.store.topo.nodes.findIndex((node) => node.label === chosen) : -1;
    this.details.moveTo(again < 0 ? null : again);
    if (again < 0) this.close();
    else {
      this.graph.choose(again);
      this.table.select(again);
    }
    this.resized();
  }

  tellEnd() {
    const { run } = this.store;
    if (run.t1 && this.ended !== run.t1 && this.ended !== undefined) this.say(`Run ${runLook(run)[1].toLowerCase()}`);
    this.ended = run.t1 || null;
  }

  tick() {
    if (document.hidden || !this.inSight) return;
    this.questions.tick();
    const { run, st } = this.store;
    if (run.t1 || !["running", "waiting"].includes(run.state)) return;
    for (let i = 0; i < st.length; i++) if ("rw".includes(st[i])) this.dirty.add(i);
    if (this.details.i != null && "rw".includes(st[this.details.i])) this.details.paint();
    this.dirty.delete(this.details.i);
    if (this.details.i != null) this.graph.paint(this.details.i);
    this.soon();
  }

  sight(inSight) {
    this.inSight = inSight;
    if (inSight) this.soon();
  }

  // ---- tabs and sizes ----

  shows(part) {
    return this.mode === "both" || this.mode === part;
  }

  choose(mode) {
    this.chosen = true;
    this.tab(mode);
  }

  tab(mode) {
    this.mode = mode;
    for (const button of this.tabs) {
      const on = button.dataset.t === mode;
      button.setAttribute("aria-selected", String(on));
      button.setAttribute("tabindex", on ? 0 : -1);
      if (on) this.panes.setAttribute("aria-labelledby", button.id);
    }
    this.resized();
  }

  resized() {
    const wide = this.root.clientWidth;
    if (!wide) return;
    const { topo } = this.store;
    const sideways = topo.rankdir === "LR";
    const side = this.mode === "both" && wide >= WIDE && !sideways;
    this.root.dataset.mode = this.mode === "both" ? (side ? "side" : "stack") : this.mode;
    this.root.dataset.width = wide < 560 ? "narrow" : "wide";
    this.graph.node.hidden = !this.shows("graph");
    this.table.node.hidden = !this.shows("table");
    const high = topo.height || 0;
    const wanted = sideways ? Math.min(Math.max(high + 60, 200), 460) : Math.min(Math.max(high + 40, 240), 600);
    const stage = this.mode === "both" && !side ? Math.min(wanted, 330) : wanted;
    this.graph.node.style.height = `${stage}px`;
    this.table.resize(side ? stage : 0, this.mode === "both" ? 6 : 14);
    this.graph.shown();
  }

  setFilter(code) {
    this.header.setFilter(code);
    this.graph.setFilter(code);
    this.table.setFilter(code);
  }

  // ---- details ----

  open(i, focus) {
    this.cameFromTable = this.table.inner.contains(this.root.getRootNode().activeElement);
    this.details.open(i, focus);
    this.graph.select(i);
    this.table.select(i);
    if (this.root.dataset.mode !== "side" && this.shows("graph")) this.graph.reveal(i, this.details.node.offsetWidth);
  }

  close(focusBack) {
    const i = this.details.i;
    this.details.shut();
    this.graph.select(null);
    this.table.select(null);
    if (!focusBack || i == null) return;
    if (this.cameFromTable && this.shows("table")) this.table.focusOn(i);
    else if (this.shows("graph")) this.graph.focus(i);
  }

  toQuestion(i) {
    this.questions.reveal(this.store.topo.nodes[i].label);
  }

  /** Tell a screen reader, but no more than one thing in a second and a half. */
  say(text) {
    this.saying = text;
    const wait = 1500 - (Date.now() - (this.saidAt || 0));
    clearTimeout(this.sayTimer);
    this.sayTimer = setTimeout(() => {
      this.saidAt = Date.now();
      setText(this.live, this.saying);
    }, Math.max(0, wait));
  }
}

function render({ model, el: host }) {
  const view = new View(model, host);
  return () => view.dispose();
}

export default { render };
