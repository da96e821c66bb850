"""Readouts and waveforms: records of MRD v2 become objects of ISMRMRD v1, and the reverse."""

import itertools
import struct
from collections.abc import Sequence
from typing import Any

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.consoles.mrd2 import units
from gadgets.consoles.mrd2.said_once import Losses
from gadgets.consoles.mrd2.yardl.byte_source import MalformedError
from recon.errors import DataError

_HEAD = struct.Struct("<HQIII3I3H128s5Hf60s9H8H8i8f")
"""ISMRMRD's AcquisitionHeader: 340 bytes without padding."""

_VECTORS = ("position", "readDir", "phaseDir", "sliceDir", "patientTablePosition")
_COUNTERS = (
    "kspaceEncodeStep1",
    "kspaceEncodeStep2",
    "average",
    "slice",
    "contrast",
    "phase",
    "repetition",
    "set",
    "segment",
)
_INDICES = ("discardPre", "discardPost", "centerSample", "encodingSpaceRef")
_LARGEST_INDEX = 65535
_CHANNELS = 1024
_USERS = 8
_STAMPS = 3

_HELD = {
    "flags", "idx", "measurementUid", "scanCounter", "acquisitionTimeStamp", "acquisitionTimeStampNs",
    "physiologyTimeStamp", "physiologyTimeStampNs", "channelOrder", "sampleTimeUs", "sampleTimeNs", "userInt",
    "userFloat", "data", "trajectory", "phase", *_INDICES, *_VECTORS,
}  # fmt: skip


def padded(values: Sequence[Any], length: int, what: str, losses: Losses) -> list[Any]:
    """Values of a vector as a field of a fixed length, zero where there are none."""
    if len(values) > length:
        losses.say(f"{what}: ISMRMRD v1 holds {length} values; those behind them are left out")
    return [*values[:length], *([0] * (length - len(values)))]


def index(value: int | None, what: str) -> int:
    """A counter as the 16 bits of ISMRMRD v1; 0 where there is none.

    Raises
    ------
    MalformedError
        If it does not fit.
    """
    if value is None:
        return 0
    if value > _LARGEST_INDEX:
        raise MalformedError(f"{what} is {value}, but malibu's readouts and images hold {_LARGEST_INDEX} at most")
    return value


def directions(record: dict[str, Any], names: Sequence[str]) -> bytes:
    """Vectors of three numbers one after the other, float32."""
    vectors = [np.asarray(record[name], "<f4") for name in names]
    if any(vector.shape != (3,) for vector in vectors):
        raise MalformedError("a position or direction has not three numbers")
    return b"".join(vector.tobytes() for vector in vectors)


def note_unheld(record: dict[str, Any], held: set[str], losses: Losses) -> None:
    """Say which fields ISMRMRD v1 does not have."""
    for name in () if held.issuperset(record) else record.keys() - held:
        value = record[name]
        if value is not None and np.size(value) and np.any(value):
            losses.say(f"{name}: ISMRMRD v1 has no such field; it is left out")


def acquisition_of(record: dict[str, Any], losses: Losses) -> ismrmrd.Acquisition:
    """Make a readout of v1 from a record of v2.

    Parameters
    ----------
    record : dict
        With ``data`` (coils, samples) complex64, ``trajectory`` (basis, samples) float32, and the head's fields either
        under ``head`` or, as in MRD 2.0, beside them.
    losses : Losses

    Returns
    -------
    ismrmrd.Acquisition
        With a trajectory of (samples, basis).

    Raises
    ------
    DataError
        If the readout carries phases, or is empty.
    MalformedError
        If its parts do not fit each other, or v1.
    """
    head = record.get("head", record)
    note_unheld(head, _HELD, losses)
    data = np.asarray(record["data"], np.complex64)
    if data.ndim != 2:
        raise MalformedError("the data of a readout are not coils × samples")
    coils, samples = data.shape
    _refuse_phase(record.get("phase"), head)
    if not coils or not samples:
        raise DataError(
            f"the readout with scan counter {head['scanCounter']} is empty ({samples} samples of {coils} coils); "
            "leave such readouts out of the stream"
        )
    trajectory = _trajectory(record["trajectory"], samples, losses)
    idx = head["idx"]
    packed = _HEAD.pack(
        1,
        head["flags"],
        head["measurementUid"],
        head["scanCounter"] or 0,
        units.ticks(head, "acquisitionTimeStamp", losses),
        *padded(units.many_ticks(head, "physiologyTimeStamp", losses), _STAMPS, "physiologyTimeStamp", losses),
        index(samples, "the number of samples"),
        index(coils, "the number of coils"),
        coils,
        _mask(head["channelOrder"], losses),
        *(index(head[name], name) for name in _INDICES),
        trajectory.shape[1],
        units.sample_time_us(head),
        directions(head, _VECTORS),
        *(index(idx[name], name) for name in _COUNTERS),
        *(index(value, "a user counter") for value in padded(idx["user"], _USERS, "idx.user", losses)),
        *padded(head["userInt"], _USERS, "userInt", losses),
        *padded(head["userFloat"], _USERS, "userFloat", losses),
    )
    return ismrmrd.Acquisition(ismrmrd.AcquisitionHeader.from_buffer_copy(packed), data, trajectory)


