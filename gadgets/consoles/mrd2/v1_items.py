"""A stream of MRD v2 as ISMRMRD v1 has it: header, readouts, waveforms and images, as they come."""

import struct
from collections.abc import Callable, Iterator
from typing import Any

import ismrmrd

from gadgets.consoles.mrd2.header_records import header_of_record
from gadgets.consoles.mrd2.image_records import image_of
from gadgets.consoles.mrd2.item_records import acquisition_of, waveform_of
from gadgets.consoles.mrd2.said_once import Losses
from gadgets.consoles.mrd2.yardl.byte_source import MalformedError
from gadgets.consoles.mrd2.yardl.schema import ItemCase
from gadgets.consoles.mrd2.yardl.yardl_stream import StreamReader
from gadgets.errors import StreamError, shortened

_MAKERS: dict[str, Callable[[dict[str, Any], Losses], Any]] = {
    "Acquisition": acquisition_of,
    "Waveform": waveform_of,
    "Image": image_of,
}

_UNFIT = (MalformedError, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, struct.error)
"""What a record raises that has the name of one of MRD's and other fields."""


class V1Items:
    """The items of a stream in ISMRMRD's classes; those that v1 does not know are skipped, and the log names them.

    Parameters
    ----------
    reader : StreamReader

    Attributes
    ----------
    has_header : bool
    holds_images : bool
        Whether the first item that is no waveform is an image.

    Raises
    ------
    StreamError
        If the stream holds no readouts or images, is cut or corrupt before the first of them, or its header is none
        that v1 can hold.
    """

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader
        self._losses = Losses()
        self._made = 0
        self.has_header = reader.header is not None
        self._header = self._read_header()
        self._rest = self._converted()
        self._ahead: list[Any] = []
        for item in self._rest:
            self._ahead.append(item)
            if not isinstance(item, ismrmrd.Waveform):
                break
        else:
            raise StreamError(
                f"the stream ended as it should, but none of its {reader.items_read} items is a readout or an image"
            )
        self.holds_images = isinstance(self._ahead[-1], ismrmrd.Image)

    @property
    def header(self) -> Any:
        """The header.

        Raises
        ------
        StreamError
            If the stream has none.
        """
        if self._header is None:
            raise StreamError(
                "the stream has no header (it is null), without which field of view, matrix and timing are unknown; "
                "let the program that writes the stream write one"
            )
        return self._header

    @property
    def item_count(self) -> int:
        """Readouts, waveforms and images so far."""
        return self._made

    def items(self) -> Iterator[Any]:
        """Readouts, waveforms and images in their order, once.

        Raises
        ------
        StreamError
            If the stream is cut or corrupt; the message says how many items came before.
        DataError
            If a readout cannot be used as it is.
        """
        while self._ahead:
            yield self._ahead.pop(0)
        yield from self._rest

    def _read_header(self) -> Any:
        codec, record = self._reader.schema.header, self._reader.header
        if record is None:
            return None
        try:
            return header_of_record(record, codec.item or codec, self._losses)
        except _UNFIT as error:
            raise StreamError(f"the stream's header is none of MRD's: {_reason(error)}") from error

    def _converted(self) -> Iterator[Any]:
        for case, record in self._reader.items():
            if case.kind is None:
                self._losses.say(f"items of type {case.tag[:40]} are skipped: ISMRMRD v1 has no such items")
                continue
            item = self._item(case, record)
            self._made += 1
            yield item

    def _item(self, case: ItemCase, record: Any) -> Any:
        try:
            return _MAKERS[str(case.kind)](record, self._losses)
        except _UNFIT as error:
            raise StreamError(
                f"item {self._reader.items_read} of the stream, of type {case.tag[:40]}, cannot be used: "
                f"{_reason(error)}"
            ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, MalformedError):
        return shortened(error, 200)
    return f"its fields are not those of MRD ({type(error).__name__}: {shortened(error, 100)})"
