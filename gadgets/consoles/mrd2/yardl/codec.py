"""Values of yardl's binary format: numbers, texts, records, optional and repeated values, as Python holds them.

Encoding as Microsoft's yardl writes it: integers of more than 8 bits as varints, signed ones zigzag (0, -1, 1, -2 are
0, 1, 2, 3); floating point raw; texts, vectors and maps after their length; optional values after 0 or 1; unions after
the number of their case. Records are dicts, unions pairs of case and value, enumerations and flags integers, dates
days since 1970, times nanoseconds.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gadgets.consoles.mrd2.yardl.byte_source import ByteSource, MalformedError, put_varint

_LARGEST_RECORD = 2**20
"""Least bytes of a record above which a schema is not believed."""


@dataclass(frozen=True, eq=False)
class Codec:
    """How values of one type are read and written.

    Attributes
    ----------
    read : callable
        Takes the value from a :class:`ByteSource`.
    write : callable
        Appends a value to a bytearray.
    smallest : int
        Least bytes that a value takes, at least 1.
    default : callable
        Makes the value that a record has where nobody sets one.
    number : np.dtype or None
        Of numbers, and of the elements of arrays of numbers.
    is_varint : bool
        Whether such numbers are varints, zigzag if the dtype is signed.
    name : str
        Of a record's type, without package and type arguments.
    fields : dict of str to Codec
        Of a record.
    cases : sequence of (str, Codec) or None
        Tags and codecs of a union.
    symbols : dict of int to str
        Names of an enumeration's values.
    item : Codec or None
        Of the elements of a vector, or of an optional value.
    """

    read: Callable[[ByteSource], Any]
    write: Callable[[bytearray, Any], None]
    smallest: int
    default: Callable[[], Any]
    number: np.dtype[Any] | None = None
    is_varint: bool = False
    name: str = ""
    fields: dict[str, "Codec"] = field(default_factory=dict)
    cases: Sequence[tuple[str, "Codec"]] | None = None
    symbols: dict[int, str] = field(default_factory=dict)
    item: "Codec | None" = None


def unsigned(bits: int) -> Codec:
    """Unsigned integers."""
    limit = 2**bits

    def read(source: ByteSource) -> int:
        place = source.place
        if place < len(source.data):
            byte = source.data[place]
            if byte < 128:
                source.place = place + 1
                return byte
        value = source.varint()
        if value >= limit:
            raise MalformedError(f"{value} is no unsigned number of {bits} bits")
        return value

    def write(out: bytearray, value: int) -> None:
        if 0 <= value < 128:
            out.append(value)
        elif 0 <= value < limit:
            put_varint(out, int(value))
        else:
            raise MalformedError(f"{value} is no unsigned number of {bits} bits")

    return Codec(read, write, 1, int, np.dtype(f"<u{bits // 8}"), is_varint=True)


def signed(bits: int) -> Codec:
    """Signed integers, zigzag."""
    limit = 2 ** (bits - 1)

    def read(source: ByteSource) -> int:
        value = source.varint()
        value = (value >> 1) ^ -(value & 1)
        if not -limit <= value < limit:
            raise MalformedError(f"{value} is no signed number of {bits} bits")
        return value

    def write(out: bytearray, value: int) -> None:
        if not -limit <= value < limit:
            raise MalformedError(f"{value} is no signed number of {bits} bits")
        value = int(value)
        put_varint(out, 2 * value if value >= 0 else -2 * value - 1)

    return Codec(read, write, 1, int, np.dtype(f"<i{bits // 8}"), is_varint=True)


def raw(code: str, dtype: str, default: Callable[[], Any]) -> Codec:
    """Numbers of a fixed size, as ``struct`` names them."""
    packing = struct.Struct("<" + code)
    size = packing.size

    def read(source: ByteSource) -> Any:
        if source.place + size > len(source.data):
            source.need(size)
        place = source.place
        source.place = place + size
        return packing.unpack_from(source.data, place)[0]

    def write(out: bytearray, value: Any) -> None:
        try:
            out += packing.pack(value)
        except (struct.error, OverflowError, TypeError) as error:
            raise MalformedError(f"{value!r:.40} is no number of type {np.dtype(dtype)}") from error

    return Codec(read, write, size, default, np.dtype(dtype))


def raw_complex(code: str, dtype: str) -> Codec:
    """Complex numbers: real and imaginary part."""
    part = raw(code, f"<f{np.dtype(dtype).itemsize // 2}", float)

    def write(out: bytearray, value: complex) -> None:
        part.write(out, value.real)
        part.write(out, value.imag)

    return Codec(
        lambda source: complex(part.read(source), part.read(source)), write, 2 * part.smallest, complex, np.dtype(dtype)
    )


def text() -> Codec:
    """Texts in UTF-8."""

    def read(source: ByteSource) -> str:
        try:
            return source.take(source.varint()).decode()
        except UnicodeDecodeError as error:
            raise MalformedError("a text is not UTF-8") from error

    def write(out: bytearray, value: str) -> None:
        data = value.encode(errors="replace")
        put_varint(out, len(data))
        out += data

    return Codec(read, write, 1, str)


def optional(item: Codec) -> Codec:
    """None, or a value."""
    read_item, write_item = item.read, item.write

    def read(source: ByteSource) -> Any:
        if source.place == len(source.data):
            source.need(1)
        flag = source.data[source.place]
        source.place += 1
        if flag > 1:
            raise MalformedError(f"an optional value starts with {flag} instead of 0 or 1")
        return read_item(source) if flag else None

    def write(out: bytearray, value: Any) -> None:
        if value is None:
            out.append(0)
        else:
            out.append(1)
            write_item(out, value)

    return Codec(read, write, 1, lambda: None, item=item)


def union(cases: Sequence[tuple[str, Codec | None]]) -> Codec:
    """One of several types; None where a case is null."""

    def read(source: ByteSource) -> tuple[int, Any] | None:
        number = source.take(1)[0]
        if number >= len(cases):
            raise MalformedError(f"a value is of case {number} of {len(cases)}")
        codec = cases[number][1]
        return None if codec is None else (number, codec.read(source))

    def write(out: bytearray, value: tuple[int, Any] | None) -> None:
        number = next(i for i, case in enumerate(cases) if case[1] is None) if value is None else value[0]
        out.append(number)
        codec = cases[number][1]
        if value is not None and codec is not None:
            codec.write(out, value[1])

    def default() -> Any:
        first = cases[0][1]
        return None if first is None else (0, first.default())

    return Codec(read, write, 1, default, cases=[(tag, codec or optional(unsigned(8))) for tag, codec in cases])


def record(name: str, fields: dict[str, Codec]) -> Codec:
    """Records as dicts; a field that a written dict lacks gets its default, one too many is left out."""
    readers = [(field_name, codec.read) for field_name, codec in fields.items()]
    writers = list(fields.items())

    def read(source: ByteSource) -> dict[str, Any]:
        return {field_name: read_field(source) for field_name, read_field in readers}

    def write(out: bytearray, value: dict[str, Any]) -> None:
        for field_name, codec in writers:
            codec.write(out, value[field_name] if field_name in value else codec.default())

    def default() -> dict[str, Any]:
        return {field_name: codec.default() for field_name, codec in writers}

    smallest = bounded(sum(codec.smallest for codec in fields.values()))
    return Codec(read, write, smallest, default, name=name, fields=fields)


def enumeration(base: Codec, symbols: dict[int, str]) -> Codec:
    """Integers with names; values without one pass, as in yardl."""
    first = next(iter(symbols), 0)
    return Codec(base.read, base.write, base.smallest, lambda: first, base.number, base.is_varint, symbols=symbols)


def bounded(smallest: int) -> int:
    """Give the least bytes of a type, if it takes any, and not unbelievably many.

    Raises
    ------
    MalformedError
    """
    if not 1 <= smallest <= _LARGEST_RECORD:
        raise MalformedError(f"a type takes at least {smallest} bytes")
    return smallest
