"""Image quality against a reference; the measures are scikit-image's."""

from dataclasses import dataclass

import numpy as np
import skimage.metrics
from numpy.typing import NDArray


@dataclass(frozen=True)
class Quality:
    """Agreement of an image series with a reference.

    Attributes
    ----------
    ssim : float
        Structural similarity, mean over the frames.
    psnr_db : float
        Peak signal to noise, mean over the frames; each frame's peak is the reference's.
    nrmse : float
        Root mean square error over the root mean square of the reference, all frames together.
    """

    ssim: float
    psnr_db: float
    nrmse: float


def nrmse(values: NDArray, reference: NDArray) -> float:
    """Norm of the difference over the norm of the reference.

    Parameters
    ----------
    values, reference : array
        Arrays of equal shape, real or complex.

    Returns
    -------
    float
    """
    return float(np.linalg.norm(values - reference) / np.linalg.norm(reference))


def quality(images: NDArray, reference: NDArray, peak: float | None = None) -> Quality:
    """Compare magnitude series at the scale that they have: nothing is fitted.

    Parameters
    ----------
    images, reference : (frames, rows, columns) float
    peak : float, optional
        For PSNR and SSIM; by default each frame's own, which must not be empty then.

    Returns
    -------
    Quality
    """
    ssim, psnr = [], []
    for image, true in zip(images, reference, strict=True):
        range_ = float(true.max()) if peak is None else peak
        ssim.append(skimage.metrics.structural_similarity(true, image, data_range=range_))
        psnr.append(skimage.metrics.peak_signal_noise_ratio(true, image, data_range=range_))
    return Quality(float(np.mean(ssim)), float(np.mean(psnr)), nrmse(images, reference))


SMALLEST_SLICE = 11
"""Pixels along an axis that the Gaussian window of SSIM needs."""


def quality_by_slice(images: NDArray, reference: NDArray) -> Quality:
    """Compare slice by slice, and average over the slices, as chapters 4 and 5 of the dissertation do.

    The peak is that of each slice of the reference, SSIM has a Gaussian window of 1.5 pixels (Wang 2004), and NRMSE is
    each slice's own, too. The papers print none of these three.

    Parameters
    ----------
    images, reference : (slices, rows, columns) float
        No slice of the reference is empty; rows and columns are at least :data:`SMALLEST_SLICE`.

    Returns
    -------
    Quality
    """
    found = []
    for image, true in zip(images, reference, strict=True):
        peak = float(true.max())
        ssim = skimage.metrics.structural_similarity(
            true, image, data_range=peak, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        psnr = skimage.metrics.peak_signal_noise_ratio(true, image, data_range=peak)
        found.append((ssim, psnr, nrmse(image, true)))
    ssim, psnr, error = np.mean(found, axis=0)
    return Quality(float(ssim), float(psnr), float(error))


@dataclass(frozen=True)
class Agreement:
    """Bland-Altman figures of paired measurements, relative to the reference.

    Attributes
    ----------
    bias : float
        Mean relative difference.
    half_width : float
        1.96 standard deviations of the relative differences: the limits of agreement are bias ± half_width.
    correlation : float
        Pearson's R; not a number for fewer than three pairs or a constant reference.
    """

    bias: float
    half_width: float
    correlation: float


def agreement(values: NDArray, reference: NDArray) -> Agreement:
    """Compare paired measurements (dissertation figure 6.3).

    Parameters
    ----------
    values, reference : (pairs,) float
        References are not zero.

    Returns
    -------
    Agreement
    """
    relative = values / reference - 1
    known = len(values) > 2 and np.ptp(reference) > 0 and np.ptp(values) > 0
    correlation = float(np.corrcoef(values, reference)[0, 1]) if known else float("nan")
    spread = float(np.std(relative, ddof=1)) if len(values) > 1 else float("nan")
    return Agreement(float(np.mean(relative)), 1.96 * spread, correlation)
