"""Kidneys, spleen, pancreas, liver, stomach and duodenum, each where it belongs, of a size that varies as people do."""

import numpy as np
from numpy.typing import NDArray

from recon.simulation.abdomen.implicit_shapes import FAR_MM, Tube, blended, ellipsoid, tube
from recon.simulation.abdomen.torso import Torso


def draw_viscera(torso: Torso) -> None:
    """Draw the solid organs, stomach and duodenum, the deepest ones first.

    Parameters
    ----------
    torso : Torso
        With trunk and spine.
    """
    for side in ("left", "right"):
        _kidney(torso, side)
    _spleen(torso)
    _pancreas_and_duodenum(torso)
    _stomach(torso)
    _gallbladder(torso)
    _liver(torso)


def _textured(torso: Torso, tissue: str, strength: float = 0.04) -> NDArray:
    return torso.signals[tissue] * (1 + strength * torso.grid.random_field(10.0))


def _kidney(torso: Torso, side: str) -> None:
    """Cortex around pyramids, and a sinus of fat that opens towards the spine."""
    rng, grid, sign = torso.rng, torso.grid, 1 if side == "left" else -1
    size = rng.uniform(0.9, 1.14)
    out = sign * rng.uniform(58, 68)
    level = rng.uniform(-18, 2) if side == "left" else rng.uniform(-34, -12)
    centre = (level, torso.spine_mm - rng.uniform(-4, 8), out)
    turn = (0, sign * rng.uniform(4, 16), rng.uniform(-12, 12))
    whole = ellipsoid(grid, centre, (54 * size, 25 * size, 28 * size), turn) + 1.2 * grid.random_field(20.0)
    sinus = ellipsoid(grid, (level, centre[1], out - sign * 16 * size), (20 * size, 9 * size, 14 * size))
    depth = torso.free(np.minimum(whole, -sinus), 1.5, confined=False)
    torso.place(depth, _textured(torso, "cortex"), f"{side} kidney")
    pyramids = np.minimum(depth - rng.uniform(5, 7), 3 * (grid.random_field(12.0) + 0.3))
    torso.paint(pyramids, torso.signals["medulla"])
    np.maximum(torso.taken_mm, np.minimum(whole, sinus), out=torso.taken_mm)  # nothing else lies in the sinus


def _spleen(torso: Torso) -> None:
    rng = torso.rng
    size = rng.uniform(0.85, 1.2)
    centre = (rng.uniform(28, 52), torso.spine_mm - rng.uniform(5, 25), rng.uniform(0.58, 0.66) * torso.wide_mm)
    turn = (rng.uniform(10, 35), rng.uniform(-15, 15), rng.uniform(-15, 25))
    whole = ellipsoid(torso.grid, centre, (52 * size, 45 * size, 29 * size), turn) + 1.5 * torso.grid.random_field(28.0)
    torso.place(torso.free(whole), _textured(torso, "spleen"), "spleen")


def _pancreas_and_duodenum(torso: Torso) -> None:
    """The duodenum bends around the head of the pancreas, then crosses in front of the spine to the left."""
    rng, front, scale = torso.rng, torso.spine_mm, torso.wide_mm / 165
    shift = rng.normal(0, 6, 3)
    bends = np.array(
        [
            [2, -62, -22], [-6, -50, -46], [-28, -38, -56], [-56, -34, -50],
            [-70, -46, -24], [-69, -54, 8], [-50, -52, 32], [-34, -56, 38],
        ],
        dtype=float,
    )  # fmt: skip
    bends = (bends + rng.normal(0, 3, bends.shape)) * [1, 1, scale] + [0, front, 0] + shift
    loop = tube(torso.grid, bends, rng.uniform(10.5, 13.5) + rng.uniform(-1.5, 1.5, len(bends)))
    gland = np.array(
        [[-36, -44, -30], [-18, -48, -22], [2, -52, -2], [10, -48, 26], [18, -30, 56], [26, -12, 82]], dtype=float
    )
    gland = (gland + rng.normal(0, 3, gland.shape)) * [1, 1, scale] + [0, front, 0] + shift
    widths = np.array([17, 15, 10.5, 11.5, 11.5, 8.5]) * rng.uniform(0.85, 1.15)
    lobes = tube(torso.grid, gland, widths).depth + 1.2 * torso.grid.random_field(9.0)
    _hollow(torso, loop, "duodenum", "bowel", rng.uniform(1.8, 2.6))
    torso.place(torso.free(lobes, 0.8), _textured(torso, "pancreas", 0.07), "pancreas")


