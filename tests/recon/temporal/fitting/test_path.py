"""The path of least cost against all paths."""

import itertools

import numpy as np
import pytest

from recon.temporal.fitting.path import cheapest_path


@pytest.mark.parametrize("advances", [1, 2, 3, 5])
def test_no_path_costs_less(advances: int) -> None:
    """Three phases, of which an advance of 3 and 4 goes around once."""
    rng = np.random.default_rng(advances)
    cost, penalty = rng.standard_normal((5, 3)), rng.uniform(0, 0.5, advances)

    def total(first: int, taken: tuple[int, ...]) -> float:
        phases = np.cumsum([first, *taken]) % 3
        return cost[np.arange(5), phases].sum() + penalty[list(taken)].sum()

    every = [(first, taken) for first in range(3) for taken in itertools.product(range(advances), repeat=4)]
    first, taken = cheapest_path(cost, penalty)
    assert (first, tuple(taken[1:])) == min(every, key=lambda path: total(*path))
    assert taken[0] == 0


def test_of_equal_steps_the_shortest_is_taken() -> None:
    first, taken = cheapest_path(np.zeros((4, 3)), np.ones(4))
    assert first == 0
    assert taken.tolist() == [0, 0, 0, 0]
