// What a question shows: one form of a mime bundle. HTML lives in a frame that may run no script, load nothing from a
// network and submit nothing; the frame keeps our origin only so that its height can be read.
import { el } from "./dom.js";
import { markdown } from "./markdown.js";

const TALLEST = 420; // px; a longer table scrolls in its own frame
const PICTURES = ["image/svg+xml", "image/png", "image/jpeg", "image/gif", "image/webp"];

export function richValue(bundle, root) {
  const text = (mime) => [].concat(bundle[mime]).join("");
  const plain = bundle["text/plain"] ? text("text/plain") : "";
  const picture = PICTURES.find((mime) => bundle[mime]);
  const html = bundle["text/html"] ? text("text/html") : "";
  // HTML that needs a script stays empty in the frame: another form of the value says more
  if (html && !(/<script/i.test(html) && (picture || plain))) return frame(html, root);
  if (picture) {
    const content = text(picture).replace(/\s+$/, "");
    // as an <img> an SVG can run nothing either
    const src = picture === "image/svg+xml" ? `data:${picture};charset=utf-8,${encodeURIComponent(content)}` : `data:${picture};base64,${content}`;
    return el("img", { class: "pic", src, alt: plain || "A picture that belongs to this question" });
  }
  if (bundle["text/markdown"]) return markdown(text("text/markdown"));
  return plain ? el("pre", {}, plain) : null;
}

function frame(html, root) {
  const box = el("iframe", { class: "rich", sandbox: "allow-same-origin", title: "Shown with the question", tabindex: "0" });
  const fit = () => {
    const page = box.contentDocument?.documentElement;
    if (page) box.style.height = `${Math.min(Math.max(page.firstElementChild?.nextElementSibling?.scrollHeight || 0, 24) + 2, TALLEST)}px`;
  };
  const observer = new ResizeObserver(fit);
  box.addEventListener("load", () => {
    fit();
    observer.disconnect();
    observer.observe(box);
  });
  box.repaint = () => box.setAttribute("srcdoc", documentOf(html, root));
  box.repaint();
  return box;
}

function documentOf(html, root) {
  const style = getComputedStyle(root);
  const token = (name) => style.getPropertyValue(name).trim();
  const policy = "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'";
  const sheet = `html{color-scheme:${root.dataset.theme};background:${token("--s0")};color:${token("--ink")};font:12.5px/1.45 ${style.fontFamily}}
body{margin:0;padding:8px 10px;overflow-x:auto;width:max-content;min-width:100%;box-sizing:border-box}
table{border-collapse:collapse;border:0;font-size:12.5px;font-variant-numeric:tabular-nums;margin:0}
th,td{border:0;border-bottom:1px solid ${token("--line")};padding:4px 10px;text-align:right;white-space:nowrap;color:${token("--ink")}}
thead th{color:${token("--ink2")};border-bottom:1px solid ${token("--edge")}}tbody th{color:${token("--ink3")};font-weight:400}
tr:last-child>*{border-bottom:0}p{margin:6px 0 0;color:${token("--ink2")}}img{max-width:100%}a{color:${token("--accent")}}`;
  return `<!doctype html><html><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}"><style>${sheet}</style></head><body>${html}</body></html>`;
}
