// The graph: nodes and edges as SVG, painted only where something changed. Above some hundreds of nodes only what is
// in sight exists; from far away nodes are plain boxes.
import { calm, count, el, setText, sv } from "./dom.js";
import { idOf, makeCard, paintBar, shapeOf } from "./card.js";
import { CODES, iconMarkup, MOVING, word } from "./states.js";
import { archPath, edgePath, middleOf, neighbour } from "./shape.js";
import { hint, toolbar } from "./toolbar.js";
import { Viewport } from "./viewport.js";

const LITE = 80; // nodes above which shadows, transitions and spinning stop: they cost more than all else together
const WHOLE = 250; // nodes up to which everything exists, in sight or not
const FAR = 0.42; // scale below which a label could not be read anyway

export class Graph {
  /** `store`: topo, st, row(i), now(); `hooks`: open(i), close(), send(message), uid. */
  constructor(store, hooks) {
    Object.assign(this, { store, hooks, cards: new Map(), edges: new Map(), index: new Map(), selected: null, cursor: 0, filter: "" });
    this.svg = sv("svg", { class: "g", role: "group", "aria-label": "Task graph" });
    this.defs = sv("defs");
    this.defs.innerHTML = CODES.map((code) => `<g id="${hooks.uid}-${code}">${iconMarkup(code)}</g>`).join(""); // constants only
    this.defs.append(...["off", "on", "hl"].map((name) => arrow(`${hooks.uid}-${name}`, name)));
    this.edgeLayer = sv("g", { "aria-hidden": "true" });
    this.labelLayer = sv("g", { "aria-hidden": "true" });
    this.nodeLayer = sv("g");
    this.svg.append(this.defs, this.edgeLayer, this.labelLayer, this.nodeLayer);
    this.view = new Viewport(this.svg, () => this.moved());
    this.node = el("div", { class: "stage" }, this.svg, hint(), toolbar((name) => this.press(name)), this.offer());
    this.svg.addEventListener("dblclick", (event) => event.target === this.svg && this.view.fit(true));
    this.svg.addEventListener("click", (event) => event.target === this.svg && !this.view.dragged && hooks.close());
    this.svg.addEventListener("keydown", (event) => this.key(event));
  }

  /** What stands in place of a graph that was not laid out, because that would take long. */
  offer() {
    this.offerText = el("p");
    const draw = el("button", { type: "button", class: "btn", click: () => this.ask(draw) }, "Draw it anyway");
    return el("div", { class: "offer", hidden: true }, this.offerText, draw);
  }

  ask(button) {
    button.disabled = true;
    setText(button, "Drawing…");
    this.hooks.send({ t: "draw" });
  }

  press(name) {
    if (name === "in") this.view.zoom(0.8);
    else if (name === "out") this.view.zoom(1.25);
    else if (name === "fit") this.view.fit(true);
    else if (name === "turn") this.hooks.send({ t: "dir", dir: this.sideways ? "TB" : "LR" });
    else {
      this.view.fit(false);
      this.follow(true);
    }
  }

  get sideways() {
    return this.store.topo.rankdir === "LR";
  }

  // ---- topology ----

  /** Take a new topology. A person's place is kept: what they look at stays where it is on the screen. */
  setTopology() {
    const { topo } = this.store;
    const laid = topo.placed !== false;
    this.node.classList.toggle("unlaid", !laid);
    this.node.querySelector(".offer").hidden = laid;
    setText(this.offerText, `${count(topo.nodes.length)} nodes are many for one picture. The table shows them all.`);
    const anchor = this.anchor();
    const cursor = this.nodes?.[this.cursor];
    const turned = this.rankdir && this.rankdir !== topo.rankdir;
    this.rankdir = topo.rankdir;
    this.nodes = laid ? topo.nodes : [];
    this.lite = this.nodes.length > LITE;
    this.node.classList.toggle("lite", this.lite);
    this.index = new Map(this.nodes.map((node, i) => [idOf(node), i]));
    this.cursor = (cursor && this.index.get(idOf(cursor))) ?? 0;
    this.selected = this.lit = null; // the view says what is chosen now
    this.links = this.nodes.map(() => []);
    this.lines = laid ? topo.edges.map((edge, i) => this.line(...edge.slice(0, 3), i, edge[3])) : [];
    for (const [id, card] of this.cards) if (!this.index.has(id) || card.shape !== shapeOf(this.nodes[this.index.get(id)])) this.unmount(id);
    for (const path of this.edges.values()) path.remove();
    this.edges.clear();
    this.labelLayer.replaceChildren(...this.lines.filter((line) => line.label).map((line) => linkLabel(line)));
    this.view.resizeGraph(topo.width || 0, topo.height || 0);
    this.keepPlace(anchor, turned);
    this.moved(true);
    this.paintAll();
    this.follow(true);
  }

