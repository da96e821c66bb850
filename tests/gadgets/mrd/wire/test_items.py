"""Readouts and images on the wire, of every pixel type."""

import io
import struct

import ismrmrd
import numpy as np
import pytest

from gadgets.errors import StreamError
from gadgets.mrd.wire.items import read_acquisition, read_image, sendable, write_image
from recon.errors import DataError

INTEGERS = [np.int16, np.uint32, np.float64, np.complex128]


def image_of(pixels: np.ndarray) -> ismrmrd.Image:
    image = ismrmrd.Image.from_array(pixels, transpose=False, image_series_index=12, image_index=3)
    image.meta["Comment"] = "T1"
    return image


@pytest.mark.parametrize("dtype", INTEGERS)
def test_values_come_back_in_a_type_that_gadgetron_carries(dtype: type) -> None:
    pixels = np.array([[0, 1, 7], [32_767, 500, 3]]).astype(dtype)
    if dtype is np.int16:
        pixels[0, 0] = -4000
    if dtype is np.complex128:
        pixels = pixels * (1 - 2j)
    sent = sendable(image_of(pixels))
    assert sent.data.dtype == (np.complex64 if dtype is np.complex128 else np.float32)
    assert np.array_equal(sent.data[0, 0], pixels)
    assert (sent.image_series_index, sent.image_index, sent.meta["Comment"]) == (12, 3, "T1")
    assert sent.matrix_size == (3, 2, 1)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.complex64])
def test_types_that_gadgetron_carries_stay(dtype: type) -> None:
    image = image_of(np.ones((2, 2), dtype))
    assert sendable(image) is image


def test_what_float32_does_not_hold_is_rounded_and_said(caplog: pytest.LogCaptureFixture) -> None:
    sent = sendable(image_of(np.array([[2**24 + 1, 5]], np.uint32)))
    assert sent.data.ravel().tolist() == [2.0**24, 5.0]
    assert "series 12: pixel values are rounded to float32" in caplog.text
    with pytest.raises(DataError, match="beyond float32"):
        sendable(image_of(np.array([[1e300]])))
    assert np.isnan(sendable(image_of(np.array([[np.nan]]))).data[0, 0, 0, 0])


@pytest.mark.parametrize("dtype", [*INTEGERS, np.uint16, np.float32, np.complex64])
def test_an_image_survives_the_wire(dtype: type) -> None:
    pixels = np.arange(24).reshape(2, 3, 4).astype(dtype)
    stream = io.BytesIO()
    write_image(stream, image_of(pixels))
    assert stream.getvalue()[:2] == struct.pack("<H", 1022)
    stream.seek(2)
    image = read_image(stream)
    assert image.data.dtype == dtype
    assert np.array_equal(image.data[0], pixels)
    assert image.meta["Comment"] == "T1"
    assert not stream.read()


def test_int32_has_four_bytes_a_pixel_and_keeps_its_values() -> None:
    """Ismrmrd takes int32 for 64 bits, which loses step."""
    head = ismrmrd.ImageHeader()
    head.version, head.data_type, head.channels, head.matrix_size = 1, ismrmrd.DATATYPE_INT, 1, (3, 1, 1)
    pixels = np.array([-(2**31), 5, 2**31 - 1], "<i4")
    data = bytes(head) + struct.pack("<Q", 0) + pixels.tobytes()
    stream = io.BytesIO(data + b"next")
    image = read_image(stream)
    assert image.data.ravel().tolist() == pixels.tolist()
    assert stream.read() == b"next"


def test_impossible_heads_are_refused_before_memory_is_taken() -> None:
    head = ismrmrd.ImageHeader()
    head.data_type, head.channels, head.matrix_size = 5, 60_000, (60_000, 60_000, 2)
    with pytest.raises(StreamError, match="the stream is corrupt"):
        read_image(io.BytesIO(bytes(head)))
    head.data_type = 77
    with pytest.raises(StreamError, match="data type 77"):
        read_image(io.BytesIO(bytes(head)))
    readout = ismrmrd.AcquisitionHeader()
    readout.number_of_samples, readout.active_channels, readout.scan_counter = 65_535, 65_535, 9
    with pytest.raises(StreamError, match="65535 samples of 65535 coils"):
        read_acquisition(io.BytesIO(bytes(readout)))
    readout.number_of_samples = 0
    with pytest.raises(DataError, match="scan counter 9 is empty: its head says 0 samples of 65535 coils"):
        read_acquisition(io.BytesIO(bytes(readout)))
