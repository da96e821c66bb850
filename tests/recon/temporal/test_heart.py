"""Cardiac phase: numbers by hand, and a heart whose every beat is known."""

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, hilbert, sosfiltfilt

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
from recon.temporal.motion import Band, NavigatorSeries, band_components, navigator_series

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


def cheapest_path(cost: np.ndarray, pace: float) -> np.ndarray:
    """All paths of least cost so far, one by one; a step costs 6 nats for each pace that it is off."""
    phases = cost.shape[1]
    paths = [(cost[0, phase], [phase]) for phase in range(phases)]
    for block in cost[1:]:
        longer = []
        for phase in range(phases):
            steps = range(int(np.ceil(3 * pace)) + 1)
            ways = [(paths[(phase - step) % phases], step) for step in steps]
            (total, path), step = min(ways, key=lambda way: way[0][0] + 6 * abs(way[1] - pace) / pace)
            longer.append((total + 6 * abs(step - pace) / pace + block[phase], [*path, path[-1] + step]))
        paths = longer
    return np.array(min(paths, key=lambda path: path[0])[1])


@pytest.mark.parametrize("terms", [0, 1])
def test_one_round_against_a_fit_and_a_search_written_out(terms: int) -> None:
    """A template of 6 knots, 12 phases, 3 navigators to a block, of which the last is not whole."""
    settings = HeartSettings(template_knots=6, phase_steps=12, navigators_per_block=3, path_rounds=1)
    series = series_of(beats(), 0.4)
    series = NavigatorSeries(series.features[:200], series.recovery[:200], series.known[:200], series.time_s[:200])
    known = np.concatenate([series.known, np.sin(TIME_S[:200, None])], axis=1)[:, : 2 + terms]
    start = 1.0 * series.time_s + 0.2
    found = follow_heart(series, known, start, settings)

    model = np.concatenate([known, interpolation(start, 6)], axis=1)
    rows = [np.kron(motion, recovery) for motion, recovery in zip(model, series.recovery, strict=True)]
    # neighbouring knots differ little, 2 for each square of a difference, and none is large: 1e-3 for each square
    differences = np.zeros((12, model.shape[1]))
    for knot in range(6):
        differences[knot, -6 + knot] = np.sqrt(2)
        differences[knot, -6 + (knot + 1) % 6] = -np.sqrt(2)
        differences[6 + knot, -6 + knot] = np.sqrt(1e-3)
    for number in range(2):
        energy = np.sum(series.recovery[:, number] ** 2) / 6
        rows.extend(np.sqrt(energy) * np.kron(difference, np.eye(2)[number]) for difference in differences)
    target = np.concatenate([series.features, np.zeros((24, 12))])
    patterns = np.linalg.lstsq(np.array(rows), target, rcond=None)[0].reshape(-1, 2, 12)
    template = np.einsum("pq,qlk->plk", interpolation(np.arange(12) / 12, 6), patterns[-6:])
    rest = series.features - np.einsum("tj,tl,jlk->tk", known, series.recovery, patterns[:-6])
    seen = np.einsum("tl,plk->tpk", series.recovery, template)
    misfit = np.sum((rest[:, None] - seen) ** 2, axis=2) - np.sum(rest**2, axis=1)[:, None]
    noise = np.median(np.sum((rest[:, None] - seen) ** 2, axis=2).min(axis=1)) / 12
    cost = misfit[:198].reshape(66, 3, 12).sum(axis=1) / (2 * noise)
    path = cheapest_path(cost, (start[-1] - start[0]) / 66 * 12) / 12
    difference = found.phase - np.interp(np.arange(200), 1 + 3 * np.arange(66), path)
    assert np.allclose(difference, np.round(difference[0]), atol=1e-9)  # whole cycles do not count
    steps = [np.linalg.norm(template[(phase + 1) % 12] - template[phase]) for phase in range(12)]
    assert np.allclose(found.change, gaussian_filter1d(steps, 1.0, mode="wrap"), rtol=1e-6)


