"use strict";
// What the items of the server say about the newest scan; no browser needed.

/** State before anything has come. */
function emptyScan(name = "") {
  return { name, isOver: false, problem: "", explorer: "", series: new Map(), newest: null, gating: null, told: {} };
}

/**
 * Take an item into the state; a later scan takes the place of the one before, and items of earlier scans are dropped.
 * @param {object} scan from emptyScan.
 * @param {object} item of the server, see spool.py.
 * @returns {object} the state: the same object, or that of a new scan.
 */
function taken(scan, item) {
  if (item.scan < scan.name) return scan;
  if (item.scan > scan.name) scan = emptyScan(item.scan);
  if (item.kind === "gating") scan.gating = item;
  if (item.kind === "end") Object.assign(scan, { isOver: true, problem: item.problem, explorer: item.explorer });
  if (item.kind !== "image") return scan;
  Object.assign(scan.told, item.meta);
  const key = `${item.series}/${item.slice}`;
  if (!scan.series.has(key)) scan.series.set(key, { name: titleOf(item), images: [] });
  scan.series.get(key).images.push(item);
  scan.newest = item;
  return scan;
}

function titleOf(item) {
  return item.slice ? `${item.name}, slice ${item.slice + 1}` : item.name;
}

/** One sentence about the scan. */
function stateText(scan) {
  if (!scan.name) return "Waiting for a scan.";
  const rate = Number(scan.told.MalibuHeartRatePerMinute);
  const heart = rate ? ` Heart: ${rate.toFixed(0)} per minute (quality ${scan.told.MalibuHeartQuality ?? "not known"}).` : "";
  const missing = scan.told.MalibuUnresolved;
  const unresolved = missing && missing !== "none" ? ` Not resolved: ${missing}.` : "";
  const count = [...scan.series.values()].reduce((sum, one) => sum + one.images.length, 0);
  const images = `${count} image${count === 1 ? "" : "s"}`;
  if (scan.problem) return `Ended with an error after ${images}: ${scan.problem}`;
  if (scan.isOver) return `Done: ${images}.${heart}${unresolved}`;
  return `Running: ${images} so far.${heart}${unresolved}`;
}

/** Milliseconds that a picture of a moving series stays: real heart time for cardiac phases, else a fifth of a second. */
function frameMs(images) {
  const [first, second] = images.map((one) => Number(one.meta.CardiacPhaseMs));
  return second > first ? second - first : 200;
}

/** Window of an image in its values: as its Meta say, else from zero to its brightest pixel. */
function windowOf(item) {
  const [center, width] = [Number(item.meta.WindowCenter), Number(item.meta.WindowWidth)];
  return width > 0 ? [center - width / 2, center + width / 2] : [0, 65535 * item.scale];
}

if (typeof module !== "undefined") module.exports = { emptyScan, taken, stateText, frameMs, windowOf };
