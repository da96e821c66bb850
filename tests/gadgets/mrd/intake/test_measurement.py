"""Where a measurement ends, and which readouts it hands on in which order."""

from collections.abc import Iterator

import ismrmrd
import numpy as np
import pytest

from gadgets.mrd.headers.roles import DefaultRules
from gadgets.mrd.intake.measurement import Measurement
from recon.errors import DataError

LAST = ismrmrd.ACQ_LAST_IN_MEASUREMENT


def readout(counter: int = 0, last: bool = False, uid: int = 7, samples: int = 16, **idx: int) -> ismrmrd.Acquisition:
    made = ismrmrd.Acquisition.from_array(np.full((2, samples), counter, np.complex64))
    made.scan_counter, made.measurement_uid = counter, uid
    for name, value in idx.items():
        setattr(made.idx, name, value)
    if last:
        made.set_flag(LAST)
    return made


def accept(measurement: Measurement, item: ismrmrd.Acquisition) -> None:
    measurement.add(item)


class Waiting:
    """A stream that can tell whether something waits in it, as a socket can."""

    def __init__(self, items: list[ismrmrd.Acquisition]) -> None:
        self.items, self.asked = list(items), 0

    def __iter__(self) -> Iterator[ismrmrd.Acquisition]:
        while self.items:
            yield self.items.pop(0)

    def waits(self, seconds: float) -> bool:
        self.asked += 1
        return bool(self.items)


def repetitions(count: int, of: int, uid: int = 7, start: int = 1) -> list[ismrmrd.Acquisition]:
    """Each repetition ends with a readout flagged as last, as converters of Siemens data write it."""
    return [
        readout(start + of * number + row, last=row == of - 1, uid=uid, repetition=number)
        for number in range(count)
        for row in range(of)
    ]


def test_a_last_flag_at_each_repetition_ends_nothing_before_the_limits_are_reached() -> None:
    stream = Waiting(repetitions(4, 5))
    measurement = Measurement({"repetition": 3, "slice": 0})
    assert measurement.receive(stream, accept, stream.waits)
    assert (measurement.received, measurement.complete, stream.items) == (20, True, [])
    assert stream.asked == 3  # the last readout of all needs no waiting


def test_a_scan_that_was_stopped_early_ends_when_nothing_more_comes() -> None:
    stream = Waiting(repetitions(2, 5))
    measurement = Measurement({"repetition": 9})
    assert measurement.receive(stream, accept, stream.waits)
    assert measurement.received == 10


@pytest.mark.parametrize("interleaved", [True, False])
def test_slices_count_as_limits_whatever_their_order(interleaved: bool) -> None:
    order = [0, 2, 1, 3] if interleaved else [0, 1, 2, 3]
    items = [readout(1 + row, last=True, slice=number) for row, number in enumerate(order)]
    stream = Waiting([*items, readout(99, uid=12)])
    measurement = Measurement({"slice": 3})
    assert measurement.receive(stream, accept, stream.waits)
    assert measurement.received == 4


@pytest.mark.parametrize("case", ["another uid", "counters restart", "no counters, repetition restarts"])
def test_without_limits_the_counters_tell_where_the_next_scan_begins(case: str) -> None:
    second = repetitions(2, 3, uid=8 if case == "another uid" else 7, start=50 if case == "another uid" else 1)
    items = repetitions(3, 3) + second
    if case.startswith("no counters"):
        for item in items:
            item.scan_counter = 0
    stream = Waiting(items)
    first = Measurement()
    assert first.receive(stream, accept, stream.waits)
    assert first.received == 9
    following = first.following()
    assert not following.receive(stream, accept, lambda seconds: True)
    assert following.received == 6
    assert [item.data[0, 0].real for item in following.acquisitions] == [item.data[0, 0].real for item in second]


def test_a_stream_that_ends_without_the_flag_is_not_complete(caplog: pytest.LogCaptureFixture) -> None:
    measurement = Measurement()
    assert not measurement.receive([readout(1), readout(2)], accept)
    assert not measurement.complete
    assert "ACQ_LAST_IN_MEASUREMENT" in caplog.text


def test_readouts_are_put_in_the_order_of_their_counters() -> None:
    order = [3, 1, 2, 6, 5, 4]
    selected = Measurement.of([readout(number, slice=number % 2) for number in order]).select()
    assert [one.scan_counter for one in selected.slices[0]] == [2, 4, 6]
    assert [one.scan_counter for one in selected.slices[1]] == [1, 3, 5]


@pytest.mark.parametrize("counters", [[0, 0, 0], [1, 2, 1, 2], [5, 5, 3]])
def test_counters_that_repeat_leave_the_order_of_arrival(counters: list[int]) -> None:
    items = [readout(counter, set=place) for place, counter in enumerate(counters)]
    assert [one.idx.set for one in Measurement.of(items).select().slices[0]] == list(range(len(counters)))


def test_two_measurements_are_not_mixed() -> None:
    with pytest.raises(DataError, match=r"2 measurements are mixed.*7, 9"):
        Measurement.of([readout(1), readout(2, uid=9)]).select()


def test_noise_may_come_from_another_measurement() -> None:
    noise = readout(1, uid=3)
    noise.set_flag(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)
    measurement = Measurement.of([noise, readout(2), readout(3)])
    assert len(measurement.select().slices[0]) == 2
    assert measurement.noise() is not None


def test_dropped_kinds_may_have_other_sizes_but_imaging_readouts_not() -> None:
    dummy, echo = readout(2, samples=30), readout(3, samples=40, contrast=1)
    dummy.set_flag(ismrmrd.ACQ_IS_DUMMYSCAN_DATA)
    assert Measurement.of([readout(1), dummy, echo]).received == 3
    with pytest.raises(DataError, match=r"scan counter 4.*2 coils of 20 samples.*2 of 16"):
        Measurement.of([readout(1), dummy, readout(4, samples=20)])


def test_last_flags_of_interleaved_slices_end_nothing_while_more_of_the_scan_comes() -> None:
    items = [
        readout(1 + number, last=row == 3, slice=slice_, repetition=repetition)
        for number, (repetition, row, slice_) in enumerate(np.ndindex(3, 4, 3))
    ]
    stream = Waiting(items)
    measurement = Measurement({"slice": 2, "repetition": 2})
    assert measurement.receive(stream, accept, stream.waits)
    assert measurement.received == 36


@pytest.mark.parametrize(("step", "expected"), [(0, [1, 3, 5]), (1, [1, 2, 3])])
def test_echoes_that_are_dropped_do_not_count_as_excitations(step: int, expected: list[int]) -> None:
    """Whether a converter gives each echo a counter of its own, or that of its excitation."""
    echoes = []
    for number in range(3):
        first = 1 + 2 * number
        echoes += [readout(first), readout(first + step, contrast=1)]
    selected = Measurement.of(echoes).select(DefaultRules(contrast=0))
    assert selected.counters[0].tolist() == expected
    assert [one.scan_counter for one in selected.slices[0]] == [1, 3, 5]
