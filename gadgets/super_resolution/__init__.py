"""The super-resolution gadget: images or Cartesian readouts in, restored volumes out."""

from typing import Any

__all__ = ["SuperResolutionGadget"]


def __getattr__(name: str) -> Any:
    """Import the gadget, and with it the whole reconstruction, when Gadgetron asks for it."""
    if name == "SuperResolutionGadget":
        from gadgets.super_resolution.gadget import SuperResolutionGadget

        return SuperResolutionGadget
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
