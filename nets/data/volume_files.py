"""Volumes on disk for training and evaluation: malibu's HDF5, NIfTI, or a folder of DICOM slices."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

_NIFTI = (".nii", ".nii.gz")


@dataclass(frozen=True)
class Volume:
    """A volume and what is known of it.

    Attributes
    ----------
    voxels : (z, y, x) float32 Tensor
        Magnitude; x is the readout.
    attributes : dict
        Domain, seed and the like; never who was scanned.
    """

    voxels: Tensor
    attributes: dict[str, Any] = field(default_factory=dict)


def write_volume(path: Path, volume: Volume) -> None:
    """Write malibu's HDF5: one dataset ``volume`` in half precision, attributes beside it."""
    with h5py.File(path, "w") as file:
        file.create_dataset("volume", data=volume.voxels.numpy().astype(np.float16), compression="gzip")
        file.attrs.update(volume.attributes)


def read_volume(path: Path) -> Volume:
    """Read a volume of any of the formats.

    Parameters
    ----------
    path : Path
        ``.h5``, ``.nii``, ``.nii.gz``, or a folder of DICOM files of one series.

    Returns
    -------
    Volume

    Raises
    ------
    ValueError
        If the format is not known, the volume is not 3-D, empty or not finite, or the package that reads it is missing.
    """
    if path.is_dir():
        volume = Volume(_read_dicom(path))
    elif path.name.endswith(_NIFTI):
        volume = Volume(_read_nifti(path))
    elif path.suffix == ".h5":
        volume = _read_hdf5(path)
    else:
        raise ValueError(f"{path.name} is no volume: give .h5, .nii, .nii.gz or a folder of DICOM slices")
    if volume.voxels.ndim != 3 or not volume.voxels.numel():
        raise ValueError(f"{path.name} has shape {tuple(volume.voxels.shape)}; a volume (z, y, x) is needed")
    if not torch.isfinite(volume.voxels).all():
        raise ValueError(f"{path.name} holds NaN or Inf; repair or leave it out")
    return volume


def _read_hdf5(path: Path) -> Volume:
    with h5py.File(path) as file:
        if "volume" not in file:
            raise ValueError(f"{path.name} has no dataset 'volume'; malibu prepare-volumes writes one")
        attributes = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in file.attrs.items()}
        return Volume(torch.from_numpy(file["volume"][:].astype(np.float32)), attributes)


def _read_nifti(path: Path) -> Tensor:
    try:
        from nibabel.nifti1 import Nifti1Image
    except ImportError as error:
        raise ValueError("NIfTI files need nibabel: pip install 'malibu[train]'") from error
    voxels = np.asarray(Nifti1Image.from_filename(path).get_fdata(dtype=np.float32))
    return torch.from_numpy(np.ascontiguousarray(np.squeeze(voxels).T))


def _read_dicom(folder: Path) -> Tensor:
    try:
        import pydicom
    except ImportError as error:
        raise ValueError("DICOM files need pydicom: pip install 'malibu[train]'") from error
    slices = [pydicom.dcmread(path) for path in sorted(folder.iterdir()) if pydicom.misc.is_dicom(path)]
    if not slices:
        raise ValueError(f"{folder.name} holds no DICOM files")
    if len({item.SeriesInstanceUID for item in slices}) > 1:
        raise ValueError(f"{folder.name} holds several DICOM series; give one folder for each")
    normal = np.cross(*np.reshape(np.array(slices[0].ImageOrientationPatient, dtype=float), (2, 3)))
    slices.sort(key=lambda item: float(np.dot(normal, np.array(item.ImagePositionPatient, dtype=float))))
    return torch.from_numpy(np.stack([item.pixel_array for item in slices]).astype(np.float32))


def volume_files(folder: Path, split: str) -> list[Path]:
    """List the volumes of a split.

    Parameters
    ----------
    folder : Path
        Holds ``train``, ``validation`` and ``test``.
    split : str

    Returns
    -------
    list of Path

    Raises
    ------
    ValueError
        If there are none.
    """
    split_folder = folder / split
    paths = sorted(split_folder.iterdir()) if split_folder.is_dir() else []
    paths = [path for path in paths if path.is_dir() or path.suffix == ".h5" or path.name.endswith(_NIFTI)]
    if not paths:
        raise ValueError(
            f"{split_folder} holds no volumes; run malibu prepare-volumes {folder}, or put .nii.gz files there"
        )
    return paths