  /** One edge; in a scene it is a link with a mark: [label, dashed, taken, leads back]. */
  line(from, to, points, i, mark) {
    this.links[from].push(i);
    if (to !== from) this.links[to].push(i);
    if (mark?.[3]) return { from, to, mark, label: mark[0], at: middleOf(points, true), ...archPath(points) };
    const made = edgePath(this.nodes[from], this.nodes[to], points, this.sideways);
    return { from, to, mark, label: mark?.[0], at: mark && middleOf(points, false), ...made };
  }

  /** The node by which the view holds on when the graph grows: the chosen one, else the one nearest to the middle. */
  anchor() {
    if (!this.nodes?.length || !this.view.fitted) return null;
    const chosen = this.selected != null ? this.nodes[this.selected] : null;
    const [cx, cy] = [this.view.x + this.view.w / 2, this.view.y + this.view.h / 2];
    const far = (node) => Math.hypot(node.x - cx, node.y - cy);
    const node = chosen || this.nodes.reduce((best, one) => (far(one) < far(best) ? one : best));
    return { id: idOf(node), x: node.x, y: node.y };
  }

  keepPlace(anchor, turned) {
    const now = anchor && this.nodes[this.index.get(anchor.id)];
    if (!now || turned) this.view.fit(false);
    else this.view.shift(now.x - anchor.x, now.y - anchor.y);
  }

  // ---- what exists ----

  /** The view moved: make what came into sight, drop what left it (only where there is too much to keep all). */
  moved(always) {
    if (!this.nodes) return;
    this.node.classList.toggle("far", this.view.scale < FAR);
    if (!always && this.nodes.length <= WHOLE) return;
    const { x, y, w, h } = this.view;
    const all = this.nodes.length <= WHOLE;
    const box = { x0: x - w * 0.2, y0: y - h * 0.2, x1: x + w * 1.2, y1: y + h * 1.2 };
    const sees = (one) => all || (one.x1 > box.x0 && one.x0 < box.x1 && one.y1 > box.y0 && one.y0 < box.y1);
    this.nodes.forEach((node, i) => {
      const id = idOf(node);
      const half = [node.w / 2, node.h / 2];
      if (sees({ x0: node.x - half[0], x1: node.x + half[0], y0: node.y - half[1], y1: node.y + half[1] })) this.mount(id, i);
      else if (i !== this.cursor && i !== this.selected) this.unmount(id);
    });
    this.lines.forEach((line, i) => {
      if (sees(line.box)) this.mountEdge(i);
      else {
        this.edges.get(i)?.remove();
        this.edges.delete(i);
      }
    });
  }

  mount(id, i) {
    const node = this.nodes[i];
    let card = this.cards.get(id);
    if (!card) {
      card = makeCard(node, this.hooks.uid, this.nodes.length <= LITE);
      card.g.addEventListener("click", () => this.view.dragged || this.hooks.open(card.i));
      card.g.addEventListener("pointerenter", () => this.highlight(card.i));
      card.g.addEventListener("pointerleave", () => this.highlight(this.selected));
      card.g.addEventListener("focus", () => this.setCursor(card.i));
      this.cards.set(id, card);
      this.nodeLayer.append(card.g);
      card.i = i;
      this.place(card, node);
      this.paint(i);
      this.squeeze(card);
    } else {
      card.i = i;
      this.place(card, node);
    }
    card.g.setAttribute("tabindex", i === this.cursor ? 0 : -1);
    card.g.classList.toggle("sel", i === this.selected);
  }

