// A small safe subset of Markdown: paragraphs, headings, lists, code, bold, italic, links. Built of nodes, so that
// text from a question cannot become anything but text.
import { el } from "./dom.js";

const FENCE = /^\s*```/;
const BULLET = /^\s*[-*+]\s+(.*)$/;
const NUMBER = /^\s*\d+[.)]\s+(.*)$/;
const HEADING = /^\s*#{1,6}\s+(.*)$/;

export function markdown(text) {
  const box = el("div", { class: "md" });
  const lines = String(text ?? "").replace(/\r/g, "").split("\n");
  let paragraph = null;
  let list = null;
  for (let i = 0; i < lines.length; i++) {
    const row = lines[i];
    const bullet = BULLET.exec(row);
    const item = bullet || NUMBER.exec(row);
    const heading = HEADING.exec(row);
    if (FENCE.test(row)) {
      const code = [];
      while (++i < lines.length && !FENCE.test(lines[i])) code.push(lines[i]);
      box.append(el("pre", {}, code.join("\n")));
      paragraph = list = null;
    } else if (!row.trim()) {
      paragraph = list = null;
    } else if (item) {
      const tag = bullet ? "UL" : "OL";
      if (list?.tagName !== tag) box.append((list = el(tag)));
      list.append(el("li", {}, ...inline(item[1])));
      paragraph = null;
    } else if (heading) {
      box.append(el("p", {}, el("strong", {}, ...inline(heading[1]))));
      paragraph = list = null;
    } else if (list && /^\s{2,}/.test(row)) {
      list.lastChild.append(" ", ...inline(row.trim()));
    } else {
      if (paragraph) paragraph.append(el("br"));
      else box.append((paragraph = el("p")));
      paragraph.append(...inline(row.trim()));
      list = null;
    }
  }
  return box;
}

const INLINE = /`([^`]+)`|\*\*(.+?)\*\*|__(.+?)__|\*(\S(?:[^*]*\S)?)\*|(?<![\w_])_(\S(?:[^_]*\S)?)_(?![\w_])|\[([^\]]+)\]\(([^\s)]+)\)/;

function inline(text) {
  const out = [];
  let rest = text;
  for (let found = INLINE.exec(rest); found; found = INLINE.exec(rest)) {
    if (found.index) out.push(rest.slice(0, found.index));
    const [whole, code, bold, bold2, italic, italic2, label, href] = found;
    if (code) out.push(el("code", {}, code));
    else if (bold || bold2) out.push(el("strong", {}, ...inline(bold || bold2)));
    else if (italic || italic2) out.push(el("em", {}, ...inline(italic || italic2)));
    else if (/^(https?:\/\/|mailto:)/i.test(href)) out.push(el("a", { href, target: "_blank", rel: "noopener noreferrer" }, label));
    else out.push(whole); // javascript: and other schemes stay what they are: text
    rest = rest.slice(found.index + whole.length);
  }
  if (rest) out.push(rest);
  return out;
}
