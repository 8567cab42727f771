// Making elements. Text from outside only ever becomes text: nothing here or elsewhere parses it as HTML.

/** Make an HTML element. `attrs`: names to values (null leaves one out, a function is a listener); `kids`: nodes or text. */
export function el(tag, attrs = {}, ...kids) {
  return dress(document.createElement(tag), attrs, kids);
}

/** Make an SVG element, in the same way. */
export function sv(tag, attrs = {}, ...kids) {
  return dress(document.createElementNS("http://www.w3.org/2000/svg", tag), attrs, kids);
}

function dress(node, attrs, kids) {
  for (const [name, value] of Object.entries(attrs)) {
    if (value == null || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...kids.filter((kid) => kid != null));
  return node;
}

/** Set text only when it differs: an equal write would still cost a layout. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A duration as people say it: 340 ms, 1.4 s, 2 m 05 s, 3 h 20 m, 2 d 04 h. */
export function duration(seconds) {
  if (seconds == null || !(seconds >= 0)) return "";
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const two = (n) => String(Math.floor(n)).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${two(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${two((seconds % 3600) / 60)} m`;
  return `${Math.floor(seconds / 86400)} d ${two((seconds % 86400) / 3600)} h`;
}

/** A count with thin spaces between thousands. */
export function count(n) {
  return String(n).replace(/\B(?=(\d{3})+$)/g, "\u2009");
}

/** Minutes and seconds left, as in 9:59; hours and days in words that are short. */
export function countdown(seconds) {
  const left = Math.max(0, Math.ceil(seconds));
  if (left >= 3600) return duration(left);
  return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
}

/** The time of day; with the date before it when that is not today. */
export function clockTime(at, seconds = false) {
  const when = new Date(at * 1000);
  const time = when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: seconds ? "2-digit" : undefined, hourCycle: "h23" });
  return when.toDateString() === new Date().toDateString() ? time : `${when.toLocaleDateString()}, ${time}`;
}

export function calm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** Move the focus along a row of elements with the arrow keys, Home and End, as ARIA asks of tabs and toolbars. */
export function walkable(row, pick) {
  row.addEventListener("keydown", (event) => {
    const all = [...row.querySelectorAll("button")];
    const at = all.indexOf(event.target);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (at < 0 || to == null) return;
    event.preventDefault();
    const next = all[(to + all.length) % all.length];
    next.focus();
    pick?.(next);
  });
}

/** The head of a column that sorts; `sort` is [key, 1 or -1] or nothing, and says what an arrow and a reader show. */
export function sortHead(key, title, kind, sort, sortBy) {
  const way = sort && sort[0] === key ? sort[1] : 0;
  const label = title + (way ? (way > 0 ? " ▴" : " ▾") : "");
  const button = el("button", { type: "button", title: `Sort by ${title.toLowerCase()}`, click: () => sortBy(key) }, label);
  const sorted = way ? (way > 0 ? "ascending" : "descending") : null;
  return el("span", { role: "columnheader", class: kind, "aria-sort": sorted }, button);
}
