"""The perivascular gadget.

Gadgetron runs it as ``python3 -m gadgetron PORT gadgets.perivascular PerivascularGadget``, at the end of a stream of
images.
"""

from gadgets.image_tasks.gadget import ImageTaskGadget
from gadgets.image_tasks.perivascular.work import PERIVASCULAR


class PerivascularGadget(ImageTaskGadget):
    """A T2-weighted brain in; the same images, enhanced ones, a map of perivascular spaces and their number out."""

    task = PERIVASCULAR
