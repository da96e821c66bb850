"""Loops of small intestine, packed as they lie in the lower abdomen, and the colon around them, which is no organ."""

import numpy as np
from numpy.typing import NDArray

from recon.simulation.abdomen.implicit_shapes import tube
from recon.simulation.abdomen.torso import Torso
from recon.simulation.abdomen.viscera import content_along

_LOWEST_MM = -140.0
"""Below the field of view of any scan of the upper abdomen."""


def draw_bowel(torso: Torso) -> None:
    """Draw colon and small intestine into the room that is left.

    Parameters
    ----------
    torso : Torso
        With all other organs.
    """
    _colon(torso)
    _small_intestine(torso)


def _colon(torso: Torso) -> None:
    """Up on the right, across in front, down on the left; haustra, stool and gas."""
    rng, wide, deep = torso.rng, torso.wide_mm, torso.deep_mm
    sag = rng.uniform(-75, -35)
    course = np.array(
        [
            [_LOWEST_MM, -0.05 * deep, -0.62 * wide], [-85, 0.0, -0.64 * wide], [-45, -0.15 * deep, -0.6 * wide],
            [sag + 12, -0.6 * deep, -0.4 * wide], [sag, -0.68 * deep, 0.0], [sag + 25, -0.6 * deep, 0.38 * wide],
            [5, -0.15 * deep, 0.62 * wide], [-40, 0.0, 0.66 * wide], [_LOWEST_MM, -0.05 * deep, 0.62 * wide],
        ]
    )  # fmt: skip
    course += rng.normal(0, 5, course.shape)
    drawn = tube(torso.grid, course, rng.uniform(15, 21) + rng.uniform(-3, 3, len(course)))
    haustra = 1.8 * np.sin(2 * np.pi * drawn.along_mm / rng.uniform(22, 32))
    depth = torso.free(drawn.depth + haustra.astype(np.float32), 1.5)
    torso.place(depth, torso.signals["bowel"])
    kinds = [torso.signals[kind] for kind in ("stool", "gas", "water")]
    parts = int(drawn.along_mm.max() / 25) + 2
    filled = np.interp(drawn.along_mm, np.arange(parts) * 25.0, rng.choice(kinds, parts, p=[0.6, 0.3, 0.1]))
    torso.paint(depth - rng.uniform(2.0, 3.0), filled * (1 + 0.15 * torso.grid.random_field(9.0)))


def _small_intestine(torso: Torso) -> None:
    rng, wide, deep, front = torso.rng, torso.wide_mm, torso.deep_mm, torso.spine_mm
    radius = rng.uniform(9.5, 12.5)
    lower = _meander(rng, (_LOWEST_MM, -0.6 * deep, -0.42 * wide), (-46, front - 42, 0.45 * wide), 2.25 * radius)
    upper = _meander(rng, (-40, -0.5 * deep, 0.2 * wide), (-2, front - 48, 0.5 * wide), 2.25 * radius)
    course = np.concatenate([upper, lower])
    drawn = tube(torso.grid, course, radius + rng.uniform(-1.5, 1.5, len(course)))
    depth = torso.free(drawn.depth, 1.0)
    torso.place(depth, torso.signals["bowel"] * rng.uniform(0.9, 1.2), "small intestine")
    torso.paint(depth - rng.uniform(2.0, 3.2), content_along(torso, drawn.along_mm))


def _meander(
    rng: np.random.Generator, low: tuple[float, float, float], high: tuple[float, float, float], pitch: float
) -> NDArray:
    """Jittered lattice points of a box, to and fro along one axis, then along the next, from above down."""
    counts = [max(2, int((b - a) / pitch) + 1) for a, b in zip(low, high, strict=True)]
    z, y, x = (np.linspace(b, a, count) for a, b, count in zip(low, high, counts, strict=True))
    swap = rng.random() < 0.5
    inner, outer = (y, x) if swap else (x, y)
    places = []
    for level, height in enumerate(z):
        for row, second in enumerate(outer[:: -1 if level % 2 else 1]):
            for first in inner[:: -1 if (row + level * len(outer)) % 2 else 1]:
                places.append((height, first, second) if swap else (height, second, first))
    return np.array(places) + rng.normal(0, 0.22 * pitch, (len(places), 3))
