"use strict";
// Values of volumes: at a voxel, in a plane, over a slab. A volume is {values, shape, spacing, axes, first}: voxels in
// the order of the file (x fastest), and its own grid, which may be coarser than the grid that is shown.

/** Against rounding: a voxel's centre that lies half-way between two coarse voxels takes the higher one. */
const TIE = 1e-4;

/**
 * Nearest voxels of a volume along one axis of the grid that is shown; beyond the volume, its last voxel.
 * @returns {Int32Array} offset into the volume's values, for each index of the grid.
 */
function offsetsAlong(grid, volume, axis) {
  const stride = [1, volume.shape[0], volume.shape[0] * volume.shape[1]][axis];
  const offsets = new Int32Array(grid.shape[axis]);
  const start = grid.axes[axis].reduce((sum, part, k) => sum + part * (grid.first[k] - volume.first[k]), 0);
  for (let i = 0; i < offsets.length; i++) {
    const nearest = Math.floor((start + i * grid.spacing[axis]) / volume.spacing[axis] + 0.5 + TIE);
    offsets[i] = stride * Math.max(0, Math.min(volume.shape[axis] - 1, nearest));
  }
  return offsets;
}

/** Looks values up by the voxels of the grid that is shown. */
class Sampler {
  constructor(grid, volume) {
    this.grid = grid;
    this.values = volume.values;
    this.offsets = [0, 1, 2].map((axis) => offsetsAlong(grid, volume, axis));
    this.kept = new Map();
  }

  value(voxel) {
    return this.values[this.offsets[0][voxel[0]] + this.offsets[1][voxel[1]] + this.offsets[2][voxel[2]]];
  }

  /**
   * Picture of a plane, or of a slab along its normal, as it is hung.
   * @param {object} plane of planesOf.
   * @param {[number, number]} range first and last plane.
   * @param {"max"|"mean"|"extreme"} mode extreme: the value that is farthest from zero, with its sign.
   * @returns {Float32Array} row by row.
   */
  picture(plane, [first, last], mode) {
    const key = `${first} ${last} ${first === last ? "" : mode}`;
    const kept = this.kept.get(plane.name);
    if (kept && kept.key === key) return kept.picture;
    const columns = hungOffsets(this.offsets[plane.across], plane.flipAcross);
    const rows = hungOffsets(this.offsets[plane.down], plane.flipDown);
    const normals = this.offsets[plane.normal].subarray(first, last + 1);
    const picture = reduced(this.values, columns, rows, normals, mode);
    this.kept.set(plane.name, { key, picture });
    return picture;
  }
}

function hungOffsets(offsets, isFlipped) {
  return isFlipped ? Int32Array.from(offsets).reverse() : offsets;
}

// One loop for each reduction: a function called for every voxel would take several times as long. Pixel by pixel, all
// planes of the slab at once: their values lie in as many cache lines, which serve the neighbouring pixels too.

function maximumOver(values, start, normals) {
  let found = values[start + normals[0]];
  for (let n = 1; n < normals.length; n++) {
    const value = values[start + normals[n]];
    if (value > found) found = value;
  }
  return found;
}

function farthestFromZero(values, start, normals) {
  let [highest, lowest] = [0, 0];
  for (let n = 0; n < normals.length; n++) {
    const value = values[start + normals[n]];
    if (value > highest) highest = value;
    else if (value < lowest) lowest = value;
  }
  return highest >= -lowest ? highest : lowest;
}

function meanOver(values, start, normals) {
  let sum = 0;
  for (let n = 0; n < normals.length; n++) sum += values[start + normals[n]];
  return sum / normals.length;
}

const REDUCTIONS = { max: maximumOver, extreme: farthestFromZero, mean: meanOver };

function reduced(values, columns, rows, normals, mode) {
  const reduce = REDUCTIONS[mode];
  const picture = new Float32Array(columns.length * rows.length);
  let pixel = 0;
  for (const row of rows) for (const column of columns) picture[pixel++] = reduce(values, row + column, normals);
  return picture;
}

/** A volume of differences, voxel by voxel: a minus b, which share their grid. */
function differenceOf(a, b) {
  const values = new Float32Array(a.values.length);
  for (let i = 0; i < values.length; i++) values[i] = a.values[i] - b.values[i];
  return { ...a, values };
}

if (typeof module !== "undefined") module.exports = { Sampler, differenceOf, offsetsAlong };
