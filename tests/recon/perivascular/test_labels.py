"""The gain on Haar coefficients, denoising, and the rule that joins them, in the mask alone."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from recon.errors import DataError
from recon.perivascular.haar import gain, noise_deviation, sharpen
from recon.perivascular.labels import bright_threshold, denoise, recipe_label
from recon.simulation.angiogram.vessels import Vessel, coverage

SHAPE = (24, 28, 30)
NOISE = 0.05


@pytest.fixture(scope="module")
def scan() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Volume with noise and a tube, the volume without noise, and a mask with fluid outside of it."""
    line = Vessel(np.linspace((12, 14, 6), (12, 14, 24), 40), np.full(40, 0.8))
    clean = 1 + 0.8 * gaussian_filter(coverage([line], SHAPE), 0.4)
    mask = np.zeros(SHAPE, dtype=bool)
    mask[3:-3, 3:-3, 3:-3] = True
    clean[~mask] = 3.5
    noise = NOISE * np.random.default_rng(2).standard_normal(SHAPE)
    return (clean + noise).astype(np.float32), clean.astype(np.float32), mask


def test_gain_leaves_noise_and_amplifies_structure() -> None:
    values = np.array([0, 1, -3, 4.5, 6, -6, 30], dtype=np.float32)
    assert gain(values, 1.0, 2.0) == pytest.approx([0, 1, -3, 4.5 * 1.5, 12, -12, 60])
    assert gain(values, 2.0, 2.0)[-4:] == pytest.approx([4.5, 6, -6, 60])
    assert np.array_equal(gain(values, 1.0, 1.0), values)


def test_noise_is_measured_within_the_mask(scan: tuple) -> None:
    volume, _, mask = scan
    assert noise_deviation(volume, mask) == pytest.approx(NOISE, rel=0.1)
    louder = volume + np.where(mask, 0, np.random.default_rng(0).standard_normal(SHAPE))
    assert noise_deviation(louder, mask) == pytest.approx(NOISE, rel=0.1)


def test_without_gain_the_volume_comes_back(scan: tuple) -> None:
    volume, _, mask = scan
    assert np.allclose(sharpen(volume, mask, 1.0), volume, atol=1e-5)


def test_sharpening_raises_the_tube_and_keeps_tissue_and_scale(scan: tuple) -> None:
    volume, clean, mask = scan
    sharp = sharpen(volume, mask)
    tube = clean - 1 > 0.5
    tube &= mask
    assert 1.4 < (sharp - 1)[tube].mean() / (volume - 1)[tube].mean() <= 2.1
    far = mask & (clean < 1.001)
    assert sharp[far].mean() == pytest.approx(1.0, abs=0.01)
    assert np.array_equal(sharp[~mask], volume[~mask])
    assert np.allclose(sharpen(1000 * volume, mask), 1000 * sharp, rtol=1e-3)


def test_similar_blocks_share_their_noise_not_their_places() -> None:
    """A gain of zero on all but the mean of a group would blur; here each block keeps its own place."""
    volume = np.ones((16, 16, 16), dtype=np.float32)
    volume[8, 8, 8] = 3.0
    sharp = sharpen(volume + 1e-4 * np.random.default_rng(1).random(volume.shape, dtype=np.float32), volume > 0)
    assert np.unravel_index(np.argmax(sharp), sharp.shape) == (8, 8, 8)
    assert sharp[8, 8, 8] > 3.5
    assert abs(sharp[2, 2, 2] - 1) < 0.01


def test_denoising_lowers_noise_within_the_mask_alone(scan: tuple) -> None:
    volume, clean, mask = scan
    smooth = denoise(volume, mask)
    far = mask & (clean < 1.001)
    assert smooth[far].std() < 0.5 * NOISE
    assert smooth[far].mean() == pytest.approx(1.0, abs=0.01)
    assert np.array_equal(smooth[~mask], volume[~mask])


def test_label_is_sharp_above_the_threshold_and_denoised_below(scan: tuple) -> None:
    volume, _, mask = scan
    found = recipe_label(volume, mask)
    assert found.threshold == pytest.approx(bright_threshold(found.sharp, mask))
    assert 1.1 < found.threshold < 1.5
    raised = mask & (found.sharp > found.threshold)
    assert 10 < raised.sum() < 400
    assert np.array_equal(found.label[raised], found.sharp[raised])
    below = mask & ~raised
    assert np.array_equal(found.label[below], found.denoised[below])
    assert np.array_equal(found.label[~mask], volume[~mask])
    lower = recipe_label(volume, mask, threshold=0.0)
    assert np.array_equal(lower.label, lower.sharp)


def test_raters_decide_where_the_label_is_sharp(scan: tuple) -> None:
    volume, clean, mask = scan
    present = (clean - 1 > 0.4) & mask
    present[5, 5, 5] = True  # one that the threshold misses
    found = recipe_label(volume, mask, present)
    assert np.array_equal(found.label[present], found.sharp[present])
    elsewhere = mask & ~present
    assert np.array_equal(found.label[elsewhere], found.denoised[elsewhere])


def test_threshold_is_robust_against_bright_spaces() -> None:
    values = np.random.default_rng(3).normal(10, 0.5, (30, 30, 30))
    mask = np.ones(values.shape, dtype=bool)
    plain = bright_threshold(values, mask)
    assert plain == pytest.approx(10 + 3.5 * 0.5, rel=0.01)
    values[:1] = 100
    assert bright_threshold(values, mask) == pytest.approx(plain, rel=0.02)


def test_bad_input_is_refused(scan: tuple) -> None:
    volume, _, mask = scan
    for made in (sharpen, denoise, recipe_label):
        with pytest.raises(DataError, match="voxels are NaN or Inf"):
            made(np.where(mask, np.inf, volume), mask)
        with pytest.raises(DataError, match="give a mask on the volume's grid"):
            made(volume, mask[1:])
