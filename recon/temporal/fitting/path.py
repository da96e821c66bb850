"""The most likely path of a phase (Viterbi)."""

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True, nogil=True)
def cheapest_path(cost: NDArray, penalty: NDArray) -> tuple[int, NDArray]:
    """First phase of the path of least cost, and its advance at each block; of equal steps the shortest is taken.

    Parameters
    ----------
    cost : (blocks, phases) float64
    penalty : (advances,) float64
        Cost of each advance from one block to the next, in phases from 0.

    Returns
    -------
    int
    (blocks,) int64
        The first is 0.
    """
    blocks, phases = cost.shape
    advances = len(penalty)
    ring = -(-advances // phases) * phases  # whole turns that hold the longest advance
    steps = np.zeros((blocks, phases), dtype=np.int64)
    before = np.empty(ring + phases)  # the score of phase p - a lies at ring + p - a
    reached = cost[0].copy()
    for block in range(1, blocks):
        for start in range(0, ring + phases, phases):
            before[start : start + phases] = reached
        taken = steps[block]
        reached[:] = np.inf
        for advance in range(advances):
            for phase in range(phases):
                candidate = before[ring + phase - advance] + penalty[advance]
                if candidate < reached[phase]:
                    reached[phase] = candidate
                    taken[phase] = advance
        for phase in range(phases):
            reached[phase] += cost[block, phase]
    path = np.zeros(blocks, dtype=np.int64)
    first = int(np.argmin(reached))
    for block in range(blocks - 1, 0, -1):
        path[block] = steps[block, first]
        first = (first - path[block]) % phases
    return first, path
