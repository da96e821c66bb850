"""Numbers of an ISMRMRD header: they must be numbers, and the same ones whichever way a header came."""

import dataclasses
import typing
from collections.abc import Callable, Hashable
from functools import cache
from typing import Any

import numpy as np

from gadgets.mrd.headers.identifiers import KEPT
from recon.errors import DataError

_LARGEST_WHOLE = 2**53
"""Whole numbers from here on are not exact in double precision, and no count of ISMRMRD comes near."""


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
    from a file gives the images of the console bit for bit. Numbers of up to six decimals and six digits stay.
    """
    _each(header, "", lambda path, kind, may_be_absent, value: _single(value) if kind is float else value)
    return header


def _single(value: float) -> float:
    """Shortest number that is the same in single precision, of six decimals."""
    with np.errstate(over="ignore"):
        return float(str(np.float32(f"{np.float32(value):.6f}")))


@cache
def _number_kinds(class_: Hashable) -> dict[str, tuple[type | None, bool]]:
    """Type of each kept element of a class, int or float or None for what is neither; and whether it may be absent."""
    kinds: dict[str, tuple[type | None, bool]] = {}
    hints = typing.get_type_hints(class_)
    for name in KEPT.get(getattr(class_, "__name__", ""), ()):
        inner = typing.get_args(hints[name]) or (hints[name],)
        is_list = typing.get_origin(hints[name]) is list
        kinds[name] = next((kind for kind in (int, float) if kind in inner), None), is_list or type(None) in inner
    return kinds


def _each(element: Any, path: str, change: Callable[[str, type, bool, Any], Any]) -> None:
    is_user_parameter = type(element).__name__.startswith("userParameter") and hasattr(element, "value")
    for name, (kind, may_be_absent) in _number_kinds(typing.cast(Hashable, type(element))).items():
        value, here = getattr(element, name), f"{path}.{name}" if path else name
        for item in value if isinstance(value, list) else [value]:
            if dataclasses.is_dataclass(item):
                _each(item, here, change)
        if kind is None or value is None or is_user_parameter:
            continue
        if isinstance(value, list):
            setattr(
                element,
                name,
                [changed for item in value if (changed := change(here, kind, may_be_absent, item)) is not None],
            )
        else:
            setattr(element, name, change(here, kind, may_be_absent, value))


def _as_number(path: str, kind: type, may_be_absent: bool, value: Any) -> Any:
    if isinstance(value, str) and not value.strip() and may_be_absent:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"the ISMRMRD header's {path} is not a number; correct it and try again") from None
    if kind is float:
        return value if isinstance(value, (int, float)) else number
    if not abs(number) < _LARGEST_WHOLE:
        raise DataError(f"the ISMRMRD header's {path} is no number that a scan can have; correct it and try again")
    return int(number) if number.is_integer() else number
