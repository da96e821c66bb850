"""Simulated abdomens on disk, for the training of networks that outline organs; split by subject."""

from collections.abc import Callable
from pathlib import Path

from gadgets import __version__
from gadgets.datasets.volumes import split_of
from gadgets.files import complete_file
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

    for number in range(count):
        path = folder / split_of(number) / f"simulated-abdomen-{seed + number:06d}.h5"
        if not path.exists():
            abdomen = simulate_abdomen(seed + number, shape, spacing_mm)
            attributes = {"domain": "abdomen", "seed": abdomen.seed, "version": __version__}
            voxels, labels = torch.from_numpy(abdomen.image), torch.from_numpy(abdomen.labels)
            with complete_file(path) as partial:
                write_labelled(partial, LabelledVolume(voxels, labels, ORGANS, spacing_mm, attributes))
        progress()
