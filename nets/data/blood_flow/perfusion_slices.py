"""Slices of blood flow from parts of a scan: a network learns noise against noise (`xie2020`, `lehtinen2018`)."""

from collections.abc import Mapping, Sequence
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

SCALE = 100.0
"""Blood flow in mL/100 g/min that a network sees as 1; the paper prints no scale."""

_REMEDY = "make slices with malibu prepare-perfusion"

_MAPS = ("segments", "reference", "truth")

Target = Literal["noise", "reference"]


@dataclass(frozen=True)
class PerfusionSlice:
    """Blood flow of one slice, in mL/100 g/min.

    Attributes
    ----------
    segments : (4, y, x) float32
        Means of four successive parts of the pairs.
    reference : (y, x) float32
        Pseudo gold standard: the mean of all pairs, smoothed.
    truth : (y, x) float32
        Of simulated slices.
    attributes : dict of str to str, int or float
    """

    segments: NDArray
    reference: NDArray
    truth: NDArray
    attributes: dict[str, str | int | float] = field(default_factory=dict)


def write_slice(path: Path, one: PerfusionSlice) -> None:
    """Write a slice."""
    write_maps(path, {name: getattr(one, name) for name in _MAPS}, one.attributes)


def write_maps(path: Path, maps: Mapping[str, NDArray], attributes: Mapping[str, str | int | float]) -> None:
    """Write the maps of a slice, as float32."""
    with h5py.File(path, "w") as file:
        for name, values in maps.items():
            file[name] = values.astype(np.float32)
        file.attrs.update(attributes)


def read_maps(path: Path, what: str, names: Sequence[str], remedy: str) -> tuple[list[NDArray], dict[str, Any]]:
    """Read the maps of a slice, and its attributes.

    Parameters
    ----------
    path : Path
    what : str
        Of what kind the slice is, for people.
    names : sequence of str
        All of them must be there.
    remedy : str
        What to do if it is none.

    Returns
    -------
    list of float32 array
    dict

    Raises
    ------
    VolumeError
        If one is missing, or holds NaN or Inf.
    """
    with opened_hdf5(path, f"a {what}", remedy) as file:
        maps = [maps_of(file, name, path, "f") for name in names]
        if any(each is None for each in maps):
            raise VolumeError(f"{path} is no {what} ({', '.join(names)}); {remedy}")
        found, attributes = [each[()] for each in maps if each is not None], dict(file.attrs)
    if not all(np.isfinite(each).all() for each in found):
        raise VolumeError(f"{path} holds values that are not finite; {remedy}")
    return found, attributes


def read_slice(path: Path) -> PerfusionSlice:
    """Read a slice.

    Raises
    ------
    VolumeError
        If the file is none, its parts do not fit together, or hold NaN or Inf.
    """
    (segments, reference, truth), attributes = read_maps(path, "slice of blood flow", _MAPS, _REMEDY)
    if segments.ndim != 3 or len(segments) != 4 or {segments.shape[1:]} != {reference.shape, truth.shape}:
        raise VolumeError(f"{path}: four segments, reference and truth are not of one size; {_REMEDY}")
    return PerfusionSlice(segments, reference, truth, attributes)


class PerfusionSlicesData(Samples):
    """The folder that ``malibu prepare-perfusion`` fills; batches are input and label (batch, 1, y, x), over 100.

    A network sees the mean of ten pairs, and is told the mean of ten others: m1 → m2 and m3 → m4 as the paper prints
    it, and both reversed. Noise that the label has beside the input's cannot be learned, so that the network gives
    what both have in common.

    Parameters
    ----------
    folder : str
        Holds ``train``, ``validation`` and ``test``, or the slices of all subjects.
    target : {"noise", "reference"}
        Learn from noise, or from the pseudo gold standard, as the older method that the paper compares with.
    size : int
        Side of the crops in pixels, at most; smaller images are taken whole.
    augmentations : list of Augmentation, optional
        Default: mirrors along both axes.
    crops_per_slice, batch_size, workers, seed : int
    limit : int, optional
        The rest is as in :class:`nets.data.training_samples.Samples`.
    """

    remedy = "slices; run malibu prepare-perfusion with at least 10 subjects"

    def __init__(
        self,
        folder: str,
        target: Target = "noise",
        size: int = 64,
        augmentations: list[Augmentation] | None = None,
        crops_per_slice: int = 4,
        batch_size: int = 64,
        workers: int = 0,
        seed: int = 0,
        limit: int | None = None,
    ) -> None:
        augmentations = [Flips(2)] if augmentations is None else augmentations
        patch = (1, size, size)
        super().__init__([folder], patch, crops_per_slice, batch_size, workers, augmentations, seed, limit=limit)
        self.target = target

    def subject_of(self, path: Path) -> str:
        """Files are named SUBJECT-SLICE.h5."""
        return path.name.rsplit("-", 1)[0]

    def read(self, path: Path, number: int) -> Sample:
        """(2, 4, y, x): input and label of four pairs of segments; a patch is one of them."""
        one = read_slice(path)
        shown = torch.from_numpy(one.segments)
        label = shown[[1, 0, 3, 2]] if self.target == "noise" else torch.from_numpy(one.reference).expand_as(shown)
        return Sample(torch.stack([shown, label]) / SCALE)

    def finish(self, pair: Tensor, known: Any) -> tuple[Tensor, ...]:
        """(1, y, x) float32 input and label."""
        return pair[0].float(), pair[1].float()

    def preprocessing(self) -> dict[str, Any]:
        """Scale of the network's input and output."""
        return {"normalisation": "blood flow in mL/100 g/min over scale", "scale": SCALE}

    def describe(self) -> str:
        """Say what is trained on, without naming anyone."""
        label = "ten other pairs" if self.target == "noise" else "all pairs, smoothed"
        return f"{super().describe()}; input: mean of 10 pairs, label: mean of {label}"
