"""Numbers of an ISMRMRD header: they must be numbers, and the same ones whichever way a header came."""

import dataclasses
import struct
import typing
from collections.abc import Callable, Hashable
from functools import cache
from typing import Any

from gadgets.mrd.identifiers import KEPT
from recon.errors import DataError


def check_numbers(header: Any) -> None:
    """Make sure that there is a number wherever a reconstruction may look for one, in place.

    ismrmrd leaves text as it is where a number belongs. A number with a decimal point is taken for a whole one;
    empty elements that need not be there count as absent.

    Raises
    ------
    DataError
        Naming the element, but not what it holds.
    """
    _each(header, "", _as_number)


def as_gadgetron_writes(header: Any) -> Any:
    """Round numbers as a Gadgetron does that hands the header on, in place; return it.

    Its ISMRMRD library keeps them in single precision and writes them with six decimals, or in newer versions with
    nine digits. Rounded this way, a header is the same after both, and after neither, so that a scan that is replayed
    from a file gives the images of the console bit for bit. Numbers of up to six decimals and seven digits stay.
    """
    _each(header, "", lambda path, kind, value: _six_decimals(value) if kind is float else value)
    return header


def _six_decimals(value: float) -> float:
    try:
        return float(f"{struct.unpack('<f', struct.pack('<f', value))[0]:.6f}")
    except OverflowError:
        return value


@cache
def _number_kinds(class_: Hashable) -> dict[str, type | None]:
    """Type of each kept element of a class: int or float; None for what is neither."""
    kinds: dict[str, type | None] = {}
    hints = typing.get_type_hints(class_)
    for name in KEPT.get(getattr(class_, "__name__", ""), ()):
        inner = typing.get_args(hints[name]) or (hints[name],)
        kinds[name] = next((kind for kind in (int, float) if kind in inner), None)
    return kinds


def _each(element: Any, path: str, change: Callable[[str, type, Any], Any]) -> None:
    is_user_parameter = type(element).__name__.startswith("userParameter") and hasattr(element, "value")
    for name, kind in _number_kinds(typing.cast(Hashable, type(element))).items():
        value, here = getattr(element, name), f"{path}.{name}" if path else name
        for item in value if isinstance(value, list) else [value]:
            if dataclasses.is_dataclass(item):
                _each(item, here, change)
        if kind is None or value is None or is_user_parameter:
            continue
        if isinstance(value, list):
            setattr(element, name, [changed for item in value if (changed := change(here, kind, item)) is not None])
        else:
            setattr(element, name, change(here, kind, value))


def _as_number(path: str, kind: type, value: Any) -> Any:
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, str) and not value.strip():
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"the ISMRMRD header's {path} is not a number; correct it and try again") from None
    return int(number) if kind is int and number.is_integer() else number
