// One question on a page of its own: it is fetched, drawn as in the notebook, and answered; "Saved" stands there only
// when the answer is in the run's journal. The decision of anybody else appears by itself.
import { clockTime, el, setText } from "../../notebook/live/js/dom.js";
import { Questions } from "../../notebook/live/js/questions.js";
import { watchTheme } from "../../notebook/live/js/theme.js";

// ---- from here on ----
const LOOK = 2000; // ms between two looks at an open question while the page is seen
const NAME = "nbflow-name";
const REST = "Nobody runs this workflow now. Your answer is kept, and counts when somebody goes on with it.";

class Page {
  constructor(main) {
    this.main = main;
    this.url = `${location.pathname.replace(/\/$/, "")}`;
    this.version = null;
    this.news = el("p", { class: "news", role: "status" });
    this.mast = el("header", { class: "mast" });
    this.foot = el("footer", { class: "foot" });
    this.me = el("label", { class: "fld me" });
    this.root = el("section", { class: "nbf page", "data-width": "narrow", "aria-label": "A question" });
    this.questions = new Questions({
      root: this.root,
      uid: "page",
      send: (message) => this.answer(message),
      say: () => {}, // the card's own note is read out
      now: () => Date.now() / 1000 - this.skew,
      run: () => this.run,
      refresh: () => this.look(),
      silence: "No word from the run yet. What you filled in is kept: try again in a moment.",
    });
    this.skew = 0;
    this.root.append(this.mast, this.questions.node, this.news, this.foot);
  }

  async begin() {
    await this.look();
    watchTheme(this.root, () => this.questions.repaint());
    setInterval(() => this.questions.tick(), 1000);
    setInterval(() => document.hidden || this.done || this.look(), LOOK);
    document.addEventListener("visibilitychange", () => document.hidden || this.look());
  }

  /** Ask how the question stands, and draw it if that changed. */
  async look() {
    let reply;
    try {
      reply = await ask(`${this.url}/state`);
    } catch {
      return this.say("No connection. The page tries again.", true);
    }
    if (reply.status !== 200) return this.close(reply.body);
    if (this.offline) this.say("");
    const { run, ask: question, version } = reply.body;
    this.skew = Date.now() / 1000 - reply.body.now;
    if (version === this.version) return;
    this.version = version;
    this.run = run;
    this.done = question.state === "done" || question.state === "closed";
    this.draw(reply.body);
  }

  draw({ run, ask: question, rests, by, expires }) {
    if (!this.root.isConnected) this.main.replaceChildren(this.root);
    document.title = `${question.subject} · ${run.name || run.id}`;
    this.mast.replaceChildren(el("b", {}, run.name || "Workflow"), el("code", {}, run.id));
    this.questions.update([question]);
    for (const line of this.root.querySelectorAll("details.decided")) line.open = true;
    this.open = question.state === "open";
    if (this.open) this.who(question.id, by);
    this.say(this.open && rests ? REST : "");
    const until = expires ? ` It works until ${clockTime(expires)}.` : "";
    setText(this.foot, this.open ? `This link answers this question and nothing else.${until}` : "Nothing is left to do here.");
  }

  /** Who answers: the person that the link was given to, or whoever says a name. */
  who(id, by) {
    const card = this.questions.cards.get(id);
    card.body.querySelector(".acts").before(this.me);
    const title = card.node.querySelector("h4");
    title.setAttribute("role", "heading");
    title.setAttribute("aria-level", "1");
    if (by) return this.me.replaceChildren(el("span", { class: "lab" }, `You answer as ${by}`));
    this.name ||= el("input", { type: "text", autocomplete: "name", maxlength: 100, value: remembered(NAME), placeholder: "Optional; kept with the answer" });
    this.me.replaceChildren(el("span", { class: "lab" }, "Your name"), this.name);
  }

  async answer({ id, option, values, comment }) {
    const by = this.name?.value.trim() || "";
    remember(NAME, by);
    let reply;
    try {
      reply = await ask(`${this.url}/answer`, { option, values, comment, by });
    } catch {
      return this.receipt(id, "error", "No connection: the answer may not have come through. Try again; it counts once.");
    }
    const { status, body } = reply;
    if (status === 200) this.receipt(id, "delivered");
    else if (status === 202 || (status === 504 && body.error.includes("It is stored"))) this.kept(id, status);
    else if (status === 409) this.receipt(id, "closed", body.error);
    else if (status === 422) this.receipt(id, "rejected", body.errors ? "" : body.error, body.errors);
    else this.receipt(id, "error", `Not saved: ${body.error || "the page may be out of date"} ${body.do || ""}`.trim());
    this.version = null;
    await this.look();
  }

  /** The answer lies where the run finds it: that is stored, but not yet what counts. */
  kept(id, status) {
    const text = status === 202 ? "Stored: it counts when somebody goes on with the workflow." : "Stored: the run takes it in a moment.";
    this.receipt(id, "closed", text);
    this.questions.late?.delete(id);
    const card = this.questions.cards.get(id);
    if (card) card.enable(false);
  }

  receipt(id, status, reason = "", errors = {}) {
    this.questions.receipt({ id, view: "page", status, reason, errors });
  }

  /** The link does not lead to a question any more. */
  close(body) {
    this.done = true;
    document.title = body.error || "A question";
    this.main.replaceChildren(el("h1", {}, body.error || "This link does not work."), el("p", { class: "plain" }, body.do && body.do !== "Nothing." ? body.do : ""));
  }

  say(text, offline = false) {
    this.offline = offline;
    this.news.classList.toggle("bad", offline);
    setText(this.news, text);
    if (!this.root.isConnected && text) this.main.replaceChildren(el("p", { class: "plain", role: "status" }, text));
  }
}

/** Ask the endpoint; returns the status and the JSON of the reply. Rejects when there is no connection. */
async function ask(url, body) {
  const xsrf = document.querySelector("meta[name=xsrf]").content;
  const headers = body ? { "Content-Type": "application/json", ...(xsrf ? { "X-XSRFToken": xsrf } : {}) } : {};
  const reply = await fetch(url, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), cache: "no-store" });
  return { status: reply.status, body: await reply.json().catch(() => ({})) };
}

function remembered(name) {
  try {
    return localStorage.getItem(name) || "";
  } catch {
    return "";
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // a private window keeps nothing
  }
}

new Page(document.getElementById("page")).begin();
