"""The Multitasking gadget: ISMRMRD readouts in, image series out."""

from typing import Any

__all__ = ["MultitaskingGadget"]


def __getattr__(name: str) -> Any:
    """Import the gadget when Gadgetron asks for it: its parameters alone need neither SigPy nor torch."""
    if name == "MultitaskingGadget":
        from gadgets.multitasking.gadget import MultitaskingGadget

        return MultitaskingGadget
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
