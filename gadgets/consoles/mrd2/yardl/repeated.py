"""Vectors and maps of yardl's binary format: their length, then what they hold."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gadgets.consoles.mrd2.yardl.byte_source import ByteSource, MalformedError, put_varint
from gadgets.consoles.mrd2.yardl.codec import Codec, bounded

MOST_ITEMS = 2**24
"""Longest vector or map, and most elements of an array that are no numbers; MRD's have a few."""


def vector(item: Codec, length: int | None = None) -> Codec:
    """Lists, of a fixed length or after it."""
    read_items, write_item = _items_reader(item), item.write

    def read(source: ByteSource) -> list[Any]:
        count = source.varint() if length is None else length
        if count > MOST_ITEMS:
            raise MalformedError(f"a vector claims {count} elements")
        return read_items(source, count)

    def write(out: bytearray, value: Sequence[Any]) -> None:
        if length is None:
            put_varint(out, len(value))
        elif len(value) != length:
            raise MalformedError(f"a vector has {len(value)} elements instead of {length}")
        for element in value:
            write_item(out, element)

    def default() -> list[Any]:
        return [item.default() for _ in range(length or 0)]

    smallest = 1 if length is None else bounded(length * item.smallest)
    return Codec(read, write, smallest, default, item=item)


def _items_reader(item: Codec) -> Callable[[ByteSource, int], list[Any]]:
    """How some values of one type are read; numbers in one go."""
    read_item, number = item.read, item.number
    if number is not None and number.kind == "f":
        return lambda source, count: np.frombuffer(source.take(count * number.itemsize), number).tolist()
    if not item.is_varint or number is None:
        return lambda source, count: [read_item(source) for _ in range(count)]
    small = [(byte >> 1) ^ -(byte & 1) if number.kind == "i" else byte for byte in range(128)]

    def read(source: ByteSource, count: int) -> list[Any]:
        values = source.data[source.place : source.place + count]
        if len(values) == count and values.isascii():  # as most counters: all of one byte
            source.place += count
            return [small[value] for value in values]
        return [read_item(source) for _ in range(count)]

    return read


def mapping(key: Codec, value: Codec) -> Codec:
    """Dictionaries."""
    if key.number is None and key.fields:
        raise MalformedError("keys of a map are records")

    def read(source: ByteSource) -> dict[Any, Any]:
        count = source.varint()
        if count > MOST_ITEMS:
            raise MalformedError(f"a map claims {count} entries")
        try:
            return {key.read(source): value.read(source) for _ in range(count)}
        except TypeError as error:
            raise MalformedError("keys of a map can be no keys") from error

    def write(out: bytearray, values: dict[Any, Any]) -> None:
        put_varint(out, len(values))
        for name, item in values.items():
            key.write(out, name)
            value.write(out, item)

    return Codec(read, write, 1, dict, item=value)
