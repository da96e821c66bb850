"""The segmentation gadget.

Gadgetron runs it as ``python3 -m gadgetron PORT gadgets.segmentation SegmentationGadget``, at the end of a stream of
images.
"""

from gadgets.image_tasks.gadget import ImageTaskGadget
from gadgets.image_tasks.segmentation.work import SEGMENTATION


class SegmentationGadget(ImageTaskGadget):
    """A volume of the abdomen in; the same images, a map of its organs and their volumes out."""

    task = SEGMENTATION