  place(card, node) {
    const where = `translate(${node.x - node.w / 2}px,${node.y - node.h / 2}px)`;
    if (card.where !== where) card.g.style.transform = card.where = where;
  }

  unmount(id) {
    this.cards.get(id)?.g.remove();
    this.cards.delete(id);
  }

  mountEdge(i) {
    if (this.edges.has(i)) return;
    const path = sv("path", { class: "ed", d: this.lines[i].d });
    this.edges.set(i, path);
    this.edgeLayer.append(path);
    this.paintEdge(i);
  }

  /** Labels can be measured only in the page; the layout guessed their width. */
  squeeze(card) {
    if (!this.svg.clientWidth) return; // hidden: `shown` comes back to it
    card.fitted = true;
    if (card.label.getComputedTextLength() <= card.room) return;
    card.label.setAttribute("textLength", card.room);
    card.label.setAttribute("lengthAdjust", "spacingAndGlyphs");
  }

  shown() {
    this.view.resized();
    for (const card of this.cards.values()) if (!card.fitted) this.squeeze(card);
  }

  // ---- painting ----

  paintAll() {
    for (const card of this.cards.values()) this.paint(card.i);
    for (const i of this.edges.keys()) this.paintEdge(i);
  }

  paintSome(changed) {
    const touched = new Set();
    for (const i of changed) {
      this.paint(i);
      for (const edge of this.links?.[i] || []) touched.add(edge);
    }
    for (const edge of touched) this.paintEdge(edge);
  }

  paint(i) {
    const node = this.nodes?.[i];
    const card = node && this.cards.get(idOf(node));
    if (!card) return;
    const code = this.store.code(i);
    if (card.code !== code) {
      card.code = code;
      card.g.dataset.s = code;
      for (const [name, part] of [["--nf", "f"], ["--ns", "s"], ["--ni", "i"]]) card.g.style.setProperty(name, `var(--${code}-${part})`);
      card.icon.setAttribute("href", `#${this.hooks.uid}-${code}`);
    }
    const text = this.store.subtitle(i);
    const changed = this.store.changed(i) > 0;
    if (card.text !== text || card.changed !== changed) {
      card.text = text;
      card.changed = changed;
      card.g.classList.toggle("changed", changed);
      card.sub.textContent = text;
      const label = `${node.label}: ${word(code)}${text.toLowerCase() === word(code).toLowerCase() ? "" : `, ${text}`}${changed ? ", changed since it ran" : ""}`;
      card.g.setAttribute("aria-label", label);
      card.title.textContent = label;
    }
    card.g.classList.toggle("dim", Boolean(this.filter) && !this.store.holds(i, this.filter));
    if (card.bar) paintBar(card, node, this.store.row(i)[6] || {});
    else if (card.part) card.part.setAttribute("width", code === "r" ? this.store.share(i) * (node.w - 18) : 0);
  }

  paintEdge(i) {
    const path = this.edges.get(i);
    if (!path) return;
    const { from, to, mark } = this.lines[i];
    if (mark) return this.paintLink(path, mark, this.lit === from || this.lit === to);
    const [a, b] = [this.store.code(from), this.store.code(to)];
    const ready = "sc".includes(a);
    let name = "ed";
    if (ready && MOVING.includes(b) && b !== "f") name += " act";
    else if ((ready || a === "r") && "scf".includes(b)) name += " on";
    else if ("kx".includes(b) || "fkx".includes(a)) name += " dead";
    if (this.lit === from || this.lit === to) name += " hl";
    if (path.name !== name) path.setAttribute("class", (path.name = name));
  }

  paintLink(path, [, dashed, taken], lit) {
    const name = `ed lk${dashed ? " rule" : ""}${taken ? " on" : ""}${lit ? " hl" : ""}`;
    if (path.name === name) return;
    path.setAttribute("class", (path.name = name));
    path.setAttribute("marker-end", `url(#${this.hooks.uid}-${lit ? "hl" : taken ? "on" : "off"})`);
  }

