"""The signal of a volume around a vessel: circles across its centreline, and the vessel straightened."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

# Directions around the centreline along which the signal is read, 15 degrees apart.
_RAYS = 24
RING_STEP = 0.25
"""Distance of the circles, in voxels."""


def ring_radii(reach: float) -> NDArray:
    """Radii of the circles of :func:`signal_on_rings`, up to a voxel beyond a reach; (rings,) float64 in voxels."""
    return np.arange(0, reach + 1, RING_STEP) + RING_STEP / 2


def signal_on_rings(volume: NDArray, centreline: NDArray, point: int, reach: float) -> NDArray:
    """Read the signal on circles around a point of a centreline, in the plane across it.

    Parameters
    ----------
    volume : (z, y, x) float32
    centreline : (points, 3) float64
        (z, y, x) in voxels.
    point : int
    reach : float
        In voxels; the circles go a voxel beyond it.

    Returns
    -------
    (rings, 24) float32
        At :func:`ring_radii`.
    """
    along = _tangent(centreline, point)
    across = np.cross(along, np.eye(3)[int(np.argmin(np.abs(along)))])
    across = across / np.linalg.norm(across)
    other = np.cross(along, across)
    angles = 2 * np.pi * np.arange(_RAYS) / _RAYS
    radii = ring_radii(reach)
    directions = np.cos(angles)[:, None] * across + np.sin(angles)[:, None] * other
    points = centreline[point] + radii[:, None, None] * directions
    return map_coordinates(volume, points.reshape(-1, 3).T, order=1, mode="nearest").reshape(len(radii), _RAYS)


def _tangent(centreline: NDArray, point: int) -> NDArray:
    low, high = max(point - 2, 0), min(point + 2, len(centreline) - 1)
    along = centreline[high] - centreline[low]
    return along / max(np.linalg.norm(along), 1e-9)


def straightened(volume: NDArray, centreline: NDArray, half_width: float, step: float = 0.5) -> NDArray:
    """Lay a vessel out straight, as a curved reformation does: its length runs down, a line across it to the right.

    The line turns no more than the vessel bends: each one is the last, less what would point along the vessel.

    Parameters
    ----------
    volume : (z, y, x) float32
    centreline : (points, 3) float64
        (z, y, x) in voxels.
    half_width : float
        In voxels, to either side.
    step : float
        Distance of the samples across, in voxels.

    Returns
    -------
    (points, samples) float32
        The vessel lies in the middle column.
    """
    offsets = np.arange(-round(half_width / step), round(half_width / step) + 1) * step
    lines, across = np.empty((len(centreline), len(offsets), 3)), None
    for point in range(len(centreline)):
        along = _tangent(centreline, point)
        seed = np.eye(3)[int(np.argmin(np.abs(along)))] if across is None else across
        across = seed - (seed @ along) * along
        across = across / max(np.linalg.norm(across), 1e-9)
        lines[point] = centreline[point] + offsets[:, None] * across
    return map_coordinates(volume, lines.reshape(-1, 3).T, order=1, mode="nearest").reshape(lines.shape[:2])
