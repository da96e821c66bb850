"use strict";
// Where voxels lie in the patient, and how planes through them are hung. Patient coordinates are DICOM's and ISMRMRD's:
// +x to the left (L), +y to the back (P), +z to the head (H). A grid is {shape, spacing, axes, first}, all in the order
// of the voxels' axes x, y, z: voxels, mm, unit vectors in the patient, centre of voxel (0, 0, 0) in the patient.

const LETTERS = [["R", "L"], ["A", "P"], ["F", "H"]];
const PLANE_NAMES = ["sagittal", "coronal", "axial"]; // by the patient's axis along their normal

/** Share of a direction that earns a letter of its own: from 15 degrees on. */
const OBLIQUE_SHARE = Math.sin((15 * Math.PI) / 180);

/** Letters of where a direction points, the largest share first: "L", or "LP" where it is oblique. */
function lettersOf(direction) {
  return [0, 1, 2]
    .filter((axis) => Math.abs(direction[axis]) >= OBLIQUE_SHARE)
    .sort((a, b) => Math.abs(direction[b]) - Math.abs(direction[a]))
    .map((axis) => LETTERS[axis][direction[axis] > 0 ? 1 : 0])
    .join("");
}

/** Which of the patient's axes each axis of the voxels follows most: a permutation, the best of all six. */
function patientAxes(axes) {
  const orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
  const along = (order) => order.reduce((sum, axis, voxelAxis) => sum + Math.abs(axes[voxelAxis][axis]), 0);
  return orders.reduce((best, order) => (along(order) > along(best) + 1e-9 ? order : best));
}

/**
 * The three planes along the voxels' axes, hung as radiologists are used to: the patient's right at the left of axial
 * and coronal pictures, front at the top of axial and at the left of sagittal ones, head at the top of the others.
 * @returns {Array} axial, coronal, sagittal: {name, normal, across, down, flipAcross, flipDown, tilt}; normal, across
 *   and down are axes of the voxels, tilt is the angle of the normal to the patient's axis in degrees.
 */
function planesOf(grid) {
  const followed = patientAxes(grid.axes);
  const voxelAxis = (axis) => followed.indexOf(axis);
  // [across, down], and the sign that each has from left to right and from top to bottom: to L, to P, to F.
  const hung = { 0: [1, 2], 1: [0, 2], 2: [0, 1] };
  const towards = [1, 1, -1];
  return [2, 1, 0].map((normalAxis) => {
    const [acrossAxis, downAxis] = hung[normalAxis];
    const [normal, across, down] = [normalAxis, acrossAxis, downAxis].map(voxelAxis);
    const isFlipped = (axis) => grid.axes[voxelAxis(axis)][axis] * towards[axis] < 0;
    const cosine = Math.min(1, Math.abs(grid.axes[normal][normalAxis]));
    const tilt = (Math.acos(cosine) * 180) / Math.PI;
    return { name: PLANE_NAMES[normalAxis], normal, across, down, patientNormal: normalAxis, tilt,
      flipAcross: isFlipped(acrossAxis), flipDown: isFlipped(downAxis) };
  });
}

/** Letters at the four edges of a plane's picture. */
function edgeLetters(plane, grid) {
  const turned = (axis, isFlipped) => grid.axes[axis].map((part) => (isFlipped ? -part : part));
  const right = turned(plane.across, plane.flipAcross);
  const bottom = turned(plane.down, plane.flipDown);
  const opposite = (direction) => direction.map((part) => -part);
  return { left: lettersOf(opposite(right)), right: lettersOf(right),
    top: lettersOf(opposite(bottom)), bottom: lettersOf(bottom) };
}

/** Index along a voxel axis of a picture's column or row, and the reverse: flipping is its own inverse. */
function flipped(index, size, isFlipped) {
  return isFlipped ? size - 1 - index : index;
}

/** Voxel under a pixel of a plane's picture, in the plane in which `voxel` lies. */
function voxelAt(plane, grid, voxel, column, row) {
  const moved = voxel.slice();
  moved[plane.across] = flipped(column, grid.shape[plane.across], plane.flipAcross);
  moved[plane.down] = flipped(row, grid.shape[plane.down], plane.flipDown);
  return moved;
}

/** Pixel of a plane's picture at which a voxel lies: {x, y}. */
function pixelOf(plane, grid, voxel) {
  return { x: flipped(voxel[plane.across], grid.shape[plane.across], plane.flipAcross),
    y: flipped(voxel[plane.down], grid.shape[plane.down], plane.flipDown) };
}

/** Place of a voxel's centre in the patient, in mm. */
function placeOf(grid, voxel) {
  return [0, 1, 2].map((part) =>
    grid.first[part] + [0, 1, 2].reduce((sum, axis) => sum + voxel[axis] * grid.spacing[axis] * grid.axes[axis][part], 0));
}

/** Text of a place: "R 12.3  A 4.0  H 7.5 mm". */
function placeText(place) {
  return place.map((mm, axis) => `${LETTERS[axis][mm < 0 ? 0 : 1]} ${Math.abs(mm).toFixed(1)}`).join("  ") + " mm";
}

/**
 * First and last plane of a slab about a plane: as many as fit best into its thickness, cut at the volume's ends.
 * @returns {[number, number]}
 */
function slabRange(index, thicknessMm, spacingMm, count) {
  const planes = Math.max(1, Math.round(thicknessMm / spacingMm));
  const first = index - Math.floor((planes - 1) / 2);
  return [Math.max(0, first), Math.min(count - 1, first + planes - 1)];
}

if (typeof module !== "undefined") {
  module.exports = { lettersOf, patientAxes, planesOf, edgeLetters, voxelAt, pixelOf, placeOf, placeText, slabRange };
}
