// Open questions as cards with forms, and decisions as one line each. A card is state, not a dialog: it closes itself
// in every view as soon as the kernel says that the question is decided, whoever decided it.
import { clockTime, count, countdown, el, setText } from "./dom.js";
import { control } from "./fields.js";
import { markdown } from "./markdown.js";
import { richValue } from "./rich.js";
import { icon } from "./states.js";

const OPEN_AT_ONCE = 2; // cards beyond these start folded, so that ten questions do not push the graph away
const LINES_AT_ONCE = 3; // older decisions go under one line
const PATIENCE = 6000; // ms without a word from the kernel after which a person should know that

const PAST = { approve: "Approved", accept: "Accepted", reject: "Rejected", decline: "Declined", deny: "Denied", publish: "Published", submit: "Submitted", confirm: "Confirmed", skip: "Skipped" };

/** What an option is called once it was chosen: "approve" becomes "Approved", "send_to_staging" "Send to staging". */
function decided(ask) {
  const option = String(ask.answer || "answered").replace(/_/g, " ").trim();
  return PAST[option.toLowerCase()] || option.charAt(0).toUpperCase() + option.slice(1);
}

export class Questions {
  constructor(context) {
    this.context = context; // {root, uid, send, say, now, run, show, silence}
    this.cards = new Map();
    this.lines = new Map();
    this.open = el("div", { class: "open" });
    this.older = el("details", { class: "older", hidden: true }, el("summary"), el("div"));
    this.closed = el("div", { class: "closed" });
    this.node = el("div", { class: "asks" }, this.open, this.closed);
  }

  update(asks) {
    const open = asks.filter((ask) => ask.state === "open");
    const ids = new Set(open.map((ask) => ask.id));
    let hadFocus = null;
    for (const [id, card] of this.cards) {
      if (ids.has(id)) continue;
      if (card.node.contains(this.context.root.getRootNode().activeElement)) hadFocus = id;
      card.forget();
      card.node.remove();
      this.cards.delete(id);
    }
    open.forEach((ask, place) => this.ask(ask, place >= OPEN_AT_ONCE));
    this.settle(asks.filter((ask) => ask.state !== "open"));
    if (hadFocus != null) this.lines.get(hadFocus)?.focus();
    this.tick();
  }

  ask(ask, folded) {
    const key = JSON.stringify([ask.subject, ask.body, ask.schema, ask.options, ask.default, ask.show, ask.require_comment, ask.assigned]);
    let card = this.cards.get(ask.id);
    if (card?.key !== key) {
      const next = new Card(ask, key, this.context, card ? card.folded : folded);
      if (card) card.node.replaceWith(next.node);
      else {
        this.open.append(next.node);
        this.context.say(`${ask.subject}: needs your answer`);
      }
      this.cards.set(ask.id, (card = next));
    }
    card.ask = ask;
    if (ask.error) card.refuse(ask.error);
  }

  settle(done) {
    const late = this.late || new Map();
    const lines = done.map((ask) => {
      const key = JSON.stringify([ask.state, ask.answer, ask.by, ask.at, late.get(ask.id)]);
      let line = this.lines.get(ask.id);
      if (line?.key !== key) {
        line = decision(ask, late.get(ask.id));
        line.key = key;
        this.lines.set(ask.id, line);
      }
      return line;
    });
    const hidden = lines.slice(0, Math.max(0, lines.length - LINES_AT_ONCE));
    this.older.hidden = !hidden.length;
    setText(this.older.firstChild, `${count(hidden.length)} earlier ${hidden.length === 1 ? "decision" : "decisions"}`);
    this.older.lastChild.replaceChildren(...hidden);
    this.closed.replaceChildren(...(hidden.length ? [this.older] : []), ...lines.slice(hidden.length));
  }

  /** What the kernel says to an answer: {id, view, status, reason, errors}. */
  receipt(message) {
    const card = this.cards.get(message.id);
    if (message.view !== this.context.uid) return; // it answers another view of this run
    if (["closed", "duplicate"].includes(message.status)) {
      const text = message.reason || "Your answer came too late: the question was decided already.";
      (this.late ||= new Map()).set(message.id, text);
      this.context.say(text);
      this.context.refresh();
    }
    card?.receipt(message);
  }

  tick() {
    for (const card of this.cards.values()) card.tick(this.context.now());
  }

  /** The view goes away: no timer may speak for it any more. */
  leave() {
    for (const card of this.cards.values()) clearTimeout(card.timer);
  }

  repaint() {
    for (const frame of this.open.querySelectorAll("iframe")) frame.repaint();
  }

