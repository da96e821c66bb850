"""Simulated brains with perivascular spaces on disk, for the training of networks that enhance them."""

import functools
from pathlib import Path

from gadgets import __version__
from gadgets.cluster.needs import need_of_voxels
from gadgets.cluster.shared_work import SharedWork
from gadgets.datasets.volumes import write_subjects
from recon.perivascular.labels import recipe_label
from recon.simulation.perivascular.brain_scan import simulate_perivascular

_VOXEL_BYTES = 540
"""At the peak; 190 and 400 were measured with 1.6 and 0.6 million voxels, and a third is added."""


def prepare_perivascular(
    folder: Path, shape: tuple[int, int, int], seed: int, count: int, work: SharedWork | None = None
) -> None:
    """Simulate subjects and write them as ``SPLIT/simulated-perivascular-SEED.h5``; those that are there stay.

    Each file holds the image, the mask of white matter, and two labels: the truth, and the recipe of Jung 2019 with
    raters who miss nothing.

    Parameters
    ----------
    folder : Path
    shape : (3,) tuple of int
        (z, y, x) voxels.
    seed : int
        Seed of the first subject; each tenth is for the test, the one before it for validation.
    count : int
    work : SharedWork, optional
        Who does it; by default this process.
    """
    need = need_of_voxels(shape, _VOXEL_BYTES)
    write_subjects(folder, "perivascular", range(seed, seed + count), functools.partial(_write, shape), need, work)


def _write(shape: tuple[int, int, int], seed: int, path: Path) -> None:
    from nets.data.masked_pairs import MaskedPair, write_masked_pair

    subject = simulate_perivascular(shape, seed)
    recipe = recipe_label(subject.image, subject.white_matter, subject.present)
    attributes: dict[str, str | int | float] = {"voxel_mm": subject.voxel_mm, "seed": seed, "version": __version__}
    labels = {"truth": subject.label, "recipe": recipe.label}
    write_masked_pair(path, MaskedPair(subject.image, subject.white_matter, labels, attributes))
