"""Readouts keep their places in time whatever was lost, wrapped around or counted otherwise."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from recon.readouts.clock import (
    Spacing,
    commonest,
    excitations_by_clock,
    excitations_by_counter,
    excitations_of_scan,
    nearest_turn,
    spacing_of,
    unwrapped,
)

WRAPS = (34_560_000, 86_400_000, 2**32)


def periods_of(lengths: list[int]) -> tuple[np.ndarray, np.ndarray]:
    period = np.repeat(np.arange(len(lengths)), lengths)
    return period, np.concatenate([np.arange(length) for length in lengths])


@given(st.lists(st.integers(0, 4000), min_size=2, max_size=50), st.sampled_from(WRAPS), st.integers(0, 10_000))
def test_stamps_go_on_over_midnight(steps: list[int], wrap: int, before: int) -> None:
    rising = wrap - before + np.r_[0, np.cumsum(steps)]
    found = unwrapped((rising % wrap).astype(np.uint32))
    if rising[-1] == rising[0]:
        assert found is None
    else:
        assert found is not None
        assert np.array_equal(np.diff(found), np.diff(rising))


@pytest.mark.parametrize("stamps", [[0, 0, 0], [5, 4, 3], [1000, 2000, 1500, 2500], [7]])
def test_stamps_that_stand_still_or_run_backwards_are_no_clock(stamps: list[int]) -> None:
    assert unwrapped(np.array(stamps, dtype=np.uint32)) is None


@pytest.mark.parametrize("wrap", WRAPS[:2])
def test_a_waveform_is_moved_to_the_day_of_the_readouts(wrap: int) -> None:
    start = wrap - 500  # the readouts' first stamp; the waveform began just before, or after midnight
    truth = start + np.array([-40, 0, 400, 900, 5000])
    assert np.array_equal(nearest_turn((truth % wrap).astype(np.uint32), start), truth)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(3, 6),
    st.integers(20, 60),
    st.sampled_from((1, 2, 3, 5)),
    st.integers(0, 4),
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 59), st.integers(1, 8)), max_size=3, unique_by=lambda x: x[0]),
)
def test_lost_readouts_shift_no_other(
    count: int, length: int, unit: int, pause: int, losses: list[tuple[int, int, int]]
) -> None:
    """Inside a period, at its end, or at its start; every readout counted once, twice, or with other slices'."""
    period, excitation = periods_of([length] * count)
    counter = 17 + unit * (np.arange(count * length) + pause * period)
    kept = np.ones(len(period), dtype=bool)
    for number, first, lost in losses:
        if number < count and sum(one[0] < count for one in losses) * 2 < count:
            rows = number * length + np.arange(first % length, min(first % length + lost, length - 2))
            kept[rows] = False
    found = excitations_by_counter(counter[kept], period[kept])
    assert found is not None
    assert np.array_equal(found, excitation[kept])


@pytest.mark.parametrize("counter", [[0] * 12, [5, 4, 3, 2] * 3, [1, 2, 2, 3] * 3, [1, 3, 6, 8, *range(10, 26, 2)]])
def test_counters_that_cannot_place_readouts_are_not_used(counter: list[int]) -> None:
    assert excitations_by_counter(np.array(counter, np.uint32), np.repeat([0, 1, 2], 4)) is None


def test_counters_may_restart_with_each_inversion() -> None:
    period, excitation = periods_of([30, 30, 30, 30])
    kept = np.ones(120, dtype=bool)
    kept[45:50] = False
    found = excitations_by_counter(excitation[kept] + 1, period[kept])
    assert np.array_equal(found, excitation[kept])


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(((2.5, 3.6), (2.5, 5.0), (1.0, 3.6), (1.0, 4.9), (0.1, 7.3))),
    st.integers(0, 2000),
    st.lists(st.tuples(st.integers(1, 3), st.integers(20, 60), st.integers(1, 20)), max_size=2),
    st.booleans(),
)
def test_time_stamps_place_readouts_where_counters_stand_still(
    clock: tuple[float, float], start_us: int, losses: list[tuple[int, int, int]], in_one_period: bool
) -> None:
    """Losses that are at least 15 readouts apart: nearer ones average out with the rounding of the stamps."""
    tick_ms, tr_ms = clock
    period, excitation = periods_of([200] * 4)
    time_ms = (np.arange(800) * tr_ms) + period * 40 + start_us / 1000
    kept = np.ones(800, dtype=bool)
    for order, (number, first, lost) in enumerate(losses):
        start = 200 * (1 if in_one_period else number if order == 0 else 3 if number != 3 else 2) + first + 80 * order
        kept[start : start + lost] = False
    stamps = np.floor(time_ms / tick_ms).astype(np.int64)[kept]
    assert np.array_equal(excitations_by_clock(stamps, period[kept]), excitation[kept])


@settings(max_examples=25, deadline=None)
@given(st.sampled_from((2.5, 1.0, 0.1, 0.001)), st.floats(2.0, 20.0))
def test_the_unit_of_time_stamps_is_told_by_the_repetition_time(tick_ms: float, tr_ms: float) -> None:
    period, excitation = periods_of([300, 300])
    stamps = np.floor(excitation * tr_ms / tick_ms + 1e6 * period).astype(np.int64)
    assert spacing_of(stamps, excitation, period).tick_ms(tr_ms) == tick_ms


