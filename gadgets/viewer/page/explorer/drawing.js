"use strict";
// Tools that draw into a picture: a line (M-mode), circle, polygon and bullseye.

/** Colours of regions: Okabe and Ito's, which all eyes can tell apart, on grey and on colour maps. */
const REGION_COLOURS = ["#56b4e9", "#e69f00", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#0072b2", "#ffffff"];

const CORNERS = { circle: 2, bullseye: 3, polygon: Infinity, line: 2 };

class Drawing {
  constructor(explorer) {
    this.explorer = explorer;
    this.draft = null; // {kind, points, hover}
  }

  on(phase, place, event) {
    const { tool } = this.explorer.state;
    const point = [round(place.x), round(place.y)];
    if (tool === "line" || tool === "circle") this.dragged(tool, phase, point);
    else if (phase === "down") this.clicked(tool, point, event);
    this.explorer.redraw();
  }

  dragged(kind, phase, point) {
    if (phase === "down") this.draft = { kind, points: [point, point] };
    else if (this.draft) this.draft.points[1] = point;
    if (kind === "line" && this.draft) this.explorer.set({ line: this.draft.points.map((p) => [...p]) });
    if (phase === "up") this.finish();
  }

  clicked(kind, point) {
    if (!this.draft || this.draft.kind !== kind) this.draft = { kind, points: [] };
    const { points } = this.draft;
    const near = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]) * this.pixel() < 8;
    if (kind === "polygon" && points.length > 2 && near(point, points[0])) return this.finish();
    // The second click of a double one adds nothing.
    if (points.length && near(point, points[points.length - 1])) return;
    points.push(point);
    this.explorer.say(hintOf(kind, points.length));
    if (points.length === CORNERS[kind]) this.finish();
  }

  /** CSS pixels per pixel of the image. */
  pixel() {
    return this.explorer.panes[0].picture.geometry().scaleX;
  }

  /** Keep what was drawn, if it is whole. */
  finish() {
    const draft = this.draft;
    this.draft = null;
    if (!draft) return;
    const { kind, points } = draft;
    const least = { circle: 2, bullseye: 3, polygon: 3 }[kind];
    const isWhole = least && points.length >= least && Math.hypot(points[1][0] - points[0][0], points[1][1] - points[0][1]) > 0.5;
    if (!isWhole) return this.explorer.redraw();
    const { regions } = this.explorer.state;
    const number = 1 + regions.reduce((most, { name }) => Math.max(most, Number(/\d+$/.exec(name)?.[0] || 0)), 0);
    this.explorer.set({ regions: [...regions, { kind, name: `${kind} ${number}`, points }] });
    this.explorer.say(`${kind} ${number} stands in the table`);
  }

  cancel() {
    this.draft = null;
    this.explorer.redraw();
  }

  paint(context, toScreen) {
    const { regions, line } = this.explorer.state;
    let number = 0;
    for (const region of regions)
      for (const { points } of outlines(region)) stroke(context, toScreen, points, REGION_COLOURS[number++ % REGION_COLOURS.length], true);
    if (line) {
      stroke(context, toScreen, line, "#f0e442", false);
      for (const point of line) dot(context, toScreen, point, "#f0e442");
    }
    if (!this.draft) return;
    const { kind, points } = this.draft;
    if (kind === "circle") for (const { points: outline } of outlines({ kind, name: "", points })) stroke(context, toScreen, outline, "#fff", true);
    else if (kind !== "line") stroke(context, toScreen, points, "#fff", false);
    for (const point of points) dot(context, toScreen, point, "#fff");
  }
}

function hintOf(kind, done) {
  if (kind === "polygon") return "Click corner after corner; double click, Enter or a click on the first corner ends it.";
  return ["Click the centre of the left ventricle.", "Now the anterior insertion of the right ventricle, on the outer edge.",
    "Now the inner edge of the wall.", ""][done];
}

function round(value) {
  return Math.round(100 * value) / 100;
}

function stroke(context, toScreen, points, colour, isClosed) {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(...toScreen(x, y));
  if (isClosed) context.closePath();
  for (const [style, width] of [["rgba(0,0,0,.6)", 4], [colour, 2]]) {
    [context.strokeStyle, context.lineWidth] = [style, width];
    context.stroke();
  }
}

function dot(context, toScreen, [x, y], colour) {
  context.beginPath();
  context.arc(...toScreen(x, y), 3.5, 0, 2 * Math.PI);
  [context.fillStyle, context.strokeStyle, context.lineWidth] = [colour, "rgba(0,0,0,.7)", 1];
  context.fill();
  context.stroke();
}

if (typeof module !== "undefined") module.exports = { Drawing, hintOf };
