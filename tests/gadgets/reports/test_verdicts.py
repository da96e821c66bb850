"""Limits of the quality figures: at, above and below each of them, and what nobody knows."""

import pytest

from gadgets.reports.verdicts import RULES, Verdict, verdicts


def of(name: str, meta: dict[str, object], **more: float) -> Verdict:
    (found,) = [one for one in verdicts(meta, **more) if one.name.startswith(name)]
    return found


def test_nothing_known_is_grey_and_says_when_it_would_be_known() -> None:
    judged = verdicts({})
    assert len(judged) == len(RULES) - 1
    for one in judged:
        assert (one.level, one.value) == ("unknown", "")
        assert one.advice.startswith("Known w"), one
        assert one.origin


@pytest.mark.parametrize(
    ("name", "key", "at_good", "at_fair"),
    [("Heartbeat", "MalibuHeartQuality", 0.6, 0.35), ("Breathing", "MalibuRespirationQuality", 0.8, 0.5)],
)
def test_high_qualities_are_good(name: str, key: str, at_good: float, at_fair: float) -> None:
    levels = [of(name, {key: f"{figure:.3f}"}).level for figure in (1, at_good, at_good - 0.001)]
    assert levels == ["good", "good", "fair"]
    assert [of(name, {key: f"{figure:.3f}"}).level for figure in (at_fair, at_fair - 0.001, 0)] == [
        "fair",
        "bad",
        "bad",
    ]
    assert of(name, {key: "nan"}).level == "unknown", "an ECG or a waveform has no such figure"


def test_what_was_not_resolved_is_bad_whatever_its_figure() -> None:
    meta = {"MalibuUnresolved": "respiration", "MalibuHeartQuality": "0.9", "MalibuRespirationQuality": "0.9"}
    assert of("Heartbeat", meta).level == "good"
    assert (of("Breathing", meta).level, of("Breathing", meta).value) == ("bad", "not resolved (0.90)")
    assert of("Heartbeat", {"MalibuUnresolved": "respiration heartbeat"}).value == "not resolved"
    assert of("Heartbeat", {"MalibuUnresolved": "none", "MalibuHeartQuality": "0.9"}).level == "good"


def test_misfit_is_judged_over_noise_and_distance_over_its_limit() -> None:
    misfit = [of("What is left", {"MalibuMisfitOverNoise": str(value)}).level for value in (1, 2, 2.01, 4, 4.01)]
    assert misfit == ["good", "good", "fair", "fair", "bad"]
    assert [of("Unlike", {"MalibuUnlikeTraining": str(value)}).level for value in (0.3, 1, 1.01)] == [
        "good",
        "good",
        "bad",
    ]


@pytest.mark.parametrize(("ectopic", "level", "value"), [(0, "good", "0 %"), (5, "good", "5 %"), (6, "fair", "6 %")])
def test_ectopic_beats_count_over_all_beats(ectopic: int, level: str, value: str) -> None:
    found = of("Ectopic", {"MalibuBeats": "100", "MalibuEctopicBeats": str(ectopic)})
    assert (found.level, found.value) == (level, value)
    assert of("Ectopic", {"MalibuBeats": "0", "MalibuEctopicBeats": "0"}).level == "unknown"


@pytest.mark.parametrize(
    ("left", "level"), [("0.000", "good"), ("0.020", "good"), ("0.021", "fair"), ("0.501", "bad"), (None, "unknown")]
)
def test_delays_count_that_nothing_corrects(left: str | None, level: str) -> None:
    assert of("Gradient", {} if left is None else {"MalibuGradientDelayLeft": left}).level == level


def test_deviation_of_t1_is_judged_only_where_it_is_that_of_the_fit() -> None:
    levels = [of("T1", {}, t1_deviation_share=share).level for share in (0.02, 0.021, 0.08, 0.081)]
    assert levels == ["good", "fair", "fair", "bad"]
    calibrated = of("T1", {}, t1_deviation_share=0.15, t1_is_calibrated=True)
    assert (calibrated.level, calibrated.value) == ("unknown", "15 %")
    assert calibrated.limits == "no limit is known"


def test_every_amber_and_red_says_what_to_do_and_where_its_limit_is_from() -> None:
    for rule in RULES:
        assert rule.origin
        assert bool(rule.fair) == (rule.fair_from is not None)
        assert bool(rule.bad) == (rule.bad_from is not None)
