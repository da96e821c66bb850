"""What external signals make of readouts: breathing, beats, and weights of bins, by hand."""

import numpy as np
import pytest

from recon.readouts.timeline import Timeline
from recon.temporal.gating import Gating, bin_weights, gate
from recon.temporal.self_gating import GatingSettings
from tests.support import navigators

RECOVERY = np.linspace(-1, 1, 10)[:, None] ** np.arange(2)


def timeline(time_s: np.ndarray) -> Timeline:
    return Timeline(time_s, np.arange(len(time_s)) % 10, np.arange(len(time_s)) // 10)


NAVIGATORS = timeline(np.arange(0, 20, 0.1))
TRIGGERS_S = 0.4 + np.arange(20.0)


def external(respiration: np.ndarray) -> Gating:
    features = np.ones((200, 3))
    return gate(features, NAVIGATORS, RECOVERY, GatingSettings(), 3, respiration, TRIGGERS_S)


def test_external_signals_are_taken_as_they_are() -> None:
    respiration = NAVIGATORS.time_s.copy()
    found = external(respiration)
    assert found.unresolved == []
    assert found.respiration is respiration
    assert np.array_equal(found.beats.time_s, TRIGGERS_S)
    assert found.origin == 0
    assert np.isnan([found.respiration_quality, found.heart_quality]).all()
    assert found.scale.bins == 3
    assert found.scale.low == pytest.approx(0.0995)
    readouts = Timeline(np.array([0.05, 5.9, 10.0, 19.85]), np.array([0, 9, 4, 2]), np.zeros(4, int))
    weights = bin_weights(found, readouts, NAVIGATORS, RECOVERY, 4)
    place = np.clip((readouts.time_s - 0.0995) / (19.8005 - 0.0995), 0, 1) * 2
    by_hand = np.maximum(1 - np.abs(place[:, None] - np.arange(3)), 0)
    assert np.allclose(weights.respiratory, by_hand)
    # phases 0.65, 0.5, 0.6 and 0.45, in bins of a quarter
    assert np.allclose(weights.cardiac, [[0, 0, 0.4, 0.6], [0, 0, 1, 0], [0, 0, 0.6, 0.4], [0, 0.2, 0.8, 0]])
    assert np.array_equal(weights.recovery, RECOVERY[[0, 9, 4, 2]])


def test_a_signal_that_stands_still_resolves_nothing(caplog: pytest.LogCaptureFixture) -> None:
    found = external(np.full(200, 7.0))
    assert found.unresolved == ["respiration"]
    assert found.scale is None
    assert "constant" in caplog.text
    weights = bin_weights(found, NAVIGATORS, NAVIGATORS, RECOVERY, 4)
    assert np.array_equal(weights.respiratory, np.ones((200, 1)))
    assert weights.cardiac.shape == (200, 4)


def test_what_is_not_given_is_looked_for_in_the_navigators() -> None:
    """Twenty seconds of noise: neither breath nor beat, but the one that was given stays."""
    features = np.random.default_rng(1).standard_normal((200, 3))
    navigators = timeline(np.arange(200) * 0.03)
    beats = gate(features, navigators, RECOVERY, GatingSettings(), 3, None, 0.2 + np.arange(6.0))
    assert beats.unresolved == ["respiration"]
    breath = gate(features, navigators, RECOVERY, GatingSettings(), 3, navigators.time_s, None)
    assert breath.unresolved == ["heartbeat"]
    assert breath.heart_quality == 0.0
    assert np.isnan(breath.respiration_quality)
    weights = bin_weights(breath, navigators, navigators, RECOVERY, 4)
    assert np.array_equal(weights.cardiac, np.ones((200, 1)))


def test_own_gating_calls_end_diastole_phase_zero() -> None:
    """Triggers lie where the heart changes fastest, and phase zero in the middle of its rest."""
    chest = navigators.Chest(30)
    found = gate(chest.features, chest.timeline, navigators.RECOVERY, GatingSettings(), 4)
    assert found.unresolved == []
    assert found.beats.rate_per_minute == pytest.approx(70, rel=0.03)
    phase = found.beats.phase(chest.time_s, found.origin)
    near_zero, opposite = np.minimum(phase, 1 - phase) < 0.05, np.abs(phase - 0.5) < 0.05
    assert chest.contraction[near_zero].mean() < 0.05
    assert chest.contraction[opposite].mean() > 0.3
    slope = np.abs(np.gradient(chest.contraction))
    at_triggers = np.interp(found.beats.time_s[1:-1], chest.time_s, slope)
    assert at_triggers.mean() > 0.7 * slope.max()
    assert 0 <= found.origin < 1
    assert found.scale.bins == 4
    weights = bin_weights(found, chest.timeline, chest.timeline, navigators.RECOVERY, 5)
    ends = [chest.displacement[np.argmax(weights.respiratory, axis=1) == end].mean() for end in (0, 3)]
    assert max(ends) - min(ends) > 0.7
    assert found.heart_quality > 0.6
    assert 0.4 < found.respiration_quality <= 1


def test_breathing_is_looked_for_where_the_beats_are_given() -> None:
    chest = navigators.Chest(30)
    found = gate(
        chest.features, chest.timeline, navigators.RECOVERY, GatingSettings(), 4, None, triggers_s=chest.beats_s
    )
    assert found.unresolved == []
    assert np.array_equal(found.beats.time_s, chest.beats_s)
    assert found.origin == 0
    assert np.isnan(found.heart_quality)
    assert abs(np.corrcoef(found.respiration, chest.displacement)[0, 1]) > 0.9
