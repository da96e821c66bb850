"""NIfTI-1 and NIfTI-2 files as arrays, by nibabel."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nets.data.formats.errors import VolumeError, check_expansion, read_errors

log = logging.getLogger(__name__)

NIFTI_SUFFIXES = (".nii", ".nii.gz", ".hdr")
"""Endings of NIfTI files; the voxels of a ``.hdr`` lie in the ``.img`` beside it."""


def read_nifti(path: Path) -> NDArray[np.float32]:
    """Read a NIfTI file with its scale applied.

    The axes stay in the order in which they are stored, whatever the affine says: only the user knows which one was the
    readout. The log says where they point.

    Parameters
    ----------
    path : Path

    Returns
    -------
    (z, y, x) float32
        The file's first axis last.

    Raises
    ------
    VolumeError
        If nibabel is missing, or the file is damaged, no NIfTI file, not real-valued, or of more than three axes.
    """
    try:
        import nibabel
    except ImportError as error:
        raise VolumeError("NIfTI files need nibabel: pip install 'malibu[train]'") from error
    with read_errors(path.name, "a NIfTI file"):
        image = nibabel.load(path)
        if not isinstance(image, nibabel.Nifti1Pair):  # of which the other NIfTI classes are made
            raise VolumeError(f"{path.name} is {type(image).__name__}, not NIfTI; convert it, as with nib-convert")
        shape = _checked_shape(path.name, image)
        voxels_path = Path(str(image.file_map["image"].filename))
        check_expansion(path.name, int(np.prod(shape)) * image.get_data_dtype().itemsize, voxels_path.stat().st_size)
        voxels = np.asarray(image.get_fdata(dtype=np.float32, caching="unchanged")).reshape(shape)
        _tell_axes(path.name, image)
    return np.ascontiguousarray(voxels.T)


def _checked_shape(name: str, image: Any) -> tuple[int, ...]:
    """The three sizes; further axes of length one are left out."""
    dtype, shape = image.get_data_dtype(), tuple(int(size) for size in image.shape)
    if dtype.kind not in "iuf":
        raise VolumeError(f"{name} holds {dtype} voxels; give one real number for each: a magnitude")
    if any(size > 1 for size in shape[3:]):
        sizes = " x ".join(map(str, shape))
        raise VolumeError(f"{name} has {len(shape)} axes ({sizes}): give one volume for each file, as nib-split does")
    if len(shape) < 3:
        raise VolumeError(f"{name} has shape {shape}; a volume of three axes is needed")
    return shape[:3]


def _tell_axes(name: str, image: Any) -> None:
    import nibabel

    codes = nibabel.aff2axcodes(image.affine)
    sizes_mm = "x".join(f"{size:.3g}" for size in image.header.get_zooms()[:3])
    x, y, z = ("an unknown direction" if code is None else code for code in codes)
    log.info(
        "%s: x, which is taken for the readout, is the file's first axis (towards %s), y the second (%s), z the third "
        "(%s); voxels of %s mm; nothing is turned or flipped",
        name,
        x,
        y,
        z,
        sizes_mm,
    )
    readout, *_ = image.header.get_dim_info()
    if readout:  # neither unknown (None) nor the first axis (0)
        log.warning("%s: its header says that the readout is axis %d; turn it to be the first", name, readout + 1)
