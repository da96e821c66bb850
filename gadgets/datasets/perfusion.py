"""Simulated perfusion scans on disk, for the training of denoising networks; split by subject."""

import functools
import itertools
from pathlib import Path

import numpy as np

from gadgets import __version__
from gadgets.cluster.needs import need_of_voxels
from gadgets.cluster.shared_work import SharedWork
from gadgets.datasets.volumes import do_missing, split_of
from gadgets.files import complete_file
from gadgets.simulated.asl_subjects import measured_subject, smoothed_reference
from recon.simulation.perfusion import true_cbf

SEGMENTS = 4
"""Parts of a scan, each a mean of ten successive pairs (Xie 2020)."""

_LESIONS = 3
"""Small ones: every fifth subject is healthy, the others have 3 to 12, since a network keeps only what it has seen."""

_LEAST_BRAIN = 300
"""Voxels of brain in a slice that is worth learning from: a third of the largest slices'."""


_VOXEL_BYTES = 6400
"""Of all pairs of images; 4,800 and 3,000 were measured with 0.05 and 0.2 million voxels, and a third is added."""


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
    folder = folder.resolve()  # workers need not stand in the same folder
    seeds = range(seed, seed + count)
    done = {one: folder / split_of(number) / f".simulated-{one:06d}.done" for number, one in enumerate(seeds)}
    do_missing(functools.partial(_write_slices, shape), done, lambda one: need_of_voxels(shape, _VOXEL_BYTES), work)


def _write_slices(shape: tuple[int, int, int], one: tuple[int, Path]) -> None:
    from nets.data.perfusion_slices import PerfusionSlice, write_slice

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
