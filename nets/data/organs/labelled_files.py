"""Volumes and their organs on disk: one HDF5 file holds one subject's ``volume`` and ``labels``."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from nets.data.formats.errors import VolumeError
from nets.data.formats.hdf5_files import maps_of, opened_hdf5

_REMEDY = "make the files with malibu prepare-abdomens"


@dataclass(frozen=True)
class LabelledVolume:
    """A volume whose organs are outlined.

    Attributes
    ----------
    voxels : (z, y, x) float32 Tensor
        Magnitude. Axes point to the head, the back and the patient's left.
    labels : (z, y, x) uint8 Tensor
        Numbers of the organs.
    organs : tuple of str
        Name by label; the first is the background.
    spacing_mm : (3,) tuple of float
    attributes : dict
        Seed and the like; never who was scanned.
    """

    voxels: Tensor
    labels: Tensor
    organs: tuple[str, ...]
    spacing_mm: tuple[float, float, float]
    attributes: dict[str, Any] = field(default_factory=dict)


def write_labelled(path: Path, volume: LabelledVolume) -> None:
    """Write voxels in half precision and labels, with names and spacing as attributes."""
    with h5py.File(path, "w") as file:
        file.create_dataset("volume", data=volume.voxels.numpy().astype(np.float16), compression="gzip")
        file.create_dataset("labels", data=volume.labels.numpy().astype(np.uint8), compression="gzip")
        file.attrs.update(volume.attributes)
        file.attrs["organs"] = "; ".join(volume.organs)
        file.attrs["spacing_mm"] = volume.spacing_mm


def read_labelled(path: Path, needs_image: bool = True) -> LabelledVolume:
    """Read a labelled volume.

    Parameters
    ----------
    path : Path
    needs_image : bool
        Else a file of labels alone will do; its voxels are zero.

    Returns
    -------
    LabelledVolume

    Raises
    ------
    VolumeError
        If the file is none, its labels do not fit its voxels or names, or voxels are not finite.
    """
    with opened_hdf5(path, "a labelled volume", _REMEDY) as file:
        voxels, labels = maps_of(file, "volume", path, "iuf"), maps_of(file, "labels", path, "u")
        if voxels is None and labels is not None and not needs_image:
            voxels = labels[()] * 0
        if voxels is None or labels is None or "organs" not in file.attrs or "spacing_mm" not in file.attrs:
            raise VolumeError(f"{path.name} has not volume, labels, organs and spacing_mm; {_REMEDY}")
        image, numbers = np.asarray(voxels[()], dtype=np.float32), np.asarray(labels[()])
        attributes = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in file.attrs.items()}
    organs, spacing = tuple(str(attributes.pop("organs")).split("; ")), np.ravel(attributes.pop("spacing_mm"))
    if image.ndim != 3 or image.shape != numbers.shape:
        raise VolumeError(f"{path.name}: volume {image.shape} and labels {numbers.shape} are not alike; {_REMEDY}")
    if numbers.max(initial=0) >= len(organs):
        raise VolumeError(f"{path.name} has label {numbers.max()}, but names for {len(organs)} alone; {_REMEDY}")
    if len(spacing) != 3 or not (spacing > 0).all() or not np.isfinite(image).all():
        raise VolumeError(f"{path.name} has voxels that are not finite, or no spacing; {_REMEDY}")
    z, y, x = (float(step) for step in spacing)
    return LabelledVolume(
        torch.from_numpy(image), torch.from_numpy(numbers.astype(np.uint8)), organs, (z, y, x), attributes
    )
