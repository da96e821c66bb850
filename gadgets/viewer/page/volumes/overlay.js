"use strict";
// What is written and drawn over a plane's picture: where it lies, its sides in the patient, the slab, a ruler.

const OVERLAY_FONT = "13px system-ui, sans-serif";
const MARGIN = 8; // CSS pixels between text and the picture's edge
const RULERS_MM = [100, 50, 20, 10, 5, 2, 1];

/** Text that is readable on black and on white. */
function writeOver(context, text, x, y, align = "left", baseline = "top", colour = "#e9f1f4") {
  context.font = OVERLAY_FONT;
  context.textAlign = align;
  context.textBaseline = baseline;
  context.lineJoin = "round";
  context.lineWidth = 3;
  context.strokeStyle = "rgba(0,0,0,.75)";
  context.strokeText(text, x, y);
  context.fillStyle = colour;
  context.fillText(text, x, y);
}

/** The patient's sides at the middle of the four edges, beside vertical and horizontal lines that run through there. */
function drawEdgeLetters(context, letters, width, height, acrossLines, downLine) {
  const amber = "#ffd479";
  const isFree = (lines, place) => lines.every((line) => Math.abs(line - place) >= 8);
  const aside = (lines, middle) => [0, 14, -14, 28].map((by) => middle + by).find((place) => isFree(lines, place)) ?? middle;
  const [x, y] = [aside(acrossLines, width / 2), aside([downLine], height / 2)];
  writeOver(context, letters.left, MARGIN, y, "left", "middle", amber);
  writeOver(context, letters.right, width - MARGIN, y, "right", "middle", amber);
  writeOver(context, letters.top, x, MARGIN, "center", "top", amber);
  writeOver(context, letters.bottom, x, height - MARGIN, "center", "bottom", amber);
}

/** A ruler of the longest round length that takes at most 40 % of the picture. */
function drawRuler(context, pixelsPerMm, width, height) {
  const length = RULERS_MM.find((mm) => mm * pixelsPerMm <= 0.4 * width) || RULERS_MM[RULERS_MM.length - 1];
  const right = width - MARGIN;
  const [left, y] = [right - length * pixelsPerMm, height - MARGIN - 22];
  context.beginPath();
  for (const [x0, y0, x1, y1] of [[left, y, right, y], [left, y - 4, left, y + 4], [right, y - 4, right, y + 4]]) {
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
  }
  for (const [style, line] of [["rgba(0,0,0,.7)", 4], ["#e9f1f4", 1.5]]) {
    context.strokeStyle = style;
    context.lineWidth = line;
    context.stroke();
  }
  writeOver(context, `${length} mm`, right, y - 6, "right", "bottom");
}

/** Ends of another plane's slab, dashed: `places` are pixels of the picture across, or down. */
function drawSlab(context, toScreen, places, isAcross, width, height) {
  context.setLineDash([5, 5]);
  context.lineWidth = 1;
  context.strokeStyle = "rgba(255,212,121,.8)";
  context.beginPath();
  for (const place of places) {
    const [x, y] = toScreen(place, place);
    context.moveTo(isAcross ? x : 0, isAcross ? 0 : y);
    context.lineTo(isAcross ? x : width, isAcross ? height : y);
  }
  context.stroke();
  context.setLineDash([]);
}

/** The line between two versions. */
function drawDivider(context, x, height) {
  for (const [style, line] of [["rgba(0,0,0,.6)", 4], ["#fff", 1.5]]) {
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, height);
    context.strokeStyle = style;
    context.lineWidth = line;
    context.stroke();
  }
}

if (typeof module !== "undefined") module.exports = { writeOver, drawEdgeLetters, drawRuler, drawSlab, drawDivider };
