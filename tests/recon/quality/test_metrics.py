"""Measures of quality by hand, and an SSIM written out."""

import warnings

import numpy as np
import pytest
import skimage.metrics
from scipy.ndimage import gaussian_filter

from recon.quality.metrics import SMALLEST_SLICE, agreement, nrmse, quality, quality_by_slice


def test_nrmse_by_hand() -> None:
    assert nrmse(np.array([3.0, 5.0, 1.0]), np.array([3.0, 4.0, 0.0])) == pytest.approx(np.sqrt(2) / 5)
    assert nrmse(np.array([1 + 1j]), np.array([1j])) == pytest.approx(1)


@pytest.mark.parametrize("peak", [None, 4.0])
def test_quality_is_the_mean_over_frames_of_each_ones_own_peak(peak: float | None) -> None:
    rng = np.random.default_rng(0)
    reference = rng.uniform(0, 1, (3, 16, 16)) * np.array([1.0, 2.0, 5.0])[:, None, None]
    images = reference + 0.1 * rng.standard_normal(reference.shape)
    found = quality(images, reference, peak)
    peaks = [frame.max() if peak is None else peak for frame in reference]
    errors = np.mean((images - reference) ** 2, axis=(1, 2))
    assert found.psnr_db == pytest.approx(np.mean(10 * np.log10(np.square(peaks) / errors)))
    each = [
        skimage.metrics.structural_similarity(true, image, data_range=high)
        for image, true, high in zip(images, reference, peaks, strict=True)
    ]
    assert found.ssim == pytest.approx(np.mean(each))
    assert found.nrmse == pytest.approx(nrmse(images, reference))
    with pytest.raises(ValueError, match="zip"):
        quality(images[:2], reference)


def test_agreement_needs_three_pairs_that_differ_for_a_correlation() -> None:
    found = agreement(np.array([0.11, 0.18, 0.33]), np.array([0.1, 0.2, 0.3]))
    assert found.bias == pytest.approx((0.1 - 0.1 + 0.1) / 3)
    assert found.half_width == pytest.approx(1.96 * np.std([0.1, -0.1, 0.1], ddof=1))
    assert found.correlation == pytest.approx(np.corrcoef([1.1, 1.8, 3.3], [1, 2, 3])[0, 1])
    two = agreement(np.array([1.1, 1.8]), np.array([1.0, 2.0]))
    assert two.half_width == pytest.approx(1.96 * np.std([0.1, -0.1], ddof=1))
    assert np.isnan(two.correlation)
    assert agreement(np.array([2e-3, 5e-3, 4e-3]), np.array([1e-3, 2e-3, 3e-3])).correlation == pytest.approx(
        np.corrcoef([2, 5, 4], [1, 2, 3])[0, 1]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(agreement(np.full(3, 2.0), np.array([1.0, 2.0, 3.0])).correlation)
        assert np.isnan(agreement(np.array([1.0, 2.0, 3.0]), np.full(3, 2.0)).correlation)
        assert np.isnan(agreement(np.array([1.1]), np.array([1.0])).half_width)


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
