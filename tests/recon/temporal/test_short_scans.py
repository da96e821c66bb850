"""Self-gating of short scans, and of motions that are known exactly."""

import numpy as np
import pytest

from recon.temporal.heart import crossings
from recon.temporal.motion import NavigatorSeries
from recon.temporal.self_gating import GatingSettings, SelfGating, self_gate
from tests.support.navigators import Chest


def found_beats(found: SelfGating, series: NavigatorSeries) -> np.ndarray:
    return crossings(found.heart.phase, found.heart.trigger, series.time_s)


def test_breathing_and_heart_of_half_a_minute() -> None:
    chest = Chest(30)
    found = self_gate(chest.series)
    assert abs(np.corrcoef(found.respiration, chest.displacement)[0, 1]) > 0.9
    late = np.array([np.min(np.abs(found_beats(found, chest.series) - beat - 0.1)) for beat in chest.beats_s[1:-1]])
    assert np.mean(late < 0.1) > 0.95
    assert found.heart_quality > 0.6
    assert 0.45 < found.respiration_quality < 0.95  # the direction is open


@pytest.mark.parametrize("duration_s", [9.0, 14.5])
def test_a_scan_too_short_for_breaths_still_shows_its_heart(
    duration_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    series = Chest(duration_s, breathing=0.0).series
    found = self_gate(series)
    assert found.respiration is None
    assert "too few to resolve breathing" in caplog.text
    assert found.heart is not None
    assert np.median(np.diff(found_beats(found, series))) == pytest.approx(60 / 70, rel=0.05)


def test_sixteen_seconds_are_enough_for_breaths(caplog: pytest.LogCaptureFixture) -> None:
    chest = Chest(16.0)
    found = self_gate(chest.series)
    assert "too few" not in caplog.text
    assert abs(np.corrcoef(found.respiration, chest.displacement)[0, 1]) > 0.9


@pytest.mark.parametrize(("duration_s", "step_s"), [(7.0, 0.02), (30.0, 0.11)])
def test_too_short_or_too_seldom(duration_s: float, step_s: float, caplog: pytest.LogCaptureFixture) -> None:
    """Five beats at 42 a minute take 7.1 s; navigators must come at ten a second for 150 beats a minute."""
    found = self_gate(Chest(duration_s, step_s=step_s).series)
    assert "too few for self-gating" in caplog.text
    assert (found.respiration, found.heart, found.respiration_quality, found.heart_quality) == (None, None, 0, 0)


@pytest.mark.parametrize("breathing", [0.0, 1.0])
def test_without_a_heartbeat_none_is_made_up(breathing: float) -> None:
    found = self_gate(Chest(30, heart=0.0, breathing=breathing).series)
    assert found.heart is None
    assert (found.respiration is None) == (breathing == 0)


def test_without_breathing_none_is_made_up() -> None:
    chest = Chest(30, breathing=0.0)
    found = self_gate(chest.series)
    assert found.respiration is None
    assert len(found_beats(found, chest.series)) == pytest.approx(len(chest.beats_s), abs=1)


def test_a_heart_outside_of_the_range_is_not_found_at_its_true_rate() -> None:
    series = Chest(30).series
    found = self_gate(series, GatingSettings(lowest_heart_rate=90, highest_heart_rate=150))
    assert found.heart is None or np.median(np.diff(found_beats(found, series))) < 60 / 85


def test_settings_in_hertz() -> None:
    settings = GatingSettings(lowest_heart_rate=45, highest_heart_rate=120, respiration_hz=(0.2, 0.6))
    assert settings.heart_hz == (0.75, 2.0)
    assert settings.slow_hz == pytest.approx(1.4 * 0.6)


def test_ten_navigators_a_second_are_enough_for_a_heart(caplog: pytest.LogCaptureFixture) -> None:
    chest = Chest(30, breathing=0.0, step_s=0.095)
    self_gate(chest.series)
    assert "too few" not in caplog.text
