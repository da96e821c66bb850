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


def test_slow_terms_are_the_two_strongest_of_unit_variance_and_a_square() -> None:
    rng = np.random.default_rng(3)
    strong, weak = np.sin(2 * np.pi * 0.2 * TIME_S), np.cos(2 * np.pi * 0.31 * TIME_S)
    slow = 7 + np.stack([3 * strong + 0.1 * weak, weak, 0.01 * rng.standard_normal(len(TIME_S))], axis=1)
    terms = slow_terms(slow)
    assert terms.shape == (len(TIME_S), 3)
    assert np.allclose(terms[:, :2].std(axis=0), 1)
    assert np.allclose(terms[:, :2].mean(axis=0), 0, atol=1e-10)
    assert abs(np.corrcoef(terms[:, 0], strong)[0, 1]) > 0.99
    assert abs(np.corrcoef(terms[:, 1], weak)[0, 1]) > 0.99
    assert np.allclose(terms[:, 2], terms[:, 0] ** 2)


def test_trust_by_hand() -> None:
    """The share of the variance that the guess explains, times 1 - exp(-skewness / 0.1) / 2."""
    signal = np.sin(2 * np.pi * 0.25 * TIME_S)  # whole periods
    signal = signal + 0.05 * (signal**2 - 0.5)
    half = signal + np.cos(2 * np.pi * 0.25 * TIME_S) * signal.std() / np.sqrt(0.5)
    guess = np.stack([half, np.ones_like(half), half], axis=1) + 5
    guess[:, 1] = np.cos(2 * np.pi * 0.6 * TIME_S)
    centred = signal - signal.mean()
    agreement = np.corrcoef(signal, half)[0, 1] ** 2
    skewness = abs(np.mean(centred**3)) / np.std(signal) ** 3
    expected = agreement * (1 - 0.5 * np.exp(-skewness / 0.1))
    assert 0.4 < agreement < 0.6
    assert breathing_trust(3 * signal + 2, guess) == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("signals", [2, 3, 4])
def test_respiratory_signal_of_any_number_of_motions(signals: int) -> None:
    """Whatever mixes them: the one with the largest share of its variance in the band."""
    time_s = np.arange(0, 60, 0.05)
    breathing = np.sin(np.pi * 0.24 * time_s) ** 4
    others = [np.sin(2 * np.pi * hz * time_s + 1) for hz in (1.2, 0.02, 0.9)]
    motion = np.stack([breathing, *others[: signals - 1]], axis=1)
    motion = motion @ np.random.default_rng(signals).standard_normal((signals, signals))
    found = respiratory_signal(motion, 20.0, (0.1, 0.5), 0.7)
    assert np.corrcoef(found, breathing)[0, 1] > 0.98
    assert found.std() == pytest.approx(1)
