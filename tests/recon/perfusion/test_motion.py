"""Movements come back with their sign and size; labelling alone is none."""

from functools import cache

import numpy as np
import pytest
from scipy.ndimage import affine_transform, gaussian_filter
from scipy.spatial.transform import Rotation

from recon.perfusion.motion import Movement, alternating_part, corrected, estimate_movement

MM = (6.0, 3.5, 3.0)
CONTROL = np.arange(8) % 2 == 0


@cache
def body() -> np.ndarray:
    rng = np.random.default_rng(1)
    z, y, x = np.ogrid[-1:1:10j, -1:1:40j, -1:1:44j]
    inside = (z / 0.8) ** 2 + (y / 0.7) ** 2 + (x / 0.6) ** 2 < 1
    texture = gaussian_filter(rng.standard_normal(inside.shape), (1.0, 2.5, 2.5))
    return gaussian_filter(inside * (1000 + 300 * texture / texture.std()), (0.5, 1, 1)).astype(np.float32)


def moved(shift_mm: np.ndarray, turn_rad: np.ndarray) -> np.ndarray:
    """The body with its point x now at R x + t, in mm about the centre: an explicit inverse map."""
    scale, centre = np.array(MM), (np.array(body().shape) - 1) / 2
    back = np.linalg.inv(Rotation.from_rotvec(turn_rad).as_matrix())
    matrix = np.diag(1 / scale) @ back @ np.diag(scale)
    offset = centre - matrix @ centre - np.diag(1 / scale) @ back @ shift_mm
    return affine_transform(body(), matrix, offset, order=3, mode="nearest")


def movements() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    shifts, turns = rng.uniform(-1.5, 1.5, (8, 3)), np.deg2rad(rng.uniform(-1.5, 1.5, (8, 3)))
    for values in (shifts, turns):
        values[~CONTROL] += np.median(values[CONTROL] - values[~CONTROL], axis=0)  # else it would count as labelling
        values -= values.mean(axis=0)
    return shifts, turns


def test_movements_come_back_in_mm_and_rad() -> None:
    shifts, turns = movements()
    frames = np.stack([moved(*one) for one in zip(shifts, turns, strict=True)])
    found = estimate_movement(frames, CONTROL, body() > 300, MM)
    assert np.abs(found.shift_mm - shifts).max() < 0.2
    assert np.abs(found.turn_rad - turns).max() < np.deg2rad(0.2)
    inside = body() > 300
    before, after = (np.std(each[:, inside], axis=0).mean() for each in (frames, corrected(frames, found, MM)))
    assert after < 0.25 * before


def test_labelling_is_not_taken_for_motion() -> None:
    flow = gaussian_filter((np.arange(44) > 24) * body(), (0, 1, 1)) * 0.05  # strong, and on one side
    frames = np.stack([body() - (0 if control else 1) * flow for control in CONTROL])
    found = estimate_movement(frames, CONTROL, body() > 300, MM)
    assert np.ptp(found.courses, axis=0).max() < 1e-9
    assert found.distance_mm.max() < 0.02
    np.testing.assert_array_equal(corrected(frames, found, MM), frames)


def test_a_jerk_does_not_change_the_alternating_part() -> None:
    courses = np.zeros((8, 2))
    courses[CONTROL, 0], courses[3] = 0.4, 9.0
    np.testing.assert_allclose(alternating_part(courses, CONTROL), [0.2, 0.0])


def test_few_slices_are_moved_within_their_plane_alone() -> None:
    frames = np.stack([np.roll(body()[4:5], step, axis=2) for step in (0, 0, 1, 1, 0, 0, -1, -1)])
    found = estimate_movement(frames, CONTROL, body()[4:5] > 300, MM)
    np.testing.assert_allclose(found.shift_mm[:, 2], 3.0 * np.array([0, 0, 1, 1, 0, 0, -1, -1]), atol=0.3)
    assert not found.shift_mm[:, 0].any()
    assert not found.turn_rad[:, 1:].any()


def test_distance_counts_turns_at_the_surface_of_a_head() -> None:
    found = Movement(np.array([[3.0, 4.0, 0.0]]), np.array([[0.0, 0.0, 0.02]]))
    assert found.distance_mm[0] == pytest.approx(5 + 50 * 0.02)
