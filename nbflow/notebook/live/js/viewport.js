// What part of the graph is seen: pan, zoom, fit, and following what runs until a person takes over.
import { calm } from "./dom.js";

const PAD = 16; // room around the graph, in its own units
const FIRST_VIEW = 1.4; // the first view shows the graph at 71 % or larger: labels stay readable

export class Viewport {
  /** `changed` is called after each move; `svg` fills its parent. */
  constructor(svg, changed) {
    Object.assign(this, { svg, changed, x: 0, y: 0, w: 1, h: 1, width: 0, height: 0, following: true, fitted: false });
    this.listen();
  }

  get scale() {
    return this.svg.clientWidth / this.w;
  }

  resizeGraph(width, height) {
    this.width = width;
    this.height = height;
  }

  /** Show everything, or the first view. Does nothing while the graph is hidden; `resized` comes back to it. */
  fit(all) {
    const { clientWidth: wide, clientHeight: high } = this.svg;
    if (!wide || !high) return false;
    const full = Math.max((this.width + PAD * 2) / wide, (this.height + PAD * 2) / high, 1);
    const k = all ? full : Math.min(full, FIRST_VIEW);
    const start = (size, seen) => (size + PAD * 2 > seen ? -PAD : (size - seen) / 2);
    this.fitted = true;
    this.following = !all;
    this.stop();
    this.set(start(this.width, wide * k), start(this.height, high * k), wide * k, high * k);
    return true;
  }

  /** Keep the middle and the scale when the box changes its size. */
  resized() {
    const { clientWidth: wide, clientHeight: high } = this.svg;
    if (!wide || !high) return;
    if (!this.fitted || this.following) {
      this.fit(false);
      return;
    }
    const k = this.w / (this.boxWidth || wide);
    this.set(this.x + (this.w - wide * k) / 2, this.y + (this.h - high * k) / 2, wide * k, high * k);
  }

  set(x, y, w = this.w, h = this.h) {
    Object.assign(this, { x, y, w, h, boxWidth: this.svg.clientWidth });
    this.svg.setAttribute("viewBox", `${x} ${y} ${w} ${h}`);
    this.changed();
  }

  shift(dx, dy) {
    if (dx || dy) this.set(this.x + dx, this.y + dy);
  }

  zoom(factor, cx = 0.5, cy = 0.5) {
    const { clientWidth: wide, clientHeight: high } = this.svg;
    const widest = Math.max((this.width + PAD * 2) / wide, (this.height + PAD * 2) / high, 1) * wide * 2;
    const w = Math.min(Math.max(this.w * factor, 160), widest);
    const r = w / this.w;
    this.take();
    this.set(this.x + this.w * (1 - r) * cx, this.y + this.h * (1 - r) * cy, w, this.h * r);
  }

  /** A person moved the view: following ends. */
  take() {
    this.following = false;
    this.stop();
  }

  stop() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
  }

  /** Bring a box into sight with the smallest move; `at once` or gliding. */
  show({ x0, y0, x1, y1 }, atOnce) {
    const axis = (from, seen, a, b, size) => {
      if (size + PAD * 2 <= seen) return from;
      let to = from;
      if (a < from || b > from + seen) to = b - a > seen ? a : (a + b) / 2 - seen / 2;
      return Math.max(-PAD, Math.min(size + PAD - seen, to));
    };
    this.target = [axis(this.x, this.w, x0, x1, this.width), axis(this.y, this.h, y0, y1, this.height)];
    if (atOnce || calm()) {
      if (this.target[0] !== this.x || this.target[1] !== this.y) this.set(...this.target);
    } else if (!this.frame) {
      this.glide();
    }
  }

  glide() {
    const [dx, dy] = [this.target[0] - this.x, this.target[1] - this.y];
    if (Math.abs(dx) < 0.5 && Math.abs(dy) < 0.5) {
      this.frame = 0;
      return;
    }
    this.set(this.x + dx * 0.16, this.y + dy * 0.16);
    this.frame = requestAnimationFrame(() => this.glide());
  }

  listen() {
    const { svg } = this;
    let grip = null;
    svg.addEventListener("pointerdown", (event) => {
      if (!event.button) grip = { x: event.clientX, y: event.clientY, fromX: this.x, fromY: this.y, moved: false };
    });
    svg.addEventListener("pointermove", (event) => {
      if (!grip) return;
      const [dx, dy] = [event.clientX - grip.x, event.clientY - grip.y];
      if (!grip.moved) {
        if (Math.hypot(dx, dy) < 4) return; // a click with a shaky hand
        grip.moved = true;
        this.take();
        svg.setPointerCapture(event.pointerId);
        svg.classList.add("drag");
      }
      const k = this.w / svg.clientWidth;
      this.set(grip.fromX - dx * k, grip.fromY - dy * k);
    });
    const end = () => {
      this.dragged = Boolean(grip?.moved); // the click that ends a drag must not close the details
      grip = null;
      svg.classList.remove("drag");
    };
    svg.addEventListener("pointerup", end);
    svg.addEventListener("pointercancel", end);
    svg.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey && !event.metaKey) return; // a plain wheel scrolls the notebook
        event.preventDefault();
        const box = svg.getBoundingClientRect();
        const step = Math.max(-60, Math.min(60, event.deltaY));
        this.zoom(Math.exp(step * 0.004), (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
      },
      { passive: false },
    );
  }
}
