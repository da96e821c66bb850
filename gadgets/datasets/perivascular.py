"""Simulated brains with perivascular spaces on disk, for the training of networks that enhance them."""

from collections.abc import Callable
from pathlib import Path

from gadgets import __version__
from gadgets.datasets.volumes import write_subjects
from recon.perivascular.labels import recipe_label
from recon.simulation.perivascular.brain_scan import simulate_perivascular


def prepare_perivascular(
    folder: Path, shape: tuple[int, int, int], seed: int, count: int, progress: Callable[[], None] = lambda: None
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
    progress : callable
        Called after each subject.
    """
    from nets.data.masked_pairs import MaskedPair, write_masked_pair

    def write(number: int, path: Path) -> None:
        subject = simulate_perivascular(shape, number)
        recipe = recipe_label(subject.image, subject.white_matter, subject.present)
        attributes: dict[str, str | int | float] = {
            "voxel_mm": subject.voxel_mm,
            "seed": number,
            "version": __version__,
        }
        labels = {"truth": subject.label, "recipe": recipe.label}
        write_masked_pair(path, MaskedPair(subject.image, subject.white_matter, labels, attributes))

    write_subjects(folder, "perivascular", range(seed, seed + count), write, progress)
