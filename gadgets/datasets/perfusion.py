"""Simulated perfusion scans on disk, for the training of denoising networks; split by subject."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gadgets import __version__
from gadgets.datasets.volumes import split_of
from gadgets.files import complete_file
from gadgets.simulated.asl_subjects import measured_subject, smoothed_reference
from recon.simulation.perfusion import true_cbf

SEGMENTS = 4
"""Parts of a scan, each a mean of ten successive pairs (Xie 2020)."""

_LESIONS = 3
"""Small ones: every fifth subject is healthy, the others have 3 to 12, since a network keeps only what it has seen."""

_LEAST_BRAIN = 300
"""Voxels of brain in a slice that is worth learning from: a third of the largest slices'."""


def prepare_perfusion(
    folder: Path, shape: tuple[int, int, int], seed: int, count: int, progress: Callable[[], None] = lambda: None
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
    progress : callable
        Called after each subject.
    """
    from nets.data.perfusion_slices import PerfusionSlice, write_slice

    for number in range(seed, seed + count):
        place = folder / split_of(number - seed)
        done = place / f".simulated-{number:06d}.done"
        if not done.exists():
            subject = measured_subject(shape, number, lesions=_LESIONS * (number % 5))
            brain, protocol, maps = subject.brain, subject.protocol, subject.maps
            edges = np.linspace(0, maps.pairs, SEGMENTS + 1).astype(int)
            segments = np.stack([maps.mean_of(a, b) for a, b in itertools.pairwise(edges)], axis=1)
            reference, truth = smoothed_reference(maps), true_cbf(brain, protocol) * maps.brain
            for z in np.flatnonzero(maps.brain.sum(axis=(1, 2)) > _LEAST_BRAIN):
                attributes: dict[str, str | int | float] = {"seed": number, "tsnr": protocol.tsnr}
                one = PerfusionSlice(segments[z], reference[z], truth[z], attributes | {"version": __version__})
                with complete_file(place / f"simulated-{number:06d}-{z:02d}.h5") as partial:
                    write_slice(partial, one)
            done.touch()
        progress()
