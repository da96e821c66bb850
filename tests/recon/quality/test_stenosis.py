"""Depth of a stenosis in vessels whose diameters are known."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from recon.quality.stenosis import apparent_depth

SIZE = 40


def vessel(along: np.ndarray, radii: np.ndarray, background: float = 0.0, blood: float = 1.0) -> tuple:
    """A straight vessel through the middle whose radius changes along it, edges antialiased; and its centreline."""
    along = along / np.linalg.norm(along)
    grid = np.stack(np.mgrid[:SIZE, :SIZE, :SIZE], axis=-1) - SIZE / 2
    place = grid @ along
    distance = np.linalg.norm(grid - place[..., None] * along, axis=-1)
    radius = np.interp(place, np.linspace(-15, 15, len(radii)), radii)
    volume = background + blood * np.clip(radius + 0.5 - distance, 0, 1)
    return volume.astype(np.float32), SIZE / 2 + np.linspace(-15, 15, 61)[:, None] * along


@pytest.mark.parametrize("along", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.2], [0.5, -0.6, 0.7]])
@pytest.mark.parametrize("blur", [0.0, 1.0])
def test_half_of_the_diameter_is_lost_whatever_direction_and_blur(along: list[float], blur: float) -> None:
    """4 voxels wide at the throat, 8 at the reference."""
    volume, line = vessel(np.array(along), np.array([4, 4, 4, 2, 2, 2, 4, 4, 4.0]), background=0.3, blood=2.0)
    if blur:
        volume = gaussian_filter(volume, blur)
    assert apparent_depth(volume, line, 30, 8, 7.0) == pytest.approx(0.5, abs=0.03)
    assert apparent_depth(volume, line, 52, 8, 7.0) == pytest.approx(0.0, abs=0.03)


def test_a_closed_vessel_and_one_that_is_not_there() -> None:
    volume, line = vessel(np.array([1.0, 0, 0]), np.array([4, 4, 4, -1, -1, -1, 4, 4, 4.0]))
    assert apparent_depth(volume, line, 30, 8, 7.0) == pytest.approx(1.0, abs=0.02)
    assert np.isnan(apparent_depth(0 * volume, line, 30, 8, 7.0))
    assert apparent_depth(1 - volume, line, 8, 30, 7.0) != apparent_depth(volume, line, 8, 30, 7.0)
    wider, line = vessel(np.array([1.0, 0, 0]), np.array([2, 2, 2, 4, 4, 4, 2, 2, 2.0]))
    assert apparent_depth(wider, line, 30, 8, 7.0) == pytest.approx(-1.0, abs=0.08)


def test_ends_of_the_centreline_have_a_direction_too() -> None:
    volume, line = vessel(np.array([0.0, 0.0, 1.0]), np.array([3.0, 3.0]))
    assert apparent_depth(volume, line, 0, 30, 6.0) == pytest.approx(0.0, abs=0.03)
    assert apparent_depth(volume, line, 60, 30, 6.0) == pytest.approx(0.0, abs=0.03)


def test_neither_the_scale_nor_a_centreline_beside_the_middle_matters() -> None:
    volume, line = vessel(np.array([1.0, 0, 0]), np.array([4, 4, 4, 2, 2, 2, 4, 4, 4.0]))
    assert apparent_depth(1e-3 * volume, line, 30, 8, 7.0) == pytest.approx(0.5, abs=0.03)
    beside = line + np.where(np.abs(np.arange(61) - 30) < 8, 1.5, 0.0)[:, None] * np.array([0.0, 0.6, -0.8])
    assert apparent_depth(volume, beside, 30, 8, 7.0) == pytest.approx(0.5, abs=0.03)


def area_by_hand(plane: np.ndarray, center: np.ndarray, reach: float) -> float:
    """Of a cross-section across z: rays every 15 degrees, rings every quarter voxel, bilinear interpolation."""
    radii = np.arange(0.125, reach + 1, 0.25)
    signal = np.zeros((len(radii), 24))
    for number, radius in enumerate(radii):
        for ray in range(24):
            y, x = center + radius * np.array([np.sin(np.pi * ray / 12), np.cos(np.pi * ray / 12)])
            row, column = int(np.floor(y)), int(np.floor(x))
            weights = np.outer([1 - (y - row), y - row], [1 - (x - column), x - column])
            signal[number, ray] = np.sum(weights * plane[row : row + 2, column : column + 2])
    around = np.median(signal[radii > reach])
    rings = [2 * np.pi * r * 0.25 * (row.mean() - around) for r, row in zip(radii, signal, strict=True) if r <= reach]
    return float(np.sum(rings))


@pytest.mark.parametrize(("step", "reach"), [(0.1, 5.0), (1.0, 6.0)])
def test_depth_of_any_volume_by_hand(step: float, reach: float) -> None:
    """The direction is that of the chord from two points before to two points after, whatever lies between."""
    rng = np.random.default_rng(4)
    volume = rng.random((30, 30, 30)) + 3 * np.exp(-((np.mgrid[:30, :30, :30][1:] - 15) ** 2).sum(axis=0) / 12)
    line = np.stack([8 + step * np.arange(13), np.full(13, 15.2), np.full(13, 14.7)], axis=1)
    line[[1, 3, 5, 7, 9, 11], 1:] += 2 * rng.standard_normal((6, 2))
    areas = {}
    for point in (0, 6, 12):
        planes = [volume[int(line[point, 0])], volume[int(line[point, 0]) + 1]]
        share = line[point, 0] % 1
        areas[point] = area_by_hand((1 - share) * planes[0] + share * planes[1], line[point, 1:], reach)
    for throat, reference in ((0, 6), (6, 12), (12, 0)):
        expected = 1 - np.sqrt(areas[throat] / areas[reference])
        assert abs(expected) > 1e-3
        assert apparent_depth(volume, line, throat, reference, reach) == pytest.approx(expected, abs=1e-6)


def test_blood_darker_than_its_surroundings_fills_nothing() -> None:
    volume, line = vessel(np.array([1.0, 0, 0]), np.array([4, 4, 4, 4, 4, 2, 2, 2, 2.0]))
    sign = np.where(np.arange(SIZE) < SIZE / 2, -1.0, 1.0)[:, None, None]
    for scale in (1.0, 1e-3):
        dark = (scale * (1 + sign * volume)).astype(np.float32)
        assert apparent_depth(dark, line, 8, 52, 7.0) == 1
        assert np.isnan(apparent_depth(dark, line, 52, 8, 7.0))
        assert np.isnan(apparent_depth(dark, line, 10, 8, 7.0))
