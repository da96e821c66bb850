"""Quality within a region, against its formulas."""

import numpy as np
import pytest
import skimage.metrics

from recon.quality.region_quality import quality_within


def test_only_errors_within_the_region_count() -> None:
    reference = np.full((12, 12, 12), 2.0, dtype=np.float32)
    volume, left = reference.copy(), np.zeros(reference.shape, dtype=bool)
    left[:, :, :6] = True
    volume[:, :, :6] += 0.2
    found = quality_within(volume, reference, {"left": left, "right": ~left}, peak=4.0)
    assert found["left"].psnr_db == pytest.approx(20 * np.log10(4.0 / 0.2), abs=1e-4)
    assert found["left"].rrmse == pytest.approx(0.1, rel=1e-5)
    assert found["right"].psnr_db == np.inf
    assert found["right"].rrmse == 0
    assert found["left"].ssim < found["right"].ssim < 1


def test_over_the_whole_volume_it_is_that_of_scikit_image() -> None:
    rng = np.random.default_rng(1)
    reference = rng.random((12, 13, 14), dtype=np.float32)
    volume = (reference + 0.1 * rng.standard_normal(reference.shape)).astype(np.float32)
    inner = np.zeros(reference.shape, dtype=bool)
    inner[3:-3, 3:-3, 3:-3] = True  # as scikit-image cuts its borders
    found = quality_within(volume, reference, {"all": np.ones_like(inner), "inner": inner}, peak=1.5)
    psnr = skimage.metrics.peak_signal_noise_ratio(reference, volume, data_range=1.5)
    assert found["all"].psnr_db == pytest.approx(psnr, abs=1e-4)
    ssim = skimage.metrics.structural_similarity(reference, volume, data_range=1.5)
    assert found["inner"].ssim == pytest.approx(ssim, abs=1e-5)
