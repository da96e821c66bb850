"""Simulated heads: folded cortex, deep grey matter, ventricles, cerebellum, skull and scalp in many contrasts."""

import numpy as np
from numpy.typing import NDArray

from recon.simulation.angiogram.random_fields import (
    Grid,
    blob,
    distance_to_level,
    filaments,
    fractal,
    paint,
    radius_in,
    smooth,
    within,
)
from recon.simulation.angiogram.vessels import Branching, Tree, Vessel, coverage

_CONTRASTS = {
    "T1": {"white": (0.7, 0.95), "grey": (0.45, 0.65), "fluid": (0.08, 0.25), "fat": (0.9, 1.5), "muscle": (0.4, 0.6)},
    "T2": {"white": (0.25, 0.45), "grey": (0.4, 0.65), "fluid": (0.85, 1.2), "fat": (0.3, 0.9), "muscle": (0.1, 0.3)},
    "FLAIR": {"white": (0.5, 0.7), "grey": (0.6, 0.9), "fluid": (0.03, 0.15), "fat": (0.2, 1.2), "muscle": (0.2, 0.5)},
    "PD": {"white": (0.6, 0.75), "grey": (0.75, 0.9), "fluid": (0.7, 1.0), "fat": (0.5, 1.0), "muscle": (0.4, 0.7)},
    "any": dict.fromkeys(("white", "grey", "fluid", "fat", "muscle"), (0.05, 1.0)),
}
"""Ranges of the signals of tissues; ``any`` is no sequence, so that no network learns which tissues are brighter."""


def head(grid: Grid, rng: np.random.Generator) -> NDArray:
    """Draw a head without its large vessels.

    Parameters
    ----------
    grid : Grid
    rng : numpy.random.Generator

    Returns
    -------
    (z, y, x) float32
    """
    name = rng.choice(list(_CONTRASTS), p=[0.3, 0.3, 0.12, 0.08, 0.2])
    signal = {tissue: float(rng.uniform(*span)) for tissue, span in _CONTRASTS[name].items()}
    centre, axes = grid.extent * rng.uniform(0.4, 0.6, 3), grid.extent * rng.uniform(0.36, 0.6, 3)
    outline = radius_in(grid, centre, axes, bumps=0.05 * smooth(grid, rng, 18))
    depth = (1 - outline) * np.float32(axes.mean())
    image = _around_the_brain(grid, rng, depth, signal)
    paint(image, within(depth), _brain_tissue(grid, rng, depth, axes, centre, signal))
    for _ in range(rng.integers(0, 3)):
        value = float(rng.choice([0.02, signal["fluid"], rng.uniform(0.8, 1.3)]))
        paint(image, within(depth + 2) * filaments(grid, rng, rng.uniform(4, 9), rng.uniform(0.3, 1.2)), value)
    return image * (1 + rng.uniform(0.0, 0.06) * fractal(grid, rng, rng.uniform(0.4, 1.6)))


def _around_the_brain(grid: Grid, rng: np.random.Generator, depth: NDArray, signal: dict[str, float]) -> NDArray:
    """Air, scalp of fat and muscle, skull with marrow, fluid."""
    image = np.full(grid.shape, rng.uniform(0.0, 0.03), dtype=np.float32)
    skull, scalp = rng.uniform(3, 7), rng.uniform(3, 9)
    uneven = 1.5 * smooth(grid, rng, 8)
    outside = within(depth + skull + scalp + uneven)
    muscle = within(4 * smooth(grid, rng, rng.uniform(2.5, 6)), edge=2)
    paint(image, outside, signal["fat"] + muscle * (signal["muscle"] - signal["fat"]))
    paint(image, within(depth + skull), rng.uniform(0.01, 0.12))
    marrow = within(depth + 0.7 * skull) - within(depth + 0.35 * skull)
    paint(image, marrow * within(2 * smooth(grid, rng, 5)), signal["fat"] * rng.uniform(0.3, 0.9))
    paint(image, within(depth + rng.uniform(0.3, 2.5)), signal["fluid"])
    return image


