"""Labels as Jung 2019 makes them: sharp where the sharp image is bright, denoised elsewhere, corrected by raters."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.restoration import denoise_nl_means

from recon.perivascular.haar import noise_deviation, sharpen
from recon.perivascular.masked_volume import filtered_box

_BRIGHT = 3.5
"""Robust standard deviations above the median of the sharp white matter: one of 4,000 voxels of plain noise is."""
_PATCH, _DISTANCE = 3, 3
"""Voxels along an axis of the patches that are compared, and how far they are sought."""
_STRENGTH = 0.7
"""Filter strength over the noise's deviation; scikit-image recommends 0.6 to 0.8."""


@dataclass(frozen=True)
class RecipeLabel:
    """A label and what it was made of.

    Attributes
    ----------
    label, sharp, denoised : (z, y, x) float32
        All three are the original outside the white matter.
    threshold : float
        Where the sharp image exceeds it, the label is sharp.
    """

    label: NDArray
    sharp: NDArray
    denoised: NDArray
    threshold: float


def denoise(volume: NDArray, mask: NDArray) -> NDArray:
    """Denoise white matter by non-local means, which stand in for the BM4D of Jung 2019.

    Parameters
    ----------
    volume : (z, y, x) float32
    mask : (z, y, x) bool

    Returns
    -------
    (z, y, x) float32
        Unchanged outside the mask.

    Raises
    ------
    DataError
        If volume or mask cannot be used.
    """
    box, inside, within = filtered_box(volume, mask, _DISTANCE + _PATCH)
    noise = noise_deviation(inside, within)
    found = denoise_nl_means(inside, _PATCH, _DISTANCE, h=_STRENGTH * noise, sigma=noise, fast_mode=True)
    smooth = volume.astype(np.float32, copy=True)
    smooth[box][within] = found[within]
    return smooth


def bright_threshold(sharp: NDArray, mask: NDArray) -> float:
    """Threshold on a sharp image above which a voxel is taken for a perivascular space.

    The paper's was chosen by hand for each volume; here it is the median and 3.5 robust deviations of the white matter.

    Parameters
    ----------
    sharp : (z, y, x) float32
    mask : (z, y, x) bool

    Returns
    -------
    float
    """
    values = sharp[mask]
    middle = float(np.median(values))
    return middle + _BRIGHT * float(np.median(np.abs(values - middle))) / 0.6745


def recipe_label(
    volume: NDArray, mask: NDArray, present: NDArray | None = None, threshold: float | None = None
) -> RecipeLabel:
    """Make a label of a volume alone, and let raters correct it if there are some.

    Parameters
    ----------
    volume : (z, y, x) float32
    mask : (z, y, x) bool
        White matter.
    present : (z, y, x) bool, optional
        Where raters saw perivascular spaces: the label is sharp there, and nowhere else.
    threshold : float, optional
        Default: :func:`bright_threshold`.

    Returns
    -------
    RecipeLabel

    Raises
    ------
    DataError
        If volume or mask cannot be used.
    """
    sharp, smooth = sharpen(volume, mask), denoise(volume, mask)
    limit = bright_threshold(sharp, mask) if threshold is None else threshold
    raised = sharp > limit if present is None else present
    label = np.where(mask & raised, sharp, smooth)
    return RecipeLabel(label, sharp, smooth, limit)
