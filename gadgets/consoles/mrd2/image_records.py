"""Images: records of MRD v2 become objects of ISMRMRD v1, and the reverse."""

import math
import struct
import xml.etree.ElementTree as ElementTree
from typing import Any

import ismrmrd
import numpy as np

from gadgets.consoles.mrd2 import units
from gadgets.consoles.mrd2.item_records import directions, index, note_unheld, padded
from gadgets.consoles.mrd2.said_once import Losses
from gadgets.consoles.mrd2.xml_texts import xml_text
from gadgets.consoles.mrd2.yardl.byte_source import MalformedError

_HEAD = struct.Struct("<HHQI3H12sH60s6HI3I3H8i8fI")
"""ISMRMRD's ImageHeader: 198 bytes without padding."""

PIXEL_TYPES: dict[np.dtype[Any], int] = {
    np.dtype("<u2"): ismrmrd.DATATYPE_USHORT,
    np.dtype("<i2"): ismrmrd.DATATYPE_SHORT,
    np.dtype("<u4"): ismrmrd.DATATYPE_UINT,
    np.dtype("<i4"): ismrmrd.DATATYPE_INT,
    np.dtype("<f4"): ismrmrd.DATATYPE_FLOAT,
    np.dtype("<f8"): ismrmrd.DATATYPE_DOUBLE,
    np.dtype("<c8"): ismrmrd.DATATYPE_CXFLOAT,
    np.dtype("<c16"): ismrmrd.DATATYPE_CXDOUBLE,
}
"""Numbers of ISMRMRD v1 for its pixel types."""

_VECTORS = ("position", "colDir", "lineDir", "sliceDir", "patientTablePosition")
"""v1 calls the second and third read_dir and phase_dir."""
_COUNTERS = ("average", "slice", "contrast", "phase", "repetition", "set")
_NUMBERS = ("imageIndex", "imageSeriesIndex")
_USERS = 8
_STAMPS = 3
_HELD = {
    "flags", "measurementUid", "fieldOfView", "acquisitionTimeStamp", "acquisitionTimeStampNs", "physiologyTimeStamp",
    "physiologyTimeStampNs", "imageType", "userInt", "userFloat", "data", "meta", *_VECTORS, *_COUNTERS, *_NUMBERS,
}  # fmt: skip


def image_of(record: dict[str, Any], losses: Losses) -> ismrmrd.Image:
    """Make an image of v1 from a record of v2.

    Parameters
    ----------
    record : dict
        With ``data`` (channel, z, y, x), ``meta``, and the head's fields under ``head`` or beside them.
    losses : Losses

    Returns
    -------
    ismrmrd.Image

    Raises
    ------
    MalformedError
        If its parts do not fit v1.
    """
    head, data = record.get("head", record), record["data"]
    note_unheld(head, _HELD, losses)
    if data.ndim != 4:
        raise MalformedError("the data of an image are not channel × z × y × x")
    attributes = _attributes(record["meta"], losses)
    channels, *matrix = (index(length, "a length of the matrix") for length in data.shape)
    packed = _HEAD.pack(
        1,
        PIXEL_TYPES[data.dtype],
        head["flags"],
        head["measurementUid"],
        *reversed(matrix),
        directions(head, ("fieldOfView",)),
        channels,
        directions(head, _VECTORS),
        *(index(head[name], name) for name in _COUNTERS),
        units.ticks(head, "acquisitionTimeStamp", losses),
        *padded(units.many_ticks(head, "physiologyTimeStamp", losses), _STAMPS, "physiologyTimeStamp", losses),
        index(head["imageType"], "imageType"),
        *(index(head[name], name) for name in _NUMBERS),
        *padded(head["userInt"], _USERS, "userInt", losses),
        *padded(head["userFloat"], _USERS, "userFloat", losses),
        len(attributes.encode()),
    )
    image = ismrmrd.Image(ismrmrd.ImageHeader.from_buffer_copy(packed), attributes)
    image.data[:] = data
    return image


def _attributes(meta: dict[str, list[tuple[int, Any]]], losses: Losses) -> str:
    """Text of v1 for the values of v2: texts as they are, numbers in the fewest digits that give them again."""
    if not meta:
        return ""
    texts = {
        xml_text(name, losses): [
            xml_text(value if isinstance(value, str) else repr(value), losses) for _, value in values
        ]
        for name, values in meta.items()
    }
    return ismrmrd.Meta(texts).serialize()


def image_record(image: ismrmrd.Image, tags: list[str], losses: Losses) -> dict[str, Any]:
    """Make a record of v2 from an image of v1; its fields serve every version of the schema.

    Parameters
    ----------
    image : ismrmrd.Image
    tags : list of str
        Cases that the schema has for a value of the Meta.
    losses : Losses

    Returns
    -------
    dict
    """
    values: Any
    _, _, flags, uid, *values = _HEAD.unpack(bytes(image.getHead()))
    fov, _, vectors, *values = values[3:]
    counters, values = values[: len(_COUNTERS)], values[len(_COUNTERS) :]
    stamp, physiology, values = values[0], values[1 : 1 + _STAMPS], values[1 + _STAMPS :]
    image_type, numbers, values = values[0], values[1:3], values[3:]
    head = {
        "flags": flags,
        "measurementUid": uid,
        "fieldOfView": np.frombuffer(fov, "<f4"),
        **dict(zip(_VECTORS, np.frombuffer(vectors, "<f4").reshape(5, 3), strict=True)),
        **dict(zip(_COUNTERS, counters, strict=True)),
        **units.both_stamps("acquisitionTimeStamp", stamp),
        **units.both_stamps("physiologyTimeStamp", physiology),
        "imageType": image_type,
        **dict(zip(_NUMBERS, numbers, strict=True)),
        "userInt": values[:_USERS],
        "userFloat": values[_USERS : 2 * _USERS],
    }
    meta = _meta(image.attribute_string, tags, losses)
    return {"head": head, "data": pixels_of(image), "meta": meta, **head}


def pixels_of(image: ismrmrd.Image) -> Any:
    """Pixels in the type that the head names; ismrmrd holds int32 in 64 bits."""
    dtype: np.dtype[Any] = next(dtype for dtype, number in PIXEL_TYPES.items() if number == image.data_type)
    return np.asarray(image.data, dtype)


def _meta(attributes: str, tags: list[str], losses: Losses) -> dict[str, list[tuple[int, Any]]]:
    """Values of the Meta with their cases: numbers where v1's text is the number's own, so that it comes back."""
    text = attributes.rstrip("\0")
    if not text.strip():
        return {}
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - of an image that malibu or its user holds
    except ElementTree.ParseError:
        losses.say("attributes of an image that are no ISMRMRD Meta are left out, as MRD v2 cannot hold them")
        return {}
    cases = {tag.lower(): number for number, tag in enumerate(tags)}
    meta: dict[str, list[tuple[int, Any]]] = {}
    for entry in root.iter("meta"):
        values = [_typed(value.text or "", cases) for value in entry.findall("value")]
        meta.setdefault(entry.findtext("name") or "", []).extend(values)
    return meta


def _typed(text: str, cases: dict[str, int]) -> tuple[int, Any]:
    for tag, kind in (("int64", int), ("float64", float)):
        try:
            value = kind(text)
        except ValueError:
            continue
        fits = -(2**63) <= value < 2**63 if kind is int else math.isfinite(value)
        if tag in cases and fits and repr(value) == text:
            return cases[tag], value
    return cases["string"], text
