"""The schema that a stream carries: its JSON becomes codecs, so that every version is read by its own words."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from gadgets.consoles.mrd2.yardl import codec
from gadgets.consoles.mrd2.yardl.byte_source import MalformedError
from gadgets.consoles.mrd2.yardl.codec import Codec
from gadgets.consoles.mrd2.yardl.number_arrays import array
from gadgets.consoles.mrd2.yardl.repeated import mapping, vector

_DEEPEST = 64
"""Types within types; MRD's reach 9."""

_MOST_TYPES = 20_000
"""Types that a schema may unfold to; MRD 2.2 does to 700."""

_ACQUISITION, _WAVEFORM, _IMAGE = "Acquisition", "Waveform", "Image"


@dataclass(frozen=True)
class ItemCase:
    """One type of items that a stream may carry.

    Attributes
    ----------
    number : int
        Of the case in the union.
    tag : str
    kind : str or None
        ``Acquisition``, ``Waveform`` or ``Image``; None for items that ISMRMRD v1 does not know.
    codec : Codec
    pixels : np.dtype or None
        Of an image.
    """

    number: int
    tag: str
    kind: str | None
    codec: Codec
    pixels: np.dtype[Any] | None


@dataclass(frozen=True)
class Schema:
    """What a stream says about itself.

    Attributes
    ----------
    text : str
        The JSON, to be written back unchanged.
    header : Codec
        Of the optional header.
    cases : tuple of ItemCase
    is_union : bool
        Whether items stand after the number of their case; a stream of one type alone needs none.
    """

    text: str
    header: Codec
    cases: tuple[ItemCase, ...]
    is_union: bool

    def case_of(self, kind: str, pixels: np.dtype[Any] | None = None) -> ItemCase | None:
        """Find the case for readouts, waveforms, or images of a pixel type; None if the schema has none."""
        found = (case for case in self.cases if case.kind == kind and (pixels is None or case.pixels == pixels))
        return next(found, None)


def read_schema(text: str) -> Schema:
    """Read a schema.

    Parameters
    ----------
    text : str
        JSON as it stands at the start of a stream.

    Returns
    -------
    Schema

    Raises
    ------
    MalformedError
        If it is no schema of the protocol Mrd, or one that cannot be read.
    """
    try:
        parsed = json.loads(text)
        protocol = parsed["protocol"]
        steps = [(step["name"], step["type"]) for step in protocol["sequence"]]
        name, types = protocol["name"], _Types(parsed.get("types") or [])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedError(f"the schema cannot be read: {type(error).__name__}") from error
    if name != "Mrd" or [step for step, _ in steps] != ["header", "data"]:
        raise MalformedError(f"the stream is of the protocol {str(name)[:40]!r}, not of MRD's header and data")
    try:
        header = types.codec(steps[0][1])
        items = types.codec(steps[1][1]["stream"]["items"])
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise MalformedError(f"the schema cannot be read: {type(error).__name__}") from error
    cases = [(items.name, items)] if items.cases is None else items.cases
    return Schema(
        text, header, tuple(_case(number, *case) for number, case in enumerate(cases)), items.cases is not None
    )


def _case(number: int, tag: str, codec: Codec) -> ItemCase:
    """Name the kind by the record's type: tags changed their case, and some their names, between versions."""
    data = codec.fields.get("data")
    dtype = None if data is None else data.number
    kind = codec.name if codec.name in (_ACQUISITION, _WAVEFORM, _IMAGE) and dtype is not None else None
    if kind == _WAVEFORM and dtype != np.uint32:
        kind = None
    return ItemCase(number, tag, kind, codec, dtype if kind == _IMAGE else None)


def _primitives() -> dict[str, Codec]:
    integers = {f"uint{bits}": codec.unsigned(bits) for bits in (16, 32, 64)}
    integers |= {f"int{bits}": codec.signed(bits) for bits in (16, 32, 64)}
    return integers | {
        "bool": codec.raw("?", "?", bool),
        "int8": codec.raw("b", "i1", int),
        "uint8": codec.raw("B", "u1", int),
        "size": integers["uint64"],
        "float32": codec.raw("f", "<f4", float),
        "float64": codec.raw("d", "<f8", float),
        "complexfloat32": codec.raw_complex("f", "<c8"),
        "complexfloat64": codec.raw_complex("d", "<c16"),
        "string": codec.text(),
        "date": codec.signed(64),
        "time": codec.signed(64),
        "datetime": codec.signed(64),
    }


