"use strict";
// The keyboard: what each key does, and the help that says so.

const TOOLS = [
  ["cross", "Crosshair", "x"], ["window", "Window", "w"], ["pan", "Pan", "p"], ["line", "Line", "l"], ["circle", "Circle", "o"],
  ["polygon", "Polygon", "y"], ["bullseye", "Bullseye", "e"],
];

/** Keys of the page: [key, what it does, function of the explorer]. */
const PAGE_KEYS = [
  ["h", "next phase of the heart", (e) => e.axes.step("cardiac", 1)],
  ["H", "phase before", (e) => e.axes.step("cardiac", -1)],
  ["b", "next breathing position", (e) => e.axes.step("respiratory", 1)],
  ["B", "position before", (e) => e.axes.step("respiratory", -1)],
  ["t", "next inversion time", (e) => e.axes.step("recovery", 1)],
  ["T", "inversion time before", (e) => e.axes.step("recovery", -1)],
  ["s", "next moment of the scan", (e) => e.axes.step("time", 1)],
  ["S", "moment before", (e) => e.axes.step("time", -1)],
  [" ", "play or stop the heartbeat", (e) => e.axes.toggle(e.axes.playing || (e.axes.rows.cardiac ? "cardiac" : "time"))],
  ["i", "interpolate between pixels, or not", (e) => e.set({ isSmooth: !e.state.isSmooth })],
  ["c", "compare methods, or not", (e) => e.compare()],
  ["Enter", "end a polygon", (e) => e.drawing.finish()],
  ["Escape", "leave what is being drawn, stop playing", (e) => { e.drawing.cancel(); e.axes.stop(); }],
  ["?", "this help", () => document.getElementById("help").showModal()],
];

/** Keys of a picture that has the focus (gestures.js). */
const PICTURE_KEYS = [
  ["arrows", "move the crosshair (with Shift: by 10)"], ["[ ]", "narrower, wider window"], [", .", "lower, higher level"],
  ["a", "window by what is shown"], ["+ −", "zoom"], ["0", "whole picture"],
];

/** Keys that a picture takes also where it has no focus. */
const FORWARDED = new Set(["[", "]", ",", ".", "a", "+", "=", "-", "0"]);

function listenToKeys(explorer) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.getElementById("help").open) return;
    const { target } = event;
    const isControl = ["BUTTON", "SELECT", "INPUT", "TEXTAREA"].includes(target.tagName);
    if (isControl && (event.key === " " || event.key === "Enter" || target.tagName === "SELECT")) return;
    const tool = TOOLS.find(([, , key]) => key === event.key);
    const action = PAGE_KEYS.find(([key]) => key === event.key);
    if (tool) explorer.setTool(tool[0]);
    else if (action) action[2](explorer);
    else if (FORWARDED.has(event.key)) explorer.panes[0].picture.gestures.key(event);
    else return;
    event.preventDefault();
  });
}

function fillHelp(root) {
  const line = (key, text) => made("p", {}, made("kbd", {}, key === " " ? "Space" : key), ` ${text}`);
  root.replaceChildren(
    ...PAGE_KEYS.map(([key, text]) => line(key, text)),
    ...TOOLS.map(([, name, key]) => line(key, `tool: ${name.toLowerCase()}`)),
    ...PICTURE_KEYS.map(([key, text]) => line(key, text)));
}

if (typeof module !== "undefined") module.exports = { TOOLS, PAGE_KEYS };
