"""The gadgets that malibu can run, by the target name of their configuration."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from gadgets.configuration import executed_gadget
from gadgets.errors import ParameterError, ScanFileError
from gadgets.mrd.files import ImageSource, Source
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
    inspect : callable
        Says what a file holds and what the gadget would do with it: ``properties``, ``problems`` and ``plan``.
    at_once : mapping of str to str, or None
        Parameters of an answer within seconds, where the one that was asked for comes later; None: there is none.
    """

    make: Callable[[], Gadget]
    parse: Callable[[ElementTree.Element | None, dict[str, str]], BaseModel]
    inspect: Callable[[Any, Any], Any]
    at_once: Mapping[str, str] | None = None


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
    if name not in GADGETS:
        raise ParameterError(f"malibu has no gadget {name!r}; it has {', '.join(GADGETS)}")
    return GADGETS[name]()


def gadget_for(document: str | None, source: Source) -> str:
    """Name the gadget that a file is for.

    Parameters
    ----------
    document : str or None
        The user's configuration; None: only the super-resolution gadget takes images, and Cartesian readouts.
    source : ScanFile or ImageSource

    Returns
    -------
    str

    Raises
    ------
    ScanFileError
        If the configuration is of a gadget that takes no images, and the file holds images.
    """
    return gadget_of_items(document, source.header, isinstance(source, ImageSource))


def gadget_of_items(document: str | None, header: Any, is_images: bool) -> str:
    """Name the gadget for what a stream or file holds, as :func:`gadget_for`.

    Parameters
    ----------
    document : str or None
    header : ismrmrd.xsd.ismrmrdHeader
    is_images : bool
        Whether it holds images instead of readouts.
    """
    if document is None:
        trajectory = header.encoding[0].trajectory if header.encoding else None
        is_cartesian = str(getattr(trajectory, "value", trajectory)) == "cartesian"
        return "SuperResolutionGadget" if is_images or is_cartesian else "MultitaskingGadget"
    target = executed_gadget(document) or "MultitaskingGadget"
    if is_images and target == "MultitaskingGadget":
        raise ScanFileError(
            "the file holds images, but the configuration is of MultitaskingGadget, which takes readouts"
        )
    return target


def _multitasking() -> GadgetEntry:
    from gadgets.multitasking.gadget import MultitaskingGadget
    from gadgets.multitasking.inspection import inspect
    from gadgets.multitasking.parameters import parse_parameters

    fast = {"reconstruction": "mdcn", "consistency_steps": "0", "fast_first": "false"}
    return GadgetEntry(MultitaskingGadget, parse_parameters, inspect, fast)


def _super_resolution() -> GadgetEntry:
    from gadgets.super_resolution.gadget import SuperResolutionGadget
    from gadgets.super_resolution.inspection import inspect_volumes
    from gadgets.super_resolution.parameters import parse_super_resolution

    return GadgetEntry(SuperResolutionGadget, parse_super_resolution, inspect_volumes)


def _perfusion() -> GadgetEntry:
    from gadgets.image_tasks.perfusion.gadget import AslGadget
    from gadgets.image_tasks.perfusion.inspection import inspect_perfusion
    from gadgets.image_tasks.perfusion.parameters import parse_perfusion

    return GadgetEntry(AslGadget, parse_perfusion, inspect_perfusion)


def _perivascular() -> GadgetEntry:
    from gadgets.image_tasks.perivascular.gadget import PerivascularGadget
    from gadgets.image_tasks.perivascular.inspection import inspect_perivascular
    from gadgets.image_tasks.perivascular.parameters import parse_perivascular

    return GadgetEntry(PerivascularGadget, parse_perivascular, inspect_perivascular)


def _segmentation() -> GadgetEntry:
    from gadgets.image_tasks.segmentation.gadget import SegmentationGadget
    from gadgets.image_tasks.segmentation.inspection import inspect_segmentation
    from gadgets.image_tasks.segmentation.parameters import parse_segmentation

    return GadgetEntry(SegmentationGadget, parse_segmentation, inspect_segmentation)


GADGETS = {
    "MultitaskingGadget": _multitasking,
    "SuperResolutionGadget": _super_resolution,
    "AslGadget": _perfusion,
    "PerivascularGadget": _perivascular,
    "SegmentationGadget": _segmentation,
}
