// What the view knows of the run, read from the model's traits, and the questions that all parts ask of it.
import { count, duration } from "./dom.js";
import { word } from "./states.js";

const NOTHING = [null, null, 0, null, null, "", null];

export class Store {
  constructor(model) {
    this.model = model;
    this.skew = 0; // seconds that the kernel's clock is ahead of the browser's
    this.rows = {};
    this.topo = { nodes: [], edges: [] };
    this.st = "";
    this.takeTopology();
  }

  get run() {
    return this.model.get("run") || {};
  }

  now() {
    return Date.now() / 1000 + this.skew;
  }

  takeTopology() {
    this.topo = this.model.get("topo");
    if (!this.topo?.nodes) this.topo = { nodes: [], edges: [] };
    this.st = this.model.get("st") || "";
    this.rows = { ...this.model.get("rows") };
  }

  /** Take the new states; return the nodes that changed. */
  takeStates() {
    const st = this.model.get("st") || "";
    const changed = [];
    for (let i = 0; i < st.length; i++) if (st[i] !== this.st[i]) changed.push(i);
    this.st = st;
    return changed;
  }

  takeRows(rows) {
    Object.assign(this.rows, rows);
    return Object.keys(rows).map(Number);
  }

  /** started, ended, attempt, done, total, note, counts, and how many changed, where there are */
  row(i) {
    return this.rows[i] || NOTHING;
  }

  code(i) {
    return this.st[i] || "p";
  }

  /** True when a node, or one of the stack that it is, has the state. */
  holds(i, code) {
    const counts = this.row(i)[6];
    return counts ? counts[code] > 0 : this.code(i) === code;
  }

  /** How many results of a node, or of the stack that it is, other code or inputs have made than it has now. */
  changed(i) {
    return this.row(i)[7] || 0;
  }

  took(i) {
    const [started, ended] = this.row(i);
    return started ? Math.max(0, (ended || this.now()) - started) : null;
  }

  /** How far a task says it is, from 0 to 1. */
  share(i) {
    const [, , , done, total] = this.row(i);
    return total ? Math.min(done / total, 1) : 0;
  }

  /** The second line on a node. */
  subtitle(i) {
    const code = this.code(i);
    const [, , attempt, done, total, , counts] = this.row(i);
    const size = this.topo.nodes[i]?.n || 1;
    if (size > 1) return `${count(done || 0)} of ${count(size)}${counts?.f ? ` · ${count(counts.f)} failed` : ""}`;
    if (code === "r" && total) return `${Math.round(this.share(i) * 100)} %`;
    if (code === "r") return duration(this.took(i)) || word(code);
    if (code === "y") return `attempt ${attempt + 1}`;
    if ("sf".includes(code)) return `${duration(this.took(i)) || word(code)}${attempt > 1 ? ` · ${attempt} tries` : ""}`;
    return word(code);
  }

  /** The third column of words: what a task says for itself. */
  note(i) {
    const [, , , done, total, note] = this.row(i);
    const size = this.topo.nodes[i]?.n || 1;
    if (size > 1) return note || `${count(done || 0)} of ${count(size)}`;
    return note || (this.code(i) === "r" && total ? `${count(done)} of ${count(total)}` : "");
  }

  /** How many tasks have each state; a stack counts for all its members. */
  counts() {
    const counts = {};
    let total = 0;
    for (let i = 0; i < this.topo.nodes.length; i++) {
      const inside = this.row(i)[6];
      const size = this.topo.nodes[i].n || 1;
      for (const [code, n] of inside ? Object.entries(inside) : [[this.code(i), size]]) counts[code] = (counts[code] || 0) + n;
      total += size;
    }
    return { counts, total };
  }
}
