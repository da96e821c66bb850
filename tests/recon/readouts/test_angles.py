"""Spokes at the angles that a trajectory says, and at others."""

from dataclasses import replace

import numpy as np
import pytest

from recon.readouts.angles import DISAGREEMENT_LIMIT, angle_disagreement
from recon.readouts.trajectory import golden_angles_rad, radial_trajectory
from recon.spatial.back_projection import SubspaceProblem, encoding
from tests.support.linear import complex_normal
from tests.support.problems import smooth_maps

N, SPOKES = 48, 400


@pytest.fixture(scope="module", params=[None, 48.0], ids=["between samples", "on a sample"])
def scan(request: pytest.FixtureRequest) -> SubspaceProblem:
    """A lopsided body that nulls and inverts, with noise of unit variance."""
    trajectory = radial_trajectory(golden_angles_rad(np.arange(SPOKES), 111.246), 2 * N, N, request.param)
    y, x = np.mgrid[:N, :N] - N / 2
    body = 40 * (np.hypot(x - 4, y + 2) < 14) + 80 * (np.hypot(x - 9, y) < 4) + 0j
    recovery = (1 - 2 * np.exp(-(np.arange(SPOKES) % 40) / 10)).astype(np.complex64)[None]
    problem = SubspaceProblem(np.empty((3, SPOKES, 2 * N), np.complex64), trajectory, recovery, smooth_maps(3, N))
    kspace = encoding(problem)(body[None].astype(np.complex64))
    noise = complex_normal(np.random.default_rng(0), kspace.shape)
    return replace(problem, kspace=kspace + noise / np.sqrt(np.mean(np.abs(noise) ** 2)))


def turned(trajectory: np.ndarray, degrees: np.ndarray | float) -> np.ndarray:
    angle = np.broadcast_to(np.deg2rad(degrees), len(trajectory))
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.einsum("ijt,tsj->tsi", matrix, trajectory).astype(np.float32)


def test_right_angles_agree_whatever_the_body_lies_like(scan: SubspaceProblem) -> None:
    for trajectory in (scan.trajectory, turned(scan.trajectory, 33.0), scan.trajectory * np.float32([-1, 1])):
        assert angle_disagreement(scan.kspace, trajectory, 1.0) < DISAGREEMENT_LIMIT / 2


def test_wrong_angles_do_not(scan: SubspaceProblem) -> None:
    number = np.arange(SPOKES)
    shuffled = scan.trajectory[np.random.default_rng(1).permutation(SPOKES)]
    reversed_spokes = np.where((number % 2 == 0)[:, None, None], scan.trajectory, -scan.trajectory)
    for wrong in (turned(scan.trajectory, 0.5 * number), shuffled, reversed_spokes):
        assert angle_disagreement(scan.kspace, wrong, 1.0) > 1.5 * DISAGREEMENT_LIMIT


def test_noise_that_is_known_does_not_count(scan: SubspaceProblem) -> None:
    louder = complex_normal(np.random.default_rng(2), scan.kspace.shape)
    louder *= 8 / np.sqrt(np.mean(np.abs(louder) ** 2))
    known = angle_disagreement(scan.kspace + louder, scan.trajectory, 65.0)
    assert known < angle_disagreement(scan.kspace + louder, scan.trajectory, 0.0)
    assert known < DISAGREEMENT_LIMIT


def test_few_spokes_and_one_angle_say_nothing(scan: SubspaceProblem) -> None:
    assert angle_disagreement(scan.kspace[:, :25], scan.trajectory[:25]) is None
    same = np.broadcast_to(scan.trajectory[:1], scan.trajectory.shape)
    assert angle_disagreement(scan.kspace, same) is None


def test_off_resonance_is_no_wrong_angle(scan: SubspaceProblem) -> None:
    """Phase that grows along the readout parts opposite spokes, which run through it the other way."""
    along = np.arange(2 * N) - N
    off_resonant = scan.kspace * np.exp(0.02j * along).astype(np.complex64)  # 0.3 pixels, as fat at 3 T
    found = angle_disagreement(off_resonant, scan.trajectory, 1.0)
    assert angle_disagreement(scan.kspace, scan.trajectory, 1.0) < found < DISAGREEMENT_LIMIT
