"""The Multitasking gadget: ISMRMRD readouts in, image series out."""

from typing import Any

__all__ = ["MultitaskingGadget", "SharingGadget", "SliceGadget"]


def __getattr__(name: str) -> Any:
    """Import a gadget, and with it the whole reconstruction, when Gadgetron asks for it."""
    if name == "MultitaskingGadget":
        from gadgets.multitasking.gadget import MultitaskingGadget

        return MultitaskingGadget
    if name == "SharingGadget":
        from gadgets.multitasking.slices.sharing_gadget import SharingGadget

        return SharingGadget
    if name == "SliceGadget":
        from gadgets.multitasking.slices.slice_gadget import SliceGadget

        return SliceGadget
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
