"""The header: MRD v2's record becomes an ISMRMRD header, and the reverse, field by field by their names."""

import base64
import binascii
import dataclasses
import typing
from datetime import date
from enum import Enum
from typing import Any

import ismrmrd
from xsdata.models.datatype import XmlDate, XmlTime

from gadgets.consoles.mrd2.said_once import Losses
from gadgets.consoles.mrd2.xml_texts import xml_text
from gadgets.consoles.mrd2.yardl.byte_source import MalformedError
from gadgets.consoles.mrd2.yardl.codec import Codec
from gadgets.mrd.header import as_carried

_EPOCH = date(1970, 1, 1).toordinal()
_SECOND_NS = 1_000_000_000


def _plain(name: str) -> str:
    """A name without the case and underscores in which v1 and v2 differ: echo_spacing and echoSpacing are one."""
    return name.replace("_", "").lower()


def header_of_record(record: dict[str, Any], codec: Codec, losses: Losses) -> Any:
    """Make an ISMRMRD header.

    Parameters
    ----------
    record : dict
    codec : Codec
        Of the record.
    losses : Losses

    Returns
    -------
    ismrmrd.xsd.ismrmrdHeader

    Raises
    ------
    MalformedError
        If a required element is missing, or of another kind.
    """
    return _element(ismrmrd.xsd.ismrmrdHeader, record, codec, losses)


def _element(kind: Any, record: dict[str, Any], codec: Codec, losses: Losses) -> Any:
    """An object of one of ismrmrd.xsd's classes."""
    hints = typing.get_type_hints(kind)
    names = {_plain(name): name for name in codec.fields}
    values = {}
    for field in dataclasses.fields(kind):
        name = names.pop(_plain(field.name), None)
        if name is not None and record[name] is not None:
            values[field.name] = _v1_value(hints[field.name], record[name], _inner(codec.fields[name]), losses)
    for name in names.values():
        if record[name]:
            losses.say(f"header: ISMRMRD v1 has no {codec.name}.{name}; it is left out")
    try:
        return kind(**values)
    except TypeError as error:
        missing = str(error).rpartition(":")[2].strip()
        raise MalformedError(f"the header lacks {codec.name}: {missing}") from error


def _inner(codec: Codec) -> Codec:
    """What an optional value or the items of a vector are."""
    return codec if codec.item is None else codec.item


def _classes(hint: Any) -> tuple[Any, ...]:
    """Classes that a type hint allows, None left out."""
    return tuple(item for item in typing.get_args(hint) if item is not type(None)) or (hint,)


def _v1_value(hint: Any, value: Any, codec: Codec, losses: Losses) -> Any:
    kind = _classes(hint)[0]
    if isinstance(value, list):
        return [_v1_value(kind, item, codec, losses) for item in value]
    if dataclasses.is_dataclass(kind):
        return _element(kind, value, codec, losses)
    if codec.symbols:
        return _v1_symbol(kind, codec.symbols.get(value, ""), losses)
    if kind is XmlDate:
        return XmlDate.from_date(date.fromordinal(_EPOCH + value))
    if kind is XmlTime:
        seconds, fraction = divmod(value, _SECOND_NS)
        return XmlTime(seconds // 3600, seconds // 60 % 60, seconds % 60, fraction)
    if kind is bytes:
        return _decoded(value, losses)
    if isinstance(value, str):
        return xml_text(value, losses)
    return as_carried(value) if kind is float and codec.number is not None and codec.number.itemsize == 4 else value


def _v1_symbol(kind: Any, symbol: str, losses: Losses) -> Any:
    if kind is str:
        return symbol.upper()  # patientGender: M, F, O
    found = [member for member in kind if _plain(member.value) == _plain(symbol)]
    if not found:
        raise MalformedError(f"the header has a {kind.__name__} that ISMRMRD v1 does not know: {symbol[:40]!r}")
    return found[0]


def _decoded(text: str, losses: Losses) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        losses.say("header: a base64 parameter that is no base64 becomes its characters")
        return text.encode()


def record_of_header(header: Any, codec: Codec, losses: Losses) -> dict[str, Any]:
    """Make a record of MRD v2 from an ISMRMRD header.

    Parameters
    ----------
    header : ismrmrd.xsd.ismrmrdHeader
    codec : Codec
        Of the record, by a schema.
    losses : Losses

    Returns
    -------
    dict
    """
    names = {_plain(name): name for name in codec.fields}
    values: dict[str, Any] = {}
    for field in dataclasses.fields(header):
        value, name = getattr(header, field.name), names.get(_plain(field.name))
        if name is None:
            if value not in (None, []):
                losses.say(f"header: this schema has no {codec.name}.{field.name}; it is left out")
        elif value is not None:
            values[name] = _v2_value(value, _inner(codec.fields[name]), losses)
    return values


def _v2_value(value: Any, codec: Codec, losses: Losses) -> Any:
    if isinstance(value, list):
        return [_v2_value(item, codec, losses) for item in value]
    if dataclasses.is_dataclass(value):
        return record_of_header(value, codec, losses)
    if codec.symbols:
        return _v2_symbol(value.value if isinstance(value, Enum) else str(value), codec, losses)
    if isinstance(value, XmlDate):
        return value.to_date().toordinal() - _EPOCH
    if isinstance(value, XmlTime):
        seconds = value.hour * 3600 + value.minute * 60 + value.second
        if value.offset is not None:
            losses.say("header: time zones are left out, which MRD v2 does not hold")
        return seconds * _SECOND_NS + value.fractional_second
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _v2_symbol(name: str, codec: Codec, losses: Losses) -> int:
    for number, symbol in codec.symbols.items():
        if _plain(symbol) == _plain(name):
            return number
    losses.say(f"header: this schema has no {name!r} in its {codec.name or 'enumeration'}; its default stands there")
    return codec.default()
