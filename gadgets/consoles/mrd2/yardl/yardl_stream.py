"""A whole MRD v2 stream: magic, schema, header, items; read item by item, and written likewise."""

import struct
from collections.abc import Callable, Iterator
from typing import Any

from gadgets.consoles.mrd2.yardl.byte_source import ByteSource, EndedError, MalformedError, put_varint
from gadgets.consoles.mrd2.yardl.schema import ItemCase, Schema, read_schema
from gadgets.errors import StreamError, shortened

_MAGIC = b"yardl"
_VERSION = 1
_HDF5 = b"\x89HDF\r\n\x1a\n"
_LONGEST_SCHEMA = 2**22
"""That of MRD 2.2 has 25,152 bytes."""


class StreamReader:
    """Reads a stream; opened, it has read the header.

    Parameters
    ----------
    read : callable
        Takes a number of bytes and returns at most as many, none at the end.

    Attributes
    ----------
    schema : Schema
    header : dict or None
        The header's record.
    items_read : int
        How many items came so far.

    Raises
    ------
    StreamError
        If it is empty, no MRD v2 stream, an ISMRMRD v1 file, or cut.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._source = ByteSource(read)
        self.items_read = 0
        self._check_magic()
        self.schema: Schema = self._guarded("schema", self._schema)
        self.header: dict[str, Any] | None = self._guarded("header", lambda: self.schema.header.read(self._source))

    def _check_magic(self) -> None:
        start = b""
        try:
            while len(start) < len(_MAGIC):
                start += self._source.take(1)
        except EndedError:
            pass
        if not start:
            raise StreamError("the input is empty: nothing came where an MRD v2 stream should be")
        if start == _HDF5[: len(start)]:
            raise StreamError(
                "the input is an HDF5 file, as ISMRMRD v1 has them, and no MRD v2 stream: "
                "use malibu replay FILE, or malibu convert FILE OUT.mrd"
            )
        if start != _MAGIC:
            if _MAGIC.startswith(start):
                raise StreamError("the stream was cut within its first bytes, before any item")
            raise StreamError(f"the input is no MRD v2 stream: it starts with {start!r} instead of {_MAGIC!r}")

    def _schema(self) -> Schema:
        (version,) = struct.unpack("<I", self._source.take(4))
        if version != _VERSION:
            raise MalformedError(f"the stream has format {version} of yardl; malibu reads {_VERSION}")
        length = self._source.varint()
        if length > _LONGEST_SCHEMA:
            raise MalformedError(f"the schema claims {length} bytes")
        try:
            return read_schema(self._source.take(length).decode())
        except UnicodeDecodeError as error:
            raise MalformedError("the schema is no text") from error

    def items(self) -> Iterator[tuple[ItemCase, Any]]:
        """Read the items up to the end of the stream.

        Yields
        ------
        ItemCase
        record

        Raises
        ------
        StreamError
            If the stream is cut or corrupt; the message says how many items came before.
        """
        while count := self._guarded("item", self._source.varint):
            for _ in range(count):
                item = self._guarded("item", self._item)
                self.items_read += 1
                yield item

    def _item(self) -> tuple[ItemCase, Any]:
        number = self._source.take(1)[0] if self.schema.is_union else 0
        if number >= len(self.schema.cases):
            raise MalformedError(f"it is of type {number}, but the schema has {len(self.schema.cases)}")
        case = self.schema.cases[number]
        return case, case.codec.read(self._source)

    def _guarded(self, what: str, read: Callable[[], Any]) -> Any:
        """Read, and say in one line what failed."""
        named = f"item {self.items_read + 1}" if what == "item" else f"the {what}"
        try:
            return read()
        except EndedError as error:
            place = f"after {self.items_read} items" if what == "item" else f"within the {what}, before any item"
            raise StreamError(
                f"the stream was cut {place}: it ends without its end mark; the program that writes it failed or "
                "was stopped"
            ) from error
        except MalformedError as error:
            raise StreamError(f"the stream is corrupt: {named}: {shortened(error, 200)}") from error


class StreamWriter:
    """Writes a stream, each item as soon as it is given.

    Parameters
    ----------
    write : callable
        Takes bytes and writes all of them.
    schema : Schema
    header : dict or None
        The header's record.

    Raises
    ------
    StreamError
        If the schema cannot hold the header.
    """

    def __init__(
        self, write: Callable[[bytes | bytearray], Any], schema: Schema, header: dict[str, Any] | None
    ) -> None:
        self._write, self.schema = write, schema
        text = schema.text.encode()
        out = bytearray(_MAGIC + struct.pack("<I", _VERSION))
        put_varint(out, len(text))
        out += text
        self._encode(schema.header.write, out, header)
        write(out)

    def item(self, case: ItemCase, record: dict[str, Any]) -> None:
        """Write one item.

        Raises
        ------
        StreamError
            If the schema cannot hold a value of it.
        """
        out = bytearray((1, case.number) if self.schema.is_union else (1,))
        self._encode(case.codec.write, out, record)
        self._write(out)

    def end(self) -> None:
        """Write the end mark, without which a stream is cut."""
        self._write(b"\0")

    @staticmethod
    def _encode(write: Callable[[bytearray, Any], None], out: bytearray, value: Any) -> None:
        try:
            write(out, value)
        except MalformedError as error:
            raise StreamError(f"MRD v2 cannot hold it: {shortened(error, 200)}") from error
