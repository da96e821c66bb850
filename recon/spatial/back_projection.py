"""The inverse problem of one slice, ``d = E_Φ(U)``, and the ways to its spatial factor."""

from dataclasses import dataclass

import numpy as np
import sigpy
from numpy.typing import NDArray
from sigpy import linop

from recon.readouts.density import ramp_weights
from recon.readouts.noise import rim_variance
from recon.spatial.encoding import SubspaceNufft, back_projection, coil_encoding, lines_adjoint, normalisation
from recon.spatial.fan import LineFan
from recon.spatial.fold import Fold
from recon.spatial.nufft import plan_nufft
from recon.spatial.plans import kept_fan, kept_plan
from recon.spatial.toeplitz import ToeplitzNormal, kernel_bytes, toeplitz_kernel

_LINES_BYTES, _LINES_BYTES_GPU = 2**28, 2**31
"""What folded lines may take on a CPU, where four coils at a time of rank 32 and 160 pixels are faster than all, and
on a GPU, whose products should be large."""


@dataclass(frozen=True)
class SubspaceProblem:
    """Data and operators' ingredients, all on one device.

    Attributes
    ----------
    kspace : (coils, spokes, samples) complex64
        d, prewhitened.
    trajectory : (spokes, samples, 2) float32
        (kx, ky) in cycles per field of view.
    temporal_basis : (L, spokes) complex64
        Φ, rows orthonormal.
    coil_maps : (coils, N, N) complex64
        S.
    backend : str
        NUFFT back end.
    fan : LineFan, optional
        That of the trajectory and N, if it was laid out before.
    noise_variance : float, optional
        Of a complex sample, where it is known: 1 after prewhitening.
    """

    kspace: NDArray[np.complex64]
    trajectory: NDArray[np.float32]
    temporal_basis: NDArray[np.complex64]
    coil_maps: NDArray[np.complex64]
    backend: str = "auto"
    fan: LineFan | None = None
    noise_variance: float | None = None

    @property
    def rank(self) -> int:
        """L."""
        return len(self.temporal_basis)

    @property
    def matrix(self) -> int:
        """N."""
        return int(self.coil_maps.shape[-1])

    def sample_variance(self) -> float:
        """Variance of the noise of a complex sample: as it was measured, else what the ends of spokes tell."""
        known = self.noise_variance
        return rim_variance(self.kspace, self.trajectory) if known is None else known


def encoding(problem: SubspaceProblem) -> linop.Linop:
    """E_Φ of a problem as a SigPy Linop, to bring one's own prior.

    Parameters
    ----------
    problem : SubspaceProblem

    Returns
    -------
    Linop
        From U ``(L, N, N)`` to the data ``(coils, spokes, samples)``; its adjoint is ``.H``.
    """
    plan = plan_nufft(problem.trajectory, problem.matrix, problem.backend)
    return coil_encoding(problem.coil_maps, SubspaceNufft(plan, problem.temporal_basis))


def back_project_exactly(problem: SubspaceProblem) -> NDArray:
    """U₀ by gridding every spoke: the reference for :func:`back_project`.

    Returns
    -------
    (L, N, N) complex64
    """
    plan = plan_nufft(problem.trajectory, problem.matrix, problem.backend)
    nufft = SubspaceNufft(plan, problem.temporal_basis)
    return back_projection(problem.coil_maps, nufft, ramp_weights(problem.trajectory))(problem.kspace)


def back_project(problem: SubspaceProblem) -> NDArray:
    """U₀ by folding the scan onto a fan of lines and gridding those; its cost hardly grows with the scan.

    Where spokes differ by more than their angles, every spoke is gridded.

    Returns
    -------
    (L, N, N) complex64
    """
    return _project(problem, (True,))[0]


def back_project_and_adjoint(problem: SubspaceProblem) -> tuple[NDArray, NDArray]:
    """U₀ and the plain adjoint ``E_Φᴴ d`` from one fold: what the iterative methods start from.

    Returns
    -------
    (L, N, N) complex64, (L, N, N) complex64
    """
    initial, adjoint_data = _project(problem, (True, False))
    return initial, adjoint_data


