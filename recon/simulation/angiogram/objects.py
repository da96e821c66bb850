"""Simulated volumes that are no organ of a trunk or head: heaps of shapes, and two kinds that are for tests alone."""

import numpy as np
from numpy.typing import NDArray

from recon.simulation.angiogram.random_fields import (
    Grid,
    any_direction,
    any_turn,
    distance_to_level,
    filaments,
    fractal,
    paint,
    radius_in,
    smooth,
    within,
)


def shapes(grid: Grid, rng: np.random.Generator) -> NDArray:
    """Draw a heap of ellipsoids, rods, plates and boxes of all sizes that cover each other.

    "Dead leaves" have the statistics of natural images, and networks that restore images learn from them nearly as well
    as from photographs (Achddou 2021).

    Parameters
    ----------
    grid : Grid
    rng : numpy.random.Generator

    Returns
    -------
    (z, y, x) float32
    """
    image = np.full(grid.shape, rng.uniform(0, 0.6), dtype=np.float32)
    textures = [fractal(grid, rng, rng.uniform(0.2, 1.6)) for _ in range(2)] + [smooth(grid, rng, rng.uniform(0.7, 3))]
    bends = [smooth(grid, rng, rng.uniform(3, 12)) for _ in range(2)]
    largest = 0.35 * grid.extent.mean()
    for _ in range(rng.integers(600, 1500)):
        # From 1.5 voxels to a third of the volume, small ones more often, since each covers less.
        radius = 1.5 * (largest / 1.5) ** (rng.random() ** 1.6)
        _leaf(image, grid, rng, float(radius), textures[rng.integers(3)], bends[rng.integers(2)])
    return np.maximum(image, 0)


def _leaf(image: NDArray, grid: Grid, rng: np.random.Generator, radius: float, texture: NDArray, bend: NDArray) -> None:
    axes = radius * np.exp(rng.choice([0.0, 0.9]) * rng.normal(0, 0.8, 3))
    axes = np.clip(axes, 0.7, 0.6 * grid.extent.mean())
    place = grid.extent * rng.random(3)
    reach = np.ceil((axes.max() * 1.9 + 2) / np.array(grid.pitch)).astype(int)
    middle = np.rint(place / np.array(grid.pitch)).astype(int)
    low, high = np.maximum(middle - reach, 0), np.minimum(middle + reach + 1, grid.shape)
    if np.any(low >= high):
        return
    window = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    local = Grid((int(high[0] - low[0]), int(high[1] - low[1]), int(high[2] - low[2])), grid.pitch)
    bumps = rng.uniform(0.0, 0.25) * bend[window]
    turn, offset = any_turn(rng), place - low * np.array(grid.pitch)
    if rng.random() < 0.3:  # a box: the largest of three distances
        sides = (radius_in(local, offset, np.array([width, 1e6, 1e6]), turn[:, order]) for width, order in _sides(axes))
        distance = np.maximum.reduce(list(sides)) + bumps
    else:
        distance = radius_in(local, offset, axes, turn, bumps)
    value = rng.uniform(0, 1.1) * (1 + rng.uniform(0, 0.25) * texture[window])
    paint(image[window], within((1 - distance) * axes.min()), value)


def _sides(axes: NDArray) -> list[tuple[float, list[int]]]:
    return [(float(axes[axis]), [axis, (axis + 1) % 3, (axis + 2) % 3]) for axis in range(3)]


