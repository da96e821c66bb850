"""Small slices of blood flow for the tests of training."""

from pathlib import Path

import numpy as np

from nets.data import SPLITS
from nets.data.blood_flow.guided_slices import GuidedSlice, write_guided_slice
from nets.data.blood_flow.perfusion_slices import PerfusionSlice, write_slice


def fill_slices(folder: Path, size: int = 32) -> Path:
    """One subject of two slices for each split."""
    rng = np.random.default_rng(1)
    for place, split in enumerate(SPLITS):
        (folder / split).mkdir(parents=True)
        for z in range(2):
            truth = rng.uniform(20, 70, (size, size))
            segments = truth + 20 * rng.standard_normal((4, size, size))
            one = PerfusionSlice(segments, segments.mean(axis=0), truth, {"seed": place})
            write_slice(folder / split / f"simulated-{place:06d}-{z:02d}.h5", one)
    return folder


def fill_guided_slices(folder: Path, size: int = 32) -> Path:
    """One subject of two slices for each split, each of two parts of a scan."""
    rng = np.random.default_rng(2)
    for place, split in enumerate(SPLITS):
        (folder / split).mkdir(parents=True)
        for z in range(2):
            truth, grey = rng.uniform(20, 70, (size, size)), rng.uniform(0, 1, (size, size))
            flow, control = truth + 20 * rng.standard_normal((2, size, size)), rng.standard_normal((2, size, size))
            shown = np.stack([flow, control, rng.uniform(5, 20, (2, size, size))], axis=1)
            lesion = (rng.uniform(0, 1, (size, size)) > 0.9).astype(np.float32)
            one = GuidedSlice(shown, truth, grey, 1 - grey, lesion, {"seed": place})
            write_guided_slice(folder / split / f"simulated-{place:06d}-{z:02d}.h5", one)
    return folder
