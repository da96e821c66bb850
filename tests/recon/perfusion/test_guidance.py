"""What guides a network, channel by channel; and in closed form what of the measured blood flow it cannot take away."""

import dataclasses

import numpy as np
import pytest

from recon.perfusion import PerfusionMaps
from recon.perfusion.guidance import (
    denoised_by,
    guidance,
    standard_error,
    unshaded,
    with_tissue_flow,
    with_what_stands_out,
)
from recon.perfusion.motion import Movement

SHAPE = (2, 24, 24)
CONTROL = np.where(np.random.default_rng(9).random(SHAPE) < 0.3, 808.0, 694.0)
"""Grey and white matter at a TR of 4 s."""


def maps_of(pair_cbf: np.ndarray, control: np.ndarray | None = None, kept: np.ndarray | None = None) -> PerfusionMaps:
    pairs = len(pair_cbf)
    brain = np.zeros(SHAPE, dtype=bool)
    brain[:, 3:-3, 3:-3] = True
    control = CONTROL if control is None else control
    still = Movement(np.zeros((2 * pairs, 3)), np.zeros((2 * pairs, 3)))
    kept = np.ones((pairs, SHAPE[0]), dtype=bool) if kept is None else kept
    pair_cbf = (pair_cbf * brain).astype(np.float32)
    mean = pair_cbf.mean(axis=0)
    return PerfusionMaps(control.astype(np.float32), mean, pair_cbf, kept, brain, still, "control")


@pytest.fixture(scope="module")
def noisy() -> PerfusionMaps:
    return maps_of(50 + 30 * np.random.default_rng(1).standard_normal((12, *SHAPE)))


def test_the_error_of_a_mean_is_the_spread_over_the_root_of_the_pairs(noisy: PerfusionMaps) -> None:
    for first, last in ((0, 12), (0, 3), (6, 12)):
        found = standard_error(noisy, first, last)
        assert found[noisy.brain].mean() == pytest.approx(30 / np.sqrt(last - first), rel=0.06)
        assert not found[~noisy.brain].any()


def test_alternating_pairs_have_a_known_error_and_those_left_out_have_no_say() -> None:
    signs = np.array([1, -1, 1, -1, 1, -1.0])
    pairs = np.broadcast_to(40 + 10 * signs[:, None, None, None], (6, *SHAPE)).copy()
    kept = np.ones((6, 2), dtype=bool)
    kept[4:, 1] = False
    pairs[4:, 1] += 500
    maps = maps_of(pairs, kept=kept)
    found = standard_error(maps)
    np.testing.assert_allclose(found[0][maps.brain[0]], np.sqrt(600 / 5 / 6), rtol=1e-5)
    np.testing.assert_allclose(found[1][maps.brain[1]], np.sqrt(400 / 3 / 4), rtol=1e-5)


def test_channels_have_their_order_and_are_zero_outside(noisy: PerfusionMaps) -> None:
    found = guidance(noisy, 2, 8)
    assert found.shape == (3, *SHAPE)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[0], noisy.mean_of(2, 8))
    np.testing.assert_array_equal(found[2], standard_error(noisy, 2, 8))
    grey = noisy.brain & (CONTROL > 800)
    np.testing.assert_allclose(found[1][grey], 1, atol=1e-3)  # span of 114 above the median
    np.testing.assert_allclose(found[1][noisy.brain & ~grey], 0, atol=1e-3)
    assert not found[:, ~noisy.brain].any()


def test_the_scanner_s_scale_does_not_count(noisy: PerfusionMaps) -> None:
    louder = dataclasses.replace(noisy, control=40 * noisy.control)
    np.testing.assert_allclose(guidance(louder), guidance(noisy), atol=1e-4)


def test_shading_of_coils_is_taken_out_and_contrast_stays(noisy: PerfusionMaps) -> None:
    _, y, x = np.indices(SHAPE) / 24
    field = np.exp(0.5 * y - 0.3 * x + 0.4 * (y - 0.5) ** 2)
    found = unshaded((CONTROL * field).astype(np.float32), noisy.brain)
    ratio = found[noisy.brain] / CONTROL[noisy.brain]
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=2e-3)
    shaded = dataclasses.replace(noisy, control=(CONTROL * field).astype(np.float32))
    np.testing.assert_allclose(guidance(shaded), guidance(noisy), atol=0.02)


def test_control_images_without_contrast_denoise_nothing(caplog: pytest.LogCaptureFixture) -> None:
    maps = maps_of(50 + 30 * np.random.default_rng(1).standard_normal((8, *SHAPE)), control=np.full(SHAPE, 700.0))
    np.testing.assert_array_equal(denoised_by(lambda shown: 0 * shown[0], maps, 0, 4), maps.mean_of(0, 4))
    assert "the control images tell no tissues apart" in caplog.text


def test_an_image_without_contrast_and_absurd_values_stay_finite_and_bounded() -> None:
    pairs = np.full((4, *SHAPE), 50.0)
    pairs[::2, 0, 10, 10] = 1e7
    found = guidance(maps_of(pairs, control=np.full(SHAPE, 700.0)))
    assert np.isfinite(found).all()
    assert np.abs(found[1]).max() < 1e-6
    assert found[0].max() == found[2].max() == 300


