"""The perfusion gadget, by the name under which Gadgetron starts it: control and label images in, blood flow out."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Import the gadget, and with it the whole reconstruction, when Gadgetron asks for it."""
    if name == "AslGadget":
        from gadgets.image_tasks.perfusion.gadget import AslGadget

        return AslGadget
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
