// The list of runs: as many rows as fit exist, however many runs there are. What needs a person stands on top, then
// what is under way; the rest goes by its creation, so that nothing jumps about while it is looked at.
import { count, duration, el, setText, sortHead } from "../../live/js/dom.js";
import { BAR_ORDER, icon, pill, runLook } from "../../live/js/states.js";
import { ago, fullTime } from "./ago.js";

const ROW = 48; // px
const TOP = 32; // px of the head
const SEEN = 7.5; // rows: half a row says that there are more
const SURE_MS = 4000; // in which a second click on Cancel means it
const URGENT = ["waiting", "running", "new", "resumable"];
const FIELDS = [
  ["id", "Run"],
  ["state", "State"],
  ["progress", "Progress"],
  ["asks", "Asks", "num"],
  ["created", "Created"],
  ["changed", "Changed"],
  ["", ""],
];
const SHORT = { waiting: "Needs you", resumable: "Stopped" }; // a column is narrow: the words of the live view are longer
export const NOBODY = 0, HERE = 1, ELSEWHERE = 2;

/** A row of the message as names. */
export function runOf(id, row) {
  const [name, state, done, total, counts, asks, created, changed, t0, t1, where, trouble] = row;
  return { id, name, state, done, total, counts, asks, created, changed, t0, t1, where, trouble };
}

export class RunTable {
  /** `hooks`: open(id), act(kind, id), now(). */
  constructor(hooks) {
    Object.assign(this, { hooks, runs: [], order: [], pool: [], cursor: 0, sort: null, filter: "", words: "", opened: "" });
    this.head = el("div", { class: "rhead", role: "row" });
    this.inner = el("div", { class: "rrows", role: "rowgroup" });
    this.empty = el("div", { class: "rempty", hidden: true });
    this.grid = el("div", { class: "rgrid", role: "grid", "aria-label": "Runs", scroll: () => this.paint(), keydown: (event) => this.key(event) }, this.head, this.inner);
    this.node = el("div", { class: "rbox" }, this.grid, this.empty);
    this.drawHead();
  }

  drawHead() {
    const cells = FIELDS.map(([key, title, kind]) => {
      if (!key) return el("span", { role: "columnheader", class: "racts" }, el("span", { class: "sr" }, "What can be done"));
      return sortHead(key, title, kind, this.sort, (by) => this.sortBy(by));
    });
    this.head.replaceChildren(...cells);
  }

  /** One way, the other, and back to the usual order. Times begin with the newest. */
  sortBy(key) {
    const first = ["created", "changed", "asks"].includes(key) ? -1 : 1;
    const [by, way] = this.sort || [];
    this.sort = by !== key ? [key, first] : way === first ? [key, -first] : null;
    this.drawHead();
    this.draw();
    this.head.children[FIELDS.findIndex((field) => field[0] === key)].firstChild.focus();
  }

  /** Take the runs as they are now. */
  take(runs) {
    this.runs = runs;
    this.draw();
  }

  choose(filter, words) {
    this.filter = filter;
    this.words = words.toLowerCase();
    this.grid.scrollTop = 0;
    this.draw();
  }

  draw() {
    const { filter, words } = this;
    const holds = (run) => (!filter || run.state === filter) && (!words || run.id.toLowerCase().includes(words) || run.name.toLowerCase().includes(words));
    const at = this.order[this.cursor]?.id;
    this.order = this.runs.filter(holds);
    this.rank();
    this.cursor = Math.max(0, this.order.findIndex((run) => run.id === at));
    this.inner.style.height = `${this.order.length * ROW}px`;
    this.grid.style.height = `${TOP + 1 + Math.min(this.order.length, SEEN) * ROW}px`;
    this.grid.hidden = !this.order.length;
    this.grid.setAttribute("aria-rowcount", this.order.length + 1);
    this.empty.hidden = this.order.length > 0;
    this.paint();
  }

