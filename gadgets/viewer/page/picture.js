"use strict";
// An image of floating-point numbers in a canvas: window and level, zoom, pan, crosshair. Needs colours.js, gestures.js.

/** Share of the pixels that may be brighter than an automatic window, as malibu's Meta have it. */
const BRIGHTER_SHARE = 0.005;

/** Largest zoom over the whole image. */
const LARGEST_ZOOM = 32;

const knownSizes = new WeakMap();
const sizeObserver = typeof ResizeObserver === "undefined" ? null : new ResizeObserver((entries) => {
  for (const { target } of entries) knownSizes.delete(target);
});

/** Size of a canvas in CSS pixels; it is kept, since asking makes the browser lay out the page anew after each change. */
function sizeOf(canvas) {
  if (knownSizes.has(canvas)) return knownSizes.get(canvas);
  const size = { width: canvas.clientWidth, height: canvas.clientHeight };
  if (sizeObserver && size.width) {
    knownSizes.set(canvas, size);
    sizeObserver.observe(canvas);
  }
  return size;
}

/**
 * Draws a Float32Array image and turns gestures into calls back.
 *
 * options (all optional):
 *   onWindow(low, high)      the window was changed by the user
 *   onCross(x, y)            the crosshair was moved by the user, in whole pixels of the image
 *   onView(view)             zoom or pan was changed by the user: {zoom, x, y}
 *   onDraw(phase, place, event)   "down", "move", "up" with any tool but cross, window and pan; place in pixels
 *   onHover(place, event), onDouble(place, event), onWheel(event) -> true if it was used
 *   paint(context, toScreen) drawn over the image, in CSS pixels; toScreen(x, y) -> [x, y] of an image's place
 *   spacing                  height of a pixel over its width (1)
 * Places are continuous: pixel (0, 0) reaches from 0 to 1, so that its centre is at 0.5.
 */
class Picture {
  constructor(canvas, options = {}) {
    this.canvas = canvas;
    this.options = options;
    this.context = canvas.getContext("2d");
    this.buffer = document.createElement("canvas");
    this.window = { low: 0, high: 1 };
    this.view = { zoom: 1, x: 0.5, y: 0.5 }; // the place in the middle of the canvas, as shares of the image
    this.cross = null;
    this.tool = "cross";
    this.isSmooth = true;
    this.spacing = options.spacing || 1;
    this.values = null;
    this.setColours("grey");
    if (!canvas.hasAttribute("tabindex")) canvas.tabIndex = 0;
    this.gestures = new Gestures(this);
    if (typeof ResizeObserver !== "undefined") new ResizeObserver(() => this.draw()).observe(canvas);
  }

  setColours(name) {
    this.colours = name;
    this.table = colourTable(name);
    this.draw();
  }

  /** Show an image: rows of the given number of columns, top to bottom. Its window is kept. */
  setImage(values, rows, columns) {
    if (rows !== this.rows || columns !== this.columns) {
      [this.rows, this.columns] = [rows, columns];
      [this.buffer.width, this.buffer.height] = [columns, rows];
      this.pixels = this.buffer.getContext("2d").createImageData(columns, rows);
      this.words = new Uint32Array(this.pixels.data.buffer);
    }
    this.values = values;
    this.draw();
  }

  /** Set the window by its ends; `quietly` does not call back. */
  setWindow(low, high, quietly = false) {
    this.window = { low, high };
    this.draw();
    if (!quietly) this.options.onWindow?.(low, high);
  }

  /** From zero, or the lowest value below it, to all but the brightest 0.5 % of the pixels. */
  autoWindow(quietly = false) {
    if (!this.values) return;
    const sorted = Float32Array.from(this.values).filter(Number.isFinite).sort();
    const high = sorted[Math.floor((1 - BRIGHTER_SHARE) * (sorted.length - 1))];
    this.setWindow(Math.min(0, sorted[0]), high, quietly);
  }

  /** Move the crosshair to a place; it takes the pixel in which the place lies. */
  setCross(place, quietly = false) {
    if (!place || !this.values) this.cross = null;
    else {
      const within = (value, size) => Math.max(0, Math.min(size - 1, Math.floor(value)));
      this.cross = { x: within(place.x, this.columns), y: within(place.y, this.rows) };
    }
    this.draw();
    if (!quietly && this.cross) this.options.onCross?.(this.cross.x, this.cross.y);
  }

