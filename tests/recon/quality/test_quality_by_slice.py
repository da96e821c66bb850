"""Image quality slice by slice, against numbers by hand and an SSIM written out."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from recon.quality.metrics import SMALLEST_SLICE, quality, quality_by_slice


def ssim_of(true: np.ndarray, image: np.ndarray) -> float:
    """Equation 13 of Wang 2004, with a Gaussian window of 1.5 pixels, away from the borders."""

    def blur(values: np.ndarray) -> np.ndarray:
        return gaussian_filter(values, 1.5, truncate=3.5)

    peak, (mean_t, mean_i) = true.max(), (blur(true), blur(image))
    var_t, var_i = blur(true**2) - mean_t**2, blur(image**2) - mean_i**2
    covariance = blur(true * image) - mean_t * mean_i
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    found = (2 * mean_t * mean_i + c1) * (2 * covariance + c2) / ((mean_t**2 + mean_i**2 + c1) * (var_t + var_i + c2))
    return float(found[5:-5, 5:-5].mean())


def test_each_slice_has_its_own_peak_and_norm() -> None:
    rng = np.random.default_rng(1)
    true = rng.random((2, 24, 20)) + 0.2
    true[1] *= 100
    image = true + np.array([0.1, 1.0])[:, None, None] * rng.standard_normal(true.shape)
    found = quality_by_slice(image, true)
    errors = [np.sqrt(np.mean((a - b) ** 2)) for a, b in zip(image, true, strict=True)]
    psnr = [20 * np.log10(each.max() / error) for each, error in zip(true, errors, strict=True)]
    assert found.psnr_db == pytest.approx(np.mean(psnr))
    relative = [error / np.sqrt(np.mean(each**2)) for each, error in zip(true, errors, strict=True)]
    assert found.nrmse == pytest.approx(np.mean(relative))
    assert found.ssim == pytest.approx(np.mean([ssim_of(*pair) for pair in zip(true, image, strict=True)]), abs=1e-6)
    together = quality(image, true, peak=float(true.max()))
    assert together.nrmse < 0.5 * found.nrmse, "the whole volume's is that of its bright slices"


def test_smallest_slice_is_the_least_that_the_window_takes() -> None:
    true = np.random.default_rng(2).random((1, SMALLEST_SLICE, 30))
    assert quality_by_slice(true, true).ssim == pytest.approx(1)
    with pytest.raises(ValueError, match="win_size"):
        quality_by_slice(true[:, 1:], true[:, 1:])
