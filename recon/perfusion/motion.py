"""Rigid motion of the head between the images of a series, which labelling must not pass for.

Label images are darker where blood arrives. A registration takes a part of that for a movement, which alternates with
the labelling as no head does. What alternates is therefore taken out of the estimates before they are used
(`wang2012asl`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, binary_dilation, gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation

_STEPS, _SMALLEST_STEP_MM = 8, 2e-3
"""Of Gauss-Newton: it ends when a step moves less than this."""

_SPARSE_MM = 6.0
"""Distance of the points that are compared: images are smoothed to more than this, and closer points tell no more."""

_SMOOTHING_MM = 3.5
"""Standard deviation of a Gaussian (8 mm at half height, SPM's habit): edges must be wider than the movement."""

_RADIUS_MM = 50.0
"""Where a rotation is told in mm: the usual radius of a head (`power2012`)."""

_STILL_MM = 0.3
"""Least movement for which an image is interpolated: below a tenth of a voxel, interpolation costs more than it."""

_FEWEST_SLICES = 4
"""With fewer, nothing tells movements through the plane; only those within it are estimated."""


@dataclass(frozen=True)
class Movement:
    """Where the head was in each image, relative to the mean of all.

    Attributes
    ----------
    shift_mm : (t, 3) float64
        Along z, y, x.
    turn_rad : (t, 3) float64
        Rotation vector about the centre of the volume, in the same axes.
    """

    shift_mm: NDArray[np.float64]
    turn_rad: NDArray[np.float64]

    @property
    def courses(self) -> NDArray[np.float64]:
        """(t, 6) shifts, then turns."""
        return np.hstack([self.shift_mm, self.turn_rad])

    @property
    def distance_mm(self) -> NDArray[np.float64]:
        """(t,) how far a point 50 mm from the centre has moved, at most."""
        turned = _RADIUS_MM * np.linalg.norm(self.turn_rad, axis=1)
        return np.asarray(np.linalg.norm(self.shift_mm, axis=1) + turned)


def estimate_movement(
    frames: NDArray, is_control: NDArray[np.bool_], brain: NDArray[np.bool_], voxel_mm: tuple[float, float, float]
) -> Movement:
    """Register each image with the mean of all, and take out what alternates with the labelling.

    Parameters
    ----------
    frames : (t, z, y, x) float32
    is_control : (t,) bool
        As many controls as labels.
    brain : (z, y, x) bool
    voxel_mm : (3,) tuple of float

    Returns
    -------
    Movement
    """
    sizes = zip(frames.shape[1:], voxel_mm, strict=True)
    sigma = [0.0 if count < _FEWEST_SLICES else _SMOOTHING_MM / mm for count, mm in sizes]
    smooth = [gaussian_filter(frame, sigma, mode="nearest") for frame in frames]
    template = np.asarray(np.mean(smooth, axis=0, dtype=np.float64))
    fit = _Fit(template, binary_dilation(brain, iterations=2), voxel_mm)
    courses = np.array([fit(frame) for frame in smooth])
    courses -= np.where(is_control, 1.0, -1.0)[:, None] * alternating_part(courses, is_control)
    return Movement(courses[:, :3], courses[:, 3:])


def alternating_part(courses: NDArray, is_control: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Half of what controls are above their labels: the median over the pairs, which no jerk of the head moves.

    Parameters
    ----------
    courses : (t, n) float64
    is_control : (t,) bool

    Returns
    -------
    (n,) float64
    """
    return np.median(courses[is_control] - courses[~is_control], axis=0) / 2


def corrected(frames: NDArray, movement: Movement, voxel_mm: tuple[float, float, float]) -> NDArray[np.float32]:
    """Bring images to the place of their mean, by cubic splines; those that moved by less than 0.3 mm are unchanged.

    Parameters
    ----------
    frames : (t, z, y, x) float32
    movement : Movement
    voxel_mm : (3,) tuple of float

    Returns
    -------
    (t, z, y, x) float32
    """
    moved = np.array(frames, dtype=np.float32)
    for number in np.flatnonzero(movement.distance_mm > _STILL_MM):
        linear, offset = _in_voxels(_matrix(movement.courses[number]), frames.shape[1:], voxel_mm)
        affine_transform(frames[number], linear, offset, output=moved[number], order=3, mode="nearest")
    return moved


def _matrix(course: NDArray) -> NDArray:
    """(4, 4) movement in mm about the centre: where a point of the mean lies in the image."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(course[3:]).as_matrix()
    matrix[:3, 3] = course[:3]
    return matrix


def _course(matrix: NDArray) -> NDArray:
    return np.concatenate([matrix[:3, 3], Rotation.from_matrix(matrix[:3, :3]).as_rotvec()])


def _in_voxels(
    matrix: NDArray, shape: tuple[int, ...], voxel_mm: tuple[float, float, float]
) -> tuple[NDArray, NDArray]:
    """(3, 3) and (3,): the same movement of voxel numbers."""
    scale, centre = np.array(voxel_mm), (np.array(shape) - 1) / 2
    linear = matrix[:3, :3] * scale / scale[:, None]
    return linear, centre + matrix[:3, 3] / scale - linear @ centre


class _Fit:
    """Gauss-Newton on ``frame(M x) = gain · template(x)``, linear in the template's gradient (`baker2004`)."""

    def __init__(self, template: NDArray, mask: NDArray[np.bool_], voxel_mm: tuple[float, float, float]) -> None:
        self.voxel_mm, flat = voxel_mm, len(template) < _FEWEST_SLICES
        sparse = np.zeros_like(mask)
        sparse[tuple(slice(None, None, max(1, int(_SPARSE_MM / mm))) for mm in voxel_mm)] = True
        self.points = np.argwhere(mask & sparse).astype(np.float64)
        chosen = tuple(self.points.astype(int).T)
        self.known = template[chosen]
        slopes = np.zeros_like(self.points)
        for axis in range(1 if flat else 0, 3):
            slopes[:, axis] = np.gradient(template, voxel_mm[axis], axis=axis)[chosen]
        places_mm = (self.points - (np.array(template.shape) - 1) / 2) * np.array(voxel_mm)
        # d template(x + t + r × x) = ∇·t + r·(x × ∇)
        columns = np.hstack([slopes, np.cross(places_mm, slopes)])
        self.free = np.array([1, 2, 3] if flat else range(6))  # within the plane: along y and x, about z
        self.solve = np.linalg.pinv(np.column_stack([columns[:, self.free], self.known]), rcond=1e-10)

    def __call__(self, frame: NDArray) -> NDArray:
        """(6,) movement of an image."""
        matrix = np.eye(4)
        for _ in range(_STEPS):
            linear, offset = _in_voxels(matrix, frame.shape, self.voxel_mm)
            shown = map_coordinates(frame, linear @ self.points.T + offset[:, None], order=1, mode="nearest")
            solution = self.solve @ (shown - self.known)
            step = np.zeros(6)
            step[self.free] = solution[:-1] / (1 + solution[-1])
            matrix = matrix @ np.linalg.inv(_matrix(step))
            if np.abs(step[:3]).max() + _RADIUS_MM * np.abs(step[3:]).max() < _SMALLEST_STEP_MM:
                break
        return _course(matrix)
