"""Simulated perfusion scans on disk, for the training of denoising networks, plain and guided; split by subject."""

import functools
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadgets import __version__
from gadgets.cluster.needs import need_of_voxels
from gadgets.cluster.shared_work import SharedWork
from gadgets.datasets.volumes import do_missing, split_of
from gadgets.files import complete_file
from gadgets.simulated.asl_subjects import Subject, measured_subject, smoothed_reference
from recon.perfusion.guidance import guidance
from recon.simulation.perfusion import drawn_lesions, simulate_brain, true_cbf

SEGMENTS = 4
"""Parts of a scan, each a mean of ten successive pairs (Xie 2020)."""

_LESIONS = 3
"""Small ones: every fifth subject is healthy, the others have 3 to 12, since a network keeps only what it has seen."""

_LEAST_BRAIN = 300
"""Voxels of brain in a slice that is worth learning from: a third of the largest slices'."""


_VOXEL_BYTES = 6400
"""Of all pairs of images; 4,800 and 3,000 were measured with 0.05 and 0.2 million voxels, and a third is added."""

PARTS = ((0, 10), (10, 20), (20, 30), (30, 40), (0, 20), (0, 40))
"""Pairs of which networks see the mean: ten most often, and what the gadget shows later in a scan."""

_MOST_LESIONS = 24
"""Of a subject of twelve slices: one voxel in a hundred, since a network keeps only what it has seen."""

_HEALTHY = 5
"""One subject of so many has no lesion."""


def prepare_perfusion(
    folder: Path, shape: tuple[int, int, int], seed: int, count: int, work: SharedWork | None = None
) -> None:
    """Simulate subjects and write each slice as ``SPLIT/simulated-SEED-SLICE.h5``; those that are there already stay.

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
    _prepare(_write_slices, folder, shape, seed, count, work)


def prepare_guided(
    folder: Path, shape: tuple[int, int, int], seed: int, count: int, work: SharedWork | None = None
) -> None:
    """Simulate subjects for guided networks, as :func:`prepare_perfusion` does for plain ones.

    Parameters
    ----------
    folder, shape, seed, count, work :
        As there.
    """
    _prepare(_write_guided_slices, folder, shape, seed, count, work)


def _prepare(
    write: Callable[[tuple[int, int, int], tuple[int, Path]], None],
    folder: Path,
    shape: tuple[int, int, int],
    seed: int,
    count: int,
    work: SharedWork | None,
) -> None:
    folder = folder.resolve()  # workers need not stand in the same folder
    seeds = range(seed, seed + count)
    done = {one: folder / split_of(number) / f".simulated-{one:06d}.done" for number, one in enumerate(seeds)}
    do_missing(functools.partial(write, shape), done, lambda one: need_of_voxels(shape, _VOXEL_BYTES), work)


def _write_slices(shape: tuple[int, int, int], one: tuple[int, Path]) -> None:
    from nets.data.blood_flow.perfusion_slices import PerfusionSlice, write_slice

    number, done = one
    if done.exists():  # by a worker that was lost after it had written
        return
    subject = measured_subject(shape, number, lesions=_LESIONS * (number % 5))
    brain, protocol, maps = subject.brain, subject.protocol, subject.maps
    edges = np.linspace(0, maps.pairs, SEGMENTS + 1).astype(int)
    segments = np.stack([maps.mean_of(a, b) for a, b in itertools.pairwise(edges)], axis=1)
    reference, truth = smoothed_reference(maps), true_cbf(brain, protocol) * maps.brain
    for z in np.flatnonzero(maps.brain.sum(axis=(1, 2)) > _LEAST_BRAIN):
        attributes: dict[str, str | int | float] = {"seed": number, "tsnr": protocol.tsnr, "version": __version__}
        written = PerfusionSlice(segments[z], reference[z], truth[z], attributes)
        with complete_file(done.parent / f"simulated-{number:06d}-{z:02d}.h5") as partial:
            write_slice(partial, written)
    done.touch()


def _write_guided_slices(shape: tuple[int, int, int], one: tuple[int, Path]) -> None:
    from nets.data.blood_flow.guided_slices import GuidedSlice, write_guided_slice

    number, done = one
    if done.exists():
        return
    subject = _ill(shape, number)
    brain, inside = subject.brain, subject.maps.brain
    shown = np.stack([guidance(subject.maps, first, last) for first, last in PARTS])
    truth, lesion = subject.noise_free(), _places(subject)
    facts: dict[str, str | int | float] = {"seed": number, "tsnr": subject.protocol.tsnr, "version": __version__}
    for z in np.flatnonzero(inside.sum(axis=(1, 2)) > _LEAST_BRAIN):
        grey, white, ill = (share[z] * inside[z] for share in (brain.grey, brain.white, lesion))
        written = GuidedSlice(shown[:, :, z], truth[z], grey, white, ill, facts)
        with complete_file(done.parent / f"simulated-{number:06d}-{z:02d}.h5") as partial:
            write_guided_slice(partial, written)
    done.touch()


def _ill(shape: tuple[int, int, int], seed: int) -> Subject:
    rng = np.random.default_rng((seed, 5))
    count = int(rng.integers(_MOST_LESIONS // 3, _MOST_LESIONS + 1)) if seed % _HEALTHY else 0
    return measured_subject(shape, seed, drawn_lesions(simulate_brain(shape, seed), count, rng))


def _places(subject: Subject) -> NDArray[np.float32]:
    """(z, y, x) 1 where a lesion is."""
    found = np.zeros(subject.brain.grey.shape, dtype=np.float32)
    for lesion in subject.brain.lesions:
        found[lesion.place] = 1
    return found
