// The dashboard: all runs of a storage, what they ask, and the live view of the one that is opened.
//
// From the kernel come the trait board, which is whole when a page is opened, the trait opened, and the messages
// changed (what differs from the version before), whole, receipt, told and trouble. To it go hello, look, bye, open,
// answer, cancel and resume. The version in every message tells a page when it has missed one.
import { calm, count, el, setText, walkable } from "../../live/js/dom.js";
import { Questions } from "../../live/js/questions.js";
import { icon, runLook } from "../../live/js/states.js";
import { watchTheme } from "../../live/js/theme.js";
import live from "../../live/js/view.js";
import { NOBODY, HERE, RunTable, runOf } from "./runs.js";

const BEAT = 1000; // ms between two looks at the clock
const WORD = 10000; // ms between two words to the kernel that somebody still looks
const READ = 15000; // ms that it takes to read why something could not be done
const NARROW = 620; // px
const MANY = 3; // open questions that are worth counting
const ORDER = ["waiting", "running", "new", "resumable", "failed", "done", "canceled"];
const WORDS = { waiting: "need you", running: "running", new: "not started", resumable: "stopped", failed: "failed", done: "done", canceled: "canceled" };
const OWNERS = ["Nobody runs this run now. Resume it to go on here, in this kernel.", "Runs in this kernel.", "Runs in another kernel. This picture follows its journal."];

class BoardView {
  constructor(model, host) {
    Object.assign(this, { model, filter: "", chips: new Map(), skew: 0, shown: null });
    this.uid = `nbd${Math.random().toString(36).slice(2, 8)}`;
    this.build();
    host.append(this.root);
    this.listen();
    this.take();
    this.open();
    this.send({ t: "hello", view: this.uid, v: this.board.v });
  }

  get board() {
    return { runs: {}, asks: {}, order: [], more: 0, ...this.model.get("board") };
  }

  now() {
    return Date.now() / 1000 + this.skew;
  }

  // ---- parts ----

  build() {
    this.root = el("section", { class: "nbf board", "aria-label": "Workflow runs" });
    this.questions = new Questions({
      root: this.root, uid: this.uid, send: (message) => this.model.send(message), say: (text) => this.say(text),
      now: () => this.now(), run: () => ({ id: "dashboard" }), refresh: () => this.ask(),
    });
    this.table = new RunTable({ open: (id) => this.choose(id), act: (kind, run) => this.send({ t: kind, run }), now: () => this.now() });
    this.search = el("input", { type: "text", placeholder: "Find a run…", "aria-label": "Find a run by name or id", input: () => this.table.choose(this.filter, this.search.value) });
    this.where = el("span", { class: "rid" });
    this.total = el("span", { class: "total" });
    this.chipRow = el("div", { class: "chips", role: "group", "aria-label": "Runs by state" });
    walkable(this.chipRow);
    this.trouble = el("p", { class: "kernelnote bad", role: "alert", hidden: true });
    this.more = el("p", { class: "asksmore", hidden: true });
    this.openedRoom = el("div", { class: "opened", hidden: true });
    this.live = el("div", { class: "sr", role: "status", "aria-live": "polite" });
    const head = el("header", {}, el("span", { class: "name" }, "Runs"), this.where, el("span", { class: "actions" }, this.search));
    this.questions.node.prepend(this.more);
    this.root.append(head, this.chipRow, this.trouble, this.questions.node, this.table.node, this.openedRoom, this.live);
    // to the notebook a plain key is a command, whatever has the focus: X would cut the cell, D D delete it
    this.root.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (event.key === "Escape" && !event.defaultPrevented && !event.target.closest(".opened .nbf") && this.shown) this.choose("");
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  }

  // ---- what comes in ----

  listen() {
    const on = { "change:board": () => this.soon(), "change:opened": () => this.open(), "msg:custom": (message) => this.message(message) };
    for (const [event, handler] of Object.entries(on)) this.model.on(event, handler);
    const sizes = new ResizeObserver(() => this.resized());
    sizes.observe(this.root);
    const sight = new IntersectionObserver(([entry]) => this.sight(entry.isIntersecting), { rootMargin: "200px" });
    sight.observe(this.root);
    const offTheme = watchTheme(this.root, () => this.questions.repaint());
    const clock = setInterval(() => this.tick(), BEAT);
    const bye = () => this.send({ t: "bye", view: this.uid });
    const back = () => this.word(true);
    addEventListener("pagehide", bye);
    document.addEventListener("visibilitychange", back);
    this.dispose = () => {
      for (const [event, handler] of Object.entries(on)) this.model.off(event, handler);
      sizes.disconnect();
      sight.disconnect();
      offTheme();
      clearInterval(clock);
      clearTimeout(this.toldTimer);
      cancelAnimationFrame(this.frame);
      removeEventListener("pagehide", bye);
      document.removeEventListener("visibilitychange", back);
      this.leaveRun?.();
      this.questions.leave();
      bye();
    };
  }

