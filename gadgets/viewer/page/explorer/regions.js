"use strict";
// Regions of the image: circle, polygon, and a ring of six segments on a short axis; which pixels lie in them, and what
// the T1 map says there. Places are continuous: the centre of pixel (0, 0) is at (0.5, 0.5).

/** Segments of a ring from the anterior insertion of the right ventricle, over the septum (AHA, basal and mid). */
const SEGMENTS = ["anteroseptal", "inferoseptal", "inferior", "inferolateral", "anterolateral", "anterior"];

/**
 * Outlines of a region, each a list of [x, y], with their names.
 * @param {{kind: string, name: string, points: Array<[number, number]>, isMirrored?: boolean}} region
 *   circle: centre, edge; polygon: corners; bullseye: centre of the left ventricle, anterior insertion of the right
 *   ventricle (it lies on the outer edge), inner edge.
 */
function outlines(region) {
  const { kind, name, points } = region;
  if (kind === "polygon") return [{ name, points }];
  const [[x, y], edge] = points;
  const radius = Math.hypot(edge[0] - x, edge[1] - y);
  if (kind === "circle") return [{ name, points: arc(x, y, radius, 0, 2 * Math.PI) }];
  const other = Math.hypot(points[2][0] - x, points[2][1] - y);
  const [inner, outer] = [Math.min(radius, other), Math.max(radius, other)];
  const start = Math.atan2(edge[1] - y, edge[0] - x);
  // Seen from the feet, the septum follows the anterior insertion anticlockwise; y runs downwards.
  const step = ((region.isMirrored ? 1 : -1) * Math.PI) / 3;
  return SEGMENTS.map((segment, n) => {
    const [from, to] = [start + n * step, start + (n + 1) * step];
    const ring = [...arc(x, y, outer, from, to), ...arc(x, y, inner, to, from)];
    return { name: `${name} ${segment}`, points: ring };
  });
}

function arc(x, y, radius, from, to) {
  const steps = Math.max(8, Math.ceil((Math.abs(to - from) / (2 * Math.PI)) * 96));
  return Array.from({ length: steps + 1 }, (_, n) => {
    const angle = from + ((to - from) * n) / steps;
    return [x + radius * Math.cos(angle), y + radius * Math.sin(angle)];
  });
}

/** Whether a place lies within an outline (even-odd rule). */
function isWithin(x, y, points) {
  let inside = false;
  for (let i = 0, j = points.length - 1; i < points.length; j = i++) {
    const [[xi, yi], [xj, yj]] = [points[i], points[j]];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

/** Pixels whose centres lie within an outline. */
function pixelsWithin(points, rows, columns) {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const bounds = (values, size) => [
    Math.max(0, Math.floor(Math.min(...values))), Math.min(size, Math.ceil(Math.max(...values)))];
  const [[left, right], [top, bottom]] = [bounds(xs, columns), bounds(ys, rows)];
  const found = [];
  for (let y = top; y < bottom; y++)
    for (let x = left; x < right; x++) if (isWithin(x + 0.5, y + 0.5, points)) found.push(y * columns + x);
  return found;
}

/** Count, mean and standard deviation (n - 1) of an image's values at some pixels; `onlyPositive` leaves out zeros. */
function statistics(values, pixels, onlyPositive = false) {
  const some = pixels.map((pixel) => values[pixel]).filter((value) => !onlyPositive || value > 0);
  const count = some.length;
  const mean = some.reduce((sum, value) => sum + value, 0) / count;
  const variance = some.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  return { count, mean, deviation: count > 1 ? Math.sqrt(variance) : NaN };
}

/** Rows of a table as CSV (RFC 4180); a text that a spreadsheet would take for a formula is quoted by an apostrophe. */
function csvOf(rows) {
  const cell = (value) => {
    let text = String(value);
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

if (typeof module !== "undefined") module.exports = { outlines, isWithin, pixelsWithin, statistics, csvOf, SEGMENTS };
