"""What is regressed out goes, and what alternates with the labelling stays."""

import numpy as np

from recon.perfusion.regression import Nuisance, nuisance_courses, without

RNG = np.random.default_rng(4)
COUNT = 48
ALTERNATION = np.where(np.arange(COUNT) % 2 == 0, 0.5, -0.5)
FLOW = RNG.uniform(5, 15, (3, 12, 12))
BRAIN = np.ones((3, 12, 12), dtype=bool)


def scan(*courses: np.ndarray) -> np.ndarray:
    clean = 1000 + FLOW * ALTERNATION[:, None, None, None]
    return (clean * (1 + sum(courses)[:, None, None, None])).astype(np.float32)


def course(size: float) -> np.ndarray:
    """Random, but without a mean, a drift and a difference of control and label: nothing could tell that from flow."""
    time = np.linspace(-1, 1, COUNT)
    basis, _ = np.linalg.qr(np.column_stack([np.ones(COUNT), ALTERNATION, time, time**2]))
    drawn = RNG.standard_normal(COUNT)
    return size * (drawn - basis @ (basis.T @ drawn))


def difference(frames: np.ndarray) -> np.ndarray:
    return (frames[::2] - frames[1::2]).mean(axis=0)


def test_a_global_course_goes_and_the_difference_stays() -> None:
    frames = scan(course(0.01))
    found = without(frames, ALTERNATION, nuisance_courses(frames, ALTERNATION, BRAIN, np.zeros((COUNT, 6))))
    np.testing.assert_allclose(difference(found), FLOW, rtol=0.01)
    each = found[::2] - found[1::2]
    assert each.std(axis=0).max() < 0.05 * (frames[::2] - frames[1::2]).std(axis=0).min()


def test_a_drift_of_labels_that_follow_their_controls_is_no_flow() -> None:
    frames = scan(0.1 * np.linspace(-1, 1, COUNT))
    found = without(frames, ALTERNATION, nuisance_courses(frames, ALTERNATION, BRAIN, np.zeros((COUNT, 6))))
    np.testing.assert_allclose(difference(found), FLOW, rtol=0.02)


def test_courses_of_motion_are_fitted_voxel_by_voxel() -> None:
    motion, places = RNG.standard_normal((COUNT, 6)), RNG.standard_normal((6, 3, 12, 12))
    frames = (scan(np.zeros(COUNT)) + np.tensordot(motion, 3 * places, 1)).astype(np.float32)
    drift = np.column_stack([np.linspace(-1, 1, COUNT), np.linspace(-1, 1, COUNT) ** 2])
    found = without(frames, ALTERNATION, Nuisance(drift, motion, np.zeros((COUNT, 2))))
    np.testing.assert_allclose(difference(found), FLOW, atol=0.01)
    assert found[::2].std(axis=0).max() < 0.01


def test_outliers_are_not_fitted_and_stay_as_they_are() -> None:
    frames = scan(course(0.002))
    frames[7, 1] *= 0.5
    kept = np.ones((COUNT, 3), dtype=bool)
    kept[6:8, 1] = False
    found = without(frames, ALTERNATION, nuisance_courses(frames, ALTERNATION, BRAIN, np.zeros((COUNT, 6))), kept)
    np.testing.assert_array_equal(found[6:8, 1], frames[6:8, 1])
    others = np.delete(np.arange(COUNT), [6, 7])
    np.testing.assert_allclose(difference(found[others])[1], FLOW[1], atol=0.5)


def test_few_images_are_left_as_they_are() -> None:
    frames = scan(course(0.01))[:8]
    courses = nuisance_courses(frames, ALTERNATION[:8], BRAIN, np.zeros((8, 6)))
    np.testing.assert_array_equal(without(frames, ALTERNATION[:8], courses), frames)
