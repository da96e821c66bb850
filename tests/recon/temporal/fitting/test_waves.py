"""The Gram matrix of waves and recovery against the products themselves."""

import numpy as np
import pytest

from recon.temporal.fitting.waves import waves, waves_gram


def pausing(times: int = 300) -> np.ndarray:
    """Times at uneven steps, with a pause, as shares of the scan."""
    steps = np.random.default_rng(0).uniform(0.5, 1.5, times)
    steps[120] = 40.0
    time = np.cumsum(steps) - steps[0]
    return time / time[-1]


@pytest.mark.parametrize(("first", "last"), [(0, 3), (1, 1), (3, 40)])
def test_waves_are_cosines_then_sines(first: int, last: int) -> None:
    angles = 2 * np.pi * np.outer(pausing(), np.arange(first, last + 1))
    expected = np.sqrt(2) * np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
    assert np.allclose(waves(pausing(), first, last), expected, atol=1e-12)


@pytest.mark.parametrize("orders", [1, 3])
@pytest.mark.parametrize(("first", "last"), [(0, 3), (1, 1), (3, 40)])
def test_gram_matrix_is_that_of_all_products(first: int, last: int, orders: int) -> None:
    recovery = np.random.default_rng(1).standard_normal((300, orders))
    functions = waves(pausing(), first, last)
    design = np.stack([wave * order for wave in functions.T for order in recovery.T], axis=1)
    found = waves_gram(pausing(), recovery, first, last)
    assert found.shape == (2 * (last - first + 1) * orders,) * 2
    assert np.allclose(found, design.T @ design, atol=1e-9)
