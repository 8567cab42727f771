// The top of the view: what run this is and how it stands, how far it is, and the two things one can do to it.
import { count, duration, el, setText } from "./dom.js";
import { BAR_ORDER, FINISHED, icon, pill, runLook, word } from "./states.js";

const SURE = 4000; // ms in which a second click on Cancel means it
const CAN_CANCEL = ["new", "running", "waiting", "resumable"];
const CAN_RESUME = ["failed", "resumable"];

export class Header {
  /** `hooks`: send(message), filter(code). */
  constructor(store, hooks) {
    Object.assign(this, { store, hooks, filter: "", was: null });
    this.name = el("span", { class: "name" });
    this.id = el("span", { class: "rid" });
    this.state = el("span", { class: "state" });
    this.elapsed = el("span", { class: "elapsed" });
    this.cancel = el("button", { type: "button", class: "btn", click: () => this.pressCancel() }, "Cancel run");
    this.resume = el("button", { type: "button", class: "btn go", click: () => this.pressResume() }, "Resume");
    this.actions = el("span", { class: "actions" }, this.resume, this.cancel);
    this.top = el("header", {}, this.name, this.id, this.state, this.elapsed, this.actions);
    this.bar = el("div", { class: "prog", role: "progressbar", "aria-label": "Run progress", "aria-valuemin": 0, "aria-valuemax": 100 });
    this.chips = el("div", { class: "chips", role: "group", "aria-label": "Tasks by state" });
    this.total = el("span", { class: "total" });
    this.node = el("div", {}, this.top, this.bar, this.chips);
    this.pieces = new Map();
    this.buttons = new Map();
  }

  paint() {
    const { run } = this.store;
    const [code, text] = runLook(run);
    setText(this.name, run.name || "Workflow");
    setText(this.id, run.id || "");
    if (this.look !== code + text) {
      this.look = code + text;
      this.state.replaceChildren(pill(code, text));
    }
    if (this.was !== run.state) {
      this.was = run.state;
      this.calmDown();
      this.cancel.hidden = !CAN_CANCEL.includes(run.state);
      this.resume.hidden = !CAN_RESUME.includes(run.state);
      setText(this.resume, run.state === "failed" ? "Resume from failure" : "Resume");
    }
    this.paintTime();
    this.paintCounts();
  }

  paintTime() {
    const { t0, t1, state } = this.store.run;
    const ticking = ["running", "waiting"].includes(state);
    setText(this.elapsed, t0 && (t1 || ticking) ? duration((t1 || this.store.now()) - t0) : "");
  }

  paintCounts() {
    const { counts, total } = this.store.counts();
    const key = JSON.stringify([counts, total, this.filter]);
    if (this.key === key) return;
    this.key = key;
    const present = [...BAR_ORDER].filter((code) => counts[code]);
    const finished = [...FINISHED].reduce((sum, code) => sum + (counts[code] || 0), 0);
    this.sync(this.bar, this.pieces, present.filter((code) => !"pq".includes(code)), (code) => el("i", { style: `background:var(--${code}-s)` }));
    for (const [code, piece] of this.pieces) piece.style.width = `${((counts[code] || 0) / total) * 100}%`;
    this.bar.setAttribute("aria-valuenow", total ? Math.round((finished / total) * 100) : 0);
    this.bar.setAttribute("aria-valuetext", `${finished} of ${total} tasks finished`);
    this.sync(this.chips, this.buttons, present, (code) => this.chip(code));
    for (const [code, chip] of this.buttons) {
      setText(chip.querySelector("b"), count(counts[code] || 0));
      chip.setAttribute("aria-pressed", String(this.filter === code));
    }
    const scene = this.store.topo.edges?.some((edge) => edge[3]); // a machine or a flow is not so and so far
    this.bar.hidden = scene;
    setText(this.total, scene ? "" : total ? `${count(finished)} of ${count(total)} tasks` : "");
    if (this.total.parentNode !== this.chips || this.total.nextSibling) this.chips.append(this.total);
  }

  /** Keep one element for each code, in order; what stays is not touched, so a focus or a transition survives. */
  sync(parent, known, codes, make) {
    for (const [code, node] of known) {
      if (codes.includes(code)) continue;
      node.remove();
      known.delete(code);
    }
    codes.forEach((code, i) => {
      if (!known.has(code)) known.set(code, make(code));
      if (parent.children[i] !== known.get(code)) parent.insertBefore(known.get(code), parent.children[i] || null);
    });
  }

  chip(code) {
    const name = word(code).toLowerCase();
    return el("button", { type: "button", class: "chip", title: `Show only: ${name}`, click: () => this.hooks.filter(this.filter === code ? "" : code) }, icon(code, 13), el("b"), ` ${name}`);
  }

  setFilter(code) {
    this.filter = code;
    this.paintCounts();
  }

  pressCancel() {
    if (!this.timer) {
      setText(this.cancel, "Really cancel?");
      this.cancel.classList.add("neg");
      this.timer = setTimeout(() => this.calmDown(), SURE);
      return;
    }
    this.calmDown();
    this.cancel.disabled = true;
    setText(this.cancel, "Canceling…");
    this.later = setTimeout(() => this.calmDown(), SURE * 2);
    this.hooks.send({ t: "cancel" });
  }

  pressResume() {
    this.resume.disabled = true;
    setText(this.resume, "Resuming…");
    this.later = setTimeout(() => {
      this.was = null;
      this.resume.disabled = false;
      this.paint();
    }, SURE * 2);
    this.hooks.send({ t: "resume" });
  }

  calmDown() {
    clearTimeout(this.timer);
    clearTimeout(this.later);
    this.timer = 0;
    this.cancel.disabled = this.resume.disabled = false;
    this.cancel.classList.remove("neg");
    setText(this.cancel, "Cancel run");
  }
}
