"""What is handed on, to whom, and in which order; and slices that are not told what they need."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ismrmrd
import numpy as np
import pytest

from gadgets.configuration import configuration_of
from gadgets.errors import StreamError
from gadgets.mrd.files import ScanFile
from gadgets.mrd.header import read_header
from gadgets.mrd.intake.measurement import Measurement
from gadgets.mrd.wire.items import read_acquisition
from gadgets.mrd.wire.packed_items import Opening, WholeScan, packed, unpacked
from gadgets.mrd.wire.takeover import SLICE_GADGET, lacks_its_target
from gadgets.multitasking.gadget import MultitaskingGadget
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.readouts import slices_of
from gadgets.multitasking.slices.sharing_gadget import Sharing
from gadgets.multitasking.slices.slice_gadget import SliceGadget
from gadgets.multitasking.slices.sorting import sorted_readouts, starting_slice
from gadgets.multitasking.slices.survey import hollow, survey
from tests.support.distributed import Hosted, opening
from tests.support.gadgetron import BARE
from tests.support.peer import CLOSE, Answer, message, scan_messages

CONFIGURATION = configuration_of("<configuration><rank>3</rank></configuration>", "MultitaskingGadget")


class Heard:
    """Stands for the stream: what is passed on, as its readers take it."""

    configuration = CONFIGURATION

    def __init__(self) -> None:
        self.items: list[tuple[int, Any]] = []

    def pass_on(self, data: bytes) -> None:
        came = read_acquisition(io.BytesIO(data[2:]))
        self.items.append((came.idx.slice, unpacked(came)))

    def kinds(self, number: int) -> list[str]:
        return [type(item).__name__ for place, item in self.items if place == number]


def readout(number: int, *flags: int, counter: int = 0) -> ismrmrd.Acquisition:
    made = ismrmrd.Acquisition.from_array(np.ones((2, 4), np.complex64), scan_counter=counter)
    made.idx.slice = number
    for flag in flags:
        made.set_flag(flag)
    return made


def signal() -> ismrmrd.Waveform:
    return ismrmrd.Waveform.from_array(np.zeros((1, 3), np.uint32))


def test_a_later_slice_is_told_what_came_before_it() -> None:
    heard, measurement = Heard(), Measurement()
    sharing = Sharing(heard, MultitaskingParameters())
    for item in (readout(0, ismrmrd.ACQ_IS_NOISE_MEASUREMENT), signal(), readout(4), signal(), readout(7), signal()):
        sharing.accept(measurement, item)
    assert heard.kinds(0) == []  # noise alone opens no slice
    told = ["Opening", "Acquisition", "Waveform"]
    assert heard.kinds(4) == [*told, "Acquisition", "Waveform", "Waveform"]
    assert heard.kinds(7) == [*told, "Waveform", "Acquisition", "Waveform"]
    openings = [item for _, item in heard.items if isinstance(item, Opening)]
    assert [(one.is_first, one.measurement) for one in openings] == [(True, 0), (False, 0)]
    assert "<rank>3</rank>" in openings[0].configuration


def test_a_new_slice_of_a_later_scan_knows_its_place_and_no_old_waveforms() -> None:
    heard, first = Heard(), Measurement()
    sharing = Sharing(heard, MultitaskingParameters())
    for item in (readout(0, ismrmrd.ACQ_IS_NOISE_MEASUREMENT), signal(), readout(0)):
        sharing.accept(first, item)
    sharing.next_measurement()
    sharing.accept(first.following(), readout(1))
    assert heard.kinds(1) == ["Opening", "Acquisition", "Acquisition"]
    assert [item.measurement for _, item in heard.items if isinstance(item, Opening)] == [0, 1]


def test_readouts_of_no_image_open_no_slice() -> None:
    heard, measurement = Heard(), Measurement()
    sharing = Sharing(heard, MultitaskingParameters(ignore_flags=("ACQ_IS_PHASECORR_DATA",)))
    for item in (
        readout(9, ismrmrd.ACQ_IS_DUMMYSCAN_DATA),
        readout(8, ismrmrd.ACQ_IS_PARALLEL_CALIBRATION),
        readout(1, ismrmrd.ACQ_IS_PHASECORR_DATA),
        readout(2, ismrmrd.ACQ_IS_RTFEEDBACK_DATA, ismrmrd.ACQ_IS_NAVIGATION_DATA),
        readout(2, ismrmrd.ACQ_IS_DUMMYSCAN_DATA),
    ):
        sharing.accept(measurement, item)
    assert [number for number, item in heard.items if isinstance(item, Opening)] == [1, 2]
    assert heard.kinds(2) == ["Opening", "Acquisition", "Acquisition"]


def test_what_the_gadget_takes_not_is_refused_before_the_slices() -> None:
    with pytest.raises(StreamError, match="but received SimpleNamespace"):
        Sharing(Heard(), MultitaskingParameters()).accept(Measurement(), SimpleNamespace())


@pytest.mark.parametrize("navigator", ["flag", "zero_angle", "every_nth"])
def test_heads_alone_tell_what_whole_readouts_tell(short_file: Path, navigator: str) -> None:
    parameters = MultitaskingParameters(navigator=navigator, temporal_model="realtime", images=("time_average",))
    with ScanFile(short_file) as file:
        readouts, header = list(file.acquisitions()), read_header(file.header)
    whole, light = Measurement.of(readouts), Measurement.of(map(hollow, readouts))
    assert survey(light, header, parameters) == survey(whole, header, parameters) == WholeScan(True, 0, None)
    assert light.stored.blocks[0].samples.nbytes == 0


def test_the_slice_that_came_first_alone_met_the_equilibrium(moving_file: Path) -> None:
    """Of a slice that was inverted before, the first spokes tell nothing of the equilibrium."""
    with ScanFile(moving_file) as file:
        measurement, header = Measurement.of(file.acquisitions()), read_header(file.header)
    leading = []
    for first in (0, 1):
        measurement.end(WholeScan(True, starting_slice=first))
        (measured,) = slices_of(measurement, header, MultitaskingParameters())
        leading.append(measured.scan.leading is not None)
    assert leading == [True, False]


@pytest.mark.parametrize("is_first", [True, False])
def test_the_preview_is_that_of_the_slice_which_came_first(is_first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(MultitaskingGadget, "attend", lambda self, *given: asked.append(given[2].preview))
    gadget = SliceGadget()
    gadget.opened([Opening(None, 0, is_first)])  # type: ignore[arg-type]  # a stream is read from its beginning
    gadget.attend(None, Measurement(), MultitaskingParameters(preview=True), None, None)  # type: ignore[arg-type]
    assert asked == [is_first]


def test_a_hollow_readout_has_its_head_and_the_ends_of_its_trajectory() -> None:
    whole = ismrmrd.Acquisition.from_array(np.ones((2, 5), np.complex64), np.arange(10, dtype=np.float32).reshape(5, 2))
    whole.idx.slice = 3
    light = hollow(whole)
    assert (light.idx.slice, light.data.shape) == (3, (2, 0))
    np.testing.assert_array_equal(light.traj, [[0, 1], [8, 9]])


def test_used_readouts_are_those_behind_the_leading_inversions(moving_file: Path) -> None:
    parameters = MultitaskingParameters(skip_inversions=2)
    with ScanFile(moving_file) as file:
        measurement, header = Measurement.of(file.acquisitions()), read_header(file.header)
    selected = measurement.select(parameters)
    found = sorted_readouts(0, selected.slices[0], selected.counters[0], header, parameters)
    third = np.unique(found.timing.period)[2]
    np.testing.assert_array_equal(found.keep, found.timing.period >= third)
    assert not found.is_imaging[found.navigators].any()
    np.testing.assert_array_equal(np.union1d(found.imaging, found.navigators), np.flatnonzero(found.keep))
    timeline = found.timeline(found.imaging)
    np.testing.assert_array_equal(timeline.time_s, found.timing.time_s[found.imaging])
    np.testing.assert_array_equal(timeline.pulse, found.timing.excitation[found.imaging])
    np.testing.assert_array_equal(timeline.inversion, found.timing.period[found.imaging])


def test_the_scan_starts_in_the_slice_whose_readout_came_first() -> None:
    slices = {0: SimpleNamespace(rows=np.array([3, 4])), 2: SimpleNamespace(rows=np.array([1, 2, 7]))}
    assert starting_slice(SimpleNamespace(slices=slices)) == 2  # type: ignore[arg-type]


def to_a_slice(scan: Path, items: list[bytes]) -> Answer:
    with Hosted(None) as worker:
        worker.send(opening(BARE, scan_messages(scan)[1][6:]) + b"".join(items) + message(CLOSE))
        return worker.receive()


def test_a_slice_without_parameters_says_what_is_missing(short_file: Path) -> None:
    answer = to_a_slice(short_file, scan_messages(short_file)[2:5])
    assert "<distributed> needs SharingGadget before it" in answer.errors[0]


def test_a_stream_that_closes_before_the_scan_has_ended_gives_no_images(short_file: Path) -> None:
    small = "<configuration><reconstruction>backprojection</reconstruction></configuration>"
    answer = to_a_slice(short_file, [packed(Opening(small, 0, True), 0), *scan_messages(short_file)[2:]])
    assert not answer.images
    assert "closed before the scan had ended" in answer.errors[0]


def test_an_unfinished_scan_is_marked_in_each_slice(short_file: Path) -> None:
    small = (
        "<configuration><reconstruction>backprojection</reconstruction><images>time_average</images>"
        "<temporal_model>static</temporal_model></configuration>"
    )
    end = WholeScan(complete=False, starting_slice=0)
    items = [packed(Opening(small, 2, True), 0), *scan_messages(short_file)[2:], packed(end, 0)]
    ((head, meta, _),) = to_a_slice(short_file, items).images
    assert "the scan may be incomplete" in meta
    assert np.frombuffer(head, "<u2", 1, 128)[0] == 41  # series 1 of the stream's third measurement


def test_a_lost_target_is_that_of_a_slice() -> None:
    start = ["/usr/bin/python3", "-m", "gadgetron", "9012", "gadgets.multitasking"]
    assert lacks_its_target(start)
    assert not lacks_its_target([*start, "MultitaskingGadget"])
    assert SLICE_GADGET == "SliceGadget"
