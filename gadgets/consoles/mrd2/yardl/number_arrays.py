"""Arrays of yardl's binary format: numbers in C order behind the lengths of the free dimensions."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gadgets.consoles.mrd2.yardl.byte_source import ByteSource, MalformedError, put_varint
from gadgets.consoles.mrd2.yardl.codec import Codec
from gadgets.consoles.mrd2.yardl.repeated import MOST_ITEMS
from gadgets.mrd.wire.sockets import LARGEST_FIELD

_MOST_DIMENSIONS = 16
"""MRD's have seven at most."""


def array(item: Codec, lengths: Sequence[int | None] | None) -> Codec:
    """Arrays.

    Parameters
    ----------
    item : Codec
        Of the elements.
    lengths : sequence of (int or None), or None
        Lengths of the dimensions; None in it: free, each stands before the data (if one is free, all are). None for
        it: so does their number.

    Returns
    -------
    Codec
        Its values are arrays of ``item.number``, read-only as read; of objects if the elements are no numbers.
    """
    fixed = tuple(length for length in lengths or () if length is not None)
    return _fixed_array(item, fixed) if fixed else _free_array(item, None if lengths is None else len(lengths))


def _fixed_array(item: Codec, shape: tuple[int, ...]) -> Codec:
    read_values, write_values = _values(item)
    count = math.prod(shape)
    if count * item.smallest > LARGEST_FIELD:
        raise MalformedError(f"an array takes at least {count * item.smallest} bytes")

    def read(source: ByteSource) -> NDArray:
        return read_values(source, count).reshape(shape)

    def write(out: bytearray, value: NDArray) -> None:
        value = np.asarray(value)
        if value.shape != shape:
            raise MalformedError(f"an array of shape {value.shape} stands where {shape} belongs")
        write_values(out, value)

    def default() -> NDArray:
        return np.zeros(shape, item.number or object)

    return Codec(read, write, count * item.smallest, default, item.number, item=item)


def _free_array(item: Codec, dimensions: int | None) -> Codec:
    read_values, write_values = _values(item)
    if dimensions == 0:
        raise MalformedError("the schema has an array without dimensions")

    def read(source: ByteSource) -> NDArray:
        number = source.varint() if dimensions is None else dimensions
        if number > _MOST_DIMENSIONS:
            raise MalformedError(f"an array claims {number} dimensions")
        shape = tuple([source.varint() for _ in range(number)])
        if math.prod([length or 1 for length in shape]) * _item_bytes(item) > LARGEST_FIELD:
            raise MalformedError(f"an array claims {'×'.join(map(str, shape))} elements")
        return read_values(source, math.prod(shape)).reshape(shape)

    def write(out: bytearray, value: NDArray) -> None:
        value = np.asarray(value)
        if dimensions is None:
            put_varint(out, value.ndim)
        elif value.ndim != dimensions:
            raise MalformedError(f"an array has {value.ndim} dimensions instead of {dimensions}")
        for length in value.shape:
            put_varint(out, length)
        write_values(out, value)

    def default() -> NDArray:
        return np.zeros((0,) * (dimensions or 1), item.number or object)

    return Codec(read, write, dimensions or 1, default, item.number, item=item)


def _item_bytes(item: Codec) -> int:
    return 1 if item.number is None or item.is_varint else item.number.itemsize


def _values(item: Codec) -> tuple[Any, Any]:
    """How the elements of an array are read, by their count, and written."""
    dtype = item.number
    if dtype is None:
        return _objects(item)
    if item.is_varint and dtype.itemsize > 1:

        def write_integers(out: bytearray, value: NDArray) -> None:
            _check_range(value, dtype)
            out += as_varints(value.astype(dtype, copy=False).ravel())

        return (lambda source, count: from_varints(source, count, dtype)), write_integers

    def read(source: ByteSource, count: int) -> NDArray:
        return np.frombuffer(source.take(count * dtype.itemsize), dtype)

    def write(out: bytearray, value: NDArray) -> None:
        out += np.ascontiguousarray(value, dtype).data

    return read, write


