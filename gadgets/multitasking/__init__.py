"""The Multitasking gadget: ISMRMRD readouts in, image series out."""

from typing import Any

__all__ = ["MultitaskingGadget"]


def __getattr__(name: str) -> Any:
    """Import the gadget, and with it the whole reconstruction, when Gadgetron asks for it."""
    if name == "MultitaskingGadget":
        from gadgets.multitasking.gadget import MultitaskingGadget

        return MultitaskingGadget
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
