"""The iterative reference's figures, in one run: `python tests/benchmarks/iterative.py [--skip-admm]`.

Random data and rough temporal weights at N=160, L=32, C=8. The SigPy loop is timed over `--loop-maps` of the L
basis maps and scaled, since each of its transforms takes the same time; so is the exact normal operator.
"""

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import sigpy

from recon.readouts.density import ramp_weights
from recon.readouts.trajectory import golden_angles_rad, radial_trajectory
from recon.spatial.admm import AdmmSettings, admm
from recon.spatial.back_projection import SubspaceProblem, back_project, back_project_and_adjoint
from recon.spatial.encoding import SubspaceNufft, coil_encoding
from recon.spatial.fan import line_fan
from recon.spatial.nufft import plan_nufft
from recon.spatial.toeplitz import ToeplitzNormal, toeplitz_kernel


def timed(action: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    return action(), time.perf_counter() - start


def random_problem(spokes: int, matrix: int, rank: int, coils: int) -> SubspaceProblem:
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        real, imag = (rng.standard_normal(shape, dtype=np.float32) for _ in range(2))
        return real + 1j * imag

    trajectory = radial_trajectory(golden_angles_rad(np.arange(spokes)), 2 * matrix, matrix)
    basis = np.ascontiguousarray(np.linalg.qr(normal(spokes, rank))[0].T)
    y, x = (np.mgrid[:matrix, :matrix] - matrix // 2) / matrix
    angles = 2 * np.pi * np.arange(coils) / coils
    maps = np.stack([np.exp(-((x - np.cos(a)) ** 2) - (y - np.sin(a)) ** 2 + 1j * (x + a)) for a in angles])
    return SubspaceProblem(normal(coils, spokes, 2 * matrix), trajectory, basis, maps.astype(np.complex64))


def sigpy_loop(problem: SubspaceProblem, maps: int) -> np.ndarray:
    weights = ramp_weights(problem.trajectory)
    coord = np.ascontiguousarray(problem.trajectory[..., ::-1])
    result = np.zeros((maps, problem.matrix, problem.matrix), dtype=np.complex64)
    for number in range(maps):
        for data, coil_map in zip(problem.kspace, problem.coil_maps, strict=True):
            weighted = weights * problem.temporal_basis[number].conj()[:, None] * data
            image = sigpy.nufft_adjoint(weighted, coord, coil_map.shape, oversamp=2, width=6)
            result[number] += coil_map.conj() * image
    return result / np.sum(np.abs(problem.coil_maps) ** 2, axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spokes", type=int, default=12000)
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--loop-maps", type=int, default=1)
    parser.add_argument("--skip-admm", action="store_true")
    given = parser.parse_args()
    rank, matrix = given.rank, 160
    problem = random_problem(given.spokes, matrix, rank, 8)
    small = random_problem(50, matrix, 2, 2)
    back_project(small), sigpy_loop(small, 1)  # warm up: Numba compiles, libraries load

    folded, folded_s = timed(lambda: back_project(problem))
    loop, loop_s = timed(lambda: sigpy_loop(problem, given.loop_maps))
    loop_s *= rank / given.loop_maps
    error = np.linalg.norm(folded[: given.loop_maps] - loop) / np.linalg.norm(loop)
    print(f"back-projection: {folded_s:.2f} s; SigPy loop (oversampling 2, width 6): {loop_s:.0f} s")
    print(f"  {loop_s / folded_s:.0f} times faster, relative difference {error:.1e}")

    kernel, kernel_s = timed(
        lambda: toeplitz_kernel(line_fan(problem.trajectory, 2 * matrix), problem.temporal_basis, matrix)
    )
    normal = ToeplitzNormal(kernel, problem.coil_maps)
    normal(folded)
    step_s = min(timed(lambda: normal(folded))[1] for _ in range(5))
    few = SubspaceProblem(problem.kspace[:1], problem.trajectory, problem.temporal_basis, problem.coil_maps[:1])
    e_phi = coil_encoding(few.coil_maps, SubspaceNufft(plan_nufft(few.trajectory, matrix), few.temporal_basis))
    exact, exact_s = timed(lambda: e_phi.H(e_phi(folded)))
    exact_s *= len(problem.coil_maps)
    error = np.linalg.norm(ToeplitzNormal(kernel, few.coil_maps)(folded) - exact) / np.linalg.norm(exact)
    print(f"Toeplitz normal operator: {step_s:.2f} s; exact with finufft: {exact_s:.0f} s")
    print(f"  {exact_s / step_s:.0f} times faster, relative difference {error:.1e}")

    twice = random_problem(2 * given.spokes, matrix, rank, 8)
    longer_s = timed(lambda: back_project(twice))[1]
    fan_s = timed(lambda: toeplitz_kernel(line_fan(twice.trajectory, 2 * matrix), twice.temporal_basis, matrix))[1]
    print(f"back-projection and kernel: {folded_s:.1f} + {kernel_s:.1f} s for {given.spokes} spokes,")
    growth = (longer_s + fan_s) / (folded_s + kernel_s)
    print(f"  {longer_s:.1f} + {fan_s:.1f} s for {2 * given.spokes}: {growth:.2f} times")

    if not given.skip_admm:
        del twice
        initial, data = back_project_and_adjoint(problem)
        admm_s = timed(lambda: admm(normal, data, initial, AdmmSettings(tolerance=0)))[1]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"ADMM 20×20: {admm_s:.0f} s and {kernel_s:.0f} s for the kernel; peak memory of this run {peak:.1f} GB")


if __name__ == "__main__":
    main()
