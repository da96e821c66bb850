"""The operators on a GPU beside their references, in under five minutes: `make gpu-check` prints this table.

`python tests/benchmarks/gpu_check.py [--device cpu] [--matrix 160] [--rank 32] [--coils 8] [--spokes 8000]`. Random
data on golden-angle spokes. Each operator runs once to warm up and then `--runs` times; the median is printed. The
reference grids by SigPy; that of the Toeplitz step is the exact normal operator, every spoke gridded there and back.
"""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sigpy

from recon.readouts.density import ramp_weights
from recon.readouts.trajectory import golden_angles_rad, radial_trajectory
from recon.spatial.admm import AdmmSettings, admm
from recon.spatial.back_projection import (
    SubspaceProblem,
    back_project,
    back_project_and_adjoint,
    encoding,
    normal_operator,
    time_averaged_coil_images,
)
from recon.spatial.encoding import coil_images
from recon.spatial.fan import line_fan
from recon.spatial.nufft import plan_nufft
from recon.spatial.plans import SHELF

GOALS_MS = {"back-projection": 15.0, "Toeplitz kernel": 60.0, "Toeplitz step": 2.5, "ADMM 20×20": 600.0}
"""On one H100, of a `standard` scan."""


def random_problem(spokes: int, matrix: int, rank: int, coils: int, device: sigpy.Device) -> SubspaceProblem:
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        real, imag = (rng.standard_normal(shape, dtype=np.float32) for _ in range(2))
        return real + 1j * imag

    trajectory = radial_trajectory(golden_angles_rad(np.arange(spokes)), 2 * matrix, matrix)
    basis = np.ascontiguousarray(np.linalg.qr(normal(spokes, rank))[0].T)
    y, x = (np.mgrid[:matrix, :matrix] - matrix // 2) / matrix
    angles = 2 * np.pi * np.arange(coils) / coils
    maps = np.stack([np.exp(-((x - np.cos(a)) ** 2) - (y - np.sin(a)) ** 2 + 1j * (x + a)) for a in angles])
    arrays = (normal(coils, spokes, 2 * matrix), trajectory, basis, maps.astype(np.complex64))
    return SubspaceProblem(*(sigpy.to_device(array, device) for array in arrays), fan=line_fan(trajectory, matrix))


def timed(action: Callable[[], Any], device: sigpy.Device, runs: int) -> tuple[Any, float]:
    """Result and median in ms, waiting for the GPU."""
    result, elapsed = action(), []
    for _ in range(runs):
        _wait(device)
        start = time.perf_counter()
        result = action()
        _wait(device)
        elapsed.append(1000 * (time.perf_counter() - start))
    return result, statistics.median(elapsed)


def _wait(device: sigpy.Device) -> None:
    if device.id >= 0:
        device.xp.cuda.get_current_stream().synchronize()


def difference(found: Any, expected: Any) -> float:
    xp = sigpy.get_array_module(found)
    return float(xp.linalg.norm(found - expected) / xp.linalg.norm(expected))


def check(problem: SubspaceProblem, device: sigpy.Device, runs: int) -> list[tuple[str, float, float, float]]:
    """Operator, ms, ms of the reference and relative difference."""
    reference = dataclasses.replace(problem, backend="sigpy")
    rows = []
    ours, ours_ms = timed(lambda: back_project(problem), device, runs)
    theirs, theirs_ms = timed(lambda: back_project(reference), device, 1)
    rows.append(("back-projection", ours_ms, theirs_ms, difference(ours, theirs)))
    ours, ours_ms = timed(
        lambda: time_averaged_coil_images(problem.kspace, problem.fan, problem.matrix, problem.backend), device, runs
    )
    plan = plan_nufft(problem.trajectory, problem.matrix, "sigpy")
    weights = ramp_weights(problem.trajectory)
    theirs, theirs_ms = timed(lambda: coil_images(plan, weights, problem.kspace), device, 1)
    rows.append(("coil images", ours_ms, theirs_ms, difference(ours, theirs)))
    normal, ours_ms = timed(lambda: normal_operator(problem), device, runs)
    theirs, theirs_ms = timed(lambda: normal_operator(reference), device, 1)
    rows.append(("Toeplitz kernel", ours_ms, theirs_ms, difference(normal.kernel, theirs.kernel)))
    del theirs
    initial, data = back_project_and_adjoint(problem)
    ours, ours_ms = timed(lambda: normal(initial), device, runs)
    one = dataclasses.replace(reference, kspace=problem.kspace[:1], coil_maps=problem.coil_maps[:1])
    e_phi, alone = encoding(one), normal_operator(one)
    theirs, theirs_ms = timed(lambda: e_phi.H(e_phi(initial)), device, 1)
    rows.append(("Toeplitz step", ours_ms, theirs_ms * len(problem.coil_maps), difference(alone(initial), theirs)))
    settings = AdmmSettings(tolerance=0)
    _, ours_ms = timed(lambda: admm(normal, data, initial, settings), device, 1)
    rows.append(("ADMM 20×20", ours_ms, float("nan"), float("nan")))
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda:0")
    for name, default in (("matrix", 160), ("rank", 32), ("coils", 8), ("spokes", 8000), ("runs", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args(arguments)
    device = sigpy.Device(-1 if given.device == "cpu" else int(given.device.partition(":")[2]))
    name = "CPU"
    if device.id >= 0:
        name = device.xp.cuda.runtime.getDeviceProperties(device.id)["name"].decode()
    SHELF.clear()
    with device:
        problem = random_problem(given.spokes, given.matrix, given.rank, given.coils, device)
        rows = check(problem, device, given.runs)
    print(f"{name}: {given.matrix}², {given.spokes} spokes, {given.coils} coils, rank {given.rank}")
    print(f"{'':18}{'ms':>10}{'goal':>8}{'reference':>12}{'times':>8}{'difference':>12}")
    for operator, ours, theirs, error in rows:
        goal = f"{GOALS_MS[operator]:.4g}" if operator in GOALS_MS else ""
        print(f"{operator:18}{ours:10.2f}{goal:>8}{theirs:12.1f}{theirs / ours:8.1f}{error:12.1e}")


if __name__ == "__main__":
    main()
