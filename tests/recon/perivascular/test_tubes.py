"""Tubes are counted and measured; balls, sheets and noise are not."""

import numpy as np
import pytest

from recon.errors import DataError
from recon.perivascular.tubes import find_spaces, near_spaces, tubeness
from recon.simulation.angiogram.vessels import Vessel, coverage

SHAPE = (40, 40, 40)
MASK = np.zeros(SHAPE, dtype=bool)
MASK[4:-4, 4:-4, 4:-4] = True
VOXEL = (0.5, 0.5, 0.5)


def tube(start: tuple[float, float, float], end: tuple[float, float, float], radius: float = 0.8) -> Vessel:
    points = np.linspace(start, end, 50)
    return Vessel(points, np.full(50, radius))


def volume_with(*tubes: Vessel, contrast: float = 0.8, level: float = 300.0) -> np.ndarray:
    return ((1 + contrast * coverage(list(tubes), SHAPE)) * level).astype(np.float32)


def counted(volume: np.ndarray, mask: np.ndarray = MASK) -> int:
    return find_spaces(tubeness(volume, mask), mask, VOXEL).count


def test_tubes_in_all_directions_are_counted_whatever_the_scale() -> None:
    tubes = (tube((10, 10, 8), (10, 10, 30)), tube((20, 8, 20), (20, 30, 20)), tube((8, 30, 30), (30, 32, 30)))
    for level in (0.01, 300.0):
        assert counted(volume_with(*tubes, level=level)) == 3
    found = find_spaces(tubeness(volume_with(*tubes), MASK), MASK, VOXEL)
    assert set(np.unique(found.labels)) == {0, 1, 2, 3}
    inside = coverage(list(tubes), SHAPE) > 0.3
    assert (found.labels > 0)[inside].mean() > 0.9
    assert found.white_matter_ml == pytest.approx(32**3 * 0.125 / 1000)
    assert found.volume_ml == pytest.approx((found.labels > 0).sum() * 0.125 / 1000)
    assert found.per_cm3 == pytest.approx(3 / found.white_matter_ml)


def test_dark_tubes_balls_and_noise_are_no_spaces() -> None:
    dark = volume_with(tube((10, 10, 8), (10, 10, 30)), contrast=-0.6)
    assert counted(dark) == 0
    z, y, x = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
    ball = 1 + 2.0 * (np.sqrt((z - 20) ** 2 + (y - 20) ** 2 + (x - 20) ** 2) < 3)
    assert counted(ball.astype(np.float32)) == 0
    noise = 1 + np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32) / 15
    assert counted(noise) == 0


def test_tubes_that_cross_are_one_and_two_apart_are_two() -> None:
    assert counted(volume_with(tube((20, 8, 20), (20, 30, 20)), tube((20, 20, 8), (20, 20, 30)))) == 1
    first, second = tube((20, 18, 8), (20, 18, 30), 0.5), tube((20, 23, 8), (20, 23, 30), 0.5)
    assert counted(volume_with(first, second)) == 2


def test_what_lies_outside_the_mask_is_not_seen() -> None:
    volume = np.ones(SHAPE, dtype=np.float32)
    volume[~MASK] = 4.0  # fluid around it
    response = tubeness(volume, MASK)
    assert response.max() < 1e-3
    outside = volume_with(tube((2, 2, 8), (2, 2, 30)))
    assert not tubeness(outside, MASK)[~MASK].any()
    assert counted(outside) == 0


def test_a_higher_threshold_finds_less() -> None:
    response = tubeness(volume_with(tube((10, 10, 8), (10, 10, 30))), MASK)
    volumes = [find_spaces(response, MASK, VOXEL, threshold).volume_ml for threshold in (0.02, 0.06, 0.15, 10.0)]
    assert volumes == sorted(volumes, reverse=True)
    assert volumes[0] > volumes[2] > volumes[3] == 0


def test_near_is_two_voxels_along_each_axis_within_the_mask() -> None:
    bright = np.zeros(SHAPE, dtype=bool)
    bright[20, 20, 20] = bright[4, 20, 5] = True
    near = near_spaces(bright, MASK)
    expected = np.zeros(SHAPE, dtype=bool)
    expected[18:23, 18:23, 18:23] = True
    expected[4:7, 18:23, 4:8] = True
    assert np.array_equal(near, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v, m: (np.where(v > 1.5, np.nan, v), m), "voxels are NaN or Inf"),
        (lambda v, m: (v - 2, m), "is signed"),
        (lambda v, m: (np.ones_like(v), m), "nothing to see"),
        (lambda v, m: (v[0], m), "is no volume"),
        (lambda v, m: (v, m[:30]), "30x40x40 voxels, the volume 40x40x40"),
        (lambda v, m: (v, np.zeros_like(m)), "mask is empty"),
    ],
)
def test_bad_input_is_told_in_one_line(change, message: str) -> None:
    volume = volume_with(tube((10, 10, 8), (10, 10, 30)), level=1.0)
    with pytest.raises(DataError, match=message) as caught:
        tubeness(*change(volume, MASK))
    assert "\n" not in str(caught.value)
