"""Measures of quality by hand."""

import numpy as np
import pytest
import skimage.metrics

from recon.quality.metrics import agreement, nrmse, quality


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
    assert np.isnan(agreement(np.array([1.0, 2.0, 3.0]), np.full(3, 2.0)).correlation)
    assert np.isnan(agreement(np.full(3, 2.0), np.array([1.0, 2.0, 3.0])).correlation)
