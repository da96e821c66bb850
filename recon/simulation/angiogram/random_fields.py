"""What simulated bodies are made of: random smooth fields, their level sets as organs, sheets and tubes, and paint.

Lengths are in voxels of the plane (y, x). Slices may be thicker: then the grid is coarser along z.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

# Least slope of a field that counts, over its mean slope: where a field is flat, a distance to its level means nothing.
_LEAST_SLOPE = 0.4


@dataclass(frozen=True)
class Grid:
    """Voxels of a volume, or finer ones along z of which each slice is the mean.

    Attributes
    ----------
    shape : (3,) tuple of int
        (z, y, x).
    pitch : (3,) tuple of float
        Distance of the voxels along z, y, x, in voxels of the plane.
    """

    shape: tuple[int, int, int]
    pitch: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def extent(self) -> NDArray:
        """(3,) float64 size of the volume."""
        return np.array(self.shape) * np.array(self.pitch)

    @property
    def points(self) -> list[NDArray]:
        """Places of the voxels along z, y and x, from 0, each broadcasting against the others; float32."""
        axes = [np.arange(size, dtype=np.float32) * np.float32(step) for size, step in zip(*self._axes, strict=True)]
        return list(np.meshgrid(*axes, indexing="ij", sparse=True))

    @property
    def _axes(self) -> tuple[Sequence[int], Sequence[float]]:
        return self.shape, self.pitch


def smooth(grid: Grid, rng: np.random.Generator, scale: float | Sequence[float]) -> NDArray:
    """Gaussian noise behind a Gaussian filter, of mean zero and unit deviation.

    Parameters
    ----------
    grid : Grid
    rng : numpy.random.Generator
    scale : float or (3,) sequence of float
        Standard deviation of the filter.

    Returns
    -------
    (z, y, x) float32
    """
    return _filtered(grid, rng, np.broadcast_to(np.asarray(scale, dtype=float), 3), None)


def fractal(grid: Grid, rng: np.random.Generator, slope: float) -> NDArray:
    """Noise whose amplitude falls with ``|k|`` to the power of ``slope``, as in tissue and in photographs.

    Parameters
    ----------
    grid : Grid
    rng : numpy.random.Generator
    slope : float
        1.5 looks like a cloud, 0.5 like grain.

    Returns
    -------
    (z, y, x) float32
        Mean zero, unit deviation.
    """
    return _filtered(grid, rng, np.zeros(3), slope)


def _filtered(grid: Grid, rng: np.random.Generator, scale: NDArray, slope: float | None) -> NDArray:
    spectrum = scipy.fft.rfftn(rng.standard_normal(grid.shape, dtype=np.float32))
    waves = [np.fft.fftfreq(size, step) for size, step in zip(grid.shape[:2], grid.pitch[:2], strict=True)]
    waves.append(np.fft.rfftfreq(grid.shape[2], grid.pitch[2]))
    square = np.zeros((1, 1, 1))
    for axis, (wave, width) in enumerate(zip(waves, scale, strict=True)):
        along = wave.reshape([-1 if other == axis else 1 for other in range(3)])
        spectrum *= np.exp(-2 * (np.pi * width * along) ** 2).astype(np.float32)
        square = square + along**2
    if slope is not None:
        spectrum *= np.maximum(square, 1e-4).astype(np.float32) ** np.float32(-slope / 2)
    spectrum[0, 0, 0] = 0
    field = scipy.fft.irfftn(spectrum, s=grid.shape).astype(np.float32)
    return field / max(float(field.std()), 1e-6)


def distance_to_level(field: NDArray, grid: Grid) -> NDArray:
    """Signed distance, to first order, of each voxel from the surface on which a field is zero: ``f / |∇f|``.

    Parameters
    ----------
    field : (z, y, x) float32
    grid : Grid

    Returns
    -------
    (z, y, x) float32
    """
    slope = np.sqrt(sum(part**2 for part in np.gradient(field, *grid.pitch)))
    return (field / np.maximum(slope, _LEAST_SLOPE * slope.mean())).astype(np.float32)


def filaments(grid: Grid, rng: np.random.Generator, scale: float, radius: float, spread: float = 0.4) -> NDArray:
    """Share of each voxel in a net of winding tubes, on which two smooth fields are zero.

    Parameters
    ----------
    grid : Grid
    rng : numpy.random.Generator
    scale : float
        Of the fields: tubes are some five times as far apart.
    radius, spread : float
        Typical radius of the tubes, and how much the logarithm of it varies along them.

    Returns
    -------
    (z, y, x) float32
    """
    first, second = (distance_to_level(smooth(grid, rng, scale), grid) for _ in range(2))
    local = radius * np.exp(spread * smooth(grid, rng, 2 * scale))
    drawn = np.maximum(local, 0.5)  # a tube thinner than a voxel is fainter
    return np.clip(drawn + 0.5 - np.hypot(first, second), 0, 1) * np.minimum(1, (local / drawn) ** 2)


def radius_in(
    grid: Grid, centre: NDArray, axes: NDArray, turn: NDArray | None = None, bumps: NDArray | float = 0.0
) -> NDArray:
    """Distance from a centre in units of an ellipsoid's own radius, with bumps: 1 on an irregular surface.

    Parameters
    ----------
    grid : Grid
    centre, axes : (3,) float64
    turn : (3, 3) float64, optional
        Its columns are the ellipsoid's axes.
    bumps : (z, y, x) float32, optional
        Added to the distance.

    Returns
    -------
    (z, y, x) float32
    """
    turn = np.eye(3) if turn is None else turn
    offsets = [place - np.float32(middle) for place, middle in zip(grid.points, centre, strict=True)]
    square: NDArray = np.zeros((), dtype=np.float32)
    for column, axis in zip(turn.T, axes, strict=True):
        square = square + (sum(np.float32(c) * o for c, o in zip(column, offsets, strict=True)) / np.float32(axis)) ** 2
    return np.sqrt(square) + bumps


def within(distance: NDArray, edge: float = 0.8) -> NDArray:
    """Share of each voxel inside, by its depth below a surface; the edge is that wide.

    Parameters
    ----------
    distance : (z, y, x) float32
        Depth below the surface in voxels; negative outside.
    edge : float

    Returns
    -------
    (z, y, x) float32
    """
    return np.clip(distance / np.float32(edge) + np.float32(0.5), 0, 1)


def paint(image: NDArray, share: NDArray, value: float | NDArray) -> None:
    """Cover a share of each voxel with a value, in place.

    Parameters
    ----------
    image, share : (z, y, x) float32
    value : float or (z, y, x) float32
    """
    image *= 1 - share
    image += share * value


def any_turn(rng: np.random.Generator) -> NDArray:
    """Draw a (3, 3) rotation, or a mirrored one."""
    rotation, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return rotation


def any_direction(rng: np.random.Generator) -> NDArray:
    """Draw a (3,) vector of unit length."""
    direction = rng.standard_normal(3)
    return direction / np.linalg.norm(direction)


def blob(grid: Grid, rng: np.random.Generator, centre: NDArray, axes: NDArray, uneven: float = 0.15) -> NDArray:
    """Share of each voxel in an irregular organ.

    Parameters
    ----------
    grid : Grid
    rng : numpy.random.Generator
    centre, axes : (3,) float64
    uneven : float
        Standard deviation of its surface, over its radius.

    Returns
    -------
    (z, y, x) float32
    """
    size = float(np.mean(axes))
    bumps = uneven * smooth(grid, rng, max(0.45 * size, 2.0))
    return within((1 - radius_in(grid, centre, axes, any_turn(rng), bumps)) * size)
