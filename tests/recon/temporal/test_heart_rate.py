"""What a heart rate needs to be believed."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from recon.temporal.heart import HeartPhase, HeartSettings
from recon.temporal.heart_rate import RateEvidence, RateSettings, compare_rates, is_same_rate, rate_per_minute
from recon.temporal.motion import band_components, navigator_series, unexplained

SETTINGS = RateSettings()
TIME_S = np.arange(0, 14, 0.008)


def heart(rate_hz: float) -> HeartPhase:
    return HeartPhase(rate_hz * TIME_S, np.ones(20), HeartSettings())


def evidence(**changes: float) -> RateEvidence:
    good = RateEvidence(
        heart(1.1), rate_per_minute=66, margin_nats=0.3, convergence=1, share=0.8, beats=14, variation=0.05
    )
    return dataclasses.replace(good, **changes)


def test_good_evidence_is_trusted() -> None:
    assert evidence().trust(SETTINGS) > 0.99


@pytest.mark.parametrize(
    "doubt",
    [{"margin_nats": 0.0}, {"convergence": 0.0}, {"share": 0.0}, {"share": -0.2}, {"beats": 3}, {"beats": 2}],
)
def test_each_kind_of_doubt_takes_all_trust(doubt: dict[str, float]) -> None:
    assert evidence(**doubt).trust(SETTINGS) == 0


def test_one_intermediate_number_of_each_kind() -> None:
    assert evidence(margin_nats=0.04).trust(SETTINGS) == pytest.approx(1 - np.exp(-1))
    assert evidence(convergence=0.75).trust(SETTINGS) == pytest.approx(0.75, rel=1e-2)
    assert evidence(share=0.125).trust(SETTINGS) == pytest.approx(0.5, rel=1e-2)
    assert evidence(beats=5).trust(SETTINGS) == pytest.approx(0.4, rel=1e-2)
    assert evidence(beats=8, variation=0.16).trust(SETTINGS) == pytest.approx(0.5, rel=1e-2)
    assert evidence(beats=32, variation=0.16).trust(SETTINGS) == pytest.approx(0.5**0.5, rel=1e-2)


@given(
    st.fixed_dictionaries(
        {
            "margin_nats": st.floats(0, 2),
            "convergence": st.floats(0, 1),
            "share": st.floats(-1, 1),
            "beats": st.integers(2, 90),
            "variation": st.floats(0, 1),
        }
    )
)
@settings(max_examples=40, deadline=None)
def test_trust_is_a_share(values: dict[str, float]) -> None:
    assert 0 <= evidence(**values).trust(SETTINGS) <= 1


def test_rates() -> None:
    assert rate_per_minute(heart(1.25), TIME_S) == pytest.approx(75)
    assert rate_per_minute(heart(0.05), TIME_S) == 0
    assert is_same_rate(60, 62, 0.05)
    assert not is_same_rate(60, 64, 0.05)
    assert not is_same_rate(0, 0, 0.05)


def test_a_clear_heart_is_found_from_everywhere_and_noise_is_not_believed() -> None:
    rng = np.random.default_rng(3)
    pulse = np.arange(len(TIME_S)) % 250
    recovery = np.stack([np.ones(len(TIME_S)), 1 - 2 * np.exp(-pulse / 90)], axis=1)
    beat = np.mod(1.3 * TIME_S + 0.02 * np.sin(0.9 * TIME_S), 1)
    contraction = np.where(beat < 0.6, 0.5 - 0.5 * np.cos(2 * np.pi * beat / 0.6), 0)
    static, moving = rng.standard_normal((2, 2, 16))
    noise = 0.3 * rng.standard_normal((len(TIME_S), 16))
    found = {}
    for name, size in (("heart", 1.0), ("noise", 0.0)):
        features = recovery @ (20 * static) + contraction[:, None] * (recovery @ (2 * size * moving)) + noise
        series = navigator_series(features, recovery, np.arange(len(TIME_S)) // 250, TIME_S)
        band = band_components(series, series.known, 0.6, 4, 2)
        none = np.zeros((len(TIME_S), 0))
        found[name] = compare_rates(series, none, band, (0.7, 2.5), HeartSettings(), SETTINGS)
    assert found["heart"].rate_per_minute == pytest.approx(78, rel=0.02)
    assert found["heart"].trust(SETTINGS) > 0.6
    assert found["noise"].trust(SETTINGS) < 0.3
    last, none = found["noise"], unexplained(series, np.zeros((len(TIME_S), 0)))
    assert last.share == pytest.approx(1 - unexplained(series, last.heart.terms) / none)
    clear = found["heart"]
    assert clear.beats == pytest.approx(1.3 * 14 - 1, abs=1)
    assert clear.variation < 0.1
    assert 0.5 < clear.share < 1
    assert clear.convergence == 1
    assert clear.margin_nats > 0.04


def test_rates_are_compared_by_numbers_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are given: from 42 to 150 per minute in steps of at most a tenth, each start ends where it is told to."""
    time_s = np.arange(0, 24, 0.02)
    rng = np.random.default_rng(5)
    pulse = np.arange(len(time_s)) % 125
    recovery = np.stack([np.ones(len(time_s)), 1 - 2 * np.exp(-pulse / 45)], axis=1)
    intervals_s = 60 / 75 * (1 + 0.05 * rng.standard_normal(60))
    true = np.interp(time_s, np.cumsum(np.r_[-0.3, intervals_s]), np.arange(61.0))
    features = recovery @ rng.standard_normal((2, 12)) + np.cos(2 * np.pi * true)[:, None] * rng.standard_normal(12)
    features += np.sin(1.4 * time_s)[:, None] * rng.standard_normal(12) + 0.8 * rng.standard_normal((len(time_s), 12))
    series = navigator_series(features, recovery, np.arange(len(time_s)) // 125, time_s)
    terms = np.sin(1.4 * time_s)[:, None]
    band = band_components(series, series.known, 0.6, 4, 2)
    starts = 42 * (150 / 42) ** (np.arange(15) / 14)
    marks = np.cumsum(rng.uniform(0.7, 1.3, 90))
    paths = [np.interp(start / 60 * time_s, marks, np.arange(90.0)) for start in starts]
    paths[5] = paths[6] = paths[8] = true
    paths[0] = paths[13] = 0.05 * time_s
    steady = rate_per_minute(HeartPhase(true, np.r_[1, 2, np.ones(18)], HeartSettings()), time_s) / 60 * time_s
    paths[7] = (
        1.065 * steady
    )  # not the same rate, nor far enough to be a rival, and better than those for its regularity
    seen = []

    def first(signals: np.ndarray, rate_hz: float, sampling_hz: float) -> np.ndarray:
        assert np.allclose(signals, band.strongest(0.9 * 0.7, np.inf, 5))
        assert sampling_hz == pytest.approx(50)
        seen.append(rate_hz * 60)
        return np.array(rate_hz)

    def follow(_, known: np.ndarray, phase: np.ndarray, settings: HeartSettings) -> HeartPhase:
        assert np.array_equal(known, np.concatenate([series.known, terms], axis=1))
        return HeartPhase(paths[int(np.argmin(np.abs(starts - 60 * phase)))], np.r_[1, 2, np.ones(18)], settings)

    monkeypatch.setattr("recon.temporal.heart_rate.first_phase", first)
    monkeypatch.setattr("recon.temporal.heart_rate.follow_heart", follow)
    found = compare_rates(series, terms, band, (0.7, 2.5), HeartSettings(), SETTINGS)
    assert np.allclose(sorted(seen), starts)  # in whatever order cores take them

    hearts = [HeartPhase(path, np.r_[1, 2, np.ones(18)], HeartSettings()) for path in paths]
    rates = np.array([rate_per_minute(heart, time_s) for heart in hearts])
    left = [unexplained(series, np.concatenate([terms, heart.terms], axis=1)) for heart in hearts]
    value = [-np.log(part) - 3 * heart.irregularity(time_s) for part, heart in zip(left, hearts, strict=True)]
    best = int(np.argmax(value))
    assert best in (5, 6, 8)
    apart = np.abs(np.log(np.maximum(rates, 1e-3) / rates[best]))
    assert 0.05 < apart[7] < 0.08
    assert value[7] == sorted(value)[-4]
    assert found.heart.phase is paths[best]
    assert found.rate_per_minute == pytest.approx(rates[best])
    assert found.margin_nats == pytest.approx(value[best] - max(np.array(value)[apart >= 0.08]))
    near = np.abs(np.log(starts / rates[best])) < np.log(1.2)
    assert found.convergence == pytest.approx(np.mean(apart[near] < 0.05))
    assert 0 < found.convergence < 1
    assert found.share == pytest.approx(1 - left[best] / unexplained(series, terms))
    beats_s = np.interp(np.arange(1, 60) + 0.075, true, time_s, right=np.nan)  # the change is fastest at 1.5 / 20
    intervals = np.diff(beats_s[np.isfinite(beats_s)])
    assert abs(found.beats - len(intervals)) <= 1
    assert found.variation == pytest.approx(np.std(intervals) / np.mean(intervals), abs=5e-3)

    alone = dataclasses.replace(SETTINGS, rival_distance=9.0)
    seen.clear()
    assert compare_rates(series, terms, band, (0.7, 2.5), HeartSettings(), alone).margin_nats == np.inf
    paths[:] = [0.05 * time_s] * 15
    seen.clear()
    assert compare_rates(series, terms, band, (0.7, 2.5), HeartSettings(), SETTINGS) is None


def test_even_a_narrow_range_has_two_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("recon.temporal.heart_rate.first_phase", lambda signals, rate_hz, _: seen.append(rate_hz))
    monkeypatch.setattr("recon.temporal.heart_rate.follow_heart", lambda *_: heart(0.05))
    recovery = np.ones((len(TIME_S), 1))
    series = navigator_series(np.random.default_rng(0).standard_normal((len(TIME_S), 3)), recovery, 0 * TIME_S, TIME_S)
    band = band_components(series, series.known, 0.6, 4, 1)
    none = np.zeros((len(TIME_S), 0))
    for range_hz, count in (((1.0, 1.05), 2), ((1.0, 1.15), 3), ((1.0, 1.1**2.5), 4)):
        seen.clear()
        assert compare_rates(series, none, band, range_hz, HeartSettings(), SETTINGS) is None
        assert np.allclose(sorted(seen), np.geomspace(*range_hz, count))


def test_trust_that_is_needed_falls_at_eighteen_beats() -> None:
    assert [evidence(beats=beats).needed(SETTINGS) for beats in (3, 17, 18, 60)] == [0.35, 0.35, 0.2, 0.2]
    assert evidence(beats=8, variation=0.08).trust(SETTINGS) == evidence(beats=8, variation=0.0).trust(SETTINGS)


def test_a_rate_needs_two_beats_and_equal_rates_are_equal_either_way() -> None:
    slow = HeartPhase(0.6 + TIME_S / 10, np.r_[np.ones(19), 2], HeartSettings())  # passes 0.975 and 1.975
    assert rate_per_minute(slow, TIME_S) == pytest.approx(6)
    assert rate_per_minute(slow, TIME_S / 2) == pytest.approx(12)
    assert rate_per_minute(HeartPhase(slow.phase[:1000], slow.change, slow.settings), TIME_S[:1000]) == 0
    assert is_same_rate(64, 61, 0.05)
    assert is_same_rate(0.5, 0.51, 0.05)
    assert not is_same_rate(64, 60, 0.05)
    assert not is_same_rate(60, 0, 0.05)
    assert not is_same_rate(0, 60, 0.05)
