"use strict";
// Small plots of curves in the page's own colours: a line, a fit with its band, and a marker that can be dragged.

const knownTokens = new Map();

/** A token of the design, as the present theme has it; it is kept until the theme changes. */
function token(name) {
  if (!knownTokens.has(name))
    knownTokens.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  return knownTokens.get(name);
}

/** Call back when the colours change, by the system's wish or by the page's. */
function watchTheme(changed) {
  const anew = () => {
    knownTokens.clear();
    changed();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", anew);
  new MutationObserver(anew).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
}

/** Round numbers that divide a range into about `count` steps. */
function ticksOf(low, high, count) {
  const raw = (high - low) / count;
  if (!(raw > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999) * power;
  const ticks = [];
  for (let tick = Math.ceil(low / step - 1e-9) * step; tick <= high + 1e-9 * step; tick += step) ticks.push(tick);
  return ticks.map((tick) => Number(tick.toPrecision(12)));
}

/** Make a canvas as sharp as the screen, and give its context in CSS pixels. */
function sharpContext(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { width, height } = sizeOf(canvas);
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

const MARGIN = { left: 46, right: 10, top: 8, bottom: 34 };

/**
 * A plot in a canvas. `onPick(x)` is called with a value of the abscissa while one drags over it.
 * draw({x, xLabel, lines: [{y, token, width, dash, dots}], band: {low, high, token}, marker, zero})
 */
class Plot {
  constructor(canvas, onPick) {
    this.canvas = canvas;
    this.range = [0, 1];
    const pick = (event) => {
      if (!event.buttons) return;
      const box = canvas.getBoundingClientRect();
      const share = (event.clientX - box.left - MARGIN.left) / (box.width - MARGIN.left - MARGIN.right);
      onPick(this.range[0] + Math.max(0, Math.min(1, share)) * (this.range[1] - this.range[0]));
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pick(event);
    });
    canvas.addEventListener("pointermove", pick);
    if (typeof ResizeObserver !== "undefined") new ResizeObserver(() => this.shown && this.draw(this.shown)).observe(canvas);
  }

  draw(shown) {
    this.shown = shown;
    if (!sizeOf(this.canvas).width) return;
    const { context, width, height } = sharpContext(this.canvas);
    this.place(shown, width, height);
    this.axes(context, shown, width, height);
    if (shown.band) this.area(context, shown);
    if (shown.marker !== undefined) this.mark(context, shown.marker, height);
    for (const line of shown.lines) this.line(context, shown.x, line);
  }

  /** Ranges of both axes, and the functions that take values to the canvas. */
  place(shown, width, height) {
    const { x, lines, band } = shown;
    const all = [...lines.map((line) => line.y), ...(band ? [band.low, band.high] : [])];
    let [low, high] = [shown.zero ? 0 : Infinity, shown.zero ? 0 : -Infinity];
    for (const values of all)
      for (const value of values) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
    if (!(high > low)) [low, high] = [low - 1, low + 1];
    const spare = 0.06 * (high - low);
    this.values = [low - (low < 0 || !shown.zero ? spare : 0), high + spare];
    this.range = [x[0], x[x.length - 1] > x[0] ? x[x.length - 1] : x[0] + 1];
    const [wide, tall] = [width - MARGIN.left - MARGIN.right, height - MARGIN.top - MARGIN.bottom];
    this.toX = (value) => MARGIN.left + ((value - this.range[0]) / (this.range[1] - this.range[0])) * wide;
    this.toY = (value) => MARGIN.top + tall - ((value - this.values[0]) / (this.values[1] - this.values[0])) * tall;
  }

  axes(context, shown, width, height) {
    context.font = "12px system-ui, sans-serif";
    context.lineWidth = 1;
    context.strokeStyle = token("line");
    context.fillStyle = token("quiet");
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const tick of ticksOf(...this.values, 4)) {
      const y = Math.round(this.toY(tick)) + 0.5;
      context.beginPath();
      context.moveTo(MARGIN.left, y);
      context.lineTo(width - MARGIN.right, y);
      context.stroke();
      context.fillText(String(tick), MARGIN.left - 6, y);
    }
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const tick of ticksOf(...this.range, Math.max(2, Math.floor(width / 90))))
      context.fillText(String(tick), this.toX(tick), height - MARGIN.bottom + 4);
    context.textAlign = "right";
    context.fillText(shown.xLabel, width - MARGIN.right, height - 15);
  }

  area(context, { x, band }) {
    context.beginPath();
    for (let i = 0; i < x.length; i++) context.lineTo(this.toX(x[i]), this.toY(band.low[i]));
    for (let i = x.length - 1; i >= 0; i--) context.lineTo(this.toX(x[i]), this.toY(band.high[i]));
    context.closePath();
    context.globalAlpha = 0.3;
    context.fillStyle = token(band.token);
    context.fill();
    context.globalAlpha = 1;
  }

  line(context, x, { y, token: name, width = 1.5, dash = [], dots = false }) {
    context.strokeStyle = context.fillStyle = token(name);
    context.lineWidth = width;
    context.setLineDash(dash);
    context.beginPath();
    for (let i = 0; i < x.length; i++) context.lineTo(this.toX(x[i]), this.toY(y[i]));
    context.stroke();
    context.setLineDash([]);
    if (!dots) return;
    for (let i = 0; i < x.length; i++) {
      context.beginPath();
      context.arc(this.toX(x[i]), this.toY(y[i]), 2.2, 0, 2 * Math.PI);
      context.fill();
    }
  }

  mark(context, value, height) {
    const x = this.toX(value);
    context.strokeStyle = token("text");
    context.globalAlpha = 0.45;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x, MARGIN.top);
    context.lineTo(x, height - MARGIN.bottom);
    context.stroke();
    context.globalAlpha = 1;
  }
}

if (typeof module !== "undefined") module.exports = { ticksOf, Plot };
