"""The super-resolution gadget: images or Cartesian readouts in, restored volumes out."""

from typing import Any

__all__ = ["SuperResolutionGadget"]


def __getattr__(name: str) -> Any:
    """Import the gadget when Gadgetron asks for it: its parameters alone need neither SigPy nor torch."""
    if name == "SuperResolutionGadget":
        from gadgets.super_resolution.gadget import SuperResolutionGadget

        return SuperResolutionGadget
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
