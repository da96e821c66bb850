"""Angles, gaps and distances of spokes by hand; the smooth function of the angle against its closed form."""

import numpy as np
import pytest

from recon.readouts.turning_spoke import TurningSpoke, distinct_angles, sample_spacing, spoke_angles, widest_gap_rad
from tests.support.spokes import Spokes

ANGLES = np.mod(np.arange(40) * 2.4, 2 * np.pi)


def spokes_at(angles: np.ndarray) -> np.ndarray:
    radius = 0.5 * (np.arange(21) - 9)
    return (radius[None, :, None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)[:, None]).astype(np.float32)


def test_angles_run_from_x_to_y_all_round() -> None:
    angles = np.deg2rad([0.0, 30.0, 90.0, 200.0, 359.0])
    assert np.allclose(spoke_angles(spokes_at(angles)), angles, atol=1e-6)
    assert distinct_angles(spokes_at(np.deg2rad([10, 10.0001, 10.002, 190, 10]))) == 3
    assert sample_spacing(spokes_at(angles)) == pytest.approx(0.5)
    longer = spokes_at(angles) * np.array([1, 1, 1, 1, 2])[:, None, None]
    assert sample_spacing(longer) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("degrees", "gap"), [([0, 90, 180, 270], 90), ([350, 20, 100, 200], 150), ([10, 50, 60], 310), ([100], 360)]
)
def test_widest_gap_goes_round_the_end(degrees: list[float], gap: float) -> None:
    assert np.rad2deg(widest_gap_rad(np.deg2rad(degrees))) == pytest.approx(gap)


def test_delayed_bent_spokes_are_functions_of_their_angle() -> None:
    spokes = Spokes(shift=0.3, delays=(0.4, -0.2, 0.1), bend=1.5)
    model = TurningSpoke(spokes.trajectory(ANGLES, 16))
    assert model.deviation < 1e-4
    others = np.linspace(0, 6, 17)
    trajectory = spokes.trajectory(others, 16)
    assert np.allclose(model.at(spoke_angles(trajectory)), trajectory, atol=2e-4)
    slope = (model.at(others + 1e-4) - model.at(others - 1e-4)) / 2e-4
    assert np.allclose(model.derivative(others), slope[..., 0] + 1j * slope[..., 1], atol=1e-5)


def test_deviation_is_the_largest_distance_from_the_function() -> None:
    trajectory = Spokes().trajectory(ANGLES, 16)
    trajectory[7, 20] += np.float32([0.3, 0.4])
    assert TurningSpoke(trajectory).deviation == pytest.approx(0.5 * (1 - 7 / 40), abs=0.06)
    wobble = Spokes().trajectory(ANGLES, 16).astype(np.float64)
    wobble[..., 0] += 0.2 * np.cos(3 * ANGLES)[:, None]
    assert TurningSpoke(wobble).deviation < 1e-4


def test_angle_of_a_bent_spoke_is_that_of_its_ends() -> None:
    path = np.array([[[-3.0, 0.5], [-1.0, -2.0], [0.5, 1.0], [3.0, 2.5]]])
    assert spoke_angles(path) == pytest.approx(np.arctan2(2.0, 6.0))
    assert sample_spacing(path) == pytest.approx(np.hypot(2.0, 6.0) / 3)
