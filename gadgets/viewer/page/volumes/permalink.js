"use strict";
// What is shown, as text after the # of the address. The text may come from anybody: what does not fit is passed over.

const MODES = ["plane", "max", "mean"];
const TOOLS = ["cross", "window", "pan"];
const PLANES = ["axial", "coronal", "sagittal"];

/** Largest zoom that a picture takes. */
const ZOOM_LIMIT = 32;

function short(value) {
  return String(Number(value.toPrecision(6)));
}

/** Text of a state. */
function hashOf(state) {
  const parts = [`scan=${state.scan}`, `show=${state.shown}`, `at=${state.at.join(",")}`, `mode=${state.mode}`,
    `slab=${short(state.slab)}`, `window=${state.window.map(short).join(",")}`, `spread=${short(state.spread)}`,
    `smooth=${state.isSmooth ? 1 : 0}`, `large=${state.large}`];
  if (state.beside) parts.push(`beside=${state.beside}`, `swipe=${short(state.swipe)}`);
  for (const name of PLANES) {
    const { zoom, x, y } = state.views[name];
    if (zoom !== 1) parts.push(`${name}=${[zoom, x, y].map(short).join(",")}`);
  }
  return "#" + parts.join("&");
}

/**
 * State of a text: only what is complete, finite and possible.
 * @param {string} hash with or without its #.
 * @param {Array} scans {kinds, shape, thickest}: names that may be shown, voxels along x, y and z, thickest slab in mm.
 */
function stateOf(hash, scans) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const state = {};
  const numbers = (name, count) => {
    const values = (given.get(name) || "").split(",").map((text) => (text.trim() === "" ? NaN : Number(text)));
    return values.length === count && values.every(Number.isFinite) ? values : null;
  };
  const scan = numbers("scan", 1);
  state.scan = scan && scans[scan[0]] ? scan[0] : 0;
  const { kinds, shape, thickest } = scans[state.scan];
  const named = (name, among) => (among.includes(given.get(name)) ? given.get(name) : null);
  const take = (name, value) => value !== null && (state[name] = value);
  const within = (value, low, high) => Math.max(low, Math.min(high, value));
  take("shown", named("show", kinds));
  take("beside", named("beside", kinds));
  take("mode", named("mode", MODES));
  take("large", named("large", PLANES));
  const at = numbers("at", 3);
  if (at) state.at = at.map((value, axis) => within(Math.round(value), 0, shape[axis] - 1));
  const window = numbers("window", 2);
  if (window && window[1] > window[0]) state.window = window;
  const positive = (name) => { const value = numbers(name, 1); return value && value[0] > 0 ? value[0] : null; };
  take("spread", positive("spread"));
  const slab = positive("slab");
  if (slab) state.slab = within(slab, 0, thickest);
  const swipe = numbers("swipe", 1);
  if (swipe) state.swipe = within(swipe[0], 0, 1);
  const smooth = numbers("smooth", 1);
  if (smooth) state.isSmooth = smooth[0] !== 0;
  for (const name of PLANES) {
    const view = numbers(name, 3);
    if (!view) continue;
    const [zoom, x, y] = [within(view[0], 1, ZOOM_LIMIT), within(view[1], 0, 1), within(view[2], 0, 1)];
    state.views = { ...state.views, [name]: { zoom, x, y } };
  }
  return state;
}

if (typeof module !== "undefined") module.exports = { hashOf, stateOf, MODES, TOOLS, PLANES };
