"""Small inverse problems d = E_Φ(U) that several tests share."""

import dataclasses

import numpy as np

from recon.readouts.trajectory import GOLDEN_ANGLE_DEG, golden_angles_rad, radial_trajectory
from recon.spatial.back_projection import SubspaceProblem
from recon.spatial.encoding import SubspaceNufft, coil_encoding
from recon.spatial.nufft import plan_nufft
from tests.support.linear import complex_normal

FIBONACCI_DEG = 180 * 233 / 377


def some_problem(
    matrix: int, spokes: int, rank: int, angle_deg: float = GOLDEN_ANGLE_DEG, samples: int = 0
) -> SubspaceProblem:
    """Random data and rough temporal weights: the worst case, since nothing varies slowly from spoke to spoke."""
    rng = np.random.default_rng(matrix + spokes)
    trajectory = radial_trajectory(golden_angles_rad(np.arange(spokes), angle_deg), samples or 2 * matrix, matrix)
    basis = np.linalg.qr(complex_normal(rng, (spokes, rank)))[0].T.astype(np.complex64)
    kspace = complex_normal(rng, (3, *trajectory.shape[:2]))
    return SubspaceProblem(kspace, trajectory, basis, smooth_maps(3, matrix))


def smooth_maps(coils: int, matrix: int) -> np.ndarray:
    y, x = (np.mgrid[:matrix, :matrix] - matrix // 2) / matrix
    angles = 2 * np.pi * np.arange(coils) / coils
    maps = [np.exp(-((x - 0.6 * np.cos(a)) ** 2) - (y - 0.6 * np.sin(a)) ** 2 + 1j * (x + a)) for a in angles]
    return np.stack(maps).astype(np.complex64)


def fully_sampled() -> tuple[SubspaceProblem, np.ndarray]:
    """More spokes than unknowns in a small problem: least squares has one solution, and it is the truth."""
    problem = some_problem(16, 600, 2)
    factor = complex_normal(np.random.default_rng(2), (2, 16, 16))
    factor = np.fft.ifft2(np.fft.fft2(factor) * np.exp(-np.add.outer(*2 * [np.fft.fftfreq(16) ** 2]) * 40)).astype("c8")
    e_phi = coil_encoding(problem.coil_maps, SubspaceNufft(plan_nufft(problem.trajectory, 16), problem.temporal_basis))
    return dataclasses.replace(problem, kspace=e_phi(factor)), factor
