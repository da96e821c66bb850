"""Random abdomens: a scan and the organs in it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label as connected_parts

from recon.simulation.abdomen.bowel import draw_bowel
from recon.simulation.abdomen.implicit_shapes import WarpedGrid
from recon.simulation.abdomen.organ_labels import LABEL, ORGANS
from recon.simulation.abdomen.torso import Torso
from recon.simulation.abdomen.trunk import draw_trunk
from recon.simulation.abdomen.vibe import draw_signals, scanned
from recon.simulation.abdomen.viscera import draw_viscera

SMALL_GRID = ((64, 80, 112), (3.0, 3.0, 3.0))
"""Matrix (z, y, x) and spacing in mm of the shipped weights."""

PAPER_GRID = ((180, 288, 320), (1.2, 1.2, 1.2))
"""What the dissertation's volumes typically are (7.2.1)."""

_IN_PIECES = ("vertebral bodies", "small intestine")
"""Organs of several parts, or of which the field of view may cut out several."""


@dataclass(frozen=True)
class Abdomen:
    """A simulated scan and its truth.

    Attributes
    ----------
    image : (z, y, x) float32
        Magnitude; liver is about 1. Axes point to the head, the back and the patient's left.
    labels : (z, y, x) uint8
        Of :data:`~recon.simulation.abdomen.organ_labels.ORGANS`.
    spacing_mm : (3,) tuple of float
    seed : int
    """

    image: NDArray
    labels: NDArray
    spacing_mm: tuple[float, float, float]
    seed: int


def simulate_abdomen(
    seed: int,
    shape: tuple[int, int, int] = SMALL_GRID[0],
    spacing_mm: tuple[float, float, float] = SMALL_GRID[1],
) -> Abdomen:
    """Simulate a subject; a seed is the same body on every grid, seen by another scan.

    Parameters
    ----------
    seed : int
    shape : (3,) tuple of int
        (z, y, x).
    spacing_mm : (3,) tuple of float

    Returns
    -------
    Abdomen
    """
    rng = np.random.default_rng([seed, 31])
    wide, deep = rng.uniform(148, 180), rng.uniform(98, 124)
    grid = WarpedGrid(shape, spacing_mm, rng, warp_mm=rng.uniform(3.0, 6.0))
    torso = Torso(grid, rng, draw_signals(rng), wide, deep, spine_mm=deep - rng.uniform(66, 80))
    draw_trunk(torso)
    draw_viscera(torso)
    draw_bowel(torso)
    image = scanned(torso.image, grid.axes_mm, np.random.default_rng([seed, 32]), float(rng.uniform(2.0, 4.0)))
    return Abdomen(image, _in_one_piece(torso.labels), spacing_mm, seed)


def _in_one_piece(labels: NDArray) -> NDArray:
    """Of each organ, keep the largest part: neighbours may have cut off corners."""
    kept = labels.copy()
    for organ in set(ORGANS[1:]) - set(_IN_PIECES):
        mask = labels == LABEL[organ]
        parts, count = connected_parts(mask)
        if count > 1:
            largest = 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
            kept[mask & (parts != largest)] = 0
    return kept
