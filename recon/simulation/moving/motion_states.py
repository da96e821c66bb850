"""A finite set of states of motion, of which each time is a mixture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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

    @property
    def shares(self) -> NDArray:
        """How much of every state each readout saw: ``(readouts, states)`` float64, rows add to one."""
        result = np.zeros((len(self.state), len(self.contraction)))
        np.add.at(result, (np.arange(len(self.state))[:, None], self.state), self.weight)
        return result


def states_on(contraction: NDArray, displacement_mm: NDArray, squeeze: NDArray, breath_mm: NDArray) -> MotionStates:
    """Mix the states of a grid to what was seen at each readout.

    Parameters
    ----------
    contraction, displacement_mm : (readouts,) float64
    squeeze, breath_mm : (nodes,) float64
        Contractions and displacements of the grid, evenly spaced; one node where nothing moves. What lies beyond them
        is taken for the outermost.

    Returns
    -------
    MotionStates
    """
    row, upper = _between(contraction, squeeze)
    column, right = _between(displacement_mm, breath_mm)
    state, weight = [], []
    for down in (0, 1):
        for beside in (0, 1):
            below, after = np.minimum(row + down, len(squeeze) - 1), np.minimum(column + beside, len(breath_mm) - 1)
            state.append(below * len(breath_mm) + after)
            weight.append((upper if down else 1 - upper) * (right if beside else 1 - right))
    grid = np.meshgrid(squeeze, breath_mm, indexing="ij")
    return MotionStates(grid[0].ravel(), grid[1].ravel(), np.stack(state, axis=1), np.stack(weight, axis=1))


def _between(values: NDArray, knots: NDArray) -> tuple[NDArray, NDArray]:
    """Knot below each value, and the share of the one above."""
    if len(knots) == 1:
        return np.zeros(len(values), dtype=int), np.zeros(len(values))
    place = np.clip((values - knots[0]) / (knots[1] - knots[0]), 0, len(knots) - 1)
    low = np.minimum(place.astype(int), len(knots) - 2)
    return low, place - low
