"""The brain around perivascular spaces: fluid, cortex, white matter with its texture, and ventricles.

Signals are in units of the white matter's.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion, gaussian_filter

from recon.simulation.angiogram.random_fields import Grid, any_turn, paint, radius_in, smooth, within

_ROUND = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True)
class Brain:
    """A brain without perivascular spaces.

    Attributes
    ----------
    signal : (z, y, x) float32
        White matter is about 1, grey matter 1.4 to 1.7, fluid 3 to 4.
    white_matter : (z, y, x) bool
    ventricle_wall, cortex_border : (n, 3) int64
        Voxels of the white matter beside a ventricle, and beneath the cortex.
    inward : (z, y, x, 3) float32
        Direction into the white matter, not of unit length.
    """

    signal: NDArray
    white_matter: NDArray
    ventricle_wall: NDArray
    cortex_border: NDArray
    inward: NDArray


def draw_brain(grid: Grid, rng: np.random.Generator) -> Brain:
    """Draw an ellipsoid of white matter with a folded shell of cortex, two ventricles, and fluid, skull and scalp.

    Parameters
    ----------
    grid : Grid
    rng : numpy.random.Generator

    Returns
    -------
    Brain
    """
    grey, fluid = rng.uniform(1.4, 1.7), rng.uniform(3.0, 4.0)
    centre, axes = grid.extent * rng.uniform(0.48, 0.52, 3), grid.extent * rng.uniform(0.4, 0.46, 3)
    depth = (1 - radius_in(grid, centre, axes, bumps=0.03 * smooth(grid, rng, 18))) * np.float32(axes.mean())
    cortex = rng.uniform(3.0, 5.0) + 1.2 * smooth(grid, rng, rng.uniform(3, 5))
    image = np.full(grid.shape, rng.uniform(0.0, 0.03), dtype=np.float32)
    paint(image, within(depth + rng.uniform(6, 8)), rng.uniform(0.5, 1.2))  # scalp
    paint(image, within(depth + rng.uniform(3, 5)), rng.uniform(0.03, 0.2))  # skull
    paint(image, within(depth + rng.uniform(0.5, 1.5)), fluid)
    paint(image, within(depth), grey)
    white = within(depth - cortex)
    paint(image, white, _texture(grid, rng))
    ventricles = np.zeros(grid.shape, dtype=np.float32)
    for side in (-1, 1):
        middle = centre + axes * np.array([0.0, 0.0, 0.17 * side]) + axes * rng.normal(0, 0.03, 3)
        size = axes * rng.uniform([0.15, 0.25, 0.06], [0.25, 0.4, 0.1])
        bumps = 0.1 * smooth(grid, rng, 6)
        share = within((1 - radius_in(grid, middle, size, bumps=bumps)) * np.float32(size.mean()))
        np.maximum(ventricles, share, out=ventricles)
    paint(image, ventricles, fluid)
    mask = (white > 0.9) & (ventricles < 0.05)
    border = mask & ~binary_erosion(mask, _ROUND)
    beside = border & binary_dilation(ventricles > 0.05, _ROUND, iterations=2)
    inward = np.stack(np.gradient(gaussian_filter(mask.astype(np.float32), 2.0)), axis=-1)
    return Brain(image, mask, np.argwhere(beside), np.argwhere(border & ~beside), inward)


def _texture(grid: Grid, rng: np.random.Generator) -> NDArray:
    """White matter around 1: slow changes, and fibres, whose texture is long in one direction."""
    slow = rng.uniform(0.01, 0.03) * smooth(grid, rng, 12)
    fibres = rng.uniform(0.01, 0.03) * smooth(grid, rng, list(rng.permutation([1.0, 1.5, 4.0])))
    return 1 + slow + fibres


def lookalikes(grid: Grid, brain: Brain, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Draw lacunes (balls of fluid) and hyperintensities (soft bright spots) into the white matter.

    Parameters
    ----------
    grid : Grid
    brain : Brain
    rng : numpy.random.Generator

    Returns
    -------
    (z, y, x) float32
        The brain's signal with them.
    (z, y, x) bool
        Where they are.
    """
    image, places = brain.signal.copy(), np.argwhere(brain.white_matter)
    where = np.zeros(grid.shape, dtype=bool)
    for _ in range(rng.integers(2, 6)):
        radius = rng.uniform(2.0, 4.5)
        share = _ball(grid, rng, places, radius, edge=1.0)
        paint(image, share * brain.white_matter, rng.uniform(2.0, 3.5))
        where |= share > 0.2
    for _ in range(rng.integers(2, 6)):
        share = _ball(grid, rng, places, rng.uniform(4.0, 9.0), edge=4.0)
        paint(image, share * brain.white_matter, rng.uniform(1.25, 1.6))
        where |= share > 0.2
    return image, where & brain.white_matter


def _ball(grid: Grid, rng: np.random.Generator, places: NDArray, radius: float, edge: float) -> NDArray:
    axes = radius * rng.uniform(0.8, 1.25, 3)
    distance = (1 - radius_in(grid, places[rng.integers(len(places))].astype(float), axes, any_turn(rng))) * radius
    return within(distance, edge)
