"""Simulated volumes on disk, for the training of super-resolution networks; split by subject."""

import functools
from collections.abc import Callable
from pathlib import Path

from gadgets import __version__
from gadgets.cluster.needs import need_of_voxels
from gadgets.cluster.shared_work import SharedWork
from gadgets.cluster.tasks import Need
from gadgets.files import complete_file
from nets.data import SPLITS
from recon.simulation.angiogram.volume import Domain, simulate_angiogram

_VOXEL_BYTES = 130
"""At the peak; 76 to 98 were measured with volumes of 0.2 to 3 million voxels, and a third is added."""


def prepare_volumes(
    folder: Path, domain: Domain, shape: tuple[int, int, int], seed: int, count: int, work: SharedWork | None = None
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
    work : SharedWork, optional
        Who does it; by default this process.
    """
    write = functools.partial(_write, domain, shape)
    write_subjects(folder, domain, range(seed, seed + count), write, need_of_voxels(shape, _VOXEL_BYTES), work)


def _write(domain: Domain, shape: tuple[int, int, int], seed: int, path: Path) -> None:
    import torch

    from nets.data.volume_files import Volume, write_volume

    angiogram = simulate_angiogram(domain, shape, seed)
    attributes: dict[str, str | int | float] = {"domain": domain, "seed": seed, "version": __version__}
    write_volume(path, Volume(torch.from_numpy(angiogram.image), attributes))


def write_subjects(
    folder: Path, name: str, seeds: range, write: Callable[[int, Path], None], need: Need, work: SharedWork | None
) -> None:
    """Write one file for each subject, ``SPLIT/simulated-NAME-SEED.h5``; those that are there already stay.

    Parameters
    ----------
    folder : Path
    name : str
    seeds : range
        Each tenth is for the test, the one before it for validation.
    write : callable
        Simulates the subject of a seed into a file, which takes its name when it is complete. Found by its name where
        the work is done.
    need : Need
        Of one subject.
    work : SharedWork or None
        Who does it; None: this process.
    """
    folder = folder.resolve()  # workers need not stand in the same folder
    paths = {seed: folder / split_of(number) / f"simulated-{name}-{seed:06d}.h5" for number, seed in enumerate(seeds)}
    do_missing(functools.partial(_written, write), paths, lambda seed: need, work)


def do_missing(
    function: Callable[[tuple[int, Path]], None],
    paths: dict[int, Path],
    need: Callable[[int], Need],
    work: SharedWork | None,
) -> None:
    """Make files of simulated subjects that are not there yet.

    Parameters
    ----------
    function : callable
        Takes a seed and the file that says that the subject is finished.
    paths : dict of int to Path
        That file by seed.
    need : callable
        What the subject of a seed needs.
    work : SharedWork or None
        Who does it; None: this process.
    """
    work = work or SharedWork()
    missing = [(seed, path) for seed, path in paths.items() if not path.exists()]
    for _ in range(len(paths) - len(missing)):
        work.done()
    work.do(function, missing, lambda one: f"subject {one[0]}", lambda one: need(one[0]))


def _written(write: Callable[[int, Path], None], one: tuple[int, Path]) -> None:
    seed, path = one
    if not path.exists():  # else by a worker that was lost after it had written
        with complete_file(path) as partial:
            write(seed, partial)


def split_of(number: int) -> str:
    """Which split a subject belongs to, by its number from 0."""
    train, validation, test = SPLITS
    return {9: test, 8: validation}.get(number % 10, train)
