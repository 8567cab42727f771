// The table: as many rows as fit exist, whatever the size of the run. In the order of the run when all of it fits,
// else what needs attention first.
import { count, duration, el, setText, sortHead } from "./dom.js";
import { BAR_ORDER, CODES, icon, MOVING, URGENT_FIRST, word } from "./states.js";

const HIGH = 30; // px of a row
const HEAD = 30;
const COLUMNS = [
  ["name", "Task"],
  ["state", "State"],
  ["took", "Took", "num"],
  ["tries", "Tries", "num"],
  ["when", "When"],
  ["note", "Note"],
];

export class Table {
  /** `hooks`: open(i, focus), filter(code). */
  constructor(store, hooks) {
    Object.assign(this, { store, hooks, sort: null, order: [], pool: [], cursor: 0, filter: "" });
    this.search = el("input", { type: "text", placeholder: "Filter tasks…", "aria-label": "Filter tasks", input: () => this.draw() });
    const options = CODES.map((code) => el("option", { value: code }, word(code)));
    this.states = el("select", { "aria-label": "Filter by state", change: () => hooks.filter(this.states.value) }, el("option", { value: "" }, "All states"), ...options);
    this.shown = el("span", { class: "cnt" });
    this.head = el("div", { class: "thead", role: "row" });
    this.inner = el("div", { class: "rows", role: "rowgroup" });
    this.empty = el("p", { class: "empty", hidden: true });
    this.grid = el("div", { class: "vp", role: "grid", "aria-label": "Tasks", scroll: () => this.paint(), keydown: (event) => this.key(event) }, this.head, this.inner, this.empty);
    this.bar = el("div", { class: "bar" }, this.search, this.states, this.shown);
    this.node = el("div", { class: "tablebox" }, this.bar, this.grid);
    this.drawHead();
  }

  drawHead() {
    this.head.replaceChildren(...COLUMNS.map(([key, title, kind]) => sortHead(key, title, kind, this.sort, (by) => this.sortBy(by))));
  }

  /** Ascending, descending, and back to the usual order. */
  sortBy(key) {
    const [by, way] = this.sort || [];
    this.sort = by !== key ? [key, 1] : way > 0 ? [key, -1] : null;
    this.drawHead();
    this.draw();
    this.head.children[COLUMNS.findIndex((column) => column[0] === key)].firstChild.focus();
  }

  setFilter(code) {
    this.filter = this.states.value = code;
    this.draw();
  }

  /** Fit into `height` px, or be as high as the rows up to `rows` of them. */
  resize(height, rows) {
    this.room = height ? height - this.bar.offsetHeight : rows * HIGH + HEAD;
    this.fixed = Boolean(height);
    this.draw();
  }

  draw() {
    const { nodes } = this.store.topo;
    const words = this.search.value.toLowerCase();
    this.order = [];
    for (let i = 0; i < nodes.length; i++) {
      if (words && !nodes[i].label.toLowerCase().includes(words)) continue;
      if (this.filter && !this.store.holds(i, this.filter)) continue;
      this.order.push(i);
    }
    this.rank();
    const high = Math.max(this.order.length * HIGH, 0);
    this.inner.style.height = `${high}px`;
    this.grid.style.height = `${this.fixed ? this.room : Math.min(Math.max(high, HIGH * 2) + HEAD + 1, this.room)}px`;
    this.grid.setAttribute("aria-rowcount", this.order.length + 1);
    setText(this.shown, `${count(this.order.length)} of ${count(nodes.length)}`);
    this.empty.hidden = this.order.length > 0;
    setText(this.empty, nodes.length ? "No task is like that." : "Nothing to run yet.");
    this.paint();
  }

