"""The perivascular gadget, by the name under which Gadgetron starts it: T2-weighted brains in, enhanced ones out."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Import the gadget, and with it the whole reconstruction, when Gadgetron asks for it."""
    if name == "PerivascularGadget":
        from gadgets.image_tasks.perivascular.gadget import PerivascularGadget

        return PerivascularGadget
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
