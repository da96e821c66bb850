"""Readouts keep their places in time whatever was lost, wrapped around or counted otherwise."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from recon.readouts.clock import (
    excitations_by_clock,
    excitations_by_counter,
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
