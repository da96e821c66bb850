"""A file as ``malibu info`` shows it to somebody who wants organs outlined."""

import ismrmrd

from gadgets.image_tasks.inspection import inspect_volume, size_of
from gadgets.image_tasks.segmentation.network import ArrayOutliner
from gadgets.image_tasks.segmentation.parameters import SegmentationParameters
from gadgets.image_tasks.segmentation.work import NAME, SEGMENTATION, grid_of, padding_for
from gadgets.image_tasks.stacks import one_volume
from gadgets.image_tasks.task import TaskInfo
from gadgets.mrd.files import Source
from recon.organs.outlining import check_outlinable


def inspect_segmentation(source: Source, parameters: SegmentationParameters) -> TaskInfo:
    """Inspect an image file: its volume, and what would be refused; no network is run.

    Parameters
    ----------
    source : ImageSource or ScanFile
    parameters : SegmentationParameters

    Returns
    -------
    TaskInfo
    """
    return inspect_volume(SEGMENTATION, source, parameters, _described, ())


def _described(
    images: list[ismrmrd.Image], parameters: SegmentationParameters, network: ArrayOutliner
) -> dict[str, str]:
    stack = one_volume(images, f"the gadget of {NAME}")
    grid = grid_of(stack)
    check_outlinable(stack.voxels, grid)
    padding = padding_for(grid, network)
    return {
        "volume": size_of(stack.voxels.shape, stack.voxel_mm),
        "organs": ", ".join(network.organs[1:]),
        **({"padding": padding} if padding else {}),
    }
