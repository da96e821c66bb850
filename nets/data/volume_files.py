"""Volumes on disk for training and evaluation: malibu's HDF5, NIfTI, or a folder of DICOM slices."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from nets.data.formats.dicom_files import read_dicom
from nets.data.formats.errors import VolumeError
from nets.data.formats.hdf5_files import maps_of, opened_hdf5
from nets.data.formats.nifti_files import NIFTI_SUFFIXES, read_nifti

log = logging.getLogger(__name__)

_SIGNED_SHARE = 0.1
"""Part of a volume's absolute sum that may be negative: an interpolation undershoots by far less, phase is half."""


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
        ``.h5``, ``.nii``, ``.nii.gz``, ``.hdr`` with ``.img``, or a folder of DICOM files of one series.

    Returns
    -------
    Volume

    Raises
    ------
    VolumeError
        If the format is not known, the file damaged, the volume not 3-D, empty or not finite, or the package that reads
        it is missing.
    """
    if path.is_dir():
        volume = Volume(torch.from_numpy(read_dicom(path)))
    elif path.name.endswith(NIFTI_SUFFIXES):
        volume = Volume(torch.from_numpy(read_nifti(path)))
    elif path.suffix == ".h5":
        volume = _read_hdf5(path)
    else:
        raise VolumeError(f"{path.name} is no volume: give .h5, .nii, .nii.gz or a folder of DICOM slices")
    if volume.voxels.ndim != 3 or not volume.voxels.numel():
        raise VolumeError(f"{path.name} has shape {tuple(volume.voxels.shape)}; a volume (z, y, x) is needed")
    if not torch.isfinite(volume.voxels).all():
        raise VolumeError(f"{path.name} holds NaN or Inf; repair or leave it out")
    return volume


def read_magnitude(path: Path) -> Volume:
    """Read a volume that is to be a magnitude, as training and evaluation need it.

    Parameters
    ----------
    path : Path
        As :func:`read_volume` takes it.

    Returns
    -------
    Volume

    Raises
    ------
    VolumeError
        If it cannot be read, or so much of it is negative that it is phase, a real part or the like.
    """
    volume = read_volume(path)
    negative = float(-volume.voxels.clamp(max=0).double().sum())
    if negative > _SIGNED_SHARE * float(volume.voxels.abs().double().sum()):
        raise VolumeError(
            f"{path.name} is signed: {volume.voxels.min():.4g} to {volume.voxels.max():.4g}; give magnitudes"
        )
    if negative:
        log.warning("%s has negative voxels, down to %.4g; a magnitude has none", path.name, float(volume.voxels.min()))
    return volume


def _read_hdf5(path: Path) -> Volume:
    with opened_hdf5(path, "an HDF5 file", "copy it, or run malibu prepare-volumes again") as file:
        if "volume" not in file:
            raise VolumeError(f"{path.name} has no dataset 'volume'; malibu prepare-volumes writes one")
        data = maps_of(file, "volume", path, "iuf")
        if data is None:
            raise VolumeError(f"{path.name}: 'volume' is no array of real numbers; give a magnitude (z, y, x)")
        attributes = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in file.attrs.items()}
        return Volume(torch.from_numpy(np.asarray(data[()], dtype=np.float32)), attributes)


def volumes_in(folder: Path) -> list[Path]:
    """List the volumes of a folder in the order of their names: HDF5, NIfTI, and folders of DICOM slices."""
    paths = sorted(folder.glob("[!.]*")) if folder.is_dir() else []
    return [path for path in paths if path.is_dir() or path.suffix == ".h5" or path.name.endswith(NIFTI_SUFFIXES)]
