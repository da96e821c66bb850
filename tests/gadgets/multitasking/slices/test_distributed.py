"""Slices in workers of their own: the images of one process that sees all of them, bit for bit."""

import io
import re
import struct
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import ismrmrd
import numpy as np
import pytest

from gadgets.configuration import configuration_of, executed_gadget
from gadgets.mrd.files import ScanFile
from gadgets.mrd.replay import configuration_message
from gadgets.mrd.wire.items import read_acquisition
from gadgets.mrd.wire.packed_items import WholeScan, unpacked
from gadgets.multitasking.parameters import parse_parameters
from tests.support.distributed import Distribution, distribute, started
from tests.support.peer import ACQUISITION, WAVEFORM, message, series_of
from tests.support.replays import ROOT, replay_here
from tests.support.sliced_scans import sliced_scan

SHIPPED = (ROOT / "configs/xml/multitasking_distributed.xml").read_text()
SMALL = {
    "reconstruction": "backprojection",
    "rank": "5",
    "cardiac_bins": "4",
    "heart_source": "ecg",
    "skip_inversions": "1",
    "images": "time_average cine_bright t1_map temporal_basis gating tensor",
}
NOISE = ismrmrd.ACQ_IS_NOISE_MEASUREMENT
INDEX_AT, LENGTH_AT = 126, 194
"""In an image's head; the length of its Meta depends on the seconds in it."""

SECONDS = re.compile(r"<meta><name>MalibuStageSeconds</name>.*?</meta>", re.DOTALL)


def document_with(**parameters: str) -> str:
    """The shipped configuration with other parameters, where an operator sets them."""
    document = ElementTree.fromstring(SHIPPED)
    external = document.find("stream/external")
    external.remove(external.find("configuration"))
    external.append(ElementTree.fromstring(configuration_message(None, parameters)))
    return ElementTree.tostring(document, encoding="unicode")


def messages_of(scan: Path) -> tuple[bytes, list[bytes]]:
    """Header and items, waveforms between the readouts."""
    with ScanFile(scan) as file:
        items = [
            message(ACQUISITION if isinstance(item, ismrmrd.Acquisition) else WAVEFORM, item.to_bytes())
            for item in file.items()
        ]
        return ismrmrd.xsd.ToXML(file.header).encode(), items


def by_place(images: list[tuple[bytes, str, np.ndarray]]) -> dict[tuple[int, int], tuple[bytes, str, np.ndarray]]:
    """Images by series and index; each once."""
    found = {}
    for head, meta, pixels in images:
        place = series_of(head), struct.unpack_from("<H", head, INDEX_AT)[0]
        assert place not in found
        found[place] = head[:LENGTH_AT], SECONDS.sub("", meta), pixels
    return found


def as_sent(image: ismrmrd.Image) -> tuple[bytes, str, np.ndarray]:
    stream = io.BytesIO()
    image.serialize_into(stream.write)
    data = stream.getvalue()
    return data[:198], image.attribute_string, image.data


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sliced_scan(tmp_path_factory.mktemp("sliced") / "scan.h5", (5.0, 6.0), readouts_per_inversion=250)


@pytest.fixture(scope="module")
def distribution(scan: Path) -> Distribution:
    return distribute(document_with(**SMALL), *messages_of(scan))


def check_equal(found: Distribution, scan: Path, output: Path) -> None:
    """The images, heads and Meta of all workers against those of one gadget that sees the whole scan."""
    assert not found.errors
    assert not [answer.errors for answer in found.answers.values() if answer.errors]
    there = by_place([image for answer in found.answers.values() for image in answer.images])
    here = replay_here(scan, output, **SMALL)
    whole = by_place([as_sent(image) for images in here.values() for image in images])
    assert there.keys() == whole.keys()
    for place, (head, meta, pixels) in whole.items():
        other_head, other_meta, other_pixels = there[place]
        assert other_head == head, place
        assert other_meta == meta, place
        assert np.array_equal(other_pixels, pixels), place


def test_images_are_those_of_one_process_bit_for_bit(scan: Path, distribution: Distribution, tmp_path: Path) -> None:
    check_equal(distribution, scan, tmp_path / "here.h5")


@pytest.mark.slow
def test_so_they_are_from_processes_that_are_started_as_gadgetron_starts_them(scan: Path, tmp_path: Path) -> None:
    check_equal(distribute(document_with(**SMALL), *messages_of(scan), started), scan, tmp_path / "here.h5")


def contents(readouts: list[bytes]) -> list[Any]:
    return [unpacked(read_acquisition(io.BytesIO(readout))) for readout in readouts]


def test_each_slice_gets_what_all_share_and_its_own_readouts(scan: Path, distribution: Distribution) -> None:
    with ScanFile(scan) as file:
        items = list(file.items())
    noise = [one for one in items if isinstance(one, ismrmrd.Acquisition) and one.is_flag_set(NOISE)]
    signals = [one for one in items if isinstance(one, ismrmrd.Waveform)]
    assert len(noise) == 4
    assert signals
    for number, sent in distribution.sent.items():
        opening, *rest = contents(sent)
        assert (opening.measurement, opening.is_first) == (0, number == 0)
        assert rest.pop() == WholeScan(complete=True, starting_slice=0, size=(5, 475, 250))
        assert [one.to_bytes() for one in rest if isinstance(one, ismrmrd.Waveform)] == [s.to_bytes() for s in signals]
        readouts = [one for one in rest if isinstance(one, ismrmrd.Acquisition)]
        assert [one.to_bytes() for one in readouts if one.is_flag_set(NOISE)] == [one.to_bytes() for one in noise]
        mine = [one for one in items if isinstance(one, ismrmrd.Acquisition) and one.idx.slice == number]
        imaging = [one.to_bytes() for one in readouts if not one.is_flag_set(NOISE)]
        assert imaging == [one.to_bytes() for one in mine if not one.is_flag_set(NOISE)]


def test_the_configuration_runs_in_one_process_too(scan: Path) -> None:
    document = document_with(rank="7")
    assert executed_gadget(document) == "MultitaskingGadget"
    assert parse_parameters(configuration_of(document, "MultitaskingGadget")).rank == 7
