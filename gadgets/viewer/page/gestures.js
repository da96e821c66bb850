"use strict";
// Mouse, touch and keys over a Picture (picture.js). One finger or the left button does what the picture's tool says;
// the right button always windows, the middle one pans; the wheel and two fingers zoom and pan.

/** Share of the window's width by which one key press changes window or level. */
const KEY_STEP = 0.1;

/** Zoom of one step of the wheel or of a key. */
const ZOOM_STEP = 1.2;

class Gestures {
  constructor(picture) {
    this.picture = picture;
    this.pointers = new Map();
    const canvas = picture.canvas;
    canvas.style.touchAction = "none"; // the page scrolls beside the image, not from within it
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.up(event));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("dblclick", (event) => picture.options.onDouble?.(this.place(event), event));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  /** Place of an event in CSS pixels of the canvas. */
  at(event) {
    const box = this.picture.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  /** Place of an event in pixels of the image. */
  place(event) {
    const { x, y } = this.at(event);
    return this.picture.toImage(x, y);
  }

  down(event) {
    const { picture } = this;
    picture.canvas.setPointerCapture(event.pointerId);
    picture.canvas.focus({ preventScroll: true });
    this.pointers.set(event.pointerId, this.at(event));
    if (this.pointers.size > 1) return this.pinchStart();
    const byButton = { 1: "pan", 2: "window" }[event.button];
    this.tool = byButton || (event.shiftKey ? "window" : event.ctrlKey || event.metaKey ? "pan" : picture.tool);
    this.before = { ...picture.window };
    if (this.tool === "cross") picture.setCross(this.place(event));
    else if (!["pan", "window"].includes(this.tool)) picture.options.onDraw?.("down", this.place(event), event);
  }

  move(event) {
    const { picture } = this;
    if (!this.pointers.has(event.pointerId)) return picture.options.onHover?.(this.place(event), event);
    const last = this.pointers.get(event.pointerId);
    const now = this.at(event);
    this.pointers.set(event.pointerId, now);
    if (this.pointers.size > 1) return this.pinch();
    if (this.tool === "cross") picture.setCross(this.place(event));
    else if (this.tool === "pan") picture.panBy(now.x - last.x, now.y - last.y);
    else if (this.tool === "window") this.drag(now.x - last.x, now.y - last.y);
    else if (this.tool) picture.options.onDraw?.("move", this.place(event), event);
  }

  up(event) {
    const { picture } = this;
    const was = this.tool;
    if (!this.pointers.delete(event.pointerId)) return;
    if (this.pointers.size === 0) this.tool = null;
    if (was && !["cross", "pan", "window"].includes(was)) picture.options.onDraw?.("up", this.place(event), event);
  }

  /** To the right: wider; upwards: brighter, which is a lower level. A drag over the canvas is twice the window. */
  drag(dx, dy) {
    const { picture } = this;
    const { low, high } = picture.window;
    const perPixel = (2 * Math.max(this.before.high - this.before.low, 1e-12)) / picture.canvas.clientWidth;
    const level = (low + high) / 2 + dy * perPixel;
    const width = Math.max(high - low + dx * perPixel, perPixel);
    picture.setWindow(level - width / 2, level + width / 2);
  }

  pinchStart() {
    this.tool = null;
    this.last = this.spread();
  }

  pinch() {
    const now = this.spread();
    this.picture.panBy(now.x - this.last.x, now.y - this.last.y);
    if (this.last.distance > 0) this.picture.zoomBy(now.distance / this.last.distance, now.x, now.y);
    this.last = now;
  }

  /** Middle and distance of the first two fingers. */
  spread() {
    const [a, b] = [...this.pointers.values()];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, distance: Math.hypot(a.x - b.x, a.y - b.y) };
  }

  wheel(event) {
    const { picture } = this;
    if (picture.options.onWheel?.(event)) return event.preventDefault();
    event.preventDefault();
    const { x, y } = this.at(event);
    if (event.shiftKey) return picture.panBy(-event.deltaX || -event.deltaY, event.deltaX ? -event.deltaY : 0);
    picture.zoomBy(ZOOM_STEP ** (-Math.sign(event.deltaY) * Math.min(1, Math.abs(event.deltaY) / 50)), x, y);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { picture } = this;
    const { low, high } = picture.window;
    const step = KEY_STEP * (high - low);
    const pixels = event.shiftKey ? 10 : 1;
    const done = {
      ArrowLeft: () => picture.stepCross(-pixels, 0),
      ArrowRight: () => picture.stepCross(pixels, 0),
      ArrowUp: () => picture.stepCross(0, -pixels),
      ArrowDown: () => picture.stepCross(0, pixels),
      "+": () => picture.zoomBy(ZOOM_STEP),
      "=": () => picture.zoomBy(ZOOM_STEP),
      "-": () => picture.zoomBy(1 / ZOOM_STEP),
      0: () => picture.fit(),
      a: () => picture.autoWindow(),
      "[": () => picture.setWindow(low + step / 2, high - step / 2),
      "]": () => picture.setWindow(low - step / 2, high + step / 2),
      ",": () => picture.setWindow(low - step, high - step),
      ".": () => picture.setWindow(low + step, high + step),
    }[event.key];
    if (!done) return;
    event.preventDefault();
    event.stopPropagation();
    done();
  }
}

if (typeof module !== "undefined") module.exports = { Gestures };
