"""Self-gating of short scans, and of motions that are known exactly."""

import dataclasses

import numpy as np
import pytest

from recon.temporal.breathing import breathing_trust
from recon.temporal.heart import HeartPhase, HeartSettings, crossings
from recon.temporal.heart_rate import RateEvidence, rate_per_minute
from recon.temporal.motion import Band, NavigatorSeries, band_components, refine, unexplained
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


def beating(per_minute: float, time_s: np.ndarray, uneven: float = 0.0) -> HeartPhase:
    """Intervals alternate by a share; the change is fastest at phase 0.025."""
    half_s = 60 / per_minute
    beats_s = np.cumsum(np.r_[-half_s, half_s * (1 + uneven * (-1.0) ** np.arange(200))])
    return HeartPhase(np.interp(time_s, beats_s, np.arange(201.0)), np.r_[2, np.ones(19)], HeartSettings())


def evidence(heart: HeartPhase, per_minute: float, trust: float, beats: int = 30) -> RateEvidence:
    """All other kinds of evidence are full, so that the trust is the share of starts that converged."""
    return RateEvidence(heart, per_minute, margin_nats=99, convergence=trust, share=1, beats=beats, variation=0)


@dataclasses.dataclass
class Told:
    """What the functions that look for motions are made to answer."""

    heart: HeartPhase
    evidence: RateEvidence | None
    left: dict[str, float] | None = None
    """Share of the energy left by none, breathing, heart, or both; by default what the navigators say."""
    slow: np.ndarray | None = None

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def compared(series: NavigatorSeries, slow: np.ndarray, *_: object) -> RateEvidence | None:
            self.slow = slow
            return self.evidence

        def left_by(series: NavigatorSeries, motion: np.ndarray) -> float:
            return self.left[{0: "none", 3: "breathing", 19: "heart", 22: "both"}[motion.shape[1]]]

        room = "recon.temporal.self_gating"
        monkeypatch.setattr(f"{room}.compare_rates", compared)
        monkeypatch.setattr(f"{room}.track_heart", lambda *_: self.heart)
        monkeypatch.setattr(
            f"{room}.follow_heart", lambda series, known, phase, settings: dataclasses.replace(self.heart, phase=phase)
        )
        if self.left:
            monkeypatch.setattr(f"{room}.unexplained", left_by)
            monkeypatch.setattr(
                f"{room}.unexplained_by",
                lambda series, terms, heart: left_by(series, np.concatenate([terms, heart.terms], axis=1)),
            )


CHEST = Chest(20)
BRIEF = Chest(10)
LEFT = {"none": 1.0, "breathing": 0.5, "heart": 0.4, "both": 0.1}


@pytest.mark.parametrize(
    ("uneven", "left", "breathes", "beats", "quality"),
    [
        (0.0, {}, True, True, None),
        # a regular heart must explain a quarter of what breathing leaves, an irregular one three fifths
        (0.05, {"both": 0.37, "heart": 0.6}, True, True, None),
        (0.05, {"both": 0.38}, False, False, 0.5),
        (0.1, {"both": 0.19}, True, True, None),
        (0.1, {"both": 0.21}, False, False, 0.5),
        # without a heart, breathing must explain three fifths of all
        (0.0, {"both": 0.49, "breathing": 0.5, "none": 1.26}, True, False, None),
        (0.0, {"both": 0.49, "breathing": 0.5, "none": 1.24}, False, False, 1 - 0.5 / 1.24),
        # where the heart alone explains less than a quarter, breathing need not gain anything; else 0.15 nats
        (0.0, {"breathing": 0.94, "both": 0.7, "heart": 0.76}, True, True, None),
        (0.0, {"breathing": 0.94, "both": 0.7, "heart": 0.74}, False, True, 1 - 0.7 / 0.74),
        (0.0, {"heart": 0.1 * np.exp(0.16)}, True, True, None),
        (0.0, {"heart": 0.1 * np.exp(0.14)}, False, True, 1 - np.exp(-0.14)),
    ],
)
def test_what_explains_enough_is_kept(
    monkeypatch: pytest.MonkeyPatch,
    uneven: float,
    left: dict[str, float],
    breathes: bool,
    beats: bool,
    quality: float | None,
) -> None:
    heart = beating(75, CHEST.time_s, uneven)
    told = Told(heart, evidence(heart, rate_per_minute(heart, CHEST.time_s), 1.0), LEFT | left)
    told.install(monkeypatch)
    found = self_gate(CHEST.series)
    assert (found.respiration is not None, found.heart is not None) == (breathes, beats)
    assert found.heart_quality == pytest.approx(1.0 if beats else 0.2)
    if quality is None:
        quality = breathing_trust(found.respiration, told.slow)
    assert found.respiration_quality == pytest.approx(quality)


@pytest.mark.parametrize(
    ("own", "trust", "beats", "rate", "quality"),
    [
        (75.0, 0.21, 18, 75.0, 0.21),
        (77.0, 0.21, 18, 77.0, 0.21),  # within 5 %
        (75.0, 0.19, 18, None, 0.19),
        (75.0, 0.36, 17, 75.0, 0.36),
        (75.0, 0.34, 17, None, 0.34),
        (90.0, 0.59, 18, None, 0.2),
        (90.0, 0.61, 18, 75.0, 0.61),
        (90.0, 0.3, 17, None, 0.3),
    ],
)
@pytest.mark.parametrize("chest", [CHEST, BRIEF], ids=["20 s", "10 s"])
def test_the_most_plausible_rate_confirms_or_overrules(
    monkeypatch: pytest.MonkeyPatch,
    chest: Chest,
    own: float,
    trust: float,
    beats: int,
    rate: float | None,
    quality: float,
) -> None:
    """The same in a scan that is too short for breaths."""
    found_itself, plausible = beating(own, chest.time_s), beating(75, chest.time_s)
    Told(found_itself, evidence(plausible, 75.0, trust, beats), LEFT).install(monkeypatch)
    found = self_gate(chest.series)
    assert found.heart_quality == pytest.approx(quality)
    assert (found.heart is None) == (rate is None)
    if rate is not None:
        assert rate_per_minute(found.heart, chest.time_s) == pytest.approx(rate, rel=1e-3)
        assert (found.respiration is None) == (chest is BRIEF)


