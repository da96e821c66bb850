import numpy as np

from recon.spatial.frames import body_mask, frames, time_average
from tests.support.linear import complex_normal


def test_frames_and_average_are_u_phi() -> None:
    rng = np.random.default_rng(0)
    spatial_factor, basis = complex_normal(rng, (3, 4, 5)), complex_normal(rng, (3, 7))
    series = np.array(
        [[[sum(spatial_factor[:, y, x] * basis[:, t]) for x in range(5)] for y in range(4)] for t in range(7)]
    )
    assert np.allclose(frames(spatial_factor, basis), series, atol=1e-5)
    assert np.allclose(time_average(spatial_factor, basis), series.mean(axis=0), atol=1e-5)


def test_body_mask_leaves_the_air_out() -> None:
    rng = np.random.default_rng(0)
    y, x = np.indices((64, 64)) - 32
    body = np.hypot(y, x) < 20
    image = np.where(body, 100.0, 0.0) + np.abs(rng.normal(0, 3, (64, 64)))
    image[30:34, 30:34] = 5.0
    mask = body_mask(image)
    assert np.count_nonzero(mask != body) < 0.03 * np.count_nonzero(body)
    assert mask[32, 32]


def test_body_mask_drops_specks_fills_holes_and_keeps_its_rim() -> None:
    y, x = np.indices((64, 64)) - 32
    body = np.hypot(y, x) < 20
    image = np.where(body, 10.0, 1.0)
    image[2:4, 2:5] = 10.0  # a speck in the air
    image[30:36, 30:36] = 1.0  # a hole: the lung
    image[32, 20:24] = 1.0
    assert np.count_nonzero(body_mask(image) != body) < 40
    assert not body_mask(image)[:8, :8].any()
    assert body_mask(image)[30:36, 30:36].all()
    image[33, 33] = 0.0  # without any signal nothing can be fitted
    assert not body_mask(image)[33, 33]
    assert body_mask(image)[33, 34]


def test_gaps_and_specks_up_to_four_pixels_wide_are_closed_and_dropped() -> None:
    image = np.ones((60, 60))
    image[10:40, 10:40] = 20.0
    image[10:20, 18:21] = 1.0  # a notch of three pixels
    image[10:20, 28:34] = 1.0  # and one of six
    image[50:54, 10:14] = 20.0  # a speck
    image[48:54, 40:46] = 20.0  # an arm of six
    mask = body_mask(image)
    assert mask[13:40, 18:21].all()
    assert not mask[10:18, 30:32].any()
    assert not mask[50:54, 10:14].any()
    assert mask[50:52, 42:44].all()
