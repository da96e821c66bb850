"""Simulated abdomens on disk, for the training of networks that outline organs; split by subject."""

from collections.abc import Callable
from pathlib import Path

from gadgets import __version__
from gadgets.datasets.volumes import write_subjects
from recon.simulation.abdomen.organ_labels import ORGANS
from recon.simulation.abdomen.subject import simulate_abdomen


def prepare_abdomens(
    folder: Path,
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    seed: int,
    count: int,
    progress: Callable[[], None] = lambda: None,
) -> None:
    """Simulate subjects and write them as ``SPLIT/simulated-abdomen-SEED.h5``; those that are there already stay.

    Parameters
    ----------
    folder : Path
    shape : (3,) tuple of int
        (z, y, x) voxels.
    spacing_mm : (3,) tuple of float
    seed : int
        Seed of the first subject; each tenth is for the test, the one before it for validation.
    count : int
    progress : callable
        Called after each subject.
    """
    import torch

    from nets.data.organs.labelled_files import LabelledVolume, write_labelled

    def write(subject: int, path: Path) -> None:
        abdomen = simulate_abdomen(subject, shape, spacing_mm)
        attributes = {"domain": "abdomen", "seed": abdomen.seed, "version": __version__}
        voxels, labels = torch.from_numpy(abdomen.image), torch.from_numpy(abdomen.labels)
        write_labelled(path, LabelledVolume(voxels, labels, ORGANS, spacing_mm, attributes))

    write_subjects(folder, "abdomen", range(seed, seed + count), write, progress)
