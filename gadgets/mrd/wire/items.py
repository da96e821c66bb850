"""Readouts and images on the wire, where ismrmrd's own readers take memory first or lose step."""

import ctypes
import logging
import math
import struct
from typing import Any, Protocol

import ismrmrd
import numpy as np

from gadgets.errors import StreamError
from gadgets.mrd.wire.sockets import LARGEST_FIELD
from recon.errors import DataError

log = logging.getLogger(__name__)

SENDABLE_TYPES = (ismrmrd.DATATYPE_USHORT, ismrmrd.DATATYPE_FLOAT, ismrmrd.DATATYPE_CXFLOAT)
"""Pixel types that every Gadgetron writer takes; int16 fails in the server."""

_WIRE_TYPES: dict[int, np.dtype[Any]] = {
    ismrmrd.DATATYPE_USHORT: np.dtype("<u2"),
    ismrmrd.DATATYPE_SHORT: np.dtype("<i2"),
    ismrmrd.DATATYPE_UINT: np.dtype("<u4"),
    ismrmrd.DATATYPE_INT: np.dtype("<i4"),
    ismrmrd.DATATYPE_FLOAT: np.dtype("<f4"),
    ismrmrd.DATATYPE_DOUBLE: np.dtype("<f8"),
    ismrmrd.DATATYPE_CXFLOAT: np.dtype("<c8"),
    ismrmrd.DATATYPE_CXDOUBLE: np.dtype("<c16"),
}


class Exact(Protocol):
    """What gives exactly as many bytes as are asked for."""

    def read(self, count: int) -> bytes:
        """Read exactly."""
        ...


def read_acquisition(source: Exact) -> ismrmrd.Acquisition:
    """Read a readout.

    Raises
    ------
    DataError
        If it has no samples or no coils.
    StreamError
        If its head cannot be right.
    """
    header = ismrmrd.AcquisitionHeader.from_buffer_copy(source.read(ctypes.sizeof(ismrmrd.AcquisitionHeader)))
    samples, coils = header.number_of_samples, header.active_channels
    if not samples or not coils:
        raise DataError(
            f"the readout with scan counter {header.scan_counter} is empty: its head says {samples} samples of "
            f"{coils} coils; leave such readouts out of the stream"
        )
    values = samples * header.trajectory_dimensions
    if max(8 * samples * coils, 4 * values) > LARGEST_FIELD:
        raise StreamError(f"a readout claims {samples} samples of {coils} coils: the stream is corrupt")
    trajectory = np.frombuffer(source.read(4 * values), np.float32)
    data = np.frombuffer(source.read(8 * samples * coils), np.complex64)
    return ismrmrd.Acquisition(header, data.reshape(coils, samples), trajectory.reshape(samples, -1))


def read_image(source: Exact) -> ismrmrd.Image:
    """Read an image; int32, which ismrmrd takes for 64 bits, becomes float64 of the same values.

    Raises
    ------
    StreamError
        If its head cannot be right.
    """
    head = ismrmrd.ImageHeader.from_buffer_copy(source.read(ctypes.sizeof(ismrmrd.ImageHeader)))
    dtype = _WIRE_TYPES.get(head.data_type)
    shape = (head.channels, *reversed(head.matrix_size))
    if dtype is None or math.prod(shape) * dtype.itemsize > LARGEST_FIELD:
        raise StreamError(
            f"an image claims {shape} pixels of ISMRMRD data type {head.data_type}: the stream is corrupt"
        )
    (length,) = struct.unpack("<Q", source.read(8))
    attributes = source.read(length).rstrip(b"\0").decode()
    pixels = np.frombuffer(source.read(math.prod(shape) * dtype.itemsize), dtype).reshape(shape)
    if head.data_type == ismrmrd.DATATYPE_INT:
        head.data_type = ismrmrd.DATATYPE_DOUBLE
    image = ismrmrd.Image(head, attributes)
    image.data[:] = pixels
    return image


def write_image(destination: Any, image: ismrmrd.Image) -> None:
    """Write an image whatever its pixel type; int32, which ismrmrd writes with 64 bits, with 32."""
    attributes = image.attribute_string.encode()
    head = image.getHead()
    head.attribute_string_len = len(attributes)
    destination.write(struct.pack("<H", 1022) + bytes(head) + struct.pack("<Q", len(attributes)) + attributes)
    destination.write(image.data.astype(_WIRE_TYPES[head.data_type], copy=False).tobytes())


def sendable(image: ismrmrd.Image) -> ismrmrd.Image:
    """Give an image whose pixel type a Gadgetron server carries: itself, or one of the same values.

    Integers and float64 become float32, complex128 complex64: one type for a whole series, whatever its values. What
    float32 does not hold exactly is rounded, and the log says so.

    Raises
    ------
    DataError
        If a value is too large for float32.
    """
    if image.data_type in SENDABLE_TYPES:
        return image
    is_complex = image.data_type == ismrmrd.DATATYPE_CXDOUBLE
    with np.errstate(over="ignore"):
        pixels = image.data.astype(np.complex64 if is_complex else np.float32)
    if np.isfinite(image.data).all() and not np.isfinite(pixels).all():
        raise DataError("an image that came holds values beyond float32, which Gadgetron carries; scale it down")
    if not np.array_equal(
        pixels.astype(image.data.dtype), image.data, equal_nan=is_complex or pixels.dtype.kind == "f"
    ):
        log.warning("series %d: pixel values are rounded to float32 on their way back", image.image_series_index)
    head = image.getHead()
    head.data_type = ismrmrd.DATATYPE_CXFLOAT if is_complex else ismrmrd.DATATYPE_FLOAT
    carried = ismrmrd.Image(head, image.attribute_string)
    carried.data[:] = pixels
    return carried
