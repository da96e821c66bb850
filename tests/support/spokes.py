"""Spokes as scanners play them out, and the exact data of a disc with soft edges on them."""

import dataclasses

import numpy as np
import scipy.special

from recon.readouts.trajectory import golden_angles_rad
from recon.spatial.back_projection import SubspaceProblem
from tests.support.linear import complex_normal
from tests.support.problems import smooth_maps


@dataclasses.dataclass(frozen=True)
class Spokes:
    """How spokes differ from straight ones with a sample at k = 0; lengths in samples.

    ``shift`` moves all samples along the spoke; ``delays`` (sx, sxy, sy) by S n̂; ``bend`` is the sideways excursion of
    the ends; ``scatter`` an excursion that differs from spoke to spoke.
    """

    shift: float = 0.0
    delays: tuple[float, float, float] = (0.0, 0.0, 0.0)
    bend: float = 0.0
    scatter: float = 0.0
    samples: int = 0
    center: int | None = None

    def trajectory(self, angles: np.ndarray, matrix: int, oversampling: float = 2.0) -> np.ndarray:
        """(spokes, samples, 2) float32 in cycles per field of view."""
        samples = self.samples or round(oversampling * matrix)
        center = samples // 2 if self.center is None else self.center
        n = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        sx, sxy, sy = self.delays
        position = np.arange(samples) - center + self.shift
        k = n[:, None, :] * position[:, None] + (n @ [[sx, sxy], [sxy, sy]])[:, None, :]
        excursion = self.bend + self.scatter * np.random.default_rng(5).standard_normal((len(angles), 1))
        k += np.stack([-n[:, 1], n[:, 0]], axis=-1)[:, None, :] * (excursion * (position / center) ** 2)[..., None]
        return (k / oversampling).astype(np.float32)


def problem_on(spokes: Spokes, matrix: int, count: int, rank: int) -> SubspaceProblem:
    """Random data and rough temporal weights on golden-angle spokes."""
    rng = np.random.default_rng(matrix + count)
    trajectory = spokes.trajectory(golden_angles_rad(np.arange(count)), matrix)
    basis = np.linalg.qr(complex_normal(rng, (count, rank)))[0].T.astype(np.complex64)
    return SubspaceProblem(complex_normal(rng, (3, *trajectory.shape[:2])), trajectory, basis, smooth_maps(3, matrix))


def soft_disc(
    trajectory: np.ndarray, matrix: int, radius: float, center: tuple[float, float] = (0.0, 0.0), edge: float = 1.5
) -> np.ndarray:
    """Fourier transform of a disc of ones, convolved with a Gaussian of σ = ``edge``; lengths in pixels, (x, y)."""
    k = trajectory.astype(np.float64) / matrix
    q = np.linalg.norm(k, axis=-1)
    disc = np.where(q > 0, radius * scipy.special.j1(2 * np.pi * radius * q) / np.maximum(q, 1e-12), np.pi * radius**2)
    phase = np.exp(-2j * np.pi * (k @ np.asarray(center)) - 2 * (np.pi * edge * q) ** 2)
    return (disc * phase / matrix).astype(np.complex64)
