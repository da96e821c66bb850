"""The segmentation gadget, by the name under which Gadgetron starts it: abdomens in, organs out."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Import the gadget, and with it the whole reconstruction, when Gadgetron asks for it."""
    if name == "SegmentationGadget":
        from gadgets.image_tasks.segmentation.gadget import SegmentationGadget

        return SegmentationGadget
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
