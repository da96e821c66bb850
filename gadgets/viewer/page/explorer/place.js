"use strict";
// Where one is in the data, and how it looks: the state of the page, and its form in the address (permalink).

/** Entries of the state that stand in the address, with their short names there. */
const SHORT_NAMES = {
  slice: "s", cardiac: "c", respiratory: "r", pulse: "p", moment: "m", cross: "x", view: "v", panes: "q", method: "u",
  windows: "w", colours: "k", isSmooth: "i", regions: "g", line: "l", lineAxis: "a",
};

/** The state as text for location.hash; what is as it was at first is left out. */
function hashOf(state, first) {
  const parts = new URLSearchParams();
  for (const [name, short] of Object.entries(SHORT_NAMES)) {
    const text = JSON.stringify(state[name]);
    if (text !== undefined && text !== JSON.stringify(first[name])) parts.set(short, text);
  }
  return parts.toString();
}

/** Entries of a state that an address names; what cannot be read is left out. */
function stateOf(hash) {
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  const state = {};
  for (const [name, short] of Object.entries(SHORT_NAMES)) {
    if (!parts.has(short)) continue;
    try {
      state[name] = JSON.parse(parts.get(short));
    } catch {
      continue; // a cut address still opens the page
    }
  }
  return state;
}

/** A whole number within 0 … size - 1; else another. */
function boundedIndex(value, size, otherwise) {
  if (!Number.isFinite(value)) return otherwise;
  return Math.max(0, Math.min(size - 1, Math.round(value)));
}

/** Where the value of a list lies that is nearest to a wanted one: an address may name a pulse between. */
function nearestIndex(values, wanted) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (Math.abs(values[i] - wanted) < Math.abs(values[best] - wanted)) best = i;
  return best;
}

/** Letters of the patient's sides to which directions point (LPS): the right and the lower edge of an image. */
function sideOf(direction) {
  const letters = [["L", "R"], ["P", "A"], ["H", "F"]];
  const sizes = direction.map(Math.abs);
  const largest = Math.max(...sizes);
  if (!(largest > 0)) return "";
  const order = [0, 1, 2].sort((a, b) => sizes[b] - sizes[a]).filter((axis) => sizes[axis] > 0.3 * largest);
  return order.slice(0, 2).map((axis) => letters[axis][direction[axis] > 0 ? 0 : 1]).join("");
}

function opposite(side) {
  const other = { L: "R", R: "L", P: "A", A: "P", H: "F", F: "H" };
  return [...side].map((letter) => other[letter]).join("");
}

if (typeof module !== "undefined") module.exports = { hashOf, stateOf, boundedIndex, nearestIndex, sideOf, opposite };
