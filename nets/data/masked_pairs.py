"""Volumes with a mask and what a network shall make of them inside it: files, and patches that hold some of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nets.data.augmentation import Augmentation, Flips
from nets.data.formats.errors import VolumeError
from nets.data.formats.hdf5_files import maps_of, opened_hdf5
from nets.data.training_samples import Sample, Samples
from nets.scaling import scale_inside

Label = Literal["truth", "recipe"]
"""What is known of a simulated volume; or what is made of any volume, as in a paper."""

_REMEDY = "make pairs with malibu prepare-perivascular"
_AUGMENTATIONS: tuple[Augmentation, ...] = (Flips(3),)


@dataclass(frozen=True)
class MaskedPair:
    """A volume, its mask, and its labels.

    Attributes
    ----------
    image : (z, y, x) float32
    mask : (z, y, x) bool
    labels : mapping of str to (z, y, x) float32
        By :data:`Label`; equal to the image outside the mask.
    attributes : mapping of str to str, int or float
        ``voxel_mm`` and the like; never who was scanned.
    """

    image: NDArray
    mask: NDArray
    labels: Mapping[str, NDArray]
    attributes: Mapping[str, str | int | float] = field(default_factory=dict)


def write_masked_pair(path: Path, pair: MaskedPair) -> None:
    """Write a pair: images in half precision, the mask, attributes beside them."""
    with h5py.File(path, "w") as file:
        for name, values in {"image": pair.image, **pair.labels}.items():
            file.create_dataset(name, data=values.astype(np.float16), compression="gzip")
        file.create_dataset("mask", data=pair.mask.astype(np.uint8), compression="gzip")
        file.attrs.update(pair.attributes)


def read_masked_pair(path: Path, label: Label) -> MaskedPair:
    """Read a pair with one of its labels.

    Parameters
    ----------
    path : Path
    label : {"truth", "recipe"}

    Returns
    -------
    MaskedPair

    Raises
    ------
    VolumeError
        If the file is damaged, lacks the label, or its volumes do not fit together.
    """
    with opened_hdf5(path, "a pair of volumes with a mask", _REMEDY) as file:
        found = {name: maps_of(file, name, path, "iuf") for name in ("image", label, "mask")}
        missing = [name for name, values in found.items() if values is None]
        if missing:
            raise VolumeError(f"{path.name} has no volume {missing[0]!r}; {_REMEDY}, or choose another data.label")
        image, target, mask = (np.asarray(values[()], dtype=np.float32) for values in found.values() if values)
        attributes = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in file.attrs.items()}
    if image.ndim != 3 or not image.shape == target.shape == mask.shape:
        raise VolumeError(f"{path.name}: image {image.shape}, label {target.shape} and mask {mask.shape} do not fit")
    if not (np.isfinite(image).all() and np.isfinite(target).all()):
        raise VolumeError(f"{path.name} holds values that are not finite; {_REMEDY}")
    if not mask.any():
        raise VolumeError(f"{path.name}: the mask is empty; {_REMEDY}")
    return MaskedPair(image, mask > 0, {label: target}, attributes)


class MaskedPairs(Samples):
    """Patches around voxels of a mask; batches are input, label and mask, each (batch, 1, z, y, x).

    Parameters
    ----------
    folders : list of str
    label : {"truth", "recipe"}
    patch : (3,) tuple of int
        (z, y, x) voxels; each patch holds at least one voxel of the mask.
    patches_per_volume : int
    augmentations : list of Augmentation, optional
        Default: mirrors along all axes.
    batch_size, workers, seed : int
    limit : int, optional
        The rest is as in :class:`nets.data.training_samples.Samples`.
    """

    remedy = f"pairs; {_REMEDY}"

    def __init__(
        self,
        folders: list[str],
        label: Label = "recipe",
        patch: tuple[int, int, int] = (60, 60, 60),
        patches_per_volume: int = 1,
        augmentations: list[Augmentation] | None = None,
        batch_size: int = 5,
        workers: int = 0,
        seed: int = 0,
        limit: int | None = None,
    ) -> None:
        augmentations = list(_AUGMENTATIONS) if augmentations is None else augmentations
        super().__init__(folders, patch, patches_per_volume, batch_size, workers, augmentations, seed=seed, limit=limit)
        self.label: Label = label

    def read(self, path: Path, number: int) -> Sample:
        """Image, label and mask in half precision, (3, z, y, x), on the network's scale; places of the mask."""
        pair = read_masked_pair(path, self.label)
        image, label, mask = (torch.from_numpy(each) for each in (pair.image, pair.labels[self.label], pair.mask))
        scale = scale_inside(image, mask)
        places = np.flatnonzero(pair.mask).astype(np.int32)
        return Sample(torch.stack([image / scale, label / scale, mask.float()]).half(), places)

    def cut(self, sample: Sample, corner: Callable[[int], int]) -> Tensor:
        """Cut a patch at a random place around a random voxel of the mask, as far as the volume's borders let it.

        Parameters
        ----------
        sample : Sample
        corner : callable
            A number of choices → one of them.

        Returns
        -------
        (3, z, y, x) Tensor
        """
        pair, sizes = sample.pair, sample.pair.shape[1:]
        place = np.unravel_index(int(sample.known[corner(len(sample.known))]), sizes)
        for axis, (length, size, at) in enumerate(zip(self.patch or sizes, sizes, place, strict=True), start=1):
            extent = min(length, size)
            start = min(max(int(at) - corner(extent), 0), size - extent)
            pair = pair.narrow(axis, start, extent)
        return pair

    def finish(self, pair: Tensor, known: Any) -> tuple[Tensor, ...]:
        """(1, z, y, x) float32 input, label and mask."""
        return tuple(part[None].float() for part in pair)

    def preprocessing(self) -> dict[str, Any]:
        """Scale, label, and edges of the voxels that the network knows."""
        files = [path for folder in self.folders for path in self.files(folder, "train")]
        edges = [read_masked_pair(path, self.label).attributes.get("voxel_mm") for path in files]
        known = [float(edge) for edge in edges if edge is not None]
        voxels = {"voxel_mm": [round(min(known), 2), round(max(known), 2)]} if known else {}
        return {"normalisation": "median of the volume inside the white-matter mask", "label": self.label, **voxels}

    def describe(self) -> str:
        """Say what is trained on, without naming anyone."""
        labels = {"truth": "simulated truth", "recipe": "recipe of Jung 2019, BM4D by non-local means"}
        return f"{super().describe()}; label: {labels[self.label]}"
