"""A simulated scan of a brain with perivascular spaces, and its truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from recon.errors import DataError
from recon.simulation.angiogram.random_fields import Grid, smooth
from recon.simulation.angiogram.vessels import coverage
from recon.simulation.perivascular.brain import draw_brain, lookalikes
from recon.simulation.perivascular.spaces import Spaces, dark_vessels, grow_spaces

TRUTH_GAIN = 2.0
"""How many times stronger the contrast of perivascular spaces is in the true label than in the image."""

_COUNT = (100, 400)
"""Range of the number of spaces in a volume of :data:`_USUAL` voxels; in a larger one there are more."""
_USUAL = 96 * 112 * 112
_SINC_DEVIATION = 1.2 / 2.355
"""Deviation, in voxels, of a Gaussian as wide at half height as the point spread of Fourier encoding."""
_SNR = (10.0, 25.0)
_VOXEL_MM = (0.4, 0.5)
_LEAST_SHARE = 0.2
"""Share of a voxel that a perivascular space must fill to be said to lie there."""


@dataclass(frozen=True)
class PerivascularSubject:
    """A scan and what is in it; signals are in units of the white matter's, but for the shading.

    Attributes
    ----------
    image : (z, y, x) float32
        Magnitude with Rician noise.
    clean : (z, y, x) float32
        The same without noise.
    label : (z, y, x) float32
        In white matter the image without noise, perivascular spaces with :data:`TRUTH_GAIN` times their contrast;
        elsewhere the image.
    white_matter, present, lookalikes : (z, y, x) bool
        White matter; voxels with perivascular spaces; lacunes, hyperintensities and dark vessels.
    spaces : Spaces
    noise : float
        Standard deviation of the noise in each of real and imaginary part.
    voxel_mm : float
        Edge of the voxels.
    seed : int
    """

    image: NDArray
    clean: NDArray
    label: NDArray
    white_matter: NDArray
    present: NDArray
    lookalikes: NDArray
    spaces: Spaces
    noise: float
    voxel_mm: float
    seed: int


def simulate_perivascular(
    shape: tuple[int, int, int], seed: int, with_spaces: bool = True, snr: float | None = None
) -> PerivascularSubject:
    """Simulate a T2-weighted scan at 7 T.

    Parameters
    ----------
    shape : (3,) tuple of int
        (z, y, x).
    seed : int
        Anatomy, spaces and noise have generators of their own: a subject without spaces is else the same.
    with_spaces : bool
        Whether there are perivascular spaces.
    snr : float, optional
        Of white matter. Default: between 10 and 25, by the seed; ``inf`` for none.

    Returns
    -------
    PerivascularSubject

    Raises
    ------
    DataError
        If the volume is too small for white matter.
    """
    anatomy, growth, scan = (np.random.default_rng([seed, 22, part]) for part in range(3))
    grid = Grid(shape)
    brain = draw_brain(grid, anatomy)
    if not brain.white_matter.any():
        raise DataError(f"a brain of {shape} voxels has no white matter; simulate a larger one")
    background, where = lookalikes(grid, brain, anatomy)
    dark = coverage(dark_vessels(brain, anatomy), shape)
    background *= 1 - dark * anatomy.uniform(0.3, 0.7)
    count = round(growth.uniform(*_COUNT) * background.size / _USUAL) if with_spaces else 0
    spaces = grow_spaces(brain, count, growth)
    shading = np.exp(scan.uniform(0.05, 0.15) * smooth(grid, scan, list(0.3 * grid.extent)))
    blur = _SINC_DEVIATION * scan.uniform(0.2, 1.0) * np.array([scan.uniform(1.0, 1.6), 1.0, 1.0])
    plain, added = (gaussian_filter(part * shading, blur) for part in (background, spaces.contrast(background)))
    noise = 1 / (scan.uniform(*_SNR) if snr is None else snr)
    voxel_mm = float(scan.uniform(*_VOXEL_MM))
    clean = plain + added
    parts = scan.standard_normal((2, *shape), dtype=np.float32) * np.float32(noise)
    image = np.hypot(clean + parts[0], parts[1])
    label = np.where(brain.white_matter, plain + TRUTH_GAIN * added, image)
    return PerivascularSubject(
        image.astype(np.float32),
        clean.astype(np.float32),
        label.astype(np.float32),
        brain.white_matter,
        spaces.share(shape) > _LEAST_SHARE,
        (where | (dark > _LEAST_SHARE)) & brain.white_matter,
        spaces,
        float(noise),
        voxel_mm,
        seed,
    )
