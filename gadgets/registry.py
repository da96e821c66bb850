"""The gadgets that malibu can run, by the target name of their configuration."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel

from gadgets.errors import ParameterError
from gadgets.mrd.replay import Gadget


@dataclass(frozen=True)
class GadgetEntry:
    """How a gadget is made, and how its parameters are read.

    Attributes
    ----------
    make : callable
        Imports what it needs, and makes the gadget.
    parse : callable
        Reads configuration and overrides.
    """

    make: Callable[[], Gadget]
    parse: Callable[[ElementTree.Element | None, dict[str, str]], BaseModel]


def gadget_entry(target: str | None) -> GadgetEntry:
    """Find a gadget; without a target it is the Multitasking gadget.

    Parameters
    ----------
    target : str or None
        As in ``<execute target="…">``.

    Returns
    -------
    GadgetEntry

    Raises
    ------
    ParameterError
        If malibu has no such gadget.
    """
    name = target or "MultitaskingGadget"
    if name not in _GADGETS:
        raise ParameterError(f"malibu has no gadget {name!r}; it has {', '.join(_GADGETS)}")
    return _GADGETS[name]()


def _multitasking() -> GadgetEntry:
    from gadgets.multitasking.gadget import MultitaskingGadget
    from gadgets.multitasking.parameters import parse_parameters

    return GadgetEntry(MultitaskingGadget, parse_parameters)


def _super_resolution() -> GadgetEntry:
    from gadgets.super_resolution.gadget import SuperResolutionGadget
    from gadgets.super_resolution.parameters import parse_super_resolution

    return GadgetEntry(SuperResolutionGadget, parse_super_resolution)


_GADGETS = {"MultitaskingGadget": _multitasking, "SuperResolutionGadget": _super_resolution}