def test_without_a_path_of_two_beats_there_is_no_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    for chest in (CHEST, BRIEF):
        Told(beating(75, chest.time_s), None, LEFT).install(monkeypatch)
        found = self_gate(chest.series)
        assert found.heart is None
        assert found.heart_quality == 0
    slow = beating(60 / 9, BRIEF.time_s)  # one interval at most
    Told(slow, evidence(slow, 60 / 9, 1.0), LEFT).install(monkeypatch)
    assert self_gate(BRIEF.series).heart is None


def test_a_heart_that_overrules_in_a_short_scan_must_explain_the_navigators_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By what it explains beside what slow motion does: just more and just less than the least share."""
    series = BRIEF.series
    cycles = np.interp(series.time_s, BRIEF.beats_s, np.arange(len(BRIEF.beats_s)) + 0.2)
    plausible = HeartPhase(cycles, np.r_[np.ones(4), 2, np.ones(15)], HeartSettings())
    told = Told(beating(110, series.time_s), evidence(plausible, rate_per_minute(plausible, series.time_s), 1.0))
    told.install(monkeypatch)
    self_gate(series)
    both = unexplained(series, np.concatenate([told.slow, plausible.terms], axis=1))
    share = 1 - both / unexplained(series, told.slow)
    assert 0.3 < share < 0.99
    for least, is_kept in ((share - 1e-3, True), (share + 1e-3, False)):
        settings = GatingSettings(regular_heart_share=least, heart_share=least)
        found = self_gate(series, settings)
        assert (found.heart is plausible) == is_kept
        assert (found.heart is None) != is_kept
        assert found.respiration is None


def test_where_each_motion_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands in hertz: drift ends at 0.05, breathing at 1.4 · 0.5, and the heart's second harmonic in part at 1.6 · 2.5.

    A little room is left on both sides: 1.2 times the end of breathing, 0.85 times the slowest heart.
    """
    bands, parts, widths = [], [], []

    def looked_in(series: NavigatorSeries, known: np.ndarray, low_hz: float, high_hz: float, orders: int) -> Band:
        bands.append((known.shape[1] - series.known.shape[1], low_hz, high_hz, orders))
        return band_components(series, known, low_hz, high_hz, orders)

    class Watched(Band):
        def strongest(self, low_hz: float, high_hz: float, count: int) -> np.ndarray:
            parts.append((low_hz, high_hz, count))
            return super().strongest(low_hz, high_hz, count)

    def refined(series: NavigatorSeries, motion: np.ndarray, **options: float) -> np.ndarray:
        widths.append((motion.shape[1], options.get("smoothing_s", 0.03)))
        return refine(series, motion, **options)

    heart = beating(75, CHEST.time_s)
    Told(heart, evidence(heart, 75.0, 1.0), LEFT).install(monkeypatch)
    room = "recon.temporal.self_gating"
    monkeypatch.setattr("recon.temporal.motion.Band", Watched)
    monkeypatch.setattr(f"{room}.band_components", looked_in)
    monkeypatch.setattr(f"{room}.refine", refined)
    self_gate(CHEST.series)
    recovery = CHEST.series.recovery.shape[1]
    expected = [
        (0, 0.05, 4.0, 3),
        (3, 0.85 * 0.7, 4.0, recovery),
        (0, 0.05, 1.2 * 0.7, 3),
        (0, 0.85 * 0.7, 4, recovery),
    ]
    assert np.allclose(sorted(bands), sorted(expected))  # in whatever order cores take them
    assert np.allclose(parts, [(0.05, 0.7, 2), (0.7, np.inf, 2), (0.05, 0.7, 3)])
    assert np.allclose(widths, [(4, 0.03), (3, 0.1)])


@pytest.mark.parametrize("own", [75.0, 90.0], ids=["confirmed", "overruled"])
@pytest.mark.parametrize(("factor", "is_enough"), [(1 - 4e-4, True), (1 + 4e-4, False)])
def test_scans_count_from_their_first_navigator_to_their_last(
    own: float, factor: float, is_enough: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In beats of the slowest heart, and in the slowest breaths: by less than half of a navigator."""
    plausible = beating(75, CHEST.time_s)
    Told(beating(own, CHEST.time_s), evidence(plausible, 75.0, 1.0), LEFT).install(monkeypatch)
    duration_s = CHEST.time_s[-1] - CHEST.time_s[0]
    found = self_gate(CHEST.series, GatingSettings(least_breaths=0.1 * duration_s * factor))
    assert (found.respiration is not None) == is_enough
    assert found.heart is not None
    assert ("too few to resolve breathing" in caplog.text) != is_enough
    found = self_gate(CHEST.series, GatingSettings(least_beats=0.7 * duration_s * factor))
    assert (found.heart is not None) == is_enough
    assert ("too few for self-gating" in caplog.text) != is_enough