@pytest.mark.parametrize(("tr_ms", "ticks"), [(800.0, 2), (7.2, 3), (3.6, 9), (2.0, 4)])
def test_a_repetition_time_that_no_unit_explains_is_told(tr_ms: float, ticks: int) -> None:
    period, excitation = periods_of([200, 200])
    assert spacing_of(ticks * np.arange(400), excitation, period).tick_ms(tr_ms) is None


def test_spacing_by_hand() -> None:
    """The mean over pairs ten readouts apart, of those within a tick of the median; the error is that of rounding."""
    excitation = np.arange(100)
    stamps = np.floor(1.44 * excitation).astype(np.int64)
    stamps[60:] += 30  # a pause that ten pairs go across
    pairs = (stamps[10:] - stamps[:-10])[np.r_[0:50, 60:90]]
    found = spacing_of(stamps, excitation, np.zeros(100, int))
    assert found.ticks == pytest.approx(pairs.mean() / 10)
    assert found.relative_error == pytest.approx(0.5 / (pairs.mean() * np.sqrt(80)))
    lost = np.r_[0:40, 45:100]
    kept = spacing_of(np.floor(1.44 * lost).astype(np.int64), lost, np.zeros(95, int))
    assert kept.ticks == pytest.approx(1.44, abs=5e-3)
    short = spacing_of(3 * np.arange(24), np.tile(np.arange(8), 3), np.repeat(np.arange(3), 8))  # eight to a period
    assert (short.ticks, short.relative_error) == (3, pytest.approx(0.5 / (3 * np.sqrt(21))))
    none = spacing_of(np.arange(4), np.zeros(4, int), np.arange(4))
    assert (none.ticks, none.relative_error) == (0, 1)
    assert Spacing(0.0, 0.1).tick_ms(3.6) is None
    still = spacing_of(np.zeros(30, int), np.arange(30), np.zeros(30, int))
    assert still.ticks == pytest.approx(1e-10)
    assert spacing_of(np.arange(0, 90, 3), np.arange(30), np.zeros(30, int)).meant().startswith("7.5 ms (ticks of 2.5")


@pytest.mark.parametrize(("off", "unit"), [(1.029, 2.5), (1.031, None), (0.971, 2.5), (0.969, None)])
def test_a_repetition_time_may_be_rounded_by_three_per_cent(off: float, unit: float | None) -> None:
    assert Spacing(1.44, 0.0).tick_ms(3.6 * off) == unit
    assert Spacing(1.44, 0.002).tick_ms(3.6 * (1.031 if off > 1 else 0.969)) == 2.5


@pytest.mark.parametrize(
    ("counter", "lengths", "late"),
    [
        ([*range(10), *range(12, 20)], [10, 8], [0, 0]),  # two periods tell nothing of the usual gap
        ([*range(20), *range(22, 30), *range(30, 40)], [10, 10, 8, 10], [0, 0, 2, 0]),
        ([*range(20), *range(25, 33), *range(33, 43)], [10, 10, 8, 10], [0, 0, 2, 0]),  # no more than a period lacks
        ([*range(20), *range(20, 28), *range(30, 40)], [10, 10, 8, 10], [0, 0, 0, 0]),  # it lacks its end
        (
            [*range(10), *range(10, 18), *range(22, 30), *range(30, 40), *range(40, 50)],
            [10, 8, 8, 10, 10],
            [0, 0, 2, 0, 0],
        ),
        ([*range(10), *range(12, 19), *range(20, 29), *range(30, 41)], [10, 7, 9, 11], [0, 0, 0, 0]),  # none is usual
    ],
)
def test_readouts_missing_at_the_start_of_a_period(counter: list[int], lengths: list[int], late: list[int]) -> None:
    period, position = periods_of(lengths)
    found = excitations_by_counter(np.array(counter), period)
    assert np.array_equal(found, position + np.repeat(late, lengths))


def test_the_commonest_of_equals_is_the_smallest() -> None:
    assert commonest(np.array([5, 3, 3, 5, 9])) == 3
    assert commonest(np.array([5, 3, 5])) == 5
    assert excitations_of_scan(np.array([7, 9, 11, 17])).tolist() == [0, 1, 2, 5]
    assert excitations_of_scan(np.zeros(3, int)).tolist() == [0, 1, 2]


def test_a_wrap_is_one_of_a_clock_and_no_longer_than_ten_minutes() -> None:
    day = 86_400_000
    for pause, is_wrap in ((600_000, True), (600_001, False)):
        stamps = np.array([day - 100_000, day - 50_000, pause - 50_000])
        found = unwrapped(stamps)
        assert (found is not None and found.tolist() == [day - 100_000, day - 50_000, day + pause - 50_000]) == is_wrap
    assert nearest_turn(np.array([0, 3_600_000]), day).tolist() == [day, day + 3_600_000]
    assert nearest_turn(np.array([0, 3_600_001]), day).tolist() == [0, 3_600_001]
