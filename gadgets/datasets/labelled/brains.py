"""Simulated heads on disk with their parts labelled, for the training of the network behind anatomical fidelity."""

from collections.abc import Callable
from pathlib import Path

from gadgets import __version__
from gadgets.datasets.volumes import write_subjects
from recon.simulation.labelled_brain.brain_parts import BRAIN_PARTS
from recon.simulation.labelled_brain.labelled_head import simulate_labelled_head


def prepare_brains(
    folder: Path,
    shape: tuple[int, int, int],
    seed: int,
    count: int,
    progress: Callable[[], None] = lambda: None,
) -> None:
    """Simulate subjects and write them as ``SPLIT/simulated-parts-SEED.h5``; those that are there already stay.

    Parameters
    ----------
    folder : Path
    shape : (3,) tuple of int
        (z, y, x) voxels, 180 mm from front to back.
    seed : int
        Seed of the first subject; each tenth is for the test, the one before it for validation.
    count : int
    progress : callable
        Called after each subject.
    """
    import torch

    from nets.data.organs.labelled_files import LabelledVolume, write_labelled

    def write(subject: int, path: Path) -> None:
        head = simulate_labelled_head(subject, shape)
        attributes = {"domain": "labelled head", "seed": head.seed, "version": __version__}
        voxels, labels = torch.from_numpy(head.image), torch.from_numpy(head.labels)
        write_labelled(path, LabelledVolume(voxels, labels, BRAIN_PARTS, (head.spacing_mm,) * 3, attributes))

    write_subjects(folder, "parts", range(seed, seed + count), write, progress)
