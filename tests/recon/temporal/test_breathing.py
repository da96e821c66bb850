"""Direction of a respiratory signal, and how far it is believed."""

import numpy as np
import pytest

from recon.temporal.breathing import breathing_trust, respiratory_signal, slow_terms

TIME_S = np.arange(0, 40, 0.05)


def breath(rate_hz: float = 0.23) -> np.ndarray:
    """Long at expiration (0), short at inspiration (1)."""
    return np.sin(np.pi * rate_hz * TIME_S) ** 4


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_signal_points_to_inspiration(sign: float) -> None:
    rng = np.random.default_rng(1)
    motion = np.stack([sign * breath(), np.sin(2 * np.pi * 0.03 * TIME_S)], axis=1)
    motion = motion @ rng.standard_normal((2, 2)) + 0.01 * rng.standard_normal((len(TIME_S), 2))
    found = respiratory_signal(motion, 20.0, (0.1, 0.5), 0.7)
    assert np.corrcoef(found, breath())[0, 1] > 0.95
    assert found.std() == pytest.approx(1)


def test_trust_in_a_signal_that_the_first_guess_holds_and_in_one_that_it_does_not() -> None:
    rng = np.random.default_rng(2)
    guess = slow_terms(np.stack([breath(), rng.standard_normal(len(TIME_S))], axis=1))
    assert breathing_trust(7 * breath() - 3, guess) > 0.95
    assert breathing_trust(-breath(), guess) > 0.95  # the direction is that of the skewness, not of the guess
    other = slow_terms(np.stack([breath(0.41), rng.standard_normal(len(TIME_S))], axis=1))
    assert breathing_trust(breath(), other) < 0.2


def test_a_signal_without_skewness_may_point_either_way() -> None:
    symmetric = np.sin(2 * np.pi * 0.25 * TIME_S)
    guess = slow_terms(np.stack([symmetric, np.cos(TIME_S)], axis=1))
    assert breathing_trust(symmetric, guess) == pytest.approx(0.5, abs=0.03)