  reveal(node) {
    const card = [...this.cards.values()].find((one) => one.ask.node === node);
    card?.reveal();
    return Boolean(card);
  }
}

/** One line that stays: what was decided, by whom and when; what was filled in behind it. */
function decision(ask, late) {
  const timeout = ask.source === "timeout";
  const code = { paused: "e", closed: "x" }[ask.state] || (timeout ? "e" : ask.positive === false ? "f" : "s");
  const open = { paused: "Opens again when the run goes on", closed: "Closed without an answer" }[ask.state];
  const what = open || (timeout ? `Time ran out: ${decided(ask).toLowerCase()}` : decided(ask));
  const by = ask.by ? ` by ${ask.by}` : "";
  const at = ask.at ? ` · ${clockTime(ask.at)}` : "";
  const head = [icon(code), el("span", { class: "subject" }, ask.subject), el("span", { class: "who" }, `${what}${by}${at}`)];
  const values = Object.entries(ask.values || {}).filter(([, value]) => value != null && value !== "");
  const facts = values.map(([name, value]) => [ask.schema?.properties?.[name]?.title || name, typeof value === "string" ? value : JSON.stringify(value)]);
  if (ask.comment) facts.push(["Comment", ask.comment]);
  const attrs = { class: "ask decided", "data-id": ask.id, tabindex: "-1" };
  const note = late ? el("span", { class: "late" }, late) : null;
  if (!facts.length) return el("div", attrs, el("div", { class: "row" }, ...head), note);
  const list = el("dl", {}, ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  return el("details", attrs, el("summary", { class: "row" }, ...head), list, note);
}

/** A question without options is a form to be handed in. */
function optionsOf(ask) {
  return ask.options?.length ? ask.options : [{ value: "submit", label: "Submit", kind: "approve" }];
}

/** An open question. */
class Card {
  constructor(ask, key, context, folded) {
    Object.assign(this, { ask, key, context, folded, sent: null });
    this.due = el("span", { class: "due" });
    this.note = el("span", { class: "note", role: "status" });
    this.fold = el("button", { type: "button", class: "btn small", click: () => this.setFolded(!this.folded) });
    const id = `${context.uid}-${ask.id}`.replace(/[^\w-]/g, "_");
    const head = el("div", { class: "top" }, icon("w", 16), el("h4", { id: `${id}-t` }, ask.subject), this.due, this.fold);
    this.body = el("div", { class: "in" }, ...this.content(id));
    this.node = el(
      "form",
      { class: "ask", "data-id": ask.id, "aria-labelledby": `${id}-t`, novalidate: true, submit: (event) => event.preventDefault(), input: () => this.keepDraft() },
      head,
      this.body,
    );
    this.setFolded(folded);
  }

  content(id) {
    const { ask } = this;
    const draft = this.draft();
    const fields = Object.entries(ask.schema?.properties || {});
    const required = ask.schema?.required || [];
    this.controls = fields.map(([name, schema], i) => control(name, schema, required.includes(name), draft.values[name] ?? schema.default, `${id}-${i}`));
    const parts = [];
    if (ask.body) parts.push(markdown(ask.body));
    const shown = ask.show ? richValue(ask.show, this.context.root) : null;
    if (shown) parts.push(el("div", { class: "shown" }, shown));
    if (this.controls.length) parts.push(el("div", { class: "fields" }, ...this.controls.map((one) => one.node)));
    parts.push(...this.commentBox(id, draft.comment));
    this.buttons = optionsOf(ask).map((option) => this.button(option));
    const whom = ask.assigned?.length ? el("span", { class: "for", title: "A label: whoever can open this view can answer" }, `For ${ask.assigned.join(", ")}`) : null;
    parts.push(el("div", { class: "acts" }, ...this.buttons, this.addComment, whom, this.note));
    return parts;
  }

  commentBox(id, text) {
    const must = Boolean(this.ask.require_comment);
    const schema = { type: "string", format: "textarea", title: "Comment" };
    this.comment = control("comment", schema, must, text, `${id}-c`);
    const shown = must || Boolean(text);
    this.comment.node.hidden = !shown;
    const reveal = () => {
      this.comment.node.hidden = false;
      this.addComment.hidden = true;
      this.comment.node.querySelector("textarea").focus();
    };
    this.addComment = el("button", { type: "button", class: "link", hidden: shown, click: reveal }, "Add a comment");
    return [this.comment.node];
  }

  button(option) {
    const look = { approve: " pri", reject: " neg" }[option.kind] || "";
    const type = option.value === this.ask.default ? "submit" : "button"; // Enter in a field presses the default option
    return el("button", { type, class: `btn${look}`, "data-option": option.value, click: () => this.press(option) }, option.label);
  }

  press(option) {
    if (this.sent) return; // the second click of a double click
    const answer = this.read();
    const missing = {};
    if (option.kind !== "reject") {
      for (const name of this.ask.schema?.required || []) {
        const value = answer.values[name];
        if (value == null || (Array.isArray(value) && !value.length)) missing[name] = "Needed";
      }
    }
    if (this.ask.require_comment && !answer.comment.trim()) missing.comment = "Needed";
    if (this.showErrors(missing)) return;
    this.sent = option;
    this.enable(false);
    setText(this.note, "Saving…");
    const silence = this.context.silence || "No word from the kernel yet. If it was restarted, run the cell again: the question comes back, and what you filled in is kept.";
    this.timer = setTimeout(() => this.reopen(silence), PATIENCE);
    try {
      this.context.send({ t: "answer", id: this.ask.id, view: this.context.uid, option: option.value, ...answer });
    } catch {
      this.reopen("No kernel is connected. Run the cell again: the question comes back, and what you filled in is kept.");
    }
  }

  receipt({ status, reason, errors }) {
    clearTimeout(this.timer);
    if (status === "rejected" || status === "error") {
      this.refuse(errors || {}, reason);
    } else {
      setText(this.note, ["closed", "duplicate"].includes(status) ? reason || "Too late: decided already" : "Saved");
    }
  }

  refuse(errors, reason) {
    const marked = this.showErrors(errors);
    const rest = errors.option || errors._ || reason;
    this.reopen(rest || (marked ? "Please correct what is marked" : "The answer was not taken"));
  }

  reopen(note) {
    clearTimeout(this.timer);
    this.sent = null;
    this.enable(true);
    setText(this.note, note);
  }

  showErrors(errors) {
    let first = null;
    for (const one of this.controls) first = one.error(errors[one.name]) && !first ? one.error(errors[one.name]) : first;
    const comment = this.comment.error(errors.comment);
    if (comment) this.comment.node.hidden = false;
    first ||= comment;
    first?.focus();
    return Boolean(first);
  }

  enable(on) {
    for (const button of [...this.buttons, this.addComment]) button.disabled = !on;
    this.node.setAttribute("aria-busy", String(!on));
  }

  read() {
    const values = Object.fromEntries(this.controls.map((one) => [one.name, one.read()]));
    return { values, comment: this.comment.read() || "" };
  }

  tick(now) {
    if (!this.ask.due) return setText(this.due, "");
    const left = this.ask.due - now;
    const then = this.ask.fallback ? this.ask.fallback : "Fails";
    setText(this.due, left > 0 ? `${then} in ${countdown(left)}` : `Time is up: ${this.ask.fallback || "fails"}`);
    this.due.classList.toggle("soon", left < 60);
    for (const mark of [60, 10]) {
      if (left <= mark && left > mark - 2 && this.told !== mark) {
        this.told = mark;
        this.context.say(`${this.ask.subject}: ${then} in ${mark} seconds`);
      }
    }
    if (left <= 0 && !this.sent) this.enable(false); // the kernel closes the card; until then no click is promised anything
  }

  setFolded(folded) {
    this.folded = folded;
    this.body.hidden = folded;
    this.fold.hidden = !folded;
    this.fold.setAttribute("aria-expanded", String(!folded));
    setText(this.fold, "Answer");
    if (!folded && this.body.isConnected) this.body.querySelector("input,select,textarea,button")?.focus();
  }

  reveal() {
    if (this.folded) this.setFolded(false);
    this.node.scrollIntoView({ block: "nearest" });
    this.body.querySelector("input,select,textarea,button")?.focus();
  }

  // ---- drafts outlive the page: a reload in the middle of a long form loses nothing ----

  draftKey() {
    return `nbflow-draft:${this.context.run().id}:${this.ask.id}`;
  }

  draft() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(this.draftKey()));
      if (kept) return { values: kept.values || {}, comment: kept.comment || "" };
    } catch {
      // no storage in this front end
    }
    return { values: {}, comment: "" };
  }

  keepDraft() {
    const draft = this.read();
    for (const [name, schema] of Object.entries(this.ask.schema?.properties || {})) {
      if (schema.format === "password") delete draft.values[name];
    }
    try {
      sessionStorage.setItem(this.draftKey(), JSON.stringify(draft));
    } catch {
      // no storage in this front end
    }
  }

  forget() {
    clearTimeout(this.timer);
    try {
      sessionStorage.removeItem(this.draftKey());
    } catch {
      // no storage in this front end
    }
  }
}
