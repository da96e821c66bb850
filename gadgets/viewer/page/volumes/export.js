"use strict";
// The pictures of the page as one picture with its legend.

const LEGEND_LINE = 20; // CSS pixels

/** Lines under the pictures: what is shown, how it was windowed, and the research label. */
function legendOf(page) {
  const { state } = page;
  const number = (value) => value.toPrecision(4);
  const sides = [state.shown, state.beside].filter(Boolean);
  const windows = sides.map((kind) => {
    const [low, high] = page.windowOf(kind);
    return kind === "difference" ? page.titleOf(kind) : `${page.titleOf(kind)}, ${number(low)} to ${number(high)}`;
  });
  const label = document.querySelector(".label").textContent.trim();
  return [`${page.scan.label}: ${windows.join(" | ")}`, placeText(placeOf(page.grid, state.at)), label];
}

/** A canvas with the three pictures where they lie on the page, at the screen's resolution. */
function pictureOfPage(page) {
  const ratio = window.devicePixelRatio || 1;
  const frame = document.getElementById("views").getBoundingClientRect();
  const legend = legendOf(page);
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(frame.width * ratio);
  canvas.height = Math.round((frame.height + (legend.length + 1) * LEGEND_LINE) * ratio);
  const context = canvas.getContext("2d");
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  for (const view of page.views) {
    const box = view.canvas.getBoundingClientRect();
    context.drawImage(view.canvas, box.left - frame.left, box.top - frame.top, box.width, box.height);
  }
  legend.forEach((line, number) =>
    writeOver(context, line, MARGIN, frame.height + (number + 0.5) * LEGEND_LINE));
  return canvas;
}

if (typeof module !== "undefined") module.exports = { legendOf, pictureOfPage };