def _refuse_phase(phase: NDArray | None, head: dict[str, Any]) -> None:
    """MRD 2.2 may add a phase to each sample and names neither its unit nor whether the data have it taken out."""
    if phase is not None and np.any(phase):
        raise DataError(
            f"the readout with scan counter {head['scanCounter']} carries the phase array of MRD 2.2, of which its "
            "specification does not say whether the data still need it: apply it to the data and leave it out"
        )


def _trajectory(given: NDArray, samples: int, losses: Losses) -> NDArray[np.float32]:
    """Trajectory as (samples, basis); v2 has (basis, samples)."""
    if not given.size:
        return np.zeros((samples, 0), np.float32)
    if given.ndim == 2 and given.shape[1] == samples:
        return np.ascontiguousarray(given.T, np.float32)
    if given.ndim == 2 and given.shape[0] == samples and given.shape[1] <= 4:
        losses.say(
            "trajectories come as (samples, basis), as mrd-python 2.2's ismrmrd_to_mrd writes them, and not as "
            "(basis, samples): they are read so"
        )
        return np.ascontiguousarray(given, np.float32)
    raise MalformedError(f"a trajectory of {'×'.join(map(str, given.shape))} numbers does not fit {samples} samples")


def _mask(order: Sequence[int], losses: Losses) -> bytes:
    """The bits of ISMRMRD v1 that name the channels."""
    if any(channel >= _CHANNELS for channel in order):
        losses.say(f"channelOrder: ISMRMRD v1 names channels up to {_CHANNELS - 1}; the others are left out")
    if any(later <= earlier for earlier, later in itertools.pairwise(order)):
        losses.say("channelOrder: ISMRMRD v1 holds which channels there are, but not their order")
    bits = 0
    for channel in order:
        if channel < _CHANNELS:
            bits |= 1 << channel
    return bits.to_bytes(_CHANNELS // 8, "little")


def _channels(mask: bytes) -> list[int]:
    bits = int.from_bytes(mask, "little")
    return [channel for channel in range(bits.bit_length()) if bits >> channel & 1]


def acquisition_record(acquisition: ismrmrd.Acquisition, counts_ns: bool, losses: Losses) -> dict[str, Any]:
    """Make a record of v2 from a readout of v1; its fields serve every version of the schema.

    Parameters
    ----------
    acquisition : ismrmrd.Acquisition
    counts_ns : bool
        Whether the schema counts times in nanoseconds.
    losses : Losses

    Returns
    -------
    dict
    """
    # to_bytes copies the data too, and is still twice as fast as the deep copy that getHead makes.
    version, flags, uid, counter, stamp, *values = _HEAD.unpack_from(acquisition.to_bytes())
    physiology, values = values[:_STAMPS], values[_STAMPS:]
    _, available, active, mask, *values = values
    indices, values = values[:4], values[5:]
    sample_time_us, vectors, *values = values
    counters, values = values[: len(_COUNTERS)], values[len(_COUNTERS) :]
    if available != active:
        losses.say("available_channels: MRD v2 holds the number of the channels that were sent alone")
    if version not in (0, 1):
        losses.say("version: MRD v2 has no version of a head")
    head = {
        "flags": flags,
        "idx": {**dict(zip(_COUNTERS, counters, strict=True)), "user": values[:_USERS]},
        "measurementUid": uid,
        "scanCounter": counter,
        **units.both_stamps("acquisitionTimeStamp", stamp),
        **units.both_stamps("physiologyTimeStamp", physiology),
        "channelOrder": _channels(mask),
        **dict(zip(_INDICES, indices, strict=True)),
        **units.both_sample_times(sample_time_us, counts_ns, losses),
        **dict(zip(_VECTORS, np.frombuffer(vectors, "<f4").reshape(5, 3), strict=True)),
        "userInt": values[_USERS : 2 * _USERS],
        "userFloat": values[2 * _USERS :],
    }
    return {"head": head, "data": acquisition.data, "trajectory": acquisition.traj.T, **head}


def waveform_of(record: dict[str, Any], losses: Losses) -> ismrmrd.Waveform:
    """Make a waveform of v1 from a record of v2; its data are (channels, samples) uint32 in both.

    Raises
    ------
    MalformedError
        If its parts do not fit v1.
    """
    data = np.asarray(record["data"], np.uint32)
    if data.ndim != 2:
        raise MalformedError("the data of a waveform are not channels × samples")
    head = ismrmrd.WaveformHeader()
    head.version = 1
    head.flags = record["flags"]
    head.measurement_uid = record["measurementUid"]
    head.scan_counter = record["scanCounter"]
    head.time_stamp = units.ticks(record, "timeStamp", losses)
    head.sample_time_us = units.sample_time_us(record)
    head.waveform_id = index(record["waveformId"], "waveformId")
    head.channels = index(data.shape[0], "the number of channels")
    head.number_of_samples = index(data.shape[1], "the number of samples")
    waveform = ismrmrd.Waveform(head)
    waveform.data[:] = data
    return waveform


def waveform_record(waveform: ismrmrd.Waveform, counts_ns: bool, losses: Losses) -> dict[str, Any]:
    """Make a record of v2 from a waveform of v1."""
    head = waveform.getHead()
    return {
        "flags": head.flags,
        "measurementUid": head.measurement_uid,
        "scanCounter": head.scan_counter,
        **units.both_stamps("timeStamp", head.time_stamp),
        **units.both_sample_times(head.sample_time_us, counts_ns, losses),
        "waveformId": head.waveform_id,
        "data": waveform.data,
    }
