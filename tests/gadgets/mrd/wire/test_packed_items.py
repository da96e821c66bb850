"""Items in the shape of readouts come out as they went in."""

import io
import struct
from typing import Any

import ismrmrd
import numpy as np
import pytest

from gadgets.errors import StreamError
from gadgets.mrd.wire.items import read_acquisition
from gadgets.mrd.wire.packed_items import Opening, WholeScan, packed, unpacked
from tests.support.peer import ACQUISITION


def readout(samples: int = 5, **fields: Any) -> ismrmrd.Acquisition:
    values = np.arange(3 * samples).reshape(3, samples).astype(np.complex64) * (1 - 2j)
    return ismrmrd.Acquisition.from_array(values, np.ones((samples, 2), np.float32), **fields)


def on_the_wire(item: Any, number: int) -> ismrmrd.Acquisition:
    """The readout that a worker reads, by malibu's reader of any readout."""
    data = packed(item, number)
    assert struct.unpack("<H", data[:2]) == (ACQUISITION,)
    source = io.BytesIO(data[2:])
    came = read_acquisition(source)
    assert not source.read()
    assert came.idx.slice == number
    return came


@pytest.mark.parametrize(
    "item",
    [
        Opening("<configuration><rank>5</rank>Φ</configuration>", 3, False),
        Opening(None, 0, True),
        WholeScan(True, 2, (32, 8000, 300)),
        WholeScan(False),
    ],
)
def test_what_is_said_of_a_scan_arrives(item: Opening | WholeScan) -> None:
    assert unpacked(on_the_wire(item, 65535)) == item


def test_readouts_waveforms_and_images_arrive() -> None:
    noise = readout(scan_counter=7)
    noise.set_flag(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)
    assert unpacked(on_the_wire(noise, 2)).to_bytes() == noise.to_bytes()
    signal = ismrmrd.Waveform.from_array(np.arange(9, dtype=np.uint32)[None], waveform_id=2, time_stamp=8)
    assert unpacked(on_the_wire(signal, 1)).to_bytes() == signal.to_bytes()


def test_more_bytes_than_a_channel_counts_take_further_channels() -> None:
    image = ismrmrd.Image.from_array(np.random.default_rng(0).standard_normal((1, 7, 301, 401)).astype(np.float32))
    image.meta = {"DataRole": ["Image", "B1MAP"]}
    came = on_the_wire(image, 4)
    assert came.active_channels == 7
    found = unpacked(came)
    assert np.array_equal(found.data, image.data)
    assert found.attribute_string == image.attribute_string


def test_other_readouts_are_given_back_as_they_are() -> None:
    plain, flagged = readout(), readout()
    flagged.set_flag(ismrmrd.ACQ_USER8)
    for item in (plain, flagged, None):
        assert unpacked(item) is item


def test_another_version_s_are_an_error() -> None:
    came = on_the_wire(WholeScan(True), 0)
    data = came.data.view(np.uint8).copy()
    data[0, 2:12] = 0
    spoiled = ismrmrd.Acquisition(came.getHead(), data.view(np.complex64))
    with pytest.raises(StreamError, match="run the same version of malibu on every worker"):
        unpacked(spoiled)
