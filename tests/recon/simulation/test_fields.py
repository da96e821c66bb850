"""Random fields, level sets and tubes that simulated bodies are made of."""

import numpy as np
import pytest

from recon.simulation.angiogram.random_fields import (
    Grid,
    distance_to_level,
    filaments,
    fractal,
    paint,
    radius_in,
    smooth,
    within,
)

GRID = Grid((40, 44, 36))


def correlation(field: np.ndarray, axis: int, shift: int) -> float:
    return float((field * np.roll(field, shift, axis)).mean() / field.var())


def test_smooth_fields_have_unit_deviation_and_the_correlation_of_their_scale() -> None:
    """A Gaussian filter of deviation s leaves the correlation exp(-d² / 4s²)."""
    field = smooth(Grid((64, 64, 64)), np.random.default_rng(1), 2.0)
    assert field.std() == pytest.approx(1, rel=1e-4)
    assert abs(field.mean()) < 1e-4
    for axis in range(3):
        assert correlation(field, axis, 3) == pytest.approx(np.exp(-9 / 16), abs=0.03)


def test_scales_are_in_voxels_of_the_plane_whatever_the_thickness() -> None:
    field = smooth(Grid((64, 64, 64), (3.0, 1.0, 1.0)), np.random.default_rng(1), 3.0)
    assert correlation(field, 0, 1) == pytest.approx(np.exp(-9 / 36), abs=0.03)
    assert correlation(field, 1, 3) == pytest.approx(np.exp(-9 / 36), abs=0.03)


@pytest.mark.parametrize("slope", [0.5, 1.5])
def test_spectrum_of_a_fractal_falls_by_its_slope(slope: float) -> None:
    spectrum = np.abs(np.fft.fftn(fractal(Grid((64, 64, 64)), np.random.default_rng(2), slope)))
    wave = np.sqrt(sum(np.fft.fftfreq(64).reshape(shape) ** 2 for shape in ((-1, 1, 1), (1, -1, 1), (1, 1, -1))))
    low, high = (np.mean(spectrum[np.abs(wave - at) < 0.02]) for at in (0.1, 0.4))
    assert np.log(low / high) / np.log(4) == pytest.approx(slope, abs=0.05)


def test_distance_to_a_level_is_that_to_the_surface() -> None:
    grid = Grid((20, 40, 40), (2.0, 1.0, 1.0))
    z, y, _ = grid.points
    field = np.broadcast_to(3 * (0.6 * z + 0.8 * y - 20), grid.shape).astype(np.float32)
    distance = distance_to_level(field, grid)
    assert distance[5, 20, 7] == pytest.approx(0.6 * 10 + 0.8 * 20 - 20, abs=1e-3)


def test_radius_is_one_on_a_turned_ellipsoid() -> None:
    turn = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])  # its columns: the first axis along y, the second along x
    found = radius_in(GRID, np.array([20.0, 22, 18]), np.array([10.0, 5, 8]), turn)
    assert found[20, 32, 18] == pytest.approx(1, abs=1e-5)
    assert found[20, 22, 23] == pytest.approx(1, abs=1e-5)
    assert found[28, 22, 18] == pytest.approx(1, abs=1e-5)


def test_tubes_thinner_than_a_voxel_are_fainter_and_wider_ones_cover_more() -> None:
    shares = [filaments(GRID, np.random.default_rng(3), 6.0, radius, 0.0) for radius in (0.25, 0.5, 1.5)]
    assert shares[0].max() == pytest.approx(0.25 * shares[1].max(), rel=1e-5)
    assert shares[2].sum() > 3 * shares[1].sum()
    assert min(map(np.min, shares)) == 0


def test_paint_covers_by_shares() -> None:
    image = np.full((1, 1, 3), 0.5, dtype=np.float32)
    paint(image, within(np.array([[[-1.0, 0.0, 1.0]]], dtype=np.float32)), 2.0)
    assert image.ravel().tolist() == [0.5, 1.25, 2.0]