def _project(problem: SubspaceProblem, compensate: tuple[bool, ...]) -> list[NDArray]:
    xp = sigpy.get_array_module(problem.kspace)
    fan = problem.fan or kept_fan(problem.trajectory, problem.matrix)
    if not fan.folds:
        return [back_project_exactly(problem) if ramp else encoding(problem).H(problem.kspace) for ramp in compensate]
    plan = kept_plan(fan.trajectory, problem.matrix, problem.backend, sigpy.get_device(problem.kspace))
    weights = [ramp_weights(xp.asarray(fan.trajectory)) if ramp else None for ramp in compensate]
    shape = (problem.rank, problem.matrix, problem.matrix)
    images = [xp.zeros(shape, dtype=xp.complex64) for _ in compensate]
    for coils in _coil_groups(problem, fan):
        kspace, maps = problem.kspace[coils], problem.coil_maps[coils]
        lines = Fold(fan, problem.temporal_basis, len(kspace), plan.images_last)(kspace)
        for image, weight in zip(images, weights, strict=True):
            image += lines_adjoint(maps, plan, problem.rank, weight)(lines)
    unit_gain = normalisation(problem.coil_maps, problem.rank)
    return [unit_gain(image) if ramp else image for image, ramp in zip(images, compensate, strict=True)]


def _coil_groups(problem: SubspaceProblem, fan: LineFan) -> list[slice]:
    """Coils whose folded lines exist at a time."""
    allowed = _LINES_BYTES_GPU if sigpy.get_device(problem.kspace).id >= 0 else _LINES_BYTES
    coils, per_coil = len(problem.kspace), 8 * problem.rank * fan.lines * fan.radii
    step = max(1, min(coils, allowed // per_coil))
    return [slice(start, start + step) for start in range(0, coils, step)]


def time_averaged_coil_images(kspace: NDArray, fan: LineFan, matrix: int, backend: str = "auto") -> NDArray:
    """Time-averaged, density-compensated image of each coil, for the coil maps, from one fold.

    What :func:`recon.spatial.encoding.coil_images` gives from all spokes, to the fold's 3e-4.

    Parameters
    ----------
    kspace : (coils, spokes, samples) complex64
    fan : LineFan
        Of the trajectory and N.
    matrix : int
        N.
    backend : str
        NUFFT back end.

    Returns
    -------
    (coils, N, N) complex64
    """
    xp = sigpy.get_array_module(kspace)
    # W is that of single spokes, and the sum over them becomes a mean
    mean = xp.full((1, fan.spokes), 1 / fan.spokes, dtype=xp.complex64)
    plan = kept_plan(fan.trajectory, matrix, backend, sigpy.get_device(kspace))
    lines = Fold(fan, mean, len(kspace), plan.images_last)(kspace)
    images = plan.weighted(ramp_weights(xp.asarray(fan.trajectory))).adjoint(lines[:, 0])
    return xp.ascontiguousarray(images)


def normal_operator(
    problem: SubspaceProblem, memory_bytes: int = 4 * 2**30, weights: NDArray | None = None
) -> ToeplitzNormal:
    """E_Φᴴ W E_Φ in its Toeplitz form, within a memory bound.

    Parameters
    ----------
    problem : SubspaceProblem
    memory_bytes : int
        For the kernel and the working arrays together.
    weights : (samples,) float32, optional
        W along a spoke; one if not given.

    Returns
    -------
    ToeplitzNormal
        On ``(L, N, N)``.

    Raises
    ------
    DataError
        If the memory does not suffice.
    """
    fan = kept_fan(problem.trajectory, 2 * problem.matrix)
    kernel = toeplitz_kernel(fan, problem.temporal_basis, problem.matrix, weights, memory_bytes, problem.backend)
    rest = memory_bytes - kernel_bytes(problem.rank, problem.matrix)
    return ToeplitzNormal(kernel, problem.coil_maps, memory_bytes=rest)