  message(message) {
    if (message.now) this.skew = message.now - Date.now() / 1000;
    if (message.t === "changed") this.changed(message);
    else if (message.t === "whole") this.whole(message);
    else if (message.t === "receipt") this.receipt(message);
    else if (message.t === "told") {
      this.table.refused(message.run);
      this.tell(message.text);
      clearTimeout(this.toldTimer);
      this.toldTimer = setTimeout(() => this.tell(""), READ);
    } else if (message.t === "trouble") this.tell(message.text);
  }

  /** Several views of one model get the same message: the first takes it over for all of them. */
  changed(message) {
    const board = this.board;
    if (message.v <= board.v) return;
    if (message.v !== board.v + 1) {
      this.send({ t: "hello", view: this.uid, v: -1 });
      return;
    }
    const merged = (old, news) => Object.fromEntries(Object.entries({ ...old, ...news }).filter(([, value]) => value !== null));
    const { t, now, ...rest } = message;
    this.model.set("board", { ...board, ...rest, runs: merged(board.runs, message.runs), asks: merged(board.asks, message.asks) });
  }

  whole({ t, now, ...board }) {
    if (board.v !== this.board.v) this.model.set("board", board);
  }

  receipt(message) {
    this.questions.receipt(message);
    const card = this.questions.cards.get(message.id);
    if (card && message.view === this.uid && ["queued", "duplicate"].includes(message.status)) setText(card.note, message.reason || "Sent");
  }

  send(message) {
    try {
      this.model.send(message);
    } catch {
      // a saved notebook without a kernel: what is in the model can still be looked at
    }
  }

  /** Tell the kernel now and then that somebody looks; it rests otherwise. */
  word(atOnce) {
    if (document.hidden || !this.inSight) return;
    if (!atOnce && Date.now() - (this.spoke || 0) < WORD) return;
    this.spoke = Date.now();
    this.send({ t: "look", view: this.uid });
  }

  // ---- drawing ----

