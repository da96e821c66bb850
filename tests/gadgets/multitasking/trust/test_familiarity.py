"""What is usual is learnt from statistics of pairs, kept in few digits, and noticed where it is left."""

import json
import math

import numpy as np
import pytest

from gadgets.multitasking.trust.familiarity import Familiarity, verdict_of
from recon.multitasking.uncertainty import kind_of_frames

NAMES = ("air", "edges", "streaks")
RNG = np.random.default_rng(3)
MIXING = np.array([[1.0, 0.9, 0.0], [0.0, 0.3, 0.0], [0.0, 0.0, 2.0]])


def some(count: int, shift: np.ndarray | float = 0.0) -> list[dict[str, float]]:
    rows = RNG.standard_normal((count, 3)) @ MIXING + 5 + shift
    return [dict(zip(NAMES, row, strict=True)) for row in rows]


@pytest.fixture(scope="module")
def usual() -> Familiarity:
    return Familiarity.of(some(300), [str(number % 10) for number in range(300)])


def test_few_of_the_usual_are_strange(usual: Familiarity) -> None:
    assert sum(usual.judge(one).is_strange for one in some(1000)) < 90


def test_what_is_far_in_one_statistic_is_named(usual: Familiarity) -> None:
    verdict = usual.judge({"air": 5.0, "edges": 5.0, "streaks": -15.0})
    assert verdict.is_strange
    assert verdict.reason == f"streaks is {20 / usual.deviation[2]:.1f} deviations below"


def test_what_is_far_in_their_correlation_alone_is_strange(usual: Familiarity) -> None:
    """2.2 deviations in each of two that go together: usual in the same direction, strange in opposite ones."""
    step = 2.2 * usual.deviation
    assert not usual.judge({"air": 5 + step[0], "edges": 5 + step[1], "streaks": 5.0}).is_strange
    assert usual.judge({"air": 5 + step[0], "edges": 5 - step[1], "streaks": 5.0}).is_strange


def test_a_scan_of_few_maps_is_judged_by_what_it_has() -> None:
    """As by what is learnt of these statistics alone, their correlations with the one that is lacking left out."""
    renamed = [{"share of maps from 17" if name == "edges" else name: one[name] for name in NAMES} for one in some(300)]
    subjects = [str(number % 10) for number in range(300)]
    fewer = [{name: one[name] for name in ("air", "streaks")} for one in renamed]
    whole, alone = Familiarity.of(renamed, subjects), Familiarity.of(fewer, subjects)
    for one in (*fewer[:20], {"air": 9.0, "streaks": 5.0}):
        found = whole.judge(one)
        assert found.distance * whole.threshold == pytest.approx(alone.judge(one).distance * alone.threshold, rel=1e-6)
    assert found.is_strange
    assert found.reason.startswith("air is")
    with pytest.raises(KeyError, match="streaks"):
        whole.judge({"air": 5.0})


def test_the_threshold_is_of_subjects_that_were_left_out() -> None:
    """One subject of ten is apart: what is learnt without it finds its pairs far away."""
    ordinary = Familiarity.of(some(200), [str(number % 10) for number in range(200)])
    statistics = some(180) + some(20, np.array([0.0, 0.0, 8.0]))
    subjects = [str(number % 9) for number in range(180)] + ["apart"] * 20
    apart = Familiarity.of(statistics, subjects)
    assert apart.threshold > 1.5 * ordinary.threshold


def test_a_card_keeps_it(usual: Familiarity) -> None:
    kept = Familiarity.from_dict(json.loads(json.dumps(usual.as_dict())))
    for one in some(20):
        assert kept.judge(one).distance == pytest.approx(usual.judge(one).distance, rel=1e-2)


def test_without_a_group_every_scan_of_it_is_strange(usual: Familiarity, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    card, (one,) = {"moving": usual.as_dict()}, some(1)
    assert (kind_of_frames(1), kind_of_frames(2)) == ("still", "moving")
    assert not verdict_of(card, one, 32).is_strange
    still = verdict_of(card, one, 1)
    assert still.distance == math.inf
    assert "no scans of one image" in still.reason
    assert verdict_of({}, one, 32) is None
    assert "holds no statistics" in caplog.text


def test_a_spoiled_card_costs_the_check_alone(usual: Familiarity, caplog: pytest.LogCaptureFixture) -> None:
    spoiled = usual.as_dict() | {"precision": [1.0]}
    assert verdict_of({"moving": spoiled}, some(1)[0], 5) is None
    assert "calibrate the weights again" in caplog.text