def _brain_tissue(
    grid: Grid, rng: np.random.Generator, depth: NDArray, axes: NDArray, centre: NDArray, signal: dict[str, float]
) -> NDArray:
    """White matter with ribbons of grey along the surface and the sulci, which are sheets of fluid that end inside."""
    image = np.full(grid.shape, signal["white"], dtype=np.float32)
    image *= 1 + 0.04 * smooth(grid, rng, 10)
    cortex, gap = rng.uniform(1.8, 4.0), rng.uniform(0.0, 1.1)
    deepest = rng.uniform(8, 22) + 4 * smooth(grid, rng, 10)
    sheets = _sheets(grid, rng, rng.uniform(2.2, 5.5)) + np.maximum(depth - deepest, 0)
    cerebellum = blob(grid, rng, centre + axes * rng.uniform(-0.6, 0.6, 3), axes * rng.uniform(0.25, 0.4, 3))
    fine = _sheets(grid, rng, rng.uniform(1.4, 2.2))
    ribbon = within(cortex + gap * rng.random() - np.minimum(sheets, depth)) * (1 - cerebellum)
    paint(image, np.maximum(ribbon, cerebellum * within(0.5 * cortex - fine)), signal["grey"])
    paint(image, within(gap - sheets) * (1 - cerebellum), signal["fluid"])
    paint(image, cerebellum * within(0.25 * gap - fine), signal["fluid"])
    for _ in range(rng.integers(3, 8)):
        share = rng.uniform(0.2, 1.0)
        middle = centre + axes * rng.normal(0, 0.22, 3)
        value = share * signal["grey"] + (1 - share) * signal["white"]
        paint(image, blob(grid, rng, middle, axes * rng.uniform(0.06, 0.16, 3)), value)
    for _ in range(rng.integers(1, 4)):
        middle = centre + axes * rng.normal(0, 0.15, 3)
        paint(image, blob(grid, rng, middle, axes * rng.uniform(0.05, 0.25, 3), 0.25), signal["fluid"])
    return image


def _sheets(grid: Grid, rng: np.random.Generator, scale: float) -> NDArray:
    """Distance from the surfaces on which a smooth field is zero."""
    return np.abs(distance_to_level(smooth(grid, rng, scale), grid))


def vessels_of_head(grid: Grid, rng: np.random.Generator) -> tuple[NDArray, list[Vessel]]:
    """Draw a bright-blood angiogram of the head: vessels of all calibres before tissue that is suppressed, or removed.

    Parameters
    ----------
    grid : Grid
        Of cubic voxels.
    rng : numpy.random.Generator

    Returns
    -------
    (z, y, x) float32, list of Vessel
    """
    tissue = head(grid, rng)
    image = tissue * np.float32(rng.uniform(0.05, 0.5) / max(float(np.percentile(tissue, 99)), 1e-3))
    tree = Tree(Branching((50, 160), (0.8, 3.6), 0.09, 2.4, 4, 0.3), rng)
    for _ in range(rng.integers(4, 9)):
        tree.grow(grid.extent * rng.uniform(0.15, 0.85, 3), rng.standard_normal(3), rng.uniform(*tree.branching.radius))
    inflow = 1 + rng.uniform(0.05, 0.25) * smooth(grid, rng, 12)
    thin = filaments(grid, rng, rng.uniform(6, 10), rng.uniform(0.2, 0.6), 0.6)
    paint(image, thin, rng.uniform(0.3, 0.8))
    paint(image, coverage(tree.vessels, grid.shape), rng.uniform(0.7, 1.1) * inflow)
    if rng.random() < 0.4:  # background removed, as by a threshold
        image = np.maximum(image - rng.uniform(0.15, 0.5), 0)
    return image, tree.vessels
