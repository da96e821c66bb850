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

    def write(subject: int, path: Path) -> None:
        angiogram = simulate_angiogram(domain, shape, subject)
        attributes: dict[str, str | int | float] = {"domain": domain, "seed": subject, "version": __version__}
        write_volume(path, Volume(torch.from_numpy(angiogram.image), attributes))

    write_subjects(folder, domain, range(seed, seed + count), write, progress)


def write_subjects(
    folder: Path, name: str, seeds: range, write: Callable[[int, Path], None], progress: Callable[[], None]
) -> None:
    """Write one file for each subject, ``SPLIT/simulated-NAME-SEED.h5``; those that are there already stay.

    Parameters
    ----------
    folder : Path
    name : str
    seeds : range
        Each tenth is for the test, the one before it for validation.
    write : callable
        Simulates the subject of a seed into a file, which takes its name when it is complete.
    progress : callable
        Called after each subject.
    """
    for number, seed in enumerate(seeds):
        path = folder / split_of(number) / f"simulated-{name}-{seed:06d}.h5"
        if not path.exists():
            with complete_file(path) as partial:
                write(seed, partial)
        progress()


def split_of(number: int) -> str:
    """Which split a subject belongs to, by its number from 0."""
    train, validation, test = SPLITS
    return {9: test, 8: validation}.get(number % 10, train)
