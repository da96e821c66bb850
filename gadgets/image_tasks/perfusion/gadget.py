"""The perfusion gadget.

Gadgetron runs it as ``python3 -m gadgetron PORT gadgets.asl AslGadget``, at the end of a stream of images.
"""

from gadgets.image_tasks.gadget import ImageTaskGadget
from gadgets.image_tasks.perfusion.work import PERFUSION


class AslGadget(ImageTaskGadget):
    """Control and label images in; the same images, blood flow and denoised blood flow out."""

    task = PERFUSION
