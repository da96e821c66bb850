"""A file as ``malibu info`` shows it to somebody who looks for perivascular spaces."""

import ismrmrd

from gadgets.image_tasks.inspection import inspect_volume, size_of
from gadgets.image_tasks.perivascular.network import ArrayEnhancer
from gadgets.image_tasks.perivascular.parameters import PerivascularParameters
from gadgets.image_tasks.perivascular.series import NEEDS_NETWORK
from gadgets.image_tasks.perivascular.work import PERIVASCULAR, brain_of
from gadgets.image_tasks.task import TaskInfo
from gadgets.mrd.files import Source
from recon.perivascular.masked_volume import check_mask, check_volume
from recon.perivascular.white_matter import find_white_matter


def inspect_perivascular(source: Source, parameters: PerivascularParameters) -> TaskInfo:
    """Inspect an image file: its volume, its white matter, and what would be refused; no network is run.

    Parameters
    ----------
    source : ImageSource or ScanFile
    parameters : PerivascularParameters

    Returns
    -------
    TaskInfo
    """
    return inspect_volume(PERIVASCULAR, source, parameters, _described, NEEDS_NETWORK)


def _described(
    images: list[ismrmrd.Image], parameters: PerivascularParameters, network: ArrayEnhancer | None
) -> dict[str, str]:
    brain = brain_of(images, parameters, network)
    voxels, edges_mm = brain.stack.voxels, brain.stack.voxel_mm
    check_volume(voxels)
    how = "found by brightness" if brain.mask is None else "given"
    mask = find_white_matter(voxels) if brain.mask is None else brain.mask
    check_mask(mask, voxels)
    white_ml = mask.sum() * edges_mm[0] * edges_mm[1] * edges_mm[2] / 1000
    told = {"voxels": brain.mismatch} if brain.mismatch else {}
    return {
        "volume": size_of(voxels.shape, edges_mm),
        "white matter": f"{white_ml:.4g} mL, {how}",
        **told,
    }
