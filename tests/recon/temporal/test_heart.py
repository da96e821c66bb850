"""Cardiac phase: numbers by hand, and a heart whose every beat is known."""

import numpy as np
import pytest

from recon.temporal.heart import (
    HeartPhase,
    HeartSettings,
    crossings,
    first_phase,
    follow_heart,
    interpolation,
    plausibility,
    track_heart,
)
from recon.temporal.motion import NavigatorSeries, band_components, navigator_series

SETTINGS = HeartSettings()
TIME_S = 1.0 + np.arange(1500) * 0.016


def test_interpolation_by_hand() -> None:
    weights = interpolation(np.array([0.0, 0.1, 0.25, 0.9375, -0.0625, 3.5]), 4)
    last = [0.75, 0, 0, 0.25]
    assert np.allclose(weights, [[1, 0, 0, 0], [0.6, 0.4, 0, 0], [0, 1, 0, 0], last, last, [0, 0, 1, 0]])


def test_crossings_by_hand() -> None:
    phase, time_s = np.array([0.1, 0.5, 0.9, 1.3, 1.3, 1.7, 2.2]), np.array([0.0, 1, 2, 3, 4, 5, 6])
    assert np.allclose(crossings(phase, 0.0, time_s), [2.25, 5.6])
    assert np.allclose(crossings(phase, 0.6, time_s), [1.25, 4.75])
    assert np.allclose(crossings(phase, 0.4, time_s), [0.75, 4.25])
    assert len(crossings(phase[:3], 0.95, time_s[:3])) == 0


def test_trigger_rest_and_terms_by_hand() -> None:
    change = np.ones(20)
    change[12] = 3
    change[[5, 6, 7, 8]] = 0.1
    change[[15, 16]] = 0.0  # shorter than the rest that counts
    heart = HeartPhase(np.array([0.0, 0.525]), change, SETTINGS)
    assert heart.trigger == pytest.approx(12.5 / 20)
    assert heart.quiet == pytest.approx(6.5 / 20)
    assert heart.terms.shape == (2, 19)
    assert np.allclose(heart.terms[0], 0)
    assert heart.terms[1, 9:11] == pytest.approx([0.5, 0.5])
    around = np.ones(20)
    around[[19, 0, 1]] = 0.1  # a rest that the cycle's end does not cut in two
    assert HeartPhase(heart.phase, around, SETTINGS).quiet == pytest.approx(0.5 / 20)


def test_irregularity_by_hand() -> None:
    times = np.array([0.0, 1.0, 2.0, 2.9, 4.0, 5.2])
    time_s = np.linspace(0, 5.2, 5201)
    heart = HeartPhase(np.interp(time_s, times, np.arange(6.0)) + 0.5 - 1e-9, np.ones(20), SETTINGS)
    heart = HeartPhase(heart.phase, np.r_[np.ones(9), 2, np.ones(10)], SETTINGS)  # trigger at 0.475
    assert HeartPhase(heart.phase[:1500], heart.change, SETTINGS).irregularity(time_s[:1500]) == np.inf
    marks = np.interp(np.arange(1, 6) - 0.025, np.arange(6.0), times)
    intervals = np.diff(marks)
    expected = np.median(np.abs(intervals - np.median(intervals))) / np.median(intervals)
    assert heart.irregularity(time_s) == pytest.approx(expected, rel=1e-3)


def beats(rate_hz: float = 1.1, seed: int = 2) -> np.ndarray:
    """Cycles of a heart whose intervals vary by 6 %."""
    intervals = (1 + 0.06 * np.random.default_rng(seed).standard_normal(60)) / rate_hz
    return np.interp(TIME_S, np.cumsum(np.r_[0, intervals]), np.arange(61.0))


def contraction(cycles: np.ndarray) -> np.ndarray:
    """A fast rise about phase 0.2, a slow fall about 0.5, rest from 0.65 to 1.1."""
    phase = np.mod(cycles, 1)
    return 1 / (1 + np.exp(-(phase - 0.2) / 0.02)) - 1 / (1 + np.exp(-(phase - 0.5) / 0.045))


def series_of(cycles: np.ndarray, noise: float, heart: float = 1.0) -> NavigatorSeries:
    rng = np.random.default_rng(7)
    pulse = np.arange(len(TIME_S)) % 125
    recovery = np.stack([np.ones(len(TIME_S)), 1 - 2 * np.exp(-pulse / 45)], axis=1)
    static, moving = rng.standard_normal((2, 2, 12))
    features = recovery @ (20 * static) + heart * contraction(cycles)[:, None] * (recovery @ moving)
    features += noise * rng.standard_normal(features.shape)
    return navigator_series(features, recovery, np.arange(len(TIME_S)) // 125, TIME_S)


@pytest.mark.parametrize("noise", [0.05, 0.6])
def test_every_beat_is_followed_from_a_constant_rate(noise: float) -> None:
    true = beats()
    series = series_of(true, noise)
    start = true[0] + np.linspace(0, true[-1] - true[0], len(true)) + 0.13
    found = follow_heart(series, series.known, start, SETTINGS)
    fastest, wanted = crossings(found.phase, found.trigger, TIME_S), crossings(true, 0.2, TIME_S)
    late = np.array([fastest[np.argmin(np.abs(fastest - beat))] - beat for beat in wanted[1:-1]])
    assert np.std(late) < (0.02 if noise < 0.1 else 0.03)
    assert abs(np.median(late)) < 0.012
    at_rest = np.mod(np.interp(crossings(found.phase, found.quiet, TIME_S)[1:-1], TIME_S, true), 1)
    assert 0.68 < np.median(at_rest) < 0.98  # well inside of the rest


def test_the_true_rate_is_found_among_its_sidebands() -> None:
    true = beats(1.3, seed=5)
    series = series_of(true, 0.3)
    band = band_components(series, series.known, 0.6, 4.0, 2)
    found = track_heart(series, series.known, band, (0.7, 2.5), SETTINGS)
    wanted = crossings(true, 0.2, TIME_S)[1:-1]
    fastest = crossings(found.phase, found.trigger, TIME_S)
    assert np.abs(fastest[:, None] - wanted).min(axis=0).max() < 0.06
    assert abs(len(fastest) - len(wanted) - 2) <= 1
    assert found.change.shape == (60,)


def test_plausibility_by_hand() -> None:
    series = series_of(beats(), 0.1)
    steady = HeartPhase(1.1 * TIME_S, np.ones(20), SETTINGS)
    assert plausibility(0.25, steady, series) == pytest.approx(np.log(4), abs=1e-6)
    uneven = HeartPhase(beats(), np.ones(20), SETTINGS)
    expected = np.log(4) - 2 * uneven.irregularity(TIME_S)
    assert uneven.irregularity(TIME_S) > 0.02
    assert plausibility(0.25, uneven, series) == pytest.approx(expected)


@pytest.mark.parametrize("rate_hz", [0.9, 1.7])
def test_first_phase_is_that_of_the_signal_with_the_rate(rate_hz: float) -> None:
    rng = np.random.default_rng(8)
    sources = np.stack([np.cos(2 * np.pi * hz * TIME_S) for hz in (0.25, 0.9, 1.7)], axis=1)
    signals = sources @ rng.standard_normal((3, 3)) + 0.01 * rng.standard_normal((len(TIME_S), 3))
    found = first_phase(signals, rate_hz, 1 / 0.016)[150:-150]
    against = found - rate_hz * TIME_S[150:-150]
    assert np.std(against) < 0.02
    turns = np.mod(np.median(against) * 2, 1)  # a cosine's phase, up to the sign of the signal
    assert min(turns, 1 - turns) < 0.05
