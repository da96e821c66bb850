"""Small volumes with masks and labels for tests."""

from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from nets.data import SPLITS
from nets.data.masked_pairs import MaskedPair, write_masked_pair


def masked_pair(seed: int, shape: tuple[int, int, int] = (18, 20, 22)) -> MaskedPair:
    """A noisy volume around 300, a ball as its mask, and labels that are smoother within it."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
    mask = z**2 + y**2 + x**2 < 0.7
    clean = 300 * (1 + 0.3 * gaussian_filter(rng.standard_normal(shape), 2) * 8)
    image = np.abs(clean + 30 * rng.standard_normal(shape)).astype(np.float32)
    labels = {
        "truth": np.where(mask, clean, image).astype(np.float32),
        "recipe": np.where(mask, gaussian_filter(image, 1), image).astype(np.float32),
    }
    return MaskedPair(image, mask, labels, {"voxel_mm": 0.45, "seed": seed})


def fill_masked_pairs(folder: Path) -> Path:
    """One pair for each split."""
    for number, split in enumerate(SPLITS):
        (folder / split).mkdir(parents=True)
        write_masked_pair(folder / split / f"simulated-perivascular-{number:06d}.h5", masked_pair(number))
    return folder
