"""Simulated volumes with labelled parts on disk, to train on: abdomens with organs, heads with their parts."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from numpy.typing import NDArray

from gadgets import __version__
from gadgets.cluster.needs import need_of_voxels
from gadgets.cluster.shared_work import SharedWork
from gadgets.datasets.volumes import write_subjects
from recon.simulation.abdomen.organ_labels import ORGANS
from recon.simulation.abdomen.subject import simulate_abdomen
from recon.simulation.labelled_brain.brain_parts import BRAIN_PARTS
from recon.simulation.labelled_brain.labelled_head import simulate_labelled_head

_VOXEL_BYTES = 660
"""At the peak; 490 were measured of heads, 90 of abdomens, and a third is added."""

Shape = tuple[int, int, int]
Millimetres = tuple[float, float, float]


@dataclass(frozen=True)
class LabelledKind:
    """What kinds of subjects differ in.

    Attributes
    ----------
    name : str
        In the names of the files.
    domain : str
        In the files.
    parts : tuple of str
        Name by label; the first is the background.
    simulate : callable
        Seed and (z, y, x) voxels → image, labels, and voxel in mm. Found by its name where the work is done.
    """

    name: str
    domain: str
    parts: tuple[str, ...]
    simulate: Callable[[int, Shape], tuple[NDArray, NDArray, Millimetres]]


def abdomens(spacing_mm: Millimetres) -> LabelledKind:
    """Abdomens with organs; voxels (z, y, x) in mm."""
    return LabelledKind("abdomen", "abdomen", ORGANS, functools.partial(_abdomen, spacing_mm))


def _abdomen(spacing_mm: Millimetres, seed: int, shape: Shape) -> tuple[NDArray, NDArray, Millimetres]:
    abdomen = simulate_abdomen(seed, shape, spacing_mm)
    return abdomen.image, abdomen.labels, spacing_mm


def _head(seed: int, shape: Shape) -> tuple[NDArray, NDArray, Millimetres]:
    head = simulate_labelled_head(seed, shape)
    return head.image, head.labels, (head.spacing_mm,) * 3


HEADS = LabelledKind("parts", "labelled head", BRAIN_PARTS, _head)
"""Heads with their parts, 180 mm from front to back."""


def prepare_labelled(
    folder: Path, kind: LabelledKind, shape: Shape, seed: int, count: int, work: SharedWork | None = None
) -> None:
    """Simulate subjects and write them as ``SPLIT/simulated-NAME-SEED.h5``; those that are there already stay.

    Parameters
    ----------
    folder : Path
    kind : LabelledKind
    shape : (3,) tuple of int
        (z, y, x) voxels.
    seed : int
        Seed of the first subject; each tenth is for the test, the one before it for validation.
    count : int
    work : SharedWork, optional
        Who does it; by default this process.
    """
    need = need_of_voxels(shape, _VOXEL_BYTES)
    write_subjects(folder, kind.name, range(seed, seed + count), functools.partial(_write, kind, shape), need, work)


def _write(kind: LabelledKind, shape: Shape, seed: int, path: Path) -> None:
    import torch

    from nets.data.organs.labelled_files import LabelledVolume, write_labelled

    image, labels, voxel_mm = kind.simulate(seed, shape)
    attributes = {"domain": kind.domain, "seed": seed, "version": __version__}
    voxels, numbers = torch.from_numpy(image), torch.from_numpy(labels)
    write_labelled(path, LabelledVolume(voxels, numbers, kind.parts, voxel_mm, attributes))