def limb(grid: Grid, rng: np.random.Generator) -> NDArray:
    """Draw a limb: skin fat with septa, bundles of muscle, bones with trabecular marrow and cartilage, vessels.

    A kind for tests: no shipped network was trained on it.

    Parameters
    ----------
    grid : Grid
    rng : numpy.random.Generator

    Returns
    -------
    (z, y, x) float32
    """
    fat, muscle = rng.uniform(0.2, 1.1), rng.uniform(0.2, 0.6)
    centre = grid.extent * rng.uniform(0.45, 0.55, 3)
    wide = float(grid.extent[1:].mean() * rng.uniform(0.4, 0.55))
    skin = (1 - radius_in(grid, centre, np.array([1e6, wide, wide]), bumps=0.05 * smooth(grid, rng, 12))) * wide
    image = np.full(grid.shape, rng.uniform(0.0, 0.03), dtype=np.float32)
    paint(image, within(skin), fat)
    long = (12.0, 2.5, 2.5)
    bundles = np.abs(distance_to_level(smooth(grid, rng, (16.0, 6.0, 6.0)), grid))
    fibres = 1 + rng.uniform(0.05, 0.2) * smooth(grid, rng, (8.0, 0.9, 0.9)) + 0.08 * smooth(grid, rng, long)
    within_fascia = within(skin - rng.uniform(4, 10))
    paint(image, within_fascia, muscle * fibres)
    paint(image, within_fascia * within(rng.uniform(0.4, 1.2) - bundles), fat)
    for _ in range(rng.integers(1, 3)):
        _bone(image, grid, rng, centre + wide * rng.uniform(-0.4, 0.4, 3), wide * rng.uniform(0.2, 0.35), fat)
    tubes = within_fascia * filaments(grid, rng, rng.uniform(8, 12), rng.uniform(0.8, 2.0))
    paint(image, tubes, rng.choice([0.03, rng.uniform(0.8, 1.1)]))
    return image


def _bone(image: NDArray, grid: Grid, rng: np.random.Generator, place: NDArray, wide: float, fat: float) -> None:
    tilt = np.array([1.0, *rng.normal(0, 0.15, 2)])
    turn, _ = np.linalg.qr(np.column_stack([tilt, np.eye(3)[:, 1], np.eye(3)[:, 2]]))
    column = (1 - radius_in(grid, place, np.array([1e6, wide, wide]), turn, 0.08 * smooth(grid, rng, 10))) * wide
    joint = np.abs(grid.points[0] - np.float32(place[0])) - 2.0 + smooth(grid, rng, 8)
    body = np.minimum(column, joint)
    paint(image, within(column), rng.uniform(0.5, 1.0))  # cartilage and fluid fill the joint
    paint(image, within(body), 0.03)
    trabeculae = filaments(grid, rng, rng.uniform(1.2, 1.8), rng.uniform(0.3, 0.6))
    paint(image, within(body - rng.uniform(1.0, 3.0)), fat * (1 - rng.uniform(0.2, 0.6) * trabeculae))


def fruit(grid: Grid, rng: np.random.Generator) -> NDArray:
    """Draw a citrus fruit: rind, membranes between segments, juice sacs, seeds; also a kind for tests alone.

    Parameters
    ----------
    grid : Grid
    rng : numpy.random.Generator

    Returns
    -------
    (z, y, x) float32
    """
    centre, axes = grid.extent * rng.uniform(0.45, 0.55, 3), grid.extent * rng.uniform(0.38, 0.48, 3)
    depth = (1 - radius_in(grid, centre, axes, bumps=0.02 * smooth(grid, rng, 4))) * np.float32(axes.mean())
    image = np.full(grid.shape, 0.01, dtype=np.float32)
    paint(image, within(depth), rng.uniform(0.2, 0.6))
    paint(image, within(depth - rng.uniform(1, 3)), rng.uniform(0.1, 0.5) * (1 + 0.2 * fractal(grid, rng, 0.6)))
    _, y, x = grid.points
    y, x = y - np.float32(centre[1]), x - np.float32(centre[2])
    segments = int(rng.integers(8, 13))
    angle = np.arctan2(y, x) * segments / (2 * np.pi) + rng.random() + 0.1 * smooth(grid, rng, 9)
    membrane = np.abs(angle % 1 - 0.5) * 2 * np.pi / segments * np.hypot(y, x)
    inner = np.minimum(np.minimum(depth - rng.uniform(4, 8), membrane - rng.uniform(0.3, 0.9)), np.hypot(y, x) - 3)
    sacs = distance_to_level(smooth(grid, rng, rng.uniform(1.3, 2.2)), grid)
    paint(image, within(inner), rng.uniform(0.6, 1.0) * (1 - rng.uniform(0.05, 0.3) * within(0.3 - np.abs(sacs))))
    for _ in range(rng.integers(0, 2 * segments)):
        seed = radius_in(grid, centre + axes * 0.45 * any_direction(rng), rng.uniform(1.5, 4.0, 3), any_turn(rng))
        paint(image, within((1 - seed) * 2.5), rng.uniform(0.02, 0.3))
    return image
