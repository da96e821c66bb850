"""Simulated trunks: a heart with its coronaries among lungs, fat and muscle; an abdomen with its organs."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recon.simulation.angiogram.random_fields import (
    Grid,
    any_direction,
    any_turn,
    blob,
    distance_to_level,
    filaments,
    fractal,
    paint,
    radius_in,
    smooth,
    within,
)
from recon.simulation.angiogram.vessels import Branching, Tree, Vessel, coverage, on_ellipsoid


def heart(grid: Grid, rng: np.random.Generator) -> tuple[NDArray, list[Vessel]]:
    """Draw a heart: chambers with papillary muscles and trabeculae, epicardial fat, coronaries of varying calibre.

    Parameters
    ----------
    grid : Grid
        Of cubic voxels.
    rng : numpy.random.Generator

    Returns
    -------
    (z, y, x) float32, list of Vessel
        Of the vessels, the coronaries.
    """
    blood, muscle = rng.uniform(0.7, 1.05), rng.uniform(0.15, 0.6)
    fat = rng.uniform(0.03, 0.2) if rng.random() < 0.7 else rng.uniform(0.4, 1.1)  # suppressed, or not
    centre, turn = grid.extent * rng.uniform(0.4, 0.6, 3), any_turn(rng)
    axes = grid.extent.mean() * rng.uniform([0.3, 0.24, 0.24], [0.45, 0.36, 0.34])
    image = _chest(grid, rng, fat, muscle)
    shell = rng.uniform(2, 7)
    size, outline = float(axes.mean()), radius_in(grid, centre, axes, turn, 0.03 * smooth(grid, rng, 9))
    depth = (1 - outline) * size
    paint(image, within(depth + shell + 1.5 * smooth(grid, rng, 6)), fat * (1 + 0.15 * fractal(grid, rng, 0.8)))
    walls = muscle * (1 + rng.uniform(0.03, 0.15) * smooth(grid, rng, rng.uniform(1, 4)))
    paint(image, within(depth), walls)
    paint(image, _cavities(grid, rng, centre, axes, turn), blood * (1 + 0.06 * smooth(grid, rng, 7)))
    _great_vessels(image, grid, rng, blood)
    vessels = _coronaries(grid, rng, centre, axes * (1 + 0.4 * shell / size), turn)
    paint(image, coverage(vessels, grid.shape, wall=rng.uniform(0.8, 2.2)), fat)
    paint(image, coverage(vessels, grid.shape), blood * rng.uniform(0.8, 1.1) * (1 + 0.08 * smooth(grid, rng, 8)))
    _plaques(image, rng, vessels)
    return image * (1 + rng.uniform(0.0, 0.05) * fractal(grid, rng, rng.uniform(0.4, 1.4))), vessels


def _chest(grid: Grid, rng: np.random.Generator, fat: float, muscle: float) -> NDArray:
    """Mediastinum, lungs with vessels, chest wall in layers, the dome of the liver."""
    image = np.full(grid.shape, fat, dtype=np.float32)
    layers = distance_to_level(smooth(grid, rng, rng.uniform(5, 10)), grid)
    paint(image, within(layers), muscle * (1 + 0.1 * smooth(grid, rng, (1, 1, 6))))
    for side in (0.05, 0.95):
        place = grid.extent * [rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7), side]
        lung = blob(grid, rng, place, grid.extent * rng.uniform(0.25, 0.45, 3))
        paint(image, lung, rng.uniform(0.01, 0.08))
        paint(image, lung * filaments(grid, rng, rng.uniform(4, 7), rng.uniform(0.4, 1.2)), rng.uniform(0.3, 0.9))
    if rng.random() < 0.6:
        liver = blob(grid, rng, grid.extent * [rng.choice([0.0, 1.0]), *rng.uniform(0.2, 0.8, 2)], 0.35 * grid.extent)
        paint(image, liver, rng.uniform(0.2, 0.6))
        paint(image, liver * filaments(grid, rng, 7, rng.uniform(0.6, 1.6)), rng.uniform(0.3, 0.9))
    return image


def _cavities(grid: Grid, rng: np.random.Generator, centre: NDArray, axes: NDArray, turn: NDArray) -> NDArray:
    """Share of blood: four irregular chambers, less the muscles that stand in them."""
    blood = np.zeros(grid.shape, dtype=np.float32)
    for offset in rng.permutation([[0.35, 0.3, 0.2], [0.35, -0.35, -0.1], [-0.45, 0.3, -0.2], [-0.45, -0.3, 0.2]]):
        chamber = blob(grid, rng, centre + turn @ (axes * offset), axes * rng.uniform(0.25, 0.42, 3), 0.12)
        np.maximum(blood, chamber, out=blood)
    rim = blood * (1 - blob(grid, rng, centre, axes * rng.uniform(0.3, 0.6), 0.2))
    trabeculae = rim * filaments(grid, rng, rng.uniform(2, 3.5), rng.uniform(0.5, 1.2))
    papillary = filaments(grid, rng, rng.uniform(7, 10), rng.uniform(1.5, 3))
    return blood * (1 - 0.9 * np.maximum(trabeculae, papillary))


def _great_vessels(image: NDArray, grid: Grid, rng: np.random.Generator, blood: float) -> None:
    great = Tree(Branching((60, 120), (4.0, 8.0), 0.02, 0.8, 2, 0.0), rng)
    for _ in range(rng.integers(1, 4)):
        great.grow(grid.extent * rng.uniform(0.1, 0.9, 3), rng.standard_normal(3), rng.uniform(4.0, 8.0))
    paint(image, coverage(great.vessels, grid.shape, wall=rng.uniform(0.5, 1.5)), rng.uniform(0.05, 0.4))
    paint(image, coverage(great.vessels, grid.shape), blood * rng.uniform(0.85, 1.1))


def _coronaries(grid: Grid, rng: np.random.Generator, centre: NDArray, axes: NDArray, turn: NDArray) -> list[Vessel]:
    """Trees on the heart's surface, whose calibre varies along them beyond taper and stenoses."""
    tree = Tree(Branching(radius=(0.9, 2.6), branches=2.6, stenosis_share=0.45), rng, on_ellipsoid(centre, axes, turn))
    for _ in range(rng.integers(3, 7)):
        start = centre + turn @ (axes * any_direction(rng))
        tree.grow(start, rng.standard_normal(3), rng.uniform(*tree.branching.radius))
    return [replace(vessel, healthy_radius=_uneven(vessel.healthy_radius, rng)) for vessel in tree.vessels]


