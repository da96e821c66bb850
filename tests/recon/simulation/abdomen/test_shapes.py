"""Fields, shapes and the signal equation that simulated abdomens are made of."""

import numpy as np
import pytest

from recon.simulation.abdomen.implicit_shapes import FAR_MM, WarpedGrid, blended, ellipsoid, tube
from recon.simulation.abdomen.spline_fields import SplineField
from recon.simulation.abdomen.vibe import draw_signals, spoiled_signal


def straight(shape: tuple[int, int, int] = (60, 50, 70), spacing: tuple[float, float, float] = (2.0, 1.5, 1.0)):
    return WarpedGrid(shape, spacing, np.random.default_rng(1), warp_mm=0.0)


def at(grid: WarpedGrid, values: np.ndarray, place: tuple[float, float, float]) -> float:
    nearest = tuple(int(np.argmin(np.abs(axis - p))) for axis, p in zip(grid.axes_mm, place, strict=True))
    return float(values[nearest])


def test_fields_are_the_same_on_a_grid_and_at_points_and_of_unit_deviation() -> None:
    field = SplineField(np.random.default_rng(3), 20.0)
    axes = tuple(np.linspace(-100, 100, size) for size in (11, 13, 17))
    values = field.on(axes)
    points = np.stack([part.ravel() for part in np.meshgrid(*axes, indexing="ij")], axis=1)
    assert values.shape == (11, 13, 17)
    np.testing.assert_allclose(field.at(points), values.ravel(), atol=1e-4)
    fine = SplineField(np.random.default_rng(4), 12.0).on(tuple(np.linspace(-150, 150, 61) for _ in range(3)))
    assert fine.std() == pytest.approx(1, abs=0.05)
    assert abs(fine.mean()) < 0.05


def test_a_turned_ellipsoid_has_its_axes_and_its_volume() -> None:
    grid = straight()
    axes = (40.0, 12.0, 20.0)
    upright = ellipsoid(grid, (0, 0, 0), axes)
    assert at(grid, upright, (0, 0, 0)) == pytest.approx(np.prod(axes) ** (1 / 3), rel=0.1)  # no voxel is in the middle
    for place, inside in (((38, 0, 0), True), ((43, 0, 0), False), ((0, 0, 18), True), ((0, 14, 0), False)):
        assert (at(grid, upright, place) > 0) == inside
    tilted = ellipsoid(grid, (0, 0, 0), axes, (0, 0, 90))  # about x: z and y change places
    assert at(grid, tilted, (0, 30, 0)) > 0 > at(grid, tilted, (16, 0, 0))
    for depth in (upright, tilted):
        volume = (depth > 0).sum() * np.prod(grid.spacing_mm)
        assert volume == pytest.approx(4 / 3 * np.pi * np.prod(axes), rel=0.03)
    cylinder = ellipsoid(grid, (0, 0, 0), (float("inf"), 10, 10))
    assert (cylinder > 0).sum() * np.prod(grid.spacing_mm) == pytest.approx(np.pi * 100 * 120, rel=0.03)


def test_a_tube_is_as_thick_and_long_as_told() -> None:
    grid = straight()
    drawn = tube(grid, np.array([[-20.0, 0, 0], [0, 0, 0], [20, 0, 0]]), np.array([8.0, 8, 8]))
    volume = (drawn.depth > 0).sum() * np.prod(grid.spacing_mm)
    assert volume == pytest.approx(np.pi * 64 * 40 + 4 / 3 * np.pi * 512, rel=0.04)
    assert at(grid, drawn.depth, (0, 0, 12)) == pytest.approx(8 - 12, abs=0.6)
    assert at(grid, drawn.depth, (0, 0, 30)) == FAR_MM
    assert at(grid, drawn.along_mm, (10, 0, 0)) == pytest.approx(30, abs=2.5)


def test_warped_places_land_where_the_grid_says() -> None:
    grid = WarpedGrid((60, 60, 60), (3.0, 3.0, 3.0), np.random.default_rng(2), warp_mm=5.0)
    places = np.array([[10.0, -20, 30], [-30, 5, -12]])
    for place, shown in zip(places, grid.to_image(places), strict=True):
        index = tuple(int(np.argmin(np.abs(axis - p))) for axis, p in zip(grid.axes_mm, shown, strict=True))
        assert np.abs(grid.points[(slice(None), *index)] - place).max() < 3.5
    assert np.linalg.norm(grid.to_image(places) - places, axis=1).min() > 0.5


def test_a_blend_contains_both_and_rounds_the_seam() -> None:
    first, second = np.array([3.0, -9.0, 1.0]), np.array([-9.0, 2.0, 1.0])
    np.testing.assert_allclose(blended(first, second, 4.0), [3.0, 2.0, 2.0])


def test_spoiled_gradient_echo() -> None:
    assert spoiled_signal(500, 0.8, 1e5, 30) == pytest.approx(0.4)  # all recovers: ρ sin α
    flips = np.linspace(1, 60, 600)
    best = flips[np.argmax([spoiled_signal(800, 1, 4, flip) for flip in flips])]
    assert np.cos(np.deg2rad(best)) == pytest.approx(np.exp(-4 / 800), abs=1e-3)  # Ernst
    signals = draw_signals(np.random.default_rng(0))
    assert signals["liver"] == 1
    assert signals["water"] < signals["spleen"] < signals["liver"]