  rank() {
    const { store } = this;
    const urgency = (i) => URGENT_FIRST.indexOf(store.code(i));
    const keys = {
      name: (i) => store.topo.nodes[i].label,
      state: (i) => BAR_ORDER.indexOf(store.code(i)),
      took: (i) => store.took(i) ?? -1,
      tries: (i) => store.row(i)[2] || 0,
      when: (i) => store.row(i)[0] || Infinity,
      note: (i) => store.note(i),
    };
    const fits = this.order.length * HIGH + HEAD <= this.room;
    if (!this.sort && fits) return;
    const [by, way] = this.sort || ["", 1];
    const key = keys[by] || urgency;
    this.order.sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      return x < y ? -way : x > y ? way : a - b;
    });
  }

  /** Fill the rows that are in sight. */
  paint() {
    if (!this.grid.clientHeight) return;
    const from = Math.max(0, Math.floor(this.grid.scrollTop / HIGH) - 2);
    const to = Math.min(this.order.length, from + Math.ceil(this.grid.clientHeight / HIGH) + 4);
    const focused = this.inner.contains(this.grid.getRootNode().activeElement);
    while (this.pool.length < to - from) this.pool.push(this.makeRow());
    const span = this.span();
    this.cursor = Math.min(this.cursor, Math.max(0, this.order.length - 1));
    this.pool.forEach((row, k) => {
      const place = from + k;
      row.node.hidden = place >= to;
      if (!row.node.hidden) this.fill(row, this.order[place], place, span);
    });
    if (focused) this.pool.find((row) => row.place === this.cursor && !row.node.hidden)?.node.focus({ preventScroll: true });
  }

  /** From when to when the bars of the table go: values restored from an earlier time do not stretch it. */
  span() {
    const { run } = this.store;
    const end = run.t1 || (["running", "waiting"].includes(run.state) ? this.store.now() : this.latest());
    let start = run.t0 || 0;
    if (!start) for (const row of Object.values(this.store.rows)) if (row[0] && (!start || row[0] < start)) start = row[0];
    return [start, Math.max(end - start, 0.001)];
  }

  latest() {
    return Object.values(this.store.rows).reduce((last, row) => Math.max(last, row[1] || row[0] || 0), 0);
  }

  makeRow() {
    const cells = COLUMNS.map(([key, , kind]) => el("span", { role: "gridcell", class: kind || (key === "note" ? "note" : null) }));
    const row = { cells, bar: el("i") };
    cells[4].append(el("span", { class: "tl" }, row.bar));
    row.name = el("span");
    row.times = el("span", { class: "times" });
    cells[0].append(row.name, row.times);
    row.node = el("div", { class: "trow", role: "row", tabindex: -1, click: () => this.hooks.open(row.i) }, ...cells);
    this.inner.append(row.node);
    return row;
  }

  fill(row, i, place, [start, span]) {
    const { store } = this;
    const code = store.code(i);
    const node = store.topo.nodes[i];
    const [t0, t1, attempt] = store.row(i);
    Object.assign(row, { i, place });
    if (row.top !== place) {
      row.top = place;
      row.node.style.transform = `translateY(${place * HIGH}px)`;
      row.node.setAttribute("aria-rowindex", place + 2);
    }
    row.node.setAttribute("tabindex", place === this.cursor ? 0 : -1);
    row.node.classList.toggle("sel", this.selected === i);
    setText(row.name, node.label);
    setText(row.times, node.n > 1 ? ` × ${count(node.n)}` : "");
    if (row.code !== code) {
      row.code = code;
      row.cells[1].replaceChildren(el("span", { class: "st", style: `color:var(--${code}-i)` }, icon(code), word(code)));
      row.bar.style.background = `var(--${code}-s)`;
    }
    setText(row.cells[2], code === "c" ? "" : duration(store.took(i)));
    setText(row.cells[3], attempt ? String(attempt) : "");
    const note = store.note(i);
    setText(row.cells[5], note);
    row.node.title = note ? `${node.label}: ${note}` : node.label;
    const end = t1 || (MOVING.includes(code) ? start + span : t0);
    const seen = t0 && end >= start;
    const left = seen ? Math.max(0, ((t0 - start) / span) * 100) : 0;
    row.bar.style.left = `${Math.min(left, 99)}%`;
    row.bar.style.width = seen ? `${Math.max(0.5, Math.min(((end - start) / span) * 100, 100) - left)}%` : "0";
    row.bar.hidden = !seen;
  }

  key(event) {
    if (!event.target.classList.contains("trow")) return;
    const page = Math.max(1, Math.floor((this.grid.clientHeight - HEAD) / HIGH) - 1);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === "Enter" || event.key === " ") this.hooks.open(this.order[this.cursor], true);
    else if (step) this.goTo(Math.max(0, Math.min(this.order.length - 1, this.cursor + step)));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  goTo(place) {
    this.cursor = place;
    const top = place * HIGH;
    const seen = this.grid.clientHeight - HEAD;
    if (top < this.grid.scrollTop) this.grid.scrollTop = top;
    else if (top + HIGH > this.grid.scrollTop + seen) this.grid.scrollTop = top + HIGH - seen;
    this.paint();
    this.pool.find((row) => row.place === place && !row.node.hidden)?.node.focus({ preventScroll: true });
  }

  focusOn(i) {
    const place = this.order.indexOf(i);
    if (place >= 0) this.goTo(place);
  }

  select(i) {
    this.selected = i;
    this.paint();
  }
}