def _uneven(radius: NDArray, rng: np.random.Generator) -> NDArray:
    """A calibre that waxes and wanes by a tenth, over some ten voxels."""
    along, share = np.arange(len(radius)), rng.uniform(0.0, 0.1, 2)
    waves = (part * np.sin(along / rng.uniform(8, 30) + rng.uniform(0, 6.3)) for part in share)
    return radius * (1 + sum(waves))


def _plaques(image: NDArray, rng: np.random.Generator, vessels: list[Vessel]) -> None:
    """Small dark or bright balls in the walls, half in the lumen."""
    shape = image.shape[0], image.shape[1], image.shape[2]
    for vessel in vessels:
        if rng.random() < 0.3:
            at = int(rng.integers(len(vessel.centreline)))
            place = vessel.centreline[at] + vessel.radius[at] * any_direction(rng)
            ball = Vessel(place[None], np.array([rng.uniform(0.5, 1.2)]))
            paint(image, coverage([ball], shape), float(rng.choice([0.03, rng.uniform(0.5, 1.2)])))


def abdomen(grid: Grid, rng: np.random.Generator) -> NDArray:
    """Draw an abdomen: organs with vessels and textures in fat, bowel with gas, spine, muscle, skin.

    Parameters
    ----------
    grid : Grid
    rng : numpy.random.Generator

    Returns
    -------
    (z, y, x) float32
    """
    fat = rng.uniform(0.05, 1.1)
    image = np.full(grid.shape, rng.uniform(0.0, 0.03), dtype=np.float32)
    centre, axes = (
        grid.extent * rng.uniform(0.42, 0.58, 3),
        grid.extent * rng.uniform([0.7, 0.42, 0.42], [1.2, 0.6, 0.6]),
    )
    depth = (1 - radius_in(grid, centre, axes, bumps=0.04 * smooth(grid, rng, 15))) * np.float32(axes.mean())
    septa = np.abs(distance_to_level(smooth(grid, rng, rng.uniform(4, 9)), grid))
    paint(image, within(depth), fat * (1 - 0.5 * within(0.5 - septa)))
    layer = rng.uniform(3, 12)
    fibres = 1 + rng.uniform(0.05, 0.2) * smooth(grid, rng, list(rng.permutation([0.8, 1.2, 8.0])))
    paint(image, within(depth - layer), rng.uniform(0.15, 0.5) * fibres)
    paint(image, within(depth - layer - rng.uniform(4, 10)), fat * (1 + 0.05 * smooth(grid, rng, 6)))
    for _ in range(rng.integers(4, 9)):
        _organ(image, grid, rng, within(depth - layer - 4), centre + axes * rng.uniform(-0.6, 0.6, 3))
    _bowel(image, grid, rng, within(depth - layer - 6))
    _spine(image, grid, rng, centre + axes * [0, rng.uniform(0.3, 0.6), rng.uniform(-0.2, 0.2)], axes, fat)
    return image * (1 + rng.uniform(0.0, 0.06) * fractal(grid, rng, rng.uniform(0.4, 1.6)))


