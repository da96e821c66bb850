"""malibu's operators beside references and beside the limit of the device: seconds, ratios, differences, in one run.

What would take minutes by a reference is computed for a few basis maps of one coil and scaled, since each of its
transforms takes the same time; malibu's result for those few is compared with it.
"""

import logging
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import sigpy
from numpy.typing import NDArray

from gadgets.device import choose_device
from gadgets.errors import ParameterError
from gadgets.evaluation.exact_operators import Counted, exact_kernel, fold_by_sparse_matrices
from gadgets.evaluation.operator_figures import Operator, OperatorTable, Sizes
from gadgets.evaluation.peers import LIBRARIES, backends, grid_elsewhere, versions
from recon.readouts.density import ramp_weights
from recon.readouts.trajectory import golden_angles_rad, radial_trajectory
from recon.spatial.admm import AdmmSettings, admm
from recon.spatial.back_projection import (
    SubspaceProblem,
    back_project,
    back_project_and_adjoint,
    normal_operator,
    time_averaged_coil_images,
)
from recon.spatial.encoding import SubspaceNufft, back_projection, coil_encoding, coil_images
from recon.spatial.fan import LineFan
from recon.spatial.fold import Fold
from recon.spatial.fourier import share_out
from recon.spatial.nufft import plan_nufft
from recon.spatial.plans import SHELF, kept_fan, kept_plan
from recon.spatial.toeplitz import ToeplitzNormal
from recon.threads import available_cpus, few_blas_threads

log = logging.getLogger(__name__)

_COPIED_BYTES = 2**28
"""More than any cache holds."""

_SIGPY_MAPS = 2
"""Basis maps that SigPy transforms, seconds each on a CPU: two, so that what lies between maps counts."""


def measure_operators(sizes: Sizes, device_name: str = "auto", repeat: int = 3, iterations: int = 2) -> OperatorTable:
    """Time fold, gridding, back-projection, coil images, Toeplitz kernel and step, and ADMM beside their references.

    Parameters
    ----------
    sizes : Sizes
    device_name : str
        ``auto``, ``cpu`` or ``cuda:N``.
    repeat : int
        Runs of each of malibu's operators after a warm-up; ADMM runs once.
    iterations : int
        Of ADMM, outer ones, and as many CG steps in each at most.

    Returns
    -------
    OperatorTable

    Raises
    ------
    ParameterError
        If there are fewer spokes than basis functions, or the device is missing.
    """
    if sizes.spokes < sizes.rank:
        raise ParameterError(
            f"{sizes.spokes} spokes do not hold {sizes.rank} basis functions: give more, or a lower rank"
        )
    device, load = choose_device(device_name), os.getloadavg()[0]
    SHELF.clear()
    with few_blas_threads(), device:
        problem = random_problem(sizes, device)
        fan = kept_fan(problem.trajectory, sizes.matrix)
        bench = _Bench(replace(problem, fan=fan), fan, device, repeat)
        bench.fold_and_gridding()
        bench.back_projection()
        bench.coil_images()
        bench.toeplitz(iterations)
    libraries = {one.library for row in bench.rows for one in row.comparisons} & {*LIBRARIES}
    bandwidth = bench.bytes_per_s / 1e9
    return OperatorTable(sizes, _machine(device), load, bandwidth, versions(libraries), bench.missing, bench.rows)


def _machine(device: sigpy.Device) -> str:
    cores = f"{platform.machine()}, {available_cpus()} CPU cores"
    if device.id < 0:
        return cores
    return f"{device.xp.cuda.runtime.getDeviceProperties(device.id)['name'].decode()}; {cores}"


