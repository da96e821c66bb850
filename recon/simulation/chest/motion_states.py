"""A finite set of states of motion, of which each time is a mixture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.simulation.chest.motion import Motion

_CONTRACTIONS = 17
"""States of a normal beat. Walls of the heart move by up to 10 mm, so neighbours differ by less than a millimetre."""

_BREATH_MM = 1.2
"""Displacement between states, about a pixel of the fine grid."""


@dataclass(frozen=True)
class MotionStates:
    """States on a grid of contraction and displacement, and the weights of each readout.

    Attributes
    ----------
    contraction, displacement_mm : (states,) float64
        Of each state, displacements varying fastest.
    state : (readouts, 4) int64
        The four states about each readout.
    weight : (readouts, 4) float64
        Bilinear, their sum is 1.
    """

    contraction: NDArray
    displacement_mm: NDArray
    state: NDArray
    weight: NDArray

    def readouts_of(self, number: int, block: slice) -> tuple[NDArray, NDArray]:
        """Readouts of a block, counted from its start, that a state has a share in; and the shares."""
        share = np.sum(self.weight[block] * (self.state[block] == number), axis=1)
        readouts = np.flatnonzero(share)
        return readouts, share[readouts]


def states_of(motion: Motion) -> MotionStates:
    """Lay a grid of states over a motion.

    Parameters
    ----------
    motion : Motion

    Returns
    -------
    MotionStates
    """
    most = max(1.0, float(motion.contraction.max()))
    squeeze = np.linspace(0, most, _CONTRACTIONS)
    farthest = float(motion.displacement_mm.max())
    breath = np.linspace(0, farthest, 1 + int(np.ceil(farthest / _BREATH_MM))) if farthest else np.zeros(1)
    row, upper = _between(motion.contraction, squeeze)
    column, right = _between(motion.displacement_mm, breath)
    state, weight = [], []
    for down in (0, 1):
        for beside in (0, 1):
            one = np.minimum(row + down, len(squeeze) - 1) * len(breath) + np.minimum(column + beside, len(breath) - 1)
            state.append(one)
            weight.append((upper if down else 1 - upper) * (right if beside else 1 - right))
    grid = np.meshgrid(squeeze, breath, indexing="ij")
    return MotionStates(grid[0].ravel(), grid[1].ravel(), np.stack(state, axis=1), np.stack(weight, axis=1))


def _between(values: NDArray, knots: NDArray) -> tuple[NDArray, NDArray]:
    """Knot below each value, and the share of the one above."""
    if len(knots) == 1:
        return np.zeros(len(values), dtype=int), np.zeros(len(values))
    place = np.clip(values / knots[1], 0, len(knots) - 1)
    low = np.minimum(place.astype(int), len(knots) - 2)
    return low, place - low
