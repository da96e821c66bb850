"""Simulated perfusion scans on disk, for the training of denoising networks; split by subject."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from gadgets import __version__
from gadgets.datasets.volumes import split_of
from gadgets.files import complete_file
from recon.perfusion import AslSeries, Labelling, PerfusionMaps, perfusion_maps
from recon.simulation.perfusion import AslProtocol, Brain, scan_brain, simulate_brain, true_cbf
from recon.simulation.perfusion.brain import VOXEL_MM

SEGMENTS = 4
"""Parts of a scan, each a mean of ten successive pairs (Xie 2020)."""

_LEAST_BRAIN = 300
"""Voxels of brain in a slice that is worth learning from: a third of the largest slices'."""

_REFERENCE_FWHM_MM = 3.0


def drawn_protocol(rng: np.random.Generator) -> AslProtocol:
    """Draw a scan: how noisy, restless and spoiled it is differs from subject to subject."""
    return AslProtocol(
        tsnr=float(rng.uniform(90, 180)),
        drift=float(rng.uniform(0, 0.03)),
        physiology=float(rng.uniform(0.001, 0.006)),
        jitter_mm=float(rng.uniform(0.03, 0.15)),
        outliers=int(rng.integers(2, 7)),
        slice_time_s=float(rng.uniform(0.0, 0.05)),
    )


def labelling_of(protocol: AslProtocol) -> Labelling:
    """What the quantification is told of a simulated scan."""
    return Labelling(protocol.pld_s, protocol.duration_s, protocol.tr_s, protocol.slice_time_s)


def measured_subject(shape: tuple[int, int, int], seed: int, lesions: int) -> tuple[Brain, AslProtocol, PerfusionMaps]:
    """Simulate a subject, scan it, and quantify its blood flow."""
    brain, protocol = simulate_brain(shape, seed, lesions), drawn_protocol(np.random.default_rng((seed, 4)))
    scan = scan_brain(brain, protocol, seed)
    maps = perfusion_maps(AslSeries(scan.frames, scan.is_control, labelling_of(protocol), VOXEL_MM))
    return brain, protocol, maps


def smoothed_reference(maps: PerfusionMaps) -> np.ndarray:
    """Pseudo gold standard of Xie 2020: mean of all kept pairs, smoothed in the plane by 3 mm at half height."""
    sigma = _REFERENCE_FWHM_MM / 2.355 / VOXEL_MM[1]
    return gaussian_filter(maps.cbf, (0, sigma, sigma)).astype(np.float32)


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
            brain, protocol, maps = measured_subject(shape, number, lesions=number % 7)
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
