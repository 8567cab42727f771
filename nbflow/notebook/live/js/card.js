// One node of the graph as SVG: a card, a hexagon for a person's step, a stack with a segmented bar for mapped tasks.
import { sv } from "./dom.js";
import { BAR_ORDER } from "./states.js";

/** The name by which a node is the same one after the graph has grown: labels differ from each other. */
export const idOf = (node) => node.label;
/** What a card is drawn from; when it changes, the card is made again. */
export const shapeOf = (node) => [node.kind, node.n > 1, node.w, node.h, node.short || node.label].join();

export function makeCard(node, uid, rich) {
  const { w, h } = node;
  const stacked = node.n > 1;
  const human = node.kind === "human";
  const g = sv("g", { class: "nd", role: "button", tabindex: -1 });
  if (stacked) {
    g.append(sv("rect", { class: "stk", x: 7, y: -6, width: w - 14, height: 20, rx: 8 }), sv("rect", { class: "stk", x: 3.5, y: -3, width: w - 7, height: 20, rx: 8 }));
  }
  const hexagon = `M12,0H${w - 12}L${w},${h / 2}L${w - 12},${h}H12L0,${h / 2}Z`;
  const body = human ? sv("path", { class: "card", d: hexagon, "stroke-linejoin": "round" }) : sv("rect", { class: "card", width: w, height: h, rx: node.kind === "wait" ? h / 2 : 9 });
  const ring = sv("rect", { class: "ring", x: -4, y: -4, width: w + 8, height: h + 8, rx: 12 });
  const inset = human ? 15 : node.kind === "wait" ? 14 : 11;
  const icon = sv("use", { class: "ic", x: inset, y: h / 2 - 8, width: 16, height: 16 });
  const tx = inset + 24;
  const label = sv("text", { class: "lb", x: tx, y: stacked ? 18 : h / 2 - 2.5 }, node.short || node.label);
  const sub = sv("text", { class: "sb", x: tx, y: stacked ? 32 : h / 2 + 12 });
  const title = sv("title");
  const mark = sv("g", { class: "chg", transform: `translate(${w - 5},3)` });
  mark.append(sv("circle", { r: 7.5 }), sv("path", { d: "M-3.5,-1.8h7m-7,3.6h7M2,-4.4l-4,8.8" }));
  g.append(title, body, ring, icon, label, sub, mark);
  const card = { g, icon, label, sub, title, shape: shapeOf(node), room: w - tx - (human ? 14 : 9) };
  if (stacked) g.append((card.bar = sv("g", { class: "seg", transform: `translate(${tx},${h - 12})` })));
  else if (rich) g.append((card.part = sv("rect", { class: "part", x: 9, y: h - 4, height: 2, width: 0, rx: 1 })));
  return card;
}

/** The bar of a stack: one piece for each state that its members are in. */
export function paintBar(card, node, counts) {
  const key = JSON.stringify(counts);
  if (card.counts === key) return;
  card.counts = key;
  const width = node.w - 35 - 12;
  const pieces = [sv("rect", { class: "bed", width, height: 5, rx: 2.5 })];
  let x = 0;
  for (const code of BAR_ORDER) {
    if (!counts[code] || "pq".includes(code)) continue;
    const wide = Math.max((counts[code] / node.n) * width, 1);
    pieces.push(sv("rect", { x, width: wide, height: 5, rx: 1, style: `fill:var(--${code}-s)` }));
    x += wide;
  }
  card.bar.replaceChildren(...pieces);
}