def test_what_lies_beyond_the_limit_is_kept_as_measured_and_nothing_else() -> None:
    measured, denoised = np.full(SHAPE, 40.0, np.float32), np.full(SHAPE, 40.0, np.float32)
    error = np.full(SHAPE, 10.0, np.float32)
    measured[0, 8:10, 12:14] -= 25  # Σ = -100, √Σ error² = 20: s = 5
    measured[1, 3, 3] += 25  # alone: s = 1.25
    found = with_what_stands_out(measured, denoised, error, keep_beyond=3)
    np.testing.assert_array_equal(found[0], measured[0])
    np.testing.assert_array_equal(found[1], denoised[1])
    # between limit and limit + 1 by the share: squares that hold half of it have s = 2.5
    shared = with_what_stands_out(measured, denoised, error, keep_beyond=4.75)
    np.testing.assert_allclose(shared[0, 8:10, 12:14], 40 - 0.25 * 25)
    assert shared[0, 7, 12] == 40
    np.testing.assert_array_equal(with_what_stands_out(measured, denoised, error, np.inf), denoised)


def test_a_single_bright_voxel_and_corners_are_kept_too() -> None:
    measured, denoised = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
    error = np.full(SHAPE, 5.0, np.float32)
    measured[0, 12, 12], measured[0, 0, 0], measured[1, -1, -1] = 90, -90, 90
    np.testing.assert_array_equal(with_what_stands_out(measured, denoised, error, 3), measured)


def test_noise_alone_is_hardly_kept() -> None:
    noise = 10 * np.random.default_rng(3).standard_normal((4, 100, 100)).astype(np.float32)
    error = np.full(noise.shape, 10, np.float32)
    found = with_what_stands_out(noise, np.zeros_like(noise), error, 3)
    # P(|N| > 3) = 0.27 %, and a voxel lies in four squares: below 1.1 %
    assert 0.002 < np.mean(found != 0) < 0.011
    assert abs(found.mean()) < 0.1


def test_a_rule_for_inner_voxels_leaves_the_others_to_the_network() -> None:
    measured, denoised, error = np.full(SHAPE, 90.0, np.float32), np.full(SHAPE, 40.0, np.float32), np.ones(SHAPE)
    inner = np.zeros(SHAPE, dtype=bool)
    inner[:, 5:10, 5:10] = True
    found = with_what_stands_out(measured, denoised, error, 3, inner)
    np.testing.assert_array_equal(found, np.where(inner, 90, 40))
    measured[inner] = 40  # what lies beside them has no say either
    np.testing.assert_array_equal(with_what_stands_out(measured, denoised, error, 3, inner), denoised)


@pytest.mark.parametrize("shift", [(-9.0, 4.0), (6.0, 6.0)])
def test_whatever_a_network_adds_to_a_tissue_is_undone(shift: tuple[float, float]) -> None:
    rng = np.random.default_rng(4)
    grey = rng.random(SHAPE) > 0.6
    truth, contrast = np.where(grey, 60.0, 20.0), np.where(grey, 0.9, -0.1)
    measured = truth + 10 * rng.standard_normal(SHAPE)
    error = np.full(SHAPE, 10.0)
    found = with_tissue_flow(measured, truth + np.where(grey, *shift), error, contrast)
    for tissue in (grey, ~grey):
        assert found[tissue].mean() == pytest.approx(measured[tissue].mean(), abs=1e-3)
        assert found[tissue].std() < 0.01  # and no noise comes back
    swapped = with_tissue_flow(measured, truth + np.where(grey, *shift), error, np.ones(SHAPE))
    assert abs(swapped[grey].mean() - measured[grey].mean()) == pytest.approx(
        abs(shift[0] - shift[1]) * (~grey).mean(), abs=1.5
    )


def test_noisy_voxels_have_little_say_in_the_mean_of_a_tissue() -> None:
    measured, error = np.full(SHAPE, 50.0), np.full(SHAPE, 2.0)
    measured[0, :4], error[0, :4] = 250, 200
    found = with_tissue_flow(measured, np.full(SHAPE, 30.0), error, np.zeros(SHAPE))
    # weights 1 / (4 + 1) and 1 / (40,000 + 1)
    few, others = 4 * 24, 2 * 24 * 24 - 4 * 24
    expected = (50 * others / 5 + 250 * few / 40001) / (others / 5 + few / 40001)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_without_noise_the_network_takes_nothing_away() -> None:
    pairs = np.broadcast_to(50 + 20 * np.random.default_rng(2).random(SHAPE), (4, *SHAPE))
    maps = maps_of(pairs)
    found = denoised_by(lambda shown: 0.5 * shown[0] + 3, maps)
    inner = np.zeros(SHAPE, dtype=bool)
    inner[:, 4:-4, 4:-4] = True
    np.testing.assert_array_equal(found[inner], maps.cbf[inner])


def test_a_brain_of_constant_blood_flow_keeps_it_whatever_the_network_says(noisy: PerfusionMaps) -> None:
    seen = []

    def network(shown: np.ndarray) -> np.ndarray:
        seen.append(shown)
        return np.full(SHAPE, 35, np.float32)

    found = denoised_by(network, noisy, 0, 10, keep_beyond=4)
    measured = noisy.mean_of(0, 10)[noisy.brain]
    np.testing.assert_array_equal(seen[0], guidance(noisy, 0, 10))
    assert found[noisy.brain].mean() == pytest.approx(measured.mean(), abs=0.1)
    assert found[noisy.brain].std() < 0.2 * measured.std()
    assert not found[~noisy.brain].any()


def test_a_lesion_that_the_network_does_not_see_is_kept() -> None:
    pairs = 50 + 30 * np.random.default_rng(1).standard_normal((10, *SHAPE))
    ill = pairs.copy()
    ill[:, 1, 10:12, 10:12] -= 40
    found = [denoised_by(lambda shown: np.full(SHAPE, 50, np.float32), maps_of(each)) for each in (pairs, ill)]
    change = found[1] - found[0]
    assert change[1, 10:12, 10:12].mean() < -0.8 * 40
    away = np.ones(SHAPE, dtype=bool)
    away[1, 8:14, 8:14] = False
    assert np.abs(change[away]).mean() < 0.5