def random_problem(sizes: Sizes, device: sigpy.Device) -> SubspaceProblem:
    """Random data and temporal functions on golden-angle spokes, with smooth coil maps; the same each time.

    Parameters
    ----------
    sizes : Sizes
    device : sigpy.Device

    Returns
    -------
    SubspaceProblem
    """
    rng, matrix = np.random.default_rng(0), sizes.matrix

    def normal(*shape: int) -> NDArray[np.complex64]:
        real, imag = (rng.standard_normal(shape, dtype=np.float32) for _ in range(2))
        return real + np.complex64(1j) * imag

    trajectory = radial_trajectory(golden_angles_rad(np.arange(sizes.spokes)), 2 * matrix, matrix)
    basis = np.ascontiguousarray(np.linalg.qr(normal(sizes.spokes, sizes.rank))[0].T)
    y, x = (np.mgrid[:matrix, :matrix] - matrix // 2) / matrix
    angles = 2 * np.pi * np.arange(sizes.coils) / sizes.coils
    maps = np.stack([np.exp(-((x - np.cos(a)) ** 2) - (y - np.sin(a)) ** 2 + 1j * (x + a)) for a in angles])
    arrays = (normal(sizes.coils, sizes.spokes, 2 * matrix), trajectory, basis, maps.astype(np.complex64))
    return SubspaceProblem(*(sigpy.to_device(array, device) for array in arrays))


class _Bench:
    """Measures the operators of one problem on one device, one after the other, into rows."""

    def __init__(self, problem: SubspaceProblem, fan: LineFan, device: sigpy.Device, repeat: int) -> None:
        self.problem, self.fan, self.device, self.repeat = problem, fan, device, repeat
        self.rows: list[Operator] = []
        self.backends, self.missing = backends(device)
        self.plans = {
            name: plan_nufft(problem.trajectory, problem.matrix, backend) for name, backend in self.backends.items()
        }
        self.bytes_per_s = self._copied_bytes_per_s()

    def _copied_bytes_per_s(self) -> float:
        """Bytes that a copy reads and writes in a second, by all cores."""
        xp = self.device.xp
        source = xp.ones((16, _COPIED_BYTES // 128), dtype=xp.float64)
        target = xp.empty_like(source)

        def copy() -> None:
            share_out(lambda row: xp.copyto(target[row], source[row]), range(len(source)), source)

        return float(2 * source.nbytes / self._timed(copy, 5)[1])

    def _timed(self, action: Callable[[], Any], runs: int, warm_up: bool = True) -> tuple[Any, float]:
        """Result and median of the seconds, waiting for the GPU."""
        elapsed = []
        for run in range(runs + warm_up):
            self._wait()
            start_s = time.perf_counter()
            result = action()
            self._wait()
            if run >= warm_up:
                elapsed.append(time.perf_counter() - start_s)
        return result, statistics.median(elapsed)

    def _wait(self) -> None:
        if self.device.id >= 0:
            self.device.xp.cuda.get_current_stream().synchronize()

    def _measure(self, name: str, inputs: Sequence[NDArray], action: Callable[[], Any]) -> tuple[Operator, Any]:
        """Row and result of one of malibu's operators."""
        result, seconds = self._timed(action, self.repeat)
        written = result.kernel if isinstance(result, ToeplitzNormal) else result
        return self._row(name, seconds, sum(array.nbytes for array in inputs) + written.nbytes), result

    def _row(self, name: str, seconds: float, moved_bytes: int) -> Operator:
        log.info("%s: %.3g s", name, seconds)
        self.rows.append(Operator(name, seconds, moved_bytes, moved_bytes / self.bytes_per_s))
        return self.rows[-1]

    def _few(self, most: int, library: str = "") -> int:
        """Transforms that another way does for a comparison: two by SigPy, else enough for all cores."""
        return min(most, _SIGPY_MAPS if library == "SigPy" else max(8, available_cpus()))

    def _part(self, maps: int) -> tuple[SubspaceProblem, float, str]:
        """The problem of a few maps and one coil, how many times that the whole is, and what it is."""
        whole, coils = self.problem, len(self.problem.kspace)
        basis = whole.temporal_basis[:maps]
        part = replace(whole, kspace=whole.kspace[:1], coil_maps=whole.coil_maps[:1], temporal_basis=basis)
        return part, whole.rank / maps * coils, f"{maps} of {whole.rank} maps, 1 of {coils} coils"

    def fold_and_gridding(self) -> None:
        """Fold the data on the fan's lines, and grid the lines of all maps and coils."""
        problem, fan = self.problem, self.fan
        plan = kept_plan(fan.trajectory, problem.matrix, problem.backend, self.device)
        fold = Fold(fan, problem.temporal_basis, len(problem.kspace), plan.images_last)
        row, lines = self._measure("fold", (problem.kspace, problem.temporal_basis), lambda: fold(problem.kspace))
        part, times, what = self._part(self._few(problem.rank))
        plainly = partial(fold_by_sparse_matrices, fan, part.temporal_basis, part.kspace)
        row.compare("sparse matrices", *self._timed(plainly, 1), lines[:1, : part.rank], times, what)

        data = lines.reshape(-1, *lines.shape[2:])
        row, images = self._measure(f"gridding of {len(data)} images", (data,), lambda: plan.adjoint(data))
        for name, backend in self.backends.items():
            few = self._few(len(data), name)
            other = plan_nufft(sigpy.to_device(fan.trajectory, self.device), problem.matrix, backend)
            timed = self._timed(partial(other.adjoint, self.device.xp.ascontiguousarray(data[:few])), 1)
            row.compare(name, *timed, images[:few], len(data) / few, f"{few} of {len(data)} images")
        few = self._few(len(data))
        found, missing = grid_elsewhere(data[:few], fan.trajectory, problem.matrix, self.device)
        self.missing |= missing
        for name, (theirs, seconds) in found.items():
            row.compare(name, theirs, seconds, images[:few], len(data) / few, f"{few} of {len(data)} images")

    def back_projection(self) -> None:
        """U₀ from the data, and with every spoke gridded."""
        problem = self.problem
        inputs = (problem.kspace, problem.temporal_basis, problem.coil_maps)
        row, _ = self._measure("back-projection", inputs, lambda: back_project(problem))
        for name, plan in self.plans.items():
            part, times, what = self._part(self._few(problem.rank, name))
            exact = back_projection(
                part.coil_maps, SubspaceNufft(plan, part.temporal_basis), ramp_weights(part.trajectory)
            )
            row.compare(name, *self._timed(partial(exact, part.kspace), 1), back_project(part), times, what)

    def coil_images(self) -> None:
        """Time-averaged image of each coil, for the coil maps, and with every spoke gridded."""
        kspace, matrix, coils = self.problem.kspace, self.problem.matrix, len(self.problem.kspace)
        action = partial(time_averaged_coil_images, kspace, self.fan, matrix, self.problem.backend)
        row, images = self._measure("coil images", (kspace,), action)
        weights = ramp_weights(self.problem.trajectory)
        for name, plan in self.plans.items():
            few = self._few(coils, name)
            timed = self._timed(partial(coil_images, plan, weights, kspace[:few]), 1)
            row.compare(name, *timed, images[:few], coils / few, f"{few} of {coils} coils")

    def toeplitz(self, iterations: int) -> None:
        """The kernel, a step by it, and ADMM's steps."""
        problem, rank, xp = self.problem, self.problem.rank, self.device.xp
        row, normal = self._measure("Toeplitz kernel", (problem.temporal_basis,), lambda: normal_operator(problem))
        kernel = normal.kernel.reshape(2 * problem.matrix, 2 * problem.matrix, rank, rank)
        pairs = [(left, right) for left in range(rank) for right in range(left, rank)]
        for name, backend in self.backends.items():
            few = self._few(len(pairs), name)
            left, right = zip(*pairs[:few], strict=True)
            plan = plan_nufft(2 * problem.trajectory, 2 * problem.matrix, backend)
            timed = self._timed(partial(exact_kernel, plan, problem.temporal_basis, pairs[:few]), 1)
            what = f"{few} of {len(pairs)} pairs of maps"
            row.compare(name, *timed, kernel[:, :, xp.asarray(right), xp.asarray(left)], len(pairs) / few, what)

        initial, data = back_project_and_adjoint(problem)
        step, _ = self._measure("Toeplitz step", (normal.kernel, problem.coil_maps, initial), lambda: normal(initial))
        for name in self.plans:
            part, times, what = self._part(self._few(rank, name))
            some = initial[: part.rank]
            ours = self._toeplitz_part(kernel, part)(some)
            step.compare(name, *self._timed(partial(self._exact(name, part), some), 1), ours, times, what)
        self._admm(iterations, normal, kernel, initial, data, step.moved_bytes)

    def _exact(self, library: str, part: SubspaceProblem) -> Callable[[NDArray], NDArray]:
        """E_Φᴴ E_Φ, every spoke gridded there and back."""
        e_phi = coil_encoding(part.coil_maps, SubspaceNufft(self.plans[library], part.temporal_basis))
        return lambda spatial_factor: e_phi.H(e_phi(spatial_factor))

    def _toeplitz_part(self, kernel: NDArray, part: SubspaceProblem) -> ToeplitzNormal:
        return ToeplitzNormal(self.device.xp.ascontiguousarray(kernel[..., : part.rank, : part.rank]), part.coil_maps)

    def _admm(
        self, iterations: int, normal: ToeplitzNormal, kernel: NDArray, initial: NDArray, data: NDArray, step_bytes: int
    ) -> None:
        """ADMM after the kernel; the fastest library's exact normal operator in it is the reference."""
        settings = AdmmSettings(iterations=iterations, cg_iterations=iterations, tolerance=0)
        admm(normal, data, initial, replace(settings, iterations=1, cg_iterations=1))  # warm up
        counted = Counted(normal, normal.density, self.problem.rank)
        _, seconds = self._timed(partial(admm, counted, data, initial, settings), 1, warm_up=False)
        name = f"ADMM {iterations}×{iterations}"
        row = self._row(f"{name}, {counted.applications} steps", seconds, counted.applications * step_bytes)
        library = list(self.plans)[-1]
        part, times, what = self._part(self._few(self.problem.rank, "SigPy"))
        toeplitz, (start, right) = self._toeplitz_part(kernel, part), back_project_and_adjoint(part)
        exact = Counted(self._exact(library, part), toeplitz.density, part.rank)
        ours = admm(toeplitz, right, start, settings).spatial_factor
        theirs, seconds = self._timed(partial(admm, exact, right, start, settings), 1, warm_up=False)
        row.compare(library, theirs.spatial_factor, seconds, ours, times, what)
