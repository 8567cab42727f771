// The buttons of the graph, and one line that says what else moves it.
import { el, sv } from "./dom.js";

const BUTTONS = [
  ["out", "Zoom out", "M3.5 8h9"],
  ["in", "Zoom in", "M3.5 8h9M8 3.5v9"],
  ["fit", "Show the whole graph", "M2.500 6V2.500H6M10 2.500h3.500V6M13.500 10v3.500H10M6 13.500H2.500V10"],
  ["follow", "Follow what runs", "M8 1.500v3M8 11.500v3M1.500 8h3M11.500 8h3M8 5.200a2.800 2.800 0 1 0 .01 0"],
  ["turn", "Turn the graph", "M5 2.500v9.500M2.500 9.500 5 12.200 7.500 9.500M13.500 5H8.800M11 2.500 13.600 5 11 7.500"],
];

/** `press` gets the name of the button. */
export function toolbar(press) {
  const button = ([name, title, path]) => {
    const made = el("button", { type: "button", title, "aria-label": title, "data-z": name, click: () => press(name) });
    made.append(sv("svg", { width: 16, height: 16, viewBox: "0 0 16 16", "aria-hidden": "true" }, sv("path", { d: path })));
    return made;
  };
  return el("div", { class: "zoom", role: "toolbar", "aria-label": "Graph" }, ...BUTTONS.map(button));
}

export function hint() {
  return el("div", { class: "hint", "aria-hidden": "true" }, "drag to pan · Ctrl + wheel to zoom · arrow keys walk");
}