def _hollow(torso: Torso, drawn: Tube, organ: str, wall: str, thickness_mm: float) -> NDArray:
    """Place a hollow organ, whose content changes along it; its lumen is returned."""
    depth = torso.free(drawn.depth, 0.8)
    torso.place(depth, torso.signals[wall], organ)
    torso.paint(depth - thickness_mm, content_along(torso, drawn.along_mm))
    return depth - thickness_mm


def content_along(torso: Torso, along_mm: NDArray) -> NDArray:
    """Signal of what fills a bowel, by the place along it: fluid, food and gas in parts of some centimetres."""
    rng, parts = torso.rng, int(np.ceil(along_mm.max() / 15)) + 2
    kinds = [torso.signals[kind] for kind in ("water", "meal", "bowel", "gas")]
    signals = rng.choice(kinds, parts, p=[0.35, 0.35, 0.2, 0.1])
    return np.interp(along_mm, np.arange(parts) * 15.0, signals).astype(np.float32)


def _stomach(torso: Torso) -> None:
    """A bag from below the left dome to the pylorus; gas above fluid, since patients lie on their backs."""
    rng, front, scale = torso.rng, torso.spine_mm, torso.wide_mm / 165
    bag = np.array(
        [[66, -30, 66], [46, -48, 72], [18, -74, 60], [-4, -86, 34], [-8, -84, 6], [2, -70, -20]], dtype=float
    )
    bag = (bag + rng.normal(0, 5, bag.shape)) * [1, 1, scale] + [0, front, 0]
    widths = np.array([30, 33, 26, 20, 15, 9]) * rng.uniform(0.75, 1.2)
    depth = torso.free(tube(torso.grid, bag, widths).depth + 1.5 * torso.grid.random_field(25.0), 1.5)
    torso.place(depth, torso.signals["stomach"], "stomach")
    lumen = depth - rng.uniform(2.5, 5)
    torso.paint(lumen, torso.signals["meal"] * (1 + 0.12 * torso.grid.random_field(8.0)))
    surface = np.quantile(torso.grid.points[1][lumen > 0], rng.uniform(0.0, 0.4)) if (lumen > 0).any() else -np.inf
    torso.paint(np.minimum(lumen, surface - torso.grid.points[1]), torso.signals["gas"])


def _gallbladder(torso: Torso) -> None:
    rng = torso.rng
    centre = (rng.uniform(-25, -2), torso.spine_mm - rng.uniform(75, 95), rng.uniform(-70, -45))
    bag = ellipsoid(torso.grid, centre, (24, 13, 12), (0, rng.uniform(-30, 30), rng.uniform(-30, 30)))
    torso.place(torso.free(bag), rng.uniform(0.8, 1.4) * torso.signals["water"])


def _liver(torso: Torso) -> None:
    """A right lobe under the dome and a left one before the stomach; what was placed before leaves its dents in it."""
    rng, grid, wide, deep = torso.rng, torso.grid, torso.wide_mm, torso.deep_mm
    size = rng.uniform(0.9, 1.08)
    right = (rng.uniform(22, 40), -0.08 * deep, -0.46 * wide)
    left = (rng.uniform(46, 62), -0.42 * deep, rng.uniform(-0.05, 0.12) * wide)
    lobes = blended(
        ellipsoid(grid, right, (80 * size, 0.8 * deep * size, 0.5 * wide * size), (0, rng.uniform(-20, 5), 0), 2.3),
        ellipsoid(grid, left, (36 * size, 0.4 * deep * size, 0.5 * wide * size), (0, rng.uniform(-12, 12), 0)),
        24.0,
    )
    depth = torso.free(lobes + 2.5 * grid.random_field(45.0))
    torso.place(depth, _textured(torso, "liver", 0.03), "liver")
    for _ in range(2):
        level = rng.uniform(2.0, 3.5) - 12 * np.hypot(grid.random_field(30.0), grid.random_field(30.0))
        torso.paint(np.minimum(np.maximum(level, FAR_MM), depth - 4), torso.signals["vessel"])
