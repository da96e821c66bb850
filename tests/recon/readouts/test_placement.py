"""Where readouts lie, from counters and clocks that agree, contradict each other, or say nothing."""

import numpy as np
import pytest

from recon.readouts.placement import place

PERIODS, LENGTH = 5, 40
PERIOD = np.repeat(np.arange(PERIODS), LENGTH)
EXCITATION = np.tile(np.arange(LENGTH), PERIODS)
COUNTER = np.arange(PERIODS * LENGTH)
STAMPS = 4 * EXCITATION + 300 * PERIOD
LOST = np.ones(PERIODS * LENGTH, bool)
LOST[[7, 8, 90, 119, 118, 160, 161]] = False
"""Two in the first period, one in the third and its last two, the first two of the fifth."""


def test_counters_place_what_came_and_count_what_did_not() -> None:
    found = place(COUNTER[LOST], PERIOD[LOST], STAMPS[LOST])
    assert np.array_equal(found.excitation, EXCITATION[LOST])
    assert found.lengths.tolist() == [40, 40, 40, 40, 40]
    assert (found.told_by, found.missing, found.jumps) == ("scan counters", 7, 7)
    without_clock = place(COUNTER[LOST], PERIOD[LOST], None)
    assert np.array_equal(without_clock.excitation, EXCITATION[LOST])
    assert without_clock.told_by == "scan counters"


def test_the_clock_places_where_counters_stand_still(caplog: pytest.LogCaptureFixture) -> None:
    found = place(np.zeros(LOST.sum(), int), PERIOD[LOST], STAMPS[LOST])
    assert np.array_equal(found.excitation, EXCITATION[LOST])
    assert found.told_by == "time stamps"
    assert found.lengths.tolist() == [40, 40, 38, 40, 40]  # the clock does not tell what never came at an end
    assert (found.missing, found.jumps) == (5, 0)
    assert "5 readouts are missing by the time stamps" in caplog.text


def test_order_is_all_that_is_left(caplog: pytest.LogCaptureFixture) -> None:
    found = place(np.zeros(LOST.sum(), int), PERIOD[LOST], None)
    assert np.array_equal(found.excitation[:7], np.arange(7))
    assert found.lengths.tolist() == [38, 40, 37, 40, 38]
    assert (found.told_by, found.missing, found.jumps) == ("their order alone", 0, 0)
    assert "neither scan counters nor time stamps" in caplog.text


def test_counters_that_count_other_echoes_are_overruled_by_an_unbroken_clock() -> None:
    """Every tenth excitation has an echo of its own that another slice keeps."""
    counter = COUNTER + COUNTER // 10
    found = place(counter, PERIOD, STAMPS)
    assert found.told_by == "time stamps"
    assert np.array_equal(found.excitation, EXCITATION)
    assert (found.missing, found.jumps) == (0, 15 + 0)


def test_a_pause_of_the_sequence_is_no_contradiction() -> None:
    """The clock sees more than the counters: nothing was excited in between."""
    paused = STAMPS + 40 * (EXCITATION >= 20)
    found = place(COUNTER, PERIOD, paused)
    assert found.told_by == "scan counters"
    assert np.array_equal(found.excitation, EXCITATION)


def test_counters_that_run_ahead_of_a_clock_with_gaps_are_overruled() -> None:
    counter = COUNTER + 5 * (COUNTER // 8)
    found = place(counter[LOST], PERIOD[LOST], STAMPS[LOST])
    assert found.told_by == "time stamps"
    assert np.array_equal(found.excitation, EXCITATION[LOST])


def test_excitations_after_the_last_readout_need_gaps_to_be_told() -> None:
    one = place(COUNTER[:38], np.zeros(38, int), None)
    assert one.lengths.tolist() == [38]
    two = np.r_[COUNTER[:36], COUNTER[40:80]]
    assert place(two, np.repeat([0, 1], [36, 40]), None).lengths.tolist() == [36, 40]
    twice = 2 * COUNTER[LOST]  # each excitation counted twice
    found = place(twice, PERIOD[LOST], None)
    assert np.array_equal(found.excitation, EXCITATION[LOST])
    assert found.lengths.tolist() == [40, 40, 40, 40, 40]
    restarting = place(EXCITATION[LOST], PERIOD[LOST], None)  # counters that start anew in each period
    assert restarting.lengths.tolist()[:4] == [40, 40, 38, 40]
