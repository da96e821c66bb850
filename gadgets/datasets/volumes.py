"""Simulated volumes on disk, for the training of super-resolution networks; split by subject."""

from collections.abc import Callable
from pathlib import Path

from gadgets import __version__
from gadgets.files import complete_file
from nets.data import SPLITS
from recon.simulation.angiogram.volume import Domain, simulate_angiogram


def prepare_volumes(
    folder: Path,
    domain: Domain,
    shape: tuple[int, int, int],
    seed: int,
    count: int,
    progress: Callable[[], None] = lambda: None,
) -> None:
    """Simulate subjects and write them as ``SPLIT/simulated-DOMAIN-SEED.h5``; those that are there already stay.

    Parameters
    ----------
    folder : Path
    domain : {"coronary", "brain"}
    shape : (3,) tuple of int
        (z, y, x) voxels.
    seed : int
        Seed of the first subject; each tenth is for the test, the one before it for validation.
    count : int
    progress : callable
        Called after each subject.
    """
    import torch

    from nets.data.volume_files import Volume, write_volume

    for number in range(count):
        path = folder / split_of(number) / f"simulated-{domain}-{seed + number:06d}.h5"
        if not path.exists():
            angiogram = simulate_angiogram(domain, shape, seed + number)
            attributes: dict[str, str | int | float] = {"domain": domain, "seed": seed + number, "version": __version__}
            with complete_file(path) as partial:
                write_volume(partial, Volume(torch.from_numpy(angiogram.image), attributes))
        progress()


def split_of(number: int) -> str:
    """Which split a subject belongs to, by its number from 0."""
    train, validation, test = SPLITS
    return {9: test, 8: validation}.get(number % 10, train)
