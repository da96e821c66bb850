"""A heart whose coronaries have the eight segments that a reader grades, each with or without a stenosis."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from recon.simulation.angiogram.random_fields import Grid, any_direction, any_turn, paint, radius_in, smooth, within
from recon.simulation.angiogram.vessels import Branching, Stenosis, Tree, Vessel, coverage, on_ellipsoid

SEGMENTS = ("LM", "pLCX", "pLAD", "mLAD", "dLAD", "pRCA", "mRCA", "dRCA")
"""The segments of dissertation 5.2.5."""

_ARTERIES = {"LM": 0.13, "LCX": 0.3, "LAD": 0.75, "RCA": 0.75}
"""Length over that of the volume's mean side; the simulated left main is longer than most, so that it can be read."""
_PARTS = {"LM": ("LM",), "LCX": ("pLCX",), "LAD": ("pLAD", "mLAD", "dLAD"), "RCA": ("pRCA", "mRCA", "dRCA")}

_STENOSED = 0.5
"""Share of the segments that have a stenosis; of any depth up to 90 % of the diameter."""
_DEPTHS = (0.1, 0.9)


@dataclass(frozen=True)
class Segment:
    """A stretch of an artery.

    Attributes
    ----------
    name : str
        One of :data:`SEGMENTS`.
    vessel : Vessel
        The whole artery.
    first, last : int
        Points of its centreline.
    depth : float
        Share of the diameter that is lost at the throat; 0 without a stenosis.
    """

    name: str
    vessel: Vessel
    first: int
    last: int
    depth: float


@dataclass(frozen=True)
class SegmentedHeart:
    """A simulated coronary MRA and the truth that a reading is compared with.

    Attributes
    ----------
    image : (z, y, x) float32
        Magnitude at full resolution; blood is about 1.
    segments : list of Segment
        Those that lie inside the volume.
    """

    image: NDArray
    segments: list[Segment]


def simulate_segmented_heart(shape: tuple[int, int, int], seed: int, snr: float = 40.0) -> SegmentedHeart:
    """Simulate a heart whose arteries are 3 to 5 voxels wide, as coronaries are at 1 mm.

    Parameters
    ----------
    shape : (3,) tuple of int
        (z, y, x) of cubic voxels.
    seed : int
    snr : float
        Of blood.

    Returns
    -------
    SegmentedHeart
    """
    rng, grid = np.random.default_rng([seed, 53]), Grid(shape)
    side = float(np.mean(shape))
    centre, turn = grid.extent * rng.uniform(0.47, 0.53, 3), any_turn(rng)
    axes = np.minimum(0.36 * np.array(shape), 0.36 * side) * rng.uniform(0.9, 1.0, 3)
    depth = (1 - radius_in(grid, centre, axes, turn)) * np.float32(axes.mean())
    arteries = dict(_arteries(rng, side, centre, axes, turn))
    segments = [segment for name, vessel in arteries.items() for segment in _stenosed(name, vessel, rng)]
    narrowed = {id(segment.vessel): segment.vessel for segment in segments}
    image = np.full(shape, rng.uniform(0.15, 0.3), dtype=np.float32)
    paint(image, within(depth + 4), rng.uniform(0.05, 0.12))  # epicardial fat, suppressed
    paint(image, within(depth - 2), rng.uniform(0.3, 0.45))
    paint(image, within(depth - 10), rng.uniform(0.6, 0.8))  # the blood in its chambers
    image *= 1 + 0.05 * smooth(grid, rng, 1.5)
    paint(image, coverage(list(narrowed.values()), shape), 1.0)
    image = gaussian_filter(image, rng.uniform(0.4, 0.6))
    noise = rng.standard_normal((2, *shape), dtype=np.float32) / np.float32(snr)
    image = np.hypot(image + noise[0], noise[1]).astype(np.float32)
    return SegmentedHeart(image, [segment for segment in segments if _inside(segment, shape)])


def _arteries(
    rng: np.random.Generator, side: float, centre: NDArray, axes: NDArray, turn: NDArray
) -> Iterator[tuple[str, Vessel]]:
    """Left main, the two arteries that start at its end, and the right one at the other side of the heart."""
    on_heart = on_ellipsoid(centre, axes * 1.05, turn)
    outward, along = any_direction(rng), any_direction(rng)
    starts = {"LM": centre + turn @ (axes * outward), "RCA": centre - turn @ (axes * outward)}
    turns = {"LM": along, "RCA": any_direction(rng)}
    for name, share in _ARTERIES.items():
        length = share * side
        tree = Tree(Branching((length, length), tortuosity=0.04, generations=1, stenosis_share=0.0), rng, on_heart)
        tree.grow(starts[name], turns[name], rng.uniform(1.9, 2.5))
        (vessel,) = tree.vessels
        if name == "LM":
            end, ahead = vessel.centreline[-1], vessel.centreline[-1] - vessel.centreline[-3]
            aside = np.cross(ahead, end - centre)
            aside = aside / np.linalg.norm(aside) * np.linalg.norm(ahead)
            starts |= {"LAD": end, "LCX": end}
            turns |= {"LAD": ahead + aside, "LCX": ahead - aside}
        yield name, vessel


def _stenosed(artery: str, vessel: Vessel, rng: np.random.Generator) -> list[Segment]:
    """Divide an artery into its segments; some of them get a stenosis in their middle third."""
    borders = np.linspace(0, len(vessel.centreline) - 1, len(_PARTS[artery]) + 1).round().astype(int)
    found: list[Stenosis] = []
    depths = []
    for first, last in pairwise(borders):
        depth = float(rng.uniform(*_DEPTHS)) if rng.random() < _STENOSED else 0.0
        depths.append(depth)
        if depth:
            point = int(rng.integers(first + (last - first) // 3, last - (last - first) // 3))
            found.append(Stenosis(point, depth, float(rng.uniform(1.5, 3.0))))
    narrowed = replace(vessel, stenoses=tuple(found))
    return [
        Segment(name, narrowed, int(first), int(last), depth)
        for name, first, last, depth in zip(_PARTS[artery], borders[:-1], borders[1:], depths, strict=True)
    ]


def _inside(segment: Segment, shape: tuple[int, int, int]) -> bool:
    line = segment.vessel.centreline[segment.first : segment.last + 1]
    return bool((line > 6).all() and (line < np.array(shape) - 7).all())
