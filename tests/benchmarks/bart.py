"""Seconds to the same image error, against BART's `pics` with a subspace basis on the same data.

`python tests/benchmarks/bart.py [--spokes 1000] [--rank 8] [--matrix 160]`; needs `bart` (Debian package bart). Both
get the prewhitened data of a simulated scan, its true coil maps and its navigator basis; BART's wavelet-regularised
solution is timed as a command, and its error is what malibu has to reach.
"""

import argparse
import dataclasses
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from recon.quality.metrics import nrmse
from recon.simulation.chest import PRESETS, simulate_scan
from recon.spatial.admm import AdmmSettings, admm
from recon.spatial.back_projection import SubspaceProblem, back_project_and_adjoint, normal_operator
from recon.spatial.frames import frames
from recon.temporal.navigator import navigator_subspace, orthonormalise, readout_profiles


def write_cfl(path: Path, array: np.ndarray) -> None:
    """BART's format: dimensions in text, complex64 in column-major order."""
    path.with_suffix(".hdr").write_text("# Dimensions\n" + " ".join(map(str, array.shape)) + "\n")
    array.astype(np.complex64).ravel(order="F").tofile(path.with_suffix(".cfl"))


def read_cfl(path: Path) -> np.ndarray:
    shape = [int(size) for size in path.with_suffix(".hdr").read_text().splitlines()[1].split()]
    return np.fromfile(path.with_suffix(".cfl"), np.complex64).reshape(shape, order="F")


def simulated_problem(spokes: int, rank: int, matrix: int) -> tuple[SubspaceProblem, np.ndarray, np.ndarray]:
    """The problem, true frames as the coil maps show them, and their spokes."""
    standard = PRESETS["standard"]
    skipped = standard.readouts_per_inversion
    duration_s = (skipped + 2 * spokes) * standard.tr_ms / 1000
    protocol = dataclasses.replace(standard, matrix=matrix, samples=2 * matrix, duration_s=duration_s)
    scan = simulate_scan(protocol, seed=1)
    whitening = np.linalg.inv(scan.noise_factor).astype(np.complex64)
    kspace = (whitening @ np.concatenate([data for _, data in scan.kspace()]))[skipped:]
    basis = navigator_subspace(readout_profiles(kspace[::2], matrix), rank).basis
    maps = np.einsum("ij,jyx->iyx", whitening, scan.coils.maps(matrix))
    shading = np.linalg.norm(maps, axis=0)
    trajectory = np.ascontiguousarray(scan.trajectory()[skipped + 1 :: 2])
    data = np.ascontiguousarray(kspace[1::2].swapaxes(0, 1))
    problem = SubspaceProblem(data, trajectory, orthonormalise(basis).astype(np.complex64), maps / shading)
    chosen = np.linspace(0, data.shape[1] - 1, 40).astype(int)
    return problem, np.abs(scan.truth_images(skipped + 1 + 2 * chosen) * shading), chosen


def run_bart(problem: SubspaceProblem, regularisation: str, iterations: int) -> tuple[np.ndarray, float]:
    """The spatial factor by `bart pics`, and the seconds of the command."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spokes, samples, _ = problem.trajectory.shape
        k = np.zeros((3, samples, 1, 1, 1, spokes))
        k[:2, :, 0, 0, 0] = np.moveaxis(problem.trajectory, (2, 1, 0), (0, 1, 2))
        write_cfl(folder / "traj", k)
        write_cfl(folder / "kspace", np.transpose(problem.kspace, (2, 0, 1))[None, :, None, :, None, :])
        write_cfl(folder / "maps", np.transpose(problem.coil_maps, (2, 1, 0))[:, :, None, :])
        write_cfl(folder / "basis", problem.temporal_basis.T[None, None, None, None, None])
        command = [
            "bart",
            "pics",
            "-e",
            "-S",
            *regularisation.split(),
            "-i",
            str(iterations),
            "-t",
            "traj",
            "-B",
            "basis",
        ]
        start = time.perf_counter()
        subprocess.run([*command, "kspace", "maps", "out"], cwd=folder, check=True, capture_output=True)
        seconds = time.perf_counter() - start
        factor = read_cfl(folder / "out").reshape(problem.matrix, problem.matrix, problem.rank)
    return np.ascontiguousarray(np.transpose(factor, (2, 1, 0))), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spokes", type=int, default=1000)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--matrix", type=int, default=160)
    parser.add_argument("--iterations", type=int, default=40, help="of BART")
    parser.add_argument("--weights", default="0.0003,0.001,0.003", help="of BART's wavelet penalty; the best counts")
    given = parser.parse_args()
    if shutil.which("bart") is None:
        sys.exit("bart is not installed (Debian package bart): nothing is compared")
    problem, truth, spokes = simulated_problem(given.spokes, given.rank, given.matrix)
    print(f"{given.matrix}², {given.spokes} spokes, rank {given.rank}, {len(problem.kspace)} coils")

    def error(factor: np.ndarray, fit: bool = False) -> float:
        images = np.abs(frames(factor, problem.temporal_basis[:, spokes]))
        return nrmse(images * (np.vdot(images, truth) / np.vdot(images, images) if fit else 1), truth)

    goal, bart_s = np.inf, 0.0
    for weight in given.weights.split(","):
        factor, seconds = run_bart(problem, f"-R W:3:0:{weight}", given.iterations)
        found = error(factor, fit=True)
        print(
            f"bart pics -R W:3:0:{weight} -i {given.iterations}: {seconds:6.1f} s, error {found:.4f} (scale fitted)",
            flush=True,
        )
        if found < goal:
            goal, bart_s = found, seconds

    start = time.perf_counter()
    initial, data = back_project_and_adjoint(problem)
    normal = normal_operator(problem)
    prepared_s = time.perf_counter() - start
    for sparsity in ("wavelet", "differences"):
        for iterations in range(2, 13):
            settings = AdmmSettings(sparsity, 3e-4, 1.0, iterations, cg_iterations=3, tolerance=0)
            start = time.perf_counter()
            found = error(admm(normal, data, initial, settings).spatial_factor)
            seconds = prepared_s + time.perf_counter() - start
            if found <= goal:
                break
        verdict = f"{bart_s / seconds:.0f} times faster" if found <= goal else "BART's error is not reached"
        print(
            f"malibu ADMM, {sparsity}, {iterations} × 3: {seconds:5.1f} s ({prepared_s:.1f} s of it back-projection "
            f"and kernel), error {found:.4f}: {verdict}",
            flush=True,
        )


if __name__ == "__main__":
    main()