def test_a_path_may_start_from_a_heart_that_stands_still() -> None:
    """The pace is then taken for a twentieth of a step for each block, and a step may be one."""
    settings = HeartSettings(template_knots=6, phase_steps=12, navigators_per_block=3, path_rounds=1)
    series = series_of(beats(), 0.05)
    found = follow_heart(series, series.known, np.zeros(len(TIME_S)), settings)
    assert np.isfinite(found.phase).all()
    assert np.all(np.diff(found.phase) >= 0)


def test_strongest_rates_of_the_range_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Peaks of the power, smoothed over 0.04 Hz, of cosines and sines and of all coefficients together."""
    frequency_hz = np.arange(0.4, 3.6, 0.02)
    peaks = {0.6: 9.0, 1.0: 3.0, 1.26: 1.2, 1.5: 2.5, 2.0: 4.0, 2.8: 9.0, 3.2: 9.0}
    coefficients = np.zeros((2, len(frequency_hz), 4))
    for number, (peak_hz, size) in enumerate(peaks.items()):
        coefficients[number % 2, np.argmin(np.abs(frequency_hz - peak_hz)), number % 4] = np.sqrt(size)
    coefficients[1, np.argmin(np.abs(frequency_hz - 1.5)), 0] = np.sqrt(1.0)  # now 3.5
    coefficients[0, np.argmin(np.abs(frequency_hz - 1.02)), 1] = np.sqrt(2.0)  # together with its neighbour 5
    functions = np.random.default_rng(1).standard_normal((300, 2 * len(frequency_hz)))
    band = Band(functions, np.tile(frequency_hz, 2), coefficients.reshape(-1, 4))
    series = series_of(beats(), 0.3)
    series = NavigatorSeries(series.features[:300], series.recovery[:300], series.known[:300], series.time_s[:300])
    followed, seen = [], []

    def first(signals: np.ndarray, rate_hz: float, sampling_hz: float) -> np.ndarray:
        followed.append(rate_hz)
        seen.append(signals)
        assert sampling_hz == pytest.approx(1 / 0.016)
        return rate_hz * series.time_s

    monkeypatch.setattr("recon.temporal.heart.first_phase", first)
    quick = HeartSettings(path_rounds=1)
    track_heart(series, series.known, band, (0.7, 2.5), quick)
    assert np.allclose(sorted(followed), [1.0, 1.5, 2.0], atol=0.011)
    assert np.allclose(seen[0], band.strongest(0.63, np.inf, 5))
    followed.clear()
    track_heart(series, series.known, band, (2.91, 3.09), quick)  # no peak but where the range cuts slopes
    assert np.allclose(sorted(followed), [2.92, 3.08])
    followed.clear()
    track_heart(series, series.known, band, (2.001, 2.009), quick)  # too narrow: some rate is followed even so
    assert np.allclose(followed, [0.4])


def test_first_phase_written_out() -> None:
    """The combination with the most energy within 12 % of the rate, from 0.75 to 1.35 times the rate, and its angle."""
    rng = np.random.default_rng(13)
    time_s, rate_hz = np.arange(700) / 40, 1.3
    sources = np.stack([np.cos(2 * np.pi * hz * time_s) for hz in (0.3, 1.1, 1.3, 1.48, 1.9)], axis=1)
    signals = sources @ rng.standard_normal((5, 4)) + 0.3 * rng.standard_normal((700, 4))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(700) / 699)
    spectrum = np.fft.fft(signals * window[:, None], axis=0)[:351]
    near = np.abs(np.arange(351) * 40 / 700 - rate_hz) < 0.12 * rate_hz
    inside, total = ((part.conj().T @ part).real for part in (spectrum[near], spectrum))
    signal = signals @ eigh(inside, total)[1][:, -1]
    band = butter(3, [0.75 * rate_hz, 1.35 * rate_hz], "band", fs=40, output="sos")
    expected = np.unwrap(np.angle(hilbert(sosfiltfilt(band, signal)))) / (2 * np.pi)
    difference = first_phase(signals, rate_hz, 40.0) - expected
    assert np.ptp(difference) < 1e-5
    assert np.abs(2 * difference - np.round(2 * difference)).max() < 1e-5  # the signal has no sign
