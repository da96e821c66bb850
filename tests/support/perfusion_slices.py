"""Small slices of blood flow for the tests of training."""

from pathlib import Path

import numpy as np

from nets.data import SPLITS
from nets.data.perfusion_slices import PerfusionSlice, write_slice


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