  soon() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.take();
    });
  }

  take() {
    const { runs, where } = this.board;
    this.runs = Object.entries(runs).map(([id, row]) => runOf(id, row));
    setText(this.where, where || "");
    this.count();
    this.ask();
    this.table.take(this.runs);
    this.nothing();
    this.owner();
  }

  count() {
    const counts = {};
    for (const run of this.runs) counts[run.state] = (counts[run.state] || 0) + 1;
    const present = ORDER.filter((state) => counts[state]);
    if (this.filter && !counts[this.filter]) this.setFilter("");
    for (const [state, chip] of this.chips) {
      if (counts[state]) continue;
      chip.remove();
      this.chips.delete(state);
    }
    present.forEach((state, i) => {
      if (!this.chips.has(state)) this.chips.set(state, this.chip(state));
      const chip = this.chips.get(state);
      if (this.chipRow.children[i] !== chip) this.chipRow.insertBefore(chip, this.chipRow.children[i] || null);
      setText(chip.querySelector("b"), count(counts[state]));
      setText(chip.lastChild, ` ${state === "waiting" && counts[state] === 1 ? "needs you" : WORDS[state]}`);
      chip.setAttribute("aria-pressed", String(this.filter === state));
    });
    setText(this.total, `${count(this.runs.length)} ${this.runs.length === 1 ? "run" : "runs"}`);
    if (this.total.parentNode !== this.chipRow || this.total.nextSibling) this.chipRow.append(this.total);
    this.chipRow.hidden = !this.runs.length;
    this.search.hidden = this.runs.length < 2;
  }

  chip(state) {
    const [code] = runLook({ state });
    return el("button", { type: "button", class: "chip", title: `Show only these: ${WORDS[state]}`, click: () => this.setFilter(this.filter === state ? "" : state) }, icon(code, 13), el("b"), el("span"));
  }

  setFilter(state) {
    this.filter = state;
    for (const [name, chip] of this.chips) chip.setAttribute("aria-pressed", String(name === state));
    this.table.choose(state, this.search.value);
    this.nothing();
  }

  /** No run at all is a beginning, no run that fits is a question of the filter. */
  nothing() {
    const { empty } = this.table;
    if (this.runs.length) empty.replaceChildren(el("p", {}, "No run is like that."), el("button", { type: "button", class: "link", click: () => this.all() }, "Show all"));
    else empty.replaceChildren(el("b", {}, "No runs yet"), el("p", {}, "Start one with ", el("code", {}, "nbflow.run_async(dag)"), " and it appears here."));
    const searching = this.runs.length > 0 && !this.table.order.length;
    this.table.empty.classList.toggle("first", !searching);
  }

  all() {
    this.search.value = "";
    this.setFilter("");
    this.search.focus();
  }

  ask() {
    const { asks, order, more } = this.board;
    const found = order.map((id) => asks[id]).filter(Boolean);
    this.questions.update(found);
    for (const ask of found) this.dressCard(ask);
    this.twice();
    const open = found.filter((ask) => ask.state === "open").length;
    this.more.hidden = open < MANY;
    setText(this.more, `${count(open + more)} open questions${more ? `; here are ${count(open)}, those of the oldest runs` : ""}`);
  }

  /** What a card says here and not in the view of its run: which run asks, and that an answer is on its way. */
  dressCard(ask) {
    const { cards, lines } = this.questions;
    const card = cards.get(ask.id);
    const node = card?.node || lines.get(ask.id);
    if (!node) return;
    if (!node.querySelector(".ofrun")) {
      const link = el("button", { type: "button", class: "link ofrun", title: "Show this run", click: (event) => this.fromCard(event, ask.run) }, ask.run);
      const subject = node.querySelector(card ? "h4" : ".subject");
      subject.after(link);
    }
    if (!card) return;
    if (ask.sent && !card.sent) {
      card.sent = ask.sent;
      card.enable(false);
      setText(card.note, ask.idle ? "Sent: the run takes it when somebody goes on with it" : "Sent: the run takes it in a moment");
    } else if (!ask.sent && card.wasSent) {
      card.reopen("The run has not taken the answer yet. You may send it again.");
    }
    card.wasSent = Boolean(ask.sent);
    if (!card.idleNote) card.body.append((card.idleNote = el("p", { class: "idle" }, "Nobody runs this run now: the answer is kept until somebody goes on with it.")));
    card.idleNote.hidden = !ask.idle;
  }

  /** A question stands once on a page: below, where its run is opened and somebody runs it, else here. */
  twice() {
    for (const { ask, node } of this.questions.cards.values()) {
      const run = ask.run === this.shown && this.runs.find(({ id }) => id === ask.run);
      node.hidden = Boolean(run) && run.where !== NOBODY;
    }
  }

  fromCard(event, run) {
    event.preventDefault();
    event.stopPropagation();
    this.choose(run, true);
  }

  // ---- the opened run ----

  choose(id, keep) {
    const was = this.shown;
    const next = !keep && id === was ? "" : id;
    this.send({ t: "open", run: next });
    if (!next && was) this.table.focusOn(was);
    if (next && next !== was) this.wanted = next;
  }

  /** Follow the trait opened: show the live view that the kernel made, or nothing. */
  async open() {
    const { run, view } = this.model.get("opened") || {};
    if (this.shownView === view) return;
    this.leaveRun?.();
    this.leaveRun = null;
    this.shownView = view;
    this.shown = run || null;
    this.twice();
    this.table.select(run || "");
    this.openedRoom.hidden = !run;
    this.openedRoom.replaceChildren();
    if (!run) return;
    this.ownerLine = el("span", { class: "owner" });
    const close = el("button", { type: "button", class: "btn small", click: () => this.choose("") }, "Close");
    const room = el("div", { class: "inside" });
    this.openedRoom.append(el("div", { class: "obar" }, this.ownerLine, close), room);
    this.owner();
    const model = await this.modelOf(view);
    if (this.shownView !== view) return;
    if (!model) {
      room.append(el("p", { class: "kernelnote" }, "The view of this run needs a running kernel: run the cell again."));
      return;
    }
    this.leaveRun = live.render({ model, el: room });
    if (this.wanted === run) this.openedRoom.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
    this.say(`Showing ${run}`);
  }

  /** The model of a live view, which the kernel made a moment ago: the page may hear of it a little later. */
  async modelOf(id) {
    for (let tries = 0; tries < 10; tries++) {
      try {
        return await this.model.widget_manager.get_model(String(id).replace(/^IPY_MODEL_/, ""));
      } catch {
        await new Promise((done) => setTimeout(done, 200));
      }
    }
    return null;
  }

  owner() {
    const run = this.shown && this.runs.find(({ id }) => id === this.shown);
    if (!run) return;
    const over = ["done", "failed", "canceled"].includes(run.state);
    setText(this.ownerLine, over && run.where === NOBODY ? "" : OWNERS[run.where]);
    this.openedRoom.dataset.where = run.where === HERE ? "here" : run.where === NOBODY ? "nobody" : "elsewhere";
  }

  // ---- time and room ----

  tick() {
    if (document.hidden || !this.inSight) return;
    this.questions.tick();
    this.table.paint();
    this.word();
  }

  sight(inSight) {
    this.inSight = inSight;
    if (inSight) this.word(true);
  }

  resized() {
    const wide = this.root.clientWidth;
    const width = wide < NARROW ? "narrow" : "wide";
    if (!wide || this.root.dataset.width === width) return;
    // in the next frame: a new height in the middle of an observation is an error to the browser
    requestAnimationFrame(() => {
      this.root.dataset.width = width;
      this.table.paint();
    });
  }

  tell(text) {
    this.trouble.hidden = !text;
    setText(this.trouble, text || "");
  }

  say(text) {
    setText(this.live, text);
  }
}

function renderBoard({ model, el: host }) {
  const view = new BoardView(model, host);
  return () => view.dispose();
}

export default { render: renderBoard };