  rank() {
    const urgency = (run) => (URGENT.includes(run.state) ? URGENT.indexOf(run.state) : URGENT.length);
    const keys = {
      id: (run) => `${run.name} ${run.id}`.toLowerCase(),
      state: (run) => `${urgency(run)} ${run.state}`,
      progress: (run) => (run.total ? run.done / run.total : -1),
      asks: (run) => run.asks,
      created: (run) => run.created || 0,
      changed: (run) => run.changed || 0,
    };
    const [by, way] = this.sort || ["", 1];
    const key = keys[by] || urgency;
    const newest = (a, b) => (b.created || 0) - (a.created || 0) || (a.id < b.id ? -1 : 1);
    this.order.sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      return x < y ? -way : x > y ? way : newest(a, b);
    });
  }

  /** Fill the rows that are in sight. */
  paint() {
    if (!this.grid.clientHeight) return;
    const from = Math.max(0, Math.floor(this.grid.scrollTop / ROW) - 2);
    const to = Math.min(this.order.length, from + Math.ceil(this.grid.clientHeight / ROW) + 4);
    const active = this.grid.getRootNode().activeElement;
    const focused = this.inner.contains(active) && active.classList.contains("rrow");
    while (this.pool.length < to - from) this.pool.push(this.makeRow());
    this.cursor = Math.min(this.cursor, Math.max(0, this.order.length - 1));
    this.pool.forEach((row, k) => {
      row.node.hidden = from + k >= to;
      if (!row.node.hidden) this.fill(row, this.order[from + k], from + k);
    });
    if (focused) this.rowAt(this.cursor)?.node.focus({ preventScroll: true });
  }

  rowAt(place) {
    return this.pool.find((row) => row.place === place && !row.node.hidden);
  }

  makeRow() {
    const row = { cells: FIELDS.map(([key, , kind]) => el("span", { role: "gridcell", class: kind || (key ? null : "racts") })) };
    row.title = el("b");
    row.id = el("span", { class: "rid" });
    row.cells[0].append(row.title, row.id);
    row.bar = el("span", { class: "rbar", "aria-hidden": "true" });
    row.told = el("span", { class: "rtold" });
    row.cells[2].append(row.bar, row.told);
    row.resume = el("button", { type: "button", class: "btn go", click: (event) => this.press(event, row, "resume") });
    row.cancel = el("button", { type: "button", class: "btn", click: (event) => this.press(event, row, "cancel") }, "Cancel");
    row.cells[6].append(row.resume, row.cancel);
    row.node = el("div", { class: "rrow", role: "row", tabindex: -1, click: () => this.hooks.open(row.run.id) }, ...row.cells);
    this.inner.append(row.node);
    return row;
  }

  fill(row, run, place) {
    if (row.run?.id !== run.id) this.calm(row);
    Object.assign(row, { run, place });
    row.node.style.transform = `translateY(${place * ROW}px)`;
    row.node.setAttribute("aria-rowindex", place + 2);
    row.node.setAttribute("tabindex", place === this.cursor ? 0 : -1);
    row.node.setAttribute("aria-selected", String(run.id === this.opened));
    row.node.title = run.trouble || "";
    row.node.classList.toggle("bad", Boolean(run.trouble));
    setText(row.title, run.name || "Workflow");
    setText(row.id, run.id);
    const [code, long] = runLook(run);
    const text = SHORT[run.state] || long;
    if (row.look !== code + text) {
      row.look = code + text;
      row.cells[1].replaceChildren(pill(code, text));
    }
    this.fillProgress(row, run);
    if (row.asks !== run.asks) {
      row.asks = run.asks;
      row.cells[3].replaceChildren(...(run.asks ? [el("span", { class: "rasks" }, icon("w", 13), String(run.asks), el("span", { class: "sr" }, " open questions"))] : []));
    }
    const now = this.hooks.now();
    for (const [cell, at] of [[row.cells[4], run.created], [row.cells[5], run.changed]]) {
      setText(cell, ago(at, now));
      cell.title = fullTime(at);
    }
    row.resume.hidden = !(run.where === NOBODY && ["resumable", "failed"].includes(run.state));
    row.cancel.hidden = !(run.where === NOBODY && run.state === "resumable");
    setText(row.resume, row.busy ? "Resuming…" : "Resume here");
    row.resume.setAttribute("aria-label", `Resume ${run.id} here`);
  }

  fillProgress(row, run) {
    const key = JSON.stringify(run.counts);
    if (row.counts !== key) {
      row.counts = key;
      const parts = [...BAR_ORDER].filter((code) => run.counts[code] && !"pq".includes(code));
      row.bar.replaceChildren(...parts.map((code) => el("i", { style: `width:${(run.counts[code] / run.total) * 100}%;background:var(--${code}-s)` })));
      row.bar.hidden = !run.total;
    }
    const ticking = run.t0 && (run.t1 || run.where !== NOBODY);
    const took = ticking ? ` · ${duration(Math.max(0, Math.round((run.t1 || this.hooks.now()) - run.t0))).replace(/^0 ms$/, "<1 s").replace(/\.0 s$/, " s")}` : "";
    setText(row.told, run.total ? `${count(run.done)} of ${count(run.total)}${took}` : "");
  }

  press(event, row, kind) {
    event.stopPropagation();
    if (kind === "cancel" && !row.sure) {
      row.sure = setTimeout(() => this.calm(row), SURE_MS);
      setText(row.cancel, "Really?");
      row.cancel.classList.add("neg");
      return;
    }
    this.hooks.act(kind, row.run.id);
    this.calm(row);
    row.busy = kind === "resume";
    row.resume.disabled = row.cancel.disabled = true;
    setText(row[kind], kind === "resume" ? "Resuming…" : "Canceling…");
    row.wait = setTimeout(() => this.calm(row), SURE_MS * 2);
  }

  calm(row) {
    clearTimeout(row.sure);
    clearTimeout(row.wait);
    row.sure = row.wait = 0;
    row.busy = false;
    row.resume.disabled = row.cancel.disabled = false;
    row.cancel.classList.remove("neg");
    setText(row.cancel, "Cancel");
    setText(row.resume, "Resume here");
  }

  /** What was asked for a run could not be done: its buttons can be pressed again. */
  refused(id) {
    for (const row of this.pool) if (row.run?.id === id) this.calm(row);
  }

  key(event) {
    if (!event.target.classList.contains("rrow")) return;
    const page = Math.max(1, Math.floor((this.grid.clientHeight - TOP) / ROW) - 1);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === "Enter" || event.key === " ") this.hooks.open(this.order[this.cursor].id);
    else if (step) this.goTo(Math.max(0, Math.min(this.order.length - 1, this.cursor + step)));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  goTo(place) {
    this.cursor = place;
    const seen = this.grid.clientHeight - TOP;
    if (place * ROW < this.grid.scrollTop) this.grid.scrollTop = place * ROW;
    else if ((place + 1) * ROW > this.grid.scrollTop + seen) this.grid.scrollTop = (place + 1) * ROW - seen;
    this.paint();
    this.rowAt(place)?.node.focus({ preventScroll: true });
  }

  select(id) {
    this.opened = id;
    this.paint();
  }

  focusOn(id) {
    const place = this.order.findIndex((run) => run.id === id);
    if (place >= 0) this.goTo(place);
  }
}
