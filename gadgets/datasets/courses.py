"""Courses of scans in files: gated simulated ones, and made-up ones of few spokes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import sigpy

from gadgets.cluster.needs import need_of_scan
from gadgets.cluster.shared_work import SharedWork
from gadgets.cluster.tasks import Need
from gadgets.datasets.pairs import varied_protocol
from gadgets.datasets.volumes import do_missing
from gadgets.evaluation.truth import slice_of_simulation
from gadgets.files import complete_file
from gadgets.multitasking.parameters import MultitaskingParameters
from recon.multitasking import encode
from recon.readouts.trajectory import GOLDEN_ANGLE_DEG, radial_trajectory
from recon.relaxometry.inversion_recovery import InversionRecovery
from recon.simulation.chest import PRESETS, Protocol, simulate_scan
from recon.simulation.chest.coils import loop_coils
from recon.simulation.pairs.course import Course
from recon.stages import StageClock

_ARRAYS = ("temporal_basis", "coil_maps", "contraction", "displacement_mm", "pulse", "cells")

# Matrices, ranks and lengths of gated scans; the paper's come most often.
_MATRICES, _RANKS = (160, 160, 160, 128), (32, 32, 32, 24)
_DURATIONS_S, _TR_MS, _PERIODS = (30, 45, 60, 60, 75, 90), (3.2, 3.6, 3.6, 4.2), (560, 688, 688, 800)
# Every sixth has the real-time basis.
_REALTIME = 6
# Angles between the spokes of a single image: golden, tiny golden, and one of a published scan of 25 spokes.
_INCREMENTS_DEG = (GOLDEN_ANGLE_DEG, 32.039, 172.8, 0.0)


def _protocol(rng: np.random.Generator, seed: int) -> Protocol:
    matrix = int(rng.choice(_MATRICES))
    return replace(
        varied_protocol(PRESETS["standard"], seed),
        matrix=matrix,
        samples=2 * matrix,
        coils=int(rng.integers(8, 17)),
        tr_ms=float(rng.choice(_TR_MS)),
        duration_s=float(rng.choice(_DURATIONS_S)),
        snr=30.0,
        readouts_per_inversion=int(rng.choice(_PERIODS)),
    )


def gated_course(seed: int) -> Course:
    """Simulate a scan unlike others, gate it as the gadget does, and keep what it encodes when.

    Parameters
    ----------
    seed : int
        Every sixth has the real-time basis.

    Returns
    -------
    Course
    """
    rng = np.random.default_rng([seed, 23])
    protocol = _protocol(rng, seed)
    rank, is_realtime = int(rng.choice(_RANKS)), seed % _REALTIME == _REALTIME - 1
    values = {"rank": rank, "temporal_model": "realtime" if is_realtime else "tensor", "images": ("basis_maps",)}
    return simulated_course(protocol, MultitaskingParameters.model_validate(values), seed)


def simulated_course(protocol: Protocol, parameters: MultitaskingParameters, seed: int) -> Course:
    """Simulate a scan of a protocol, gate it as the gadget does, and keep what it encodes when.

    Parameters
    ----------
    protocol : Protocol
        With or without inversions.
    parameters : MultitaskingParameters
    seed : int
        Of the subject.

    Returns
    -------
    Course
    """
    simulated = simulate_scan(protocol, seed)
    measured = slice_of_simulation(simulated, parameters)
    encoded = encode(measured.scan, parameters.settings(), sigpy.cpu_device, StageClock())
    index, problem, gated = measured.scan.imaging.index[encoded.temporal.kept], encoded.problem, encoded.temporal.gated
    cells, sequence, pulse = None, None, np.zeros(len(index), dtype=np.int64)
    if gated is not None:
        states = np.ndindex(len(gated.tensor.cardiac), len(gated.tensor.respiratory))
        cells = np.stack([gated.tensor.recovery_of(*state) for state in states]).astype(np.float32)
    if protocol.inversions:
        sequence = InversionRecovery(protocol.tr_ms, protocol.flip_angle_deg, protocol.delay_ms, protocol.period)
        pulse = simulated.timeline.pulse[index]
    return Course(
        problem.trajectory,
        problem.temporal_basis,
        problem.coil_maps,
        simulated.motion.contraction[index],
        simulated.motion.displacement_mm[index],
        pulse,
        sequence,
        protocol.efficiency,
        protocol.fov_mm,
        cells,
    )


def single_image_course(seed: int) -> Course:
    """Make up a scan of one image from 20 to 120 spokes: what a scan without dynamics is to the gadget.

    Parameters
    ----------
    seed : int

    Returns
    -------
    Course
        Of rank 1, at rest.
    """
    rng = np.random.default_rng([seed, 29])
    matrix = int(rng.choice([128, 160, 192, 256]))
    spokes = int(np.exp(rng.uniform(np.log(20), np.log(120))))
    increment = float(rng.choice(_INCREMENTS_DEG)) or 360.0 / (2 * (spokes // 2) + 1)
    angles = np.deg2rad(rng.uniform(0, 360) + increment * np.arange(spokes))
    samples = matrix * int(rng.choice([1, 2]))
    center = (samples - 1) / 2 if rng.random() < 0.3 else None
    maps = loop_coils(int(rng.integers(6, 13)), rng).maps(matrix)
    maps /= np.maximum(np.linalg.norm(maps, axis=0), 1e-6)
    still = np.zeros(spokes)
    basis = np.full((1, spokes), 1 / np.sqrt(spokes), dtype=np.complex64)
    trajectory = radial_trajectory(angles, samples, matrix, center)
    pulse = np.zeros(spokes, dtype=np.int64)
    return Course(trajectory, basis, maps, still, still, pulse, None, 0.0, 270.0)


def prepare_courses(folder: Path, seed: int, count: int, work: SharedWork | None = None) -> None:
    """Write gated courses as ``gated-SEED.h5``; those that are there already stay.

    Parameters
    ----------
    folder : Path
    seed : int
        Of the first one.
    count : int
    work : SharedWork, optional
        Who does it; by default this process.
    """
    folder = folder.resolve()  # workers need not stand in the same folder
    folder.mkdir(parents=True, exist_ok=True)
    paths = {number: folder / f"gated-{number:06d}.h5" for number in range(seed, seed + count)}
    do_missing(_write_gated, paths, _need, work)


def _need(seed: int) -> Need:
    """What its scan needs, which is not written: complex64 samples."""
    protocol = _protocol(np.random.default_rng([seed, 23]), seed)
    return need_of_scan(8 * protocol.readouts * protocol.samples * protocol.coils)


def _write_gated(one: tuple[int, Path]) -> None:
    seed, path = one
    if not path.exists():  # else by a worker that was lost after it had written
        write_course(path, gated_course(seed))


def write_course(path: Path, course: Course) -> None:
    """Write a course, its straight spokes as their ends; the file appears under its name only when it is complete."""
    with complete_file(path) as partial, h5py.File(partial, "w") as file:
        for name in _ARRAYS:
            value = getattr(course, name)
            if value is not None:
                file.create_dataset(name, data=value, compression="gzip", compression_opts=1)
        file["spoke_ends"] = course.trajectory[:, [0, -1]]
        file.attrs["samples"] = course.trajectory.shape[1]
        file.attrs["efficiency"], file.attrs["fov_mm"] = course.efficiency, course.fov_mm
        if course.sequence is not None:
            file.attrs.update(vars(course.sequence))


def read_course(path: Path) -> Course:
    """Read a course into host memory."""
    with h5py.File(path) as file:
        arrays: dict[str, Any] = {name: file[name][:] if name in file else None for name in _ARRAYS}
        first, last = np.moveaxis(file["spoke_ends"][:], 1, 0)[..., None, :]
        along = np.linspace(0, 1, int(file.attrs["samples"]), dtype=np.float32)[:, None]
        trajectory = first + along * (last - first)
        sequence = None
        if "tr_ms" in file.attrs:
            sequence = InversionRecovery(
                float(file.attrs["tr_ms"]),
                float(file.attrs["flip_angle_deg"]),
                float(file.attrs["delay_ms"]),
                int(file.attrs["pulses"]),
            )
        efficiency, fov_mm = float(file.attrs["efficiency"]), float(file.attrs["fov_mm"])
    values = arrays | {"sequence": sequence, "efficiency": efficiency, "fov_mm": fov_mm}
    return Course(trajectory, **values)
