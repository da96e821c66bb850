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
