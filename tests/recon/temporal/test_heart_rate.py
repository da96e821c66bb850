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