def _organ(image: NDArray, grid: Grid, rng: np.random.Generator, room: NDArray, place: NDArray) -> None:
    share = room * blob(grid, rng, place, 0.4 * grid.extent.mean() * rng.uniform(0.2, 1.0, 3), rng.uniform(0.05, 0.25))
    value = rng.uniform(0.1, 1.0)
    paint(image, share, value * (1 + rng.uniform(0.02, 0.1) * fractal(grid, rng, rng.uniform(0.3, 1.2))))
    if rng.random() < 0.7:
        tubes = filaments(grid, rng, rng.uniform(4, 9), rng.uniform(0.4, 1.8))
        paint(image, share * tubes, value * rng.choice([0.3, 1.6]))
    if rng.random() < 0.4:  # a cortex, as of a kidney
        paint(image, share * within(2 * smooth(grid, rng, rng.uniform(2, 4))), value * rng.uniform(0.6, 1.4))


def _bowel(image: NDArray, grid: Grid, rng: np.random.Generator, room: NDArray) -> None:
    """Loops with a wall, filled with fluid and here and there with gas."""
    wide = rng.uniform(3, 6)
    loops = room * filaments(grid, rng, rng.uniform(9, 14), wide, 0.3)
    paint(image, loops, rng.uniform(0.2, 0.7))
    content = rng.uniform(0.1, 1.1) * (1 + 0.1 * smooth(grid, rng, 2))
    gas = within(3 * (smooth(grid, rng, 10) - 1))
    paint(image, within(2 * loops - 1.3, 0.6), content * (1 - 0.95 * gas))


def _spine(image: NDArray, grid: Grid, rng: np.random.Generator, place: NDArray, axes: NDArray, fat: float) -> None:
    """Vertebrae with a dark shell and trabecular marrow, and discs between them."""
    height, wide = rng.uniform(14, 28), rng.uniform(9, 16)
    column = radius_in(grid, place, np.array([1e6, wide, wide]), bumps=0.06 * smooth(grid, rng, 6))
    along = np.abs(((grid.points[0] / height) % 1) - 0.5) * height
    body = np.minimum((1 - column) * wide, 0.42 * height - along)
    paint(image, within((1 - column) * wide), rng.uniform(0.05, 0.8))
    paint(image, within(body), rng.uniform(0.02, 0.1))
    marrow = rng.uniform(0.3, 1.0) * max(fat, 0.3)
    paint(image, within(body - rng.uniform(0.8, 2)), marrow * (1 + rng.uniform(0.05, 0.3) * smooth(grid, rng, 0.9)))