def _objects(item: Codec) -> tuple[Any, Any]:
    def read(source: ByteSource, count: int) -> NDArray:
        if count > MOST_ITEMS:
            raise MalformedError(f"an array claims {count} elements")
        elements = [item.read(source) for _ in range(count)]
        values = np.empty(count, object)
        for number, element in enumerate(elements):
            values[number] = element
        return values

    def write(out: bytearray, value: NDArray) -> None:
        for element in value.ravel():
            item.write(out, element)

    return read, write


def from_varints(source: ByteSource, count: int, dtype: np.dtype[Any]) -> NDArray:
    """Read varints of an array, zigzag where the dtype is signed.

    Parameters
    ----------
    source : ByteSource
    count : int
    dtype : np.dtype

    Returns
    -------
    (count,) array of dtype
    """
    parts: list[NDArray] = []
    rest = count
    while rest:
        if source.place == len(source.data):
            source.need(1)
        held = np.frombuffer(source.data, np.uint8, offset=source.place)
        stops = np.flatnonzero(held < 128)[:rest] + 1
        if not len(stops):
            if len(held) >= 10:
                raise MalformedError("a number is longer than 64 bits")
            source.need(len(held) + 1)
            continue
        parts.append(_decoded(held[: stops[-1]], stops, dtype))
        source.place += int(stops[-1])
        rest -= len(stops)
    return np.concatenate(parts) if parts else np.zeros(0, dtype)


def _decoded(data: NDArray[np.uint8], stops: NDArray, dtype: np.dtype[Any]) -> NDArray:
    """Σ_k (byte_k & 127) · 2^(7k) over the bytes of each number."""
    starts = np.concatenate(([0], stops[:-1]))
    lengths = stops - starts
    longest = int(lengths.max())
    if longest > 10:
        raise MalformedError("a number is longer than 64 bits")
    values = (data[starts] & np.uint8(127)).astype(np.uint64)
    for k in range(1, longest):
        longer = np.flatnonzero(lengths > k)
        group = (data[starts[longer] + k] & np.uint8(127)).astype(np.uint64)
        if k == 9 and group.max() > 1:
            raise MalformedError("a number is longer than 64 bits")
        values[longer] |= group << np.uint64(7 * k)
    if dtype.kind == "i":
        signed = (values >> np.uint64(1)).astype(np.int64) ^ -(values & np.uint64(1)).astype(np.int64)
        _check_range(signed, dtype)
        return signed.astype(dtype)
    _check_range(values, dtype)
    return values.astype(dtype)


def as_varints(values: NDArray) -> bytes:
    """Write integers as varints one after the other; signed ones zigzag.

    Parameters
    ----------
    values : (n,) integer array

    Returns
    -------
    bytes
    """
    if values.dtype.kind == "i":
        wide = values.astype(np.int64)
        coded = ((wide << 1) ^ (wide >> 63)).view(np.uint64)
    else:
        coded = values.astype(np.uint64)
    lengths = np.ones(len(coded), np.int64)
    for k in range(1, 10):
        lengths += coded >= np.uint64(1) << np.uint64(7 * k)
    stops = np.cumsum(lengths)
    out = np.empty(int(stops[-1]) if len(stops) else 0, np.uint8)
    for k in range(int(lengths.max(initial=0))):
        longer = np.flatnonzero(lengths > k)
        group = ((coded[longer] >> np.uint64(7 * k)) & np.uint64(127)).astype(np.uint8)
        group |= np.where(lengths[longer] > k + 1, np.uint8(128), np.uint8(0))
        out[(stops - lengths)[longer] + k] = group
    return out.tobytes()


def _check_range(values: NDArray, dtype: np.dtype[Any]) -> None:
    if values.dtype == dtype or not values.size:
        return
    limits = np.iinfo(dtype)
    if values.dtype.kind not in "iu" or int(values.min()) < limits.min or int(values.max()) > limits.max:
        raise MalformedError(f"an array holds values that are no {dtype}")