class _Types:
    """The named types of a schema, each made when it is first needed."""

    def __init__(self, types: list[dict[str, Any]]) -> None:
        self._named = {named["name"]: named for named in types}
        self._primitives = _primitives()
        self._made: dict[tuple[Any, ...], Codec] = {}
        self._count = self._depth = 0

    def codec(self, given: Any, arguments: dict[str, Codec] | None = None) -> Codec:
        """Codec of a type; ``arguments`` are what the parameters of the type around it stand for."""
        self._count += 1
        self._depth += 1
        if self._depth > _DEEPEST or self._count > _MOST_TYPES:
            raise MalformedError("the schema's types hold themselves, or go too deep")
        try:
            made = self._made_codec(given, arguments or {})
        finally:
            self._depth -= 1
        return made

    def _made_codec(self, given: Any, arguments: dict[str, Codec]) -> Codec:
        if isinstance(given, str):
            return arguments[given] if given in arguments else self._of_name(given, [])
        if isinstance(given, list):
            return self._choice(given, arguments)
        if "tag" in given:
            return self.codec(given["type"], arguments)
        if "name" in given:
            return self._of_name(given["name"], [self.codec(item, arguments) for item in given["typeArguments"]])
        kind, content = next(iter(given.items()))
        if kind == "map":
            return mapping(self.codec(content["keys"], arguments), self.codec(content["values"], arguments))
        item = self.codec(content["items"], arguments)
        if kind == "vector":
            return vector(item, _length(content.get("length")))
        if kind == "array":
            return array(item, _lengths(content.get("dimensions")))
        raise MalformedError(f"the schema has a type {str(kind)[:40]!r}, which is unknown here")

    def _choice(self, given: list[Any], arguments: dict[str, Codec]) -> Codec:
        if len(given) == 2 and given[0] is None:
            return codec.optional(self.codec(given[1], arguments))
        cases = [
            (_tag(case), None if case is None or _type(case) is None else self.codec(case, arguments)) for case in given
        ]
        return codec.union(cases)

    def _of_name(self, name: str, arguments: list[Codec]) -> Codec:
        if name in self._primitives:
            return self._primitives[name]
        short = name.rpartition(".")[2]
        key = (short, *(id(argument) for argument in arguments))
        if key not in self._made:
            if short not in self._named:
                raise MalformedError(f"the schema lacks the type {name[:40]!r}")
            self._made[key] = self._named_codec(short, self._named[short], arguments)
        return self._made[key]

    def _named_codec(self, name: str, definition: dict[str, Any], arguments: list[Codec]) -> Codec:
        given = dict(zip(definition.get("typeParameters", ()), arguments, strict=True))
        if "fields" in definition:
            fields = {item["name"]: self.codec(item["type"], given) for item in definition["fields"]}
            return codec.record(name, fields)
        if "values" in definition:
            symbols = {int(value["value"]): str(value["symbol"]) for value in definition["values"]}
            return codec.enumeration(self.codec(definition.get("base") or "int32"), symbols)
        return self.codec(definition["type"], given)


def _tag(case: Any) -> str:
    if isinstance(case, dict) and "tag" in case:
        return str(case["tag"])
    return str(case).rpartition(".")[2]


def _type(case: Any) -> Any:
    return case["type"] if isinstance(case, dict) and "tag" in case else case


def _lengths(dimensions: Any) -> list[int | None] | None:
    """Lengths of an array's dimensions: none given, their number, or a list in which each may have one."""
    if dimensions is None:
        return None
    if isinstance(dimensions, int):
        return [None] * min(dimensions, _DEEPEST)
    lengths = [_length(dimension.get("length")) for dimension in dimensions]
    return lengths if all(length is not None for length in lengths) else [None] * len(lengths)


def _length(given: Any) -> int | None:
    if given is not None and not (type(given) is int and given > 0):
        raise MalformedError(f"the schema has a length {str(given)[:40]!r}")
    return given
