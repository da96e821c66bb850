"""Contours and their partial volume; random fields."""

import numpy as np
import pytest
import scipy.ndimage

from recon.simulation.anatomy.contours import at_angle, coverage, irregular, random_contour
from recon.simulation.anatomy.fields import off_resonance_hz, power_law_noise, smooth_noise, softened

PLACE = (np.arange(200, dtype=np.float32) - 100) * np.float32(0.5)
Y, X = np.meshgrid(PLACE, PLACE, indexing="ij")


@pytest.mark.parametrize("roughness", [0.0, 0.1])
def test_coverage_sums_to_the_area_of_the_contour(roughness: float) -> None:
    contour = random_contour(np.random.default_rng(3), (4, -7), (22, 13), 0.4, roughness)
    # the radius factor r(θ) of the affine unit disc: area = a b ½ ∫ r² dθ
    area = 22 * 13 * np.mean(contour.radius[:-1].astype(float) ** 2) * np.pi
    cover = coverage(contour.level(Y, X))
    assert cover.sum() * 0.25 == pytest.approx(area, rel=0.01)
    assert cover.min() == 0
    assert cover.max() == 1


def test_a_contour_lies_turned_where_it_should() -> None:
    """Rotation goes from x (second axis) towards y (first axis)."""
    contour = random_contour(np.random.default_rng(0), (10, -5), (20, 5), np.pi / 2, 0.0)
    assert contour.level(np.float32([[-5 + 20]]), np.float32([[10]])) == pytest.approx(1, abs=1e-3)
    assert contour.level(np.float32([[-5]]), np.float32([[10 + 5]])) == pytest.approx(1, abs=1e-3)
    x, y = contour.point(0.0)
    assert (x, y) == pytest.approx((10, 15), abs=0.01)


def test_points_of_a_contour_lie_on_it() -> None:
    contour = random_contour(np.random.default_rng(1), (3, 2), (20, 12), 0.7, 0.1, power=2.6)
    for angle in np.linspace(-3, 3, 7):
        x, y = contour.point(angle)
        assert contour.level(np.float32([[y]]), np.float32([[x]])) == pytest.approx(1, abs=0.03)


def test_contours_differ_and_close() -> None:
    rng = np.random.default_rng(2)
    first, second = irregular(rng, 0.05), irregular(rng, 0.05)
    assert first[0] == pytest.approx(first[-1], abs=1e-5)
    assert abs(first - second).max() > 0.02
    np.testing.assert_allclose(at_angle(first, np.float32([-np.pi, 0, np.pi])), first[[0, 180, 360]], atol=1e-4)


def test_fields_have_the_scale_they_are_asked_for() -> None:
    rng = np.random.default_rng(0)
    field = smooth_noise(rng, 256, 6.0)
    assert field.std() == pytest.approx(1, rel=1e-3)
    # white noise through a Gaussian of deviation s is correlated by exp(-d²/4s²)
    assert np.mean(field * np.roll(field, 6, 0)) == pytest.approx(np.exp(-0.25), abs=0.08)
    steep = power_law_noise(rng, 256, 3.0)
    spectrum = np.abs(np.fft.fft2(steep)[:, 0]) ** 2
    assert np.mean(spectrum[4:8]) / np.mean(spectrum[16:32]) == pytest.approx(4**3, rel=0.9)


def test_softening_on_a_coarse_grid_is_that_of_the_fine_one() -> None:
    mask = coverage(random_contour(np.random.default_rng(5), (0, 0), (25, 18)).level(Y, X))
    exact = scipy.ndimage.gaussian_filter(mask, 24.0, mode="constant")
    np.testing.assert_allclose(softened(mask, 24.0), exact, atol=0.01)


def test_off_resonance_is_sharpest_beside_air() -> None:
    water = coverage(random_contour(np.random.default_rng(5), (0, 0), (40, 35)).level(Y, X))
    bubble = coverage(random_contour(np.random.default_rng(6), (5, 5), (6, 6)).level(Y, X))
    field = off_resonance_hz(np.random.default_rng(1), water * (1 - bubble), 0.5, 3.0)
    slope = np.hypot(*np.gradient(field))
    near = np.hypot(X - 5, Y - 5) < 9
    far = (np.hypot(X - 5, Y - 5) > 18) & (np.hypot(X, Y) < 25)
    assert slope[near & (bubble == 0)].mean() > 2 * slope[far].mean()
