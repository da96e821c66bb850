"""Items in the shape of readouts: Gadgetron's AcquisitionDistributor hands readouts on by their counters, and no more.

What the slices of a scan share goes to each of them so: noise, waveforms, maps, and what is known of the whole scan.
"""

import io
import json
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import ismrmrd
import numpy as np
from gadgetron.external import constants

from gadgets.errors import StreamError
from gadgets.mrd.wire.items import read_acquisition, read_image, write_image

_MARK = int.from_bytes(b"mlb1", "little")
"""In ``user_int[0]``, beside the flag ``ACQ_USER8``: a sequence may use either for itself, but hardly both."""

_FLAG = 1 << (ismrmrd.ACQ_USER8 - 1)
_SAMPLE_BYTES = 8
_MOST_SAMPLES = 2**16 - 1
"""ISMRMRD counts samples in 16 bits; more bytes than fit take further channels."""

_OPENING, _END = 1, 2
"""Kinds of message that ISMRMRD does not have; Gadgetron uses both numbers for what never comes inside a stream."""


@dataclass(frozen=True)
class Opening:
    """What comes first on the way to a slice.

    Attributes
    ----------
    configuration : str or None
        XML of the gadget's parameters.
    measurement : int
        Position in the stream of the measurement in which the slice first comes.
    is_first : bool
        Whether no other slice came before.
    """

    configuration: str | None
    measurement: int
    is_first: bool


@dataclass(frozen=True)
class WholeScan:
    """The end of a measurement, and what a slice cannot know of the others.

    Attributes
    ----------
    complete : bool
        Whether the readout that came last of all was flagged ``ACQ_LAST_IN_MEASUREMENT``.
    starting_slice : int or None
        Slice of the first readout that is used: its first inversion met the equilibrium. None where none is used.
    size : (rank, spokes, pulses) tuple of int, or None
        Size that the series of all slices share; None where there is one slice.
    """

    complete: bool
    starting_slice: int | None = None
    size: tuple[int, int, int] | None = None


def packed(item: Any, slice_index: int) -> bytes:
    """Pack an item into the message of a readout.

    Parameters
    ----------
    item : Opening, WholeScan, ismrmrd.Acquisition, ismrmrd.Waveform or ismrmrd.Image
    slice_index : int
        Where it is to go.

    Returns
    -------
    bytes
        Message id included.
    """
    kind, content = _content(item)
    body = struct.pack("<H", kind) + content
    samples = -(-len(body) // _SAMPLE_BYTES)
    channels = -(-samples // _MOST_SAMPLES)
    samples = -(-samples // channels)
    head = ismrmrd.AcquisitionHeader()
    head.version, head.flags = 1, _FLAG
    head.number_of_samples, head.active_channels, head.available_channels = samples, channels, channels
    head.user_int[0], head.user_int[1] = _MARK, len(body)
    head.idx.slice = slice_index
    identifier = constants.GadgetMessageIdentifier.pack(constants.GADGET_MESSAGE_ISMRMRD_ACQUISITION)
    return identifier + bytes(head) + body.ljust(samples * channels * _SAMPLE_BYTES, b"\0")


def _content(item: Any) -> tuple[int, bytes]:
    if isinstance(item, Opening | WholeScan):
        return _OPENING if isinstance(item, Opening) else _END, json.dumps(asdict(item)).encode()
    if isinstance(item, ismrmrd.Acquisition):
        return constants.GADGET_MESSAGE_ISMRMRD_ACQUISITION, item.to_bytes()
    if isinstance(item, ismrmrd.Waveform):
        return constants.GADGET_MESSAGE_ISMRMRD_WAVEFORM, item.to_bytes()
    stream = io.BytesIO()
    write_image(stream, item)
    return constants.GADGET_MESSAGE_ISMRMRD_IMAGE, stream.getvalue()[2:]  # without its id


def unpacked(item: Any) -> Any:
    """Take an item out of the readout that it came in; anything else is given back as it is.

    Raises
    ------
    StreamError
        If it was packed by another version of malibu, or not whole.
    """
    if not isinstance(item, ismrmrd.Acquisition) or not item.flags & _FLAG or item.user_int[0] != _MARK:
        return item
    body = np.ascontiguousarray(item.data).tobytes()[: item.user_int[1]]
    try:
        (kind,), source = struct.unpack_from("<H", body), io.BytesIO(body[2:])
        return _READERS[kind](source)
    except (KeyError, ValueError, TypeError, struct.error) as error:
        raise StreamError(
            "what the slices share cannot be understood: run the same version of malibu on every worker"
        ) from error


def _whole_scan(complete: bool, starting_slice: int | None, size: list[int] | None) -> WholeScan:
    return WholeScan(complete, starting_slice, None if size is None else (size[0], size[1], size[2]))


_READERS: dict[int, Callable[[Any], Any]] = {
    _OPENING: lambda source: Opening(**json.loads(source.read())),
    _END: lambda source: _whole_scan(**json.loads(source.read())),
    constants.GADGET_MESSAGE_ISMRMRD_ACQUISITION: read_acquisition,
    constants.GADGET_MESSAGE_ISMRMRD_WAVEFORM: lambda source: ismrmrd.Waveform.deserialize_from(source.read),
    constants.GADGET_MESSAGE_ISMRMRD_IMAGE: read_image,
}