  highlight(i) {
    const before = this.lit;
    this.lit = i;
    for (const node of [before, i]) for (const edge of (node != null && this.links[node]) || []) this.paintEdge(edge);
  }

  setFilter(code) {
    this.filter = code;
    this.node.classList.toggle("filtered", Boolean(code));
    for (const card of this.cards.values()) this.paint(card.i);
  }

  // ---- choosing and walking ----

  select(i) {
    this.choose(i);
    if (i == null || !this.nodes[i]) return;
    this.view.take();
    this.reveal(i);
  }

  /** Mark a node as the chosen one, without moving the view. */
  choose(i) {
    this.cardAt(this.selected)?.g.classList.remove("sel");
    this.selected = i;
    this.cardAt(i)?.g.classList.add("sel");
    this.highlight(i);
  }

  cardAt(i) {
    return i != null && this.nodes?.[i] ? this.cards.get(idOf(this.nodes[i])) : undefined;
  }

  /** Bring a node into sight, `covered` pixels at the right being hidden by the details. */
  reveal(i, covered = 0) {
    const node = this.nodes[i];
    if (!node || !this.svg.clientWidth) return;
    const hidden = (covered * this.view.w) / this.svg.clientWidth;
    const over = node.x + node.w / 2 + PADDING - (this.view.x + this.view.w - hidden);
    const under = this.view.x - (node.x - node.w / 2 - PADDING);
    const below = node.y + node.h / 2 + PADDING - (this.view.y + this.view.h);
    const above = this.view.y - (node.y - node.h / 2 - PADDING);
    this.view.shift(over > 0 ? over : under > 0 ? -under : 0, below > 0 ? below : above > 0 ? -above : 0);
    this.mount(idOf(node), i);
  }

  setCursor(i) {
    this.cardAt(this.cursor)?.g.setAttribute("tabindex", -1);
    this.cursor = i;
    this.cardAt(i)?.g.setAttribute("tabindex", 0);
  }

  focus(i = this.cursor) {
    if (!this.nodes?.[i]) return;
    this.setCursor(i);
    this.reveal(i);
    this.cardAt(i).g.focus({ preventScroll: true });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const zoom = { "+": 0.8, "=": 0.8, "-": 1.25 }[event.key];
    if (zoom) this.view.zoom(zoom);
    else if (event.key === "0") this.view.fit(true);
    else if (event.key === "Enter" || event.key === " ") this.hooks.open(this.cursor, true);
    else if (event.key.startsWith("Arrow")) {
      const to = neighbour(event.key, this.cursor, this.nodes, this.lines, this.links, this.sideways);
      this.view.take();
      if (to != null) this.focus(to);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // ---- following ----

  follow(atOnce) {
    if (!this.view.following || !this.view.fitted || !this.nodes?.length) return;
    let box = null;
    this.nodes.forEach((node, i) => {
      if (!MOVING.includes(this.store.code(i))) return;
      box ||= { x0: Infinity, y0: Infinity, x1: -Infinity, y1: -Infinity };
      box.x0 = Math.min(box.x0, node.x - node.w / 2 - 70);
      box.x1 = Math.max(box.x1, node.x + node.w / 2 + 70);
      box.y0 = Math.min(box.y0, node.y - node.h / 2 - 50);
      box.y1 = Math.max(box.y1, node.y + node.h / 2 + 50);
    });
    if (box) this.view.show(box, atOnce || this.lite || calm());
  }
}

const PADDING = 12;

/** The head of a link. */
function arrow(id, name) {
  const marker = sv("marker", { id, class: `head ${name}`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" });
  marker.append(sv("path", { d: "M0,0.5L8,4L0,7.5Z" }));
  return marker;
}

/** What a link is taken on, cut when it is long. */
function linkLabel({ label, at: [x, y] }) {
  const short = label.length > 22 ? `${label.slice(0, 21)}…` : label;
  return sv("text", { class: "lkl", x, y: y + 3.5, "text-anchor": "middle" }, short);
}
