// Light or dark, as the page around is: Lab says so, others have a class, the rest is judged by what lies behind.

/** Keep `root.dataset.theme` true to the page; call `changed` at each change. Returns what ends it. */
export function watchTheme(root, changed) {
  const apply = () => {
    const theme = isDark(root) ? "dark" : "light";
    if (root.dataset.theme === theme) return;
    root.dataset.theme = theme;
    changed();
  };
  const observer = new MutationObserver(() => setTimeout(apply, 60)); // style sheets change after the attribute
  const attributeFilter = ["class", "style", "theme", "data-theme", "data-jp-theme-name", "data-jp-theme-light", "data-vscode-theme-kind"];
  for (const node of [document.documentElement, document.body]) observer.observe(node, { attributes: true, attributeFilter });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", apply);
  apply();
  requestAnimationFrame(apply); // once more when the widget stands in the page
  return () => {
    observer.disconnect();
    system.removeEventListener("change", apply);
  };
}

function isDark(root) {
  const { body, documentElement: html } = document;
  if (body.dataset.jpThemeLight != null) return body.dataset.jpThemeLight === "false";
  const kind = body.dataset.vscodeThemeKind || "";
  if (kind) return /dark|high-contrast$/.test(kind);
  const words = ` ${html.className} ${body.className} ${html.getAttribute("theme") || ""} ${html.dataset.theme || ""} ${body.dataset.theme || ""} `;
  if (/[ -]dark /.test(words)) return true;
  if (/[ -]light /.test(words)) return false;
  const behind = backgroundBehind(root);
  if (behind) return 0.2126 * behind[0] + 0.7152 * behind[1] + 0.0722 * behind[2] < 110;
  return /dark/.test(getComputedStyle(html).colorScheme) && matchMedia("(prefers-color-scheme: dark)").matches;
}

/** The first opaque background among the ancestors, through shadow roots, as red, green, blue from 0 to 255. */
function backgroundBehind(root) {
  for (let node = root.parentNode; node; node = node.host || node.parentNode) {
    if (node.nodeType !== 1) continue;
    const text = getComputedStyle(node).backgroundColor;
    const unit = text.startsWith("color(") ? 255 : 1; // marimo's is color(srgb 1 1 1)
    const parts = (text.match(/[\d.]+/g) || []).map(Number);
    if (parts.length >= 3 && (parts.length < 4 || parts[3] > 0.5)) return parts.slice(0, 3).map((part) => part * unit);
  }
  return null;
}