  stepCross(dx, dy) {
    const { x, y } = this.cross || { x: this.columns >> 1, y: this.rows >> 1 };
    this.setCross({ x: x + dx, y: y + dy });
  }

  setView(view, quietly = false) {
    const zoom = Math.max(1, Math.min(LARGEST_ZOOM, view.zoom));
    const within = (value) => Math.max(0, Math.min(1, value));
    this.view = zoom === 1 ? { zoom, x: 0.5, y: 0.5 } : { zoom, x: within(view.x), y: within(view.y) };
    this.draw();
    if (!quietly) this.options.onView?.(this.view);
  }

  fit() {
    this.setView({ zoom: 1, x: 0.5, y: 0.5 });
  }

  panBy(dx, dy) {
    const { scaleX, scaleY } = this.geometry();
    const { zoom, x, y } = this.view;
    this.setView({ zoom, x: x - dx / (scaleX * this.columns), y: y - dy / (scaleY * this.rows) });
  }

  /** Zoom about a place of the canvas, which stays where it is; by default about the middle. */
  zoomBy(factor, atX = sizeOf(this.canvas).width / 2, atY = sizeOf(this.canvas).height / 2) {
    const held = this.toImage(atX, atY);
    const zoom = Math.max(1, Math.min(LARGEST_ZOOM, this.view.zoom * factor));
    const change = this.view.zoom / zoom;
    const moved = (middle, place, size) => place / size + (middle - place / size) * change;
    this.setView({ zoom, x: moved(this.view.x, held.x, this.columns), y: moved(this.view.y, held.y, this.rows) });
  }

  /** CSS pixels per pixel of the image, and where its corner lies. */
  geometry() {
    const { width, height } = sizeOf(this.canvas);
    const [columns, rows] = [this.columns || 1, this.rows || 1];
    const scaleX = this.view.zoom * Math.min(width / columns, height / (rows * this.spacing));
    const scaleY = scaleX * this.spacing;
    const left = width / 2 - this.view.x * columns * scaleX;
    const top = height / 2 - this.view.y * rows * scaleY;
    return { scaleX, scaleY, left, top };
  }

  /** Place of the image under a place of the canvas, in CSS pixels. */
  toImage(x, y) {
    const { scaleX, scaleY, left, top } = this.geometry();
    return { x: (x - left) / scaleX, y: (y - top) / scaleY };
  }

  draw() {
    const { width, height } = sizeOf(this.canvas);
    if (!this.values || !width) return;
    const ratio = window.devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== wide || this.canvas.height !== high) [this.canvas.width, this.canvas.height] = [wide, high];
    colourise(this.values, this.window.low, this.window.high, this.table, this.words);
    this.buffer.getContext("2d").putImageData(this.pixels, 0, 0);
    const { scaleX, scaleY, left, top } = this.geometry();
    const context = this.context;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    context.imageSmoothingEnabled = this.isSmooth;
    context.imageSmoothingQuality = "medium";
    context.drawImage(this.buffer, left, top, this.columns * scaleX, this.rows * scaleY);
    const toScreen = (x, y) => [left + x * scaleX, top + y * scaleY];
    this.options.paint?.(context, toScreen);
    if (this.cross) this.drawCross(context, toScreen, width, height);
  }

  /** Thin lines with a gap around the pixel, so that what one looks at is seen. */
  drawCross(context, toScreen, width, height) {
    const [x, y] = toScreen(this.cross.x + 0.5, this.cross.y + 0.5);
    const gap = Math.max(6, this.geometry().scaleX);
    context.beginPath();
    for (const [x0, y0, x1, y1] of [[0, y, x - gap, y], [x + gap, y, width, y], [x, 0, x, y - gap], [x, y + gap, x, height]]) {
      context.moveTo(x0, y0);
      context.lineTo(x1, y1);
    }
    for (const [style, line] of [["rgba(0,0,0,.55)", 3], ["rgba(110,220,255,.9)", 1]]) {
      context.strokeStyle = style;
      context.lineWidth = line;
      context.stroke();
    }
  }
}

if (typeof module !== "undefined") module.exports = { Picture, sizeOf };
