// The states of a task and of a run: a word, an icon and a colour each, never a colour alone.
import { LOOKS } from "./looks.js"; // made from views/palette.py, so that pictures and widgets agree
import { el } from "./dom.js";

const { states: STATES, bar: BAR_ORDER, worst: WORST_FIRST } = LOOKS;
export const CODES = Object.keys(STATES);

/** The orders of counts and bars (what is finished first), of stacks, and of what a person must see first. */
export { BAR_ORDER, WORST_FIRST };
export const URGENT_FIRST = `wf${WORST_FIRST.replace(/[wf]/g, "")}`;
export const FINISHED = "scfkx";
export const MOVING = "wyref";

export const word = (code) => STATES[code]?.word ?? "";

/** The icon as SVG markup: a constant of the package, never text from outside. */
export function iconMarkup(code) {
  return code === "r" ? `<g class="spin">${STATES.r.icon}</g>` : (STATES[code]?.icon ?? "");
}

export function icon(code, size = 14) {
  const box = el("span", { class: "ico", "aria-hidden": "true" });
  box.innerHTML = `<svg width="${size}" height="${size}" viewBox="0 0 16 16" style="color:var(--${code}-i)">${iconMarkup(code)}</svg>`;
  return box;
}

export function pill(code, text) {
  const style = `background:var(--${code}-f);border-color:var(--${code}-s);color:var(--${code}-i)`;
  return el("span", { class: "pill", style }, icon(code, 13), text);
}

/** The code of the look of a run, and its words. */
export function runLook(run) {
  return LOOKS.runs[run.state] || LOOKS.runs.new;
}
