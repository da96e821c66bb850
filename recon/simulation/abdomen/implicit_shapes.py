"""Organs as depths in mm: positive inside, negative outside; ellipsoids and tubes on a warped grid."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from recon.simulation.abdomen.spline_fields import SplineField

_STEP_MM = 2.0
"""Distance of the balls that make a tube: dents between those of 8 mm are below 0.1 mm."""

_REACH_MM = 8.0
"""How far outside of a tube its depth is known; wider than any gap between organs."""

FAR_MM = -_REACH_MM
"""Depth of what is farther away."""


@dataclass
class WarpedGrid:
    """Voxels in the body, whose own coordinates bend smoothly from subject to subject.

    Axes point to the head (z), the back (y) and the patient's left (x); the origin is the middle of the grid.

    Parameters
    ----------
    shape : (3,) tuple of int
        (z, y, x).
    spacing_mm : (3,) tuple of float
    rng : numpy.random.Generator
    warp_mm : float
        Standard deviation of the displacement along each axis.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    rng: np.random.Generator
    warp_mm: float = 5.0
    axes_mm: tuple[NDArray, NDArray, NDArray] = field(init=False)
    points: NDArray = field(init=False)

    def __post_init__(self) -> None:
        z, y, x = (
            (np.arange(size) - (size - 1) / 2) * step for size, step in zip(self.shape, self.spacing_mm, strict=True)
        )
        self.axes_mm = (z, y, x)
        self._warp = [SplineField(self.rng, 90.0) for _ in range(3)]
        straight = np.meshgrid(*self.axes_mm, indexing="ij", sparse=True)
        bent = [np.float32(self.warp_mm) * each.on(self.axes_mm) for each in self._warp]
        self.points = np.stack([(a + b).astype(np.float32) for a, b in zip(straight, bent, strict=True)])

    @property
    def voxel_mm(self) -> float:
        """Side of a cube as large as a voxel."""
        return float(np.prod(self.spacing_mm) ** (1 / 3))

    def random_field(self, knot_mm: float) -> NDArray:
        """(z, y, x) float32 random smooth field."""
        return SplineField(self.rng, knot_mm).on(self.axes_mm)

    def to_image(self, places: NDArray) -> NDArray:
        """(n, 3) places in the body → where the image shows them, to first order in the bending."""
        return places - self.warp_mm * np.stack([each.at(places) for each in self._warp], axis=1)


def ellipsoid(
    grid: WarpedGrid,
    centre_mm: tuple[float, float, float],
    axes_mm: tuple[float, float, float],
    turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0),
    power: float = 2.0,
) -> NDArray:
    """Depth in a turned (super-)ellipsoid, to first order near its surface.

    Parameters
    ----------
    grid : WarpedGrid
    centre_mm, axes_mm : (3,) tuple of float
        (z, y, x); an infinite axis makes a cylinder.
    turn_deg : (3,) tuple of float
        About z, y and x, in this order.
    power : float
        2 for an ellipsoid, more for a rounded box.

    Returns
    -------
    (z, y, x) float32
    """
    # Turns about own axes (z, y, x) of vectors that are written as (z, y, x): the handedness is that of the mirror.
    turn = Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix().astype(np.float32)
    total = np.zeros(grid.shape, dtype=np.float32)
    offsets = [grid.points[axis] - np.float32(centre_mm[axis]) for axis in range(3)]
    for row, length in zip(turn.T, axes_mm, strict=True):
        if np.isfinite(length):
            along = sum(np.float32(weight) * offset for weight, offset in zip(row, offsets, strict=True))
            total += np.abs(along / np.float32(length)) ** np.float32(power)
    finite = [length for length in axes_mm if np.isfinite(length)]
    return (1 - total ** np.float32(1 / power)) * np.float32(np.prod(finite) ** (1 / len(finite)))


@dataclass(frozen=True)
class Tube:
    """A bent tube of varying width.

    Attributes
    ----------
    depth : (z, y, x) float32
        :data:`FAR_MM` where it is farther away than that.
    along_mm : (z, y, x) float32
        Place along the tube of its nearest point; 0 where it is far.
    """

    depth: NDArray
    along_mm: NDArray


def tube(grid: WarpedGrid, places_mm: NDArray, radii_mm: NDArray) -> Tube:
    """Draw a tube along a smooth curve through places, as the union of balls.

    Parameters
    ----------
    grid : WarpedGrid
    places_mm : (n, 3) float64
        (z, y, x) in the body.
    radii_mm : (n,) float64
        At these places.

    Returns
    -------
    Tube
    """
    curve, radius = _curve(np.asarray(places_mm, dtype=float), np.asarray(radii_mm, dtype=float))
    curve = grid.to_image(curve)
    depth, along = np.full(grid.shape, FAR_MM, dtype=np.float32), np.zeros(grid.shape, dtype=np.float32)
    for number, (point, wide) in enumerate(zip(curve, radius, strict=True)):
        window, parts = [], []
        for axis in range(3):
            places = grid.axes_mm[axis]
            low, high = np.searchsorted(places, [point[axis] - wide + FAR_MM, point[axis] + wide - FAR_MM])
            window.append(slice(int(low), int(high)))
            parts.append(((places[low:high] - point[axis]) ** 2).astype(np.float32))
        near = tuple(window)
        inside = np.float32(wide) - np.sqrt(parts[0][:, None, None] + parts[1][:, None] + parts[2])
        closer = inside > depth[near]
        depth[near][closer] = inside[closer]
        along[near][closer] = number * _STEP_MM
    return Tube(depth, along)


def _curve(places: NDArray, radii: NDArray) -> tuple[NDArray, NDArray]:
    """Points at most :data:`_STEP_MM` apart on a spline through places, and the radii there."""
    knots = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1))])
    spline = CubicSpline(knots, places)
    fine = np.linspace(0, knots[-1], max(2, int(4 * knots[-1] / _STEP_MM)))
    steps = np.linalg.norm(np.diff(spline(fine), axis=0), axis=1)
    length = np.concatenate([[0], np.cumsum(steps)])
    even = np.interp(np.linspace(0, length[-1], int(np.ceil(length[-1] / _STEP_MM)) + 1), length, fine)
    return spline(even), np.interp(even, knots, radii)


def blended(first: NDArray, second: NDArray, width_mm: float) -> NDArray:
    """Union of two shapes whose seam is rounded over some width (polynomial smooth maximum)."""
    near = np.maximum(np.float32(width_mm) - np.abs(first - second), 0) / np.float32(width_mm)
    return np.maximum(first, second) + near**2 * np.float32(width_mm / 4)
