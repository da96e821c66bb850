"""ISMRMRD v1's header, readouts, waveforms and images written as a stream of MRD v2."""

from collections.abc import Callable
from typing import Any

import ismrmrd

from gadgets.consoles.mrd2.header_records import record_of_header
from gadgets.consoles.mrd2.image_records import image_record, pixels_of
from gadgets.consoles.mrd2.item_records import acquisition_record, waveform_record
from gadgets.consoles.mrd2.said_once import Losses
from gadgets.consoles.mrd2.yardl.schema import ItemCase, Schema
from gadgets.consoles.mrd2.yardl.yardl_stream import StreamWriter
from gadgets.errors import StreamError


class V2Items:
    """Writes a stream in a given schema, each item as soon as it comes.

    Parameters
    ----------
    write : callable
        Takes bytes and writes all of them.
    schema : Schema
    header : ismrmrd.xsd.ismrmrdHeader or None

    Attributes
    ----------
    count : int
        Items so far.

    Raises
    ------
    StreamError
        If the schema cannot hold the header.
    """

    def __init__(self, write: Callable[[bytes | bytearray], Any], schema: Schema, header: Any) -> None:
        self._losses, self._schema = Losses(), schema
        codec = schema.header.item or schema.header
        record = None if header is None else record_of_header(header, codec, self._losses)
        self._writer = StreamWriter(write, schema, record)
        self.count = 0

    def append(self, item: Any) -> None:
        """Write a readout, waveform or image.

        Raises
        ------
        StreamError
            If the schema has no such items, or cannot hold a value.
        """
        if isinstance(item, ismrmrd.Acquisition):
            case = self._case("Acquisition")
            record = acquisition_record(item, _counts_ns(case), self._losses)
        elif isinstance(item, ismrmrd.Waveform):
            case = self._case("Waveform")
            record = waveform_record(item, _counts_ns(case), self._losses)
        else:
            case = self._case("Image", pixels_of(item).dtype)
            record = image_record(item, _meta_tags(case), self._losses)
        self._writer.item(case, record)
        self.count += 1

    def end(self) -> None:
        """Write the end mark, without which a stream is cut."""
        self._writer.end()

    def _case(self, kind: str, pixels: Any = None) -> ItemCase:
        case = self._schema.case_of(kind, pixels)
        if case is None:
            of_type = "" if pixels is None else f" of {pixels}"
            raise StreamError(f"the schema of the stream has no {kind.lower()}s{of_type}: use that of another version")
        return case


def _counts_ns(case: ItemCase) -> bool:
    head = case.codec.fields.get("head", case.codec)
    return "sampleTimeNs" in head.fields


def _meta_tags(case: ItemCase) -> list[str]:
    """Tags of the cases that a value of the Meta has."""
    values = case.codec.fields["meta"].item
    value = None if values is None else values.item
    return ["string"] if value is None or value.cases is None else [tag for tag, _ in value.cases]
