"""Maps of T1 and B1 from the spatial factor of one slice, at its states of motion."""

import logging
from dataclasses import dataclass

import numpy as np
import sigpy
from numpy.typing import NDArray

from recon.errors import DataError
from recon.multitasking.scan import RadialScan
from recon.multitasking.selection import t1_state
from recon.multitasking.settings import Settings
from recon.readouts.coils import over_coils
from recon.readouts.trajectory import samples_within
from recon.relaxometry.b1_map import B1Map
from recon.relaxometry.blood_t1 import RecoveryCurves, expected_blood_t1_ms, with_common_blood
from recon.relaxometry.first_inversion import fit_first_inversion
from recon.relaxometry.period_images import Period, PeriodImages, beyond, centre_of, coarser
from recon.relaxometry.t1 import T1Map, fit_t1
from recon.spatial.back_projection import SubspaceProblem
from recon.spatial.encoding import SubspaceNufft, coil_encoding
from recon.spatial.frames import body_mask, frames, time_average
from recon.spatial.nufft import plan_nufft
from recon.temporal.model import GatedTensor, TemporalModel

log = logging.getLogger(__name__)

CENTRE_CYCLES = 16.0
"""Radius of the k-space, in cycles per field of view, in which B1 is sought: details of 8 mm for 270 mm."""

_T1_STEP = 4
"""Every fourth imaging pulse enters the T1 fit: a curve of five smooth functions needs no more of some 340."""

_LEAST_MATRIX = 64
"""Least matrix on which B1 is sought: twice what the centre of k-space needs."""

_COILS = 4
"""Leading virtual coils in which B1 is sought: its smooth map needs no more, and they see most of the signal."""

_LATER_PERIODS = 8
"""Later periods whose disturbance is measured: their mean square is known to a few per cent."""

_FULL_SHARE = 0.9
"""Spokes of a later period over those of the first, from which on it is full: ectopic beats leave out some."""

_MEASURED_DEVIATION = 0.02
"""Standard deviation of a measured B1 map: methods agree within some 2 to 3 % of the nominal flip angle."""

_LEAST_LATER = 2
"""With fewer of them the disturbance cannot be told."""


@dataclass(frozen=True)
class FirstPeriod:
    """The spokes of the scan's first inversion period, which the reconstruction leaves out.

    Attributes
    ----------
    problem : SubspaceProblem
        In host memory: data of the centre of k-space; the recovery basis at these spokes; coil maps on a coarser grid.
    fov_mm : (2,) tuple of float
        Field of view along x and y.
    """

    problem: SubspaceProblem
    fov_mm: tuple[float, float]


def first_period(
    scan: RadialScan, trajectory: NDArray, to_coils: NDArray, coil_maps: NDArray, temporal: TemporalModel
) -> FirstPeriod | None:
    """Lay out the first inversion period as a problem at rest; None where no recovery is modelled.

    Parameters
    ----------
    scan : RadialScan
        With leading spokes.
    trajectory : (spokes, samples, 2) float32
        Of the leading spokes, as the gradients played it out.
    to_coils : (virtual coils, coils) complex64
    coil_maps : (virtual coils, N, N) complex64
        On the host or on a device.
    temporal : TemporalModel

    Returns
    -------
    FirstPeriod or None
    """
    gated = temporal.gated
    if gated is None or not gated.recovers or scan.leading is None:
        return None
    readouts = scan.leading.readouts
    maps = sigpy.to_device(coil_maps[:_COILS], sigpy.cpu_device)
    step = maps.shape[-1] // _coarse(maps.shape[-1])
    kspace = over_coils(to_coils[:_COILS], readouts.kspace, slice(None))
    coarse = np.ascontiguousarray(maps[:, ::step, ::step])
    problem = _at_rest(kspace, trajectory, readouts.timeline.pulse, gated, coarse)
    return FirstPeriod(problem, scan.geometry.fov_mm[:2])


def _coarse(matrix: int) -> int:
    """Matrix on which B1 is sought: pixels of the image's grid, so that maps of it are samples."""
    while matrix % 4 == 0 and matrix // 2 >= _LEAST_MATRIX:
        matrix //= 2
    return matrix


def _at_rest(
    kspace: NDArray, trajectory: NDArray, pulse: NDArray, gated: GatedTensor, coil_maps: NDArray
) -> SubspaceProblem:
    centre = samples_within(trajectory, int(2 * CENTRE_CYCLES))
    basis = gated.tensor.recovery[pulse].T.astype(np.complex64)
    return SubspaceProblem(
        np.ascontiguousarray(kspace[:, :, centre]), np.ascontiguousarray(trajectory[:, centre]), basis, coil_maps
    )


def find_b1(
    back_projection: NDArray,
    problem: SubspaceProblem,
    temporal: TemporalModel,
    settings: Settings,
    first: FirstPeriod | None = None,
    measured: NDArray | None = None,
) -> B1Map | None:
    """Take B1 from a measured map, or estimate it from the first inversion; None where one number must do.

    It is estimated on the back-projection, which no prior and no network has changed.

    Parameters
    ----------
    back_projection : (L, N, N) complex64
        U₀.
    problem : SubspaceProblem
        The later periods.
    temporal : TemporalModel
    settings : Settings
    first : FirstPeriod, optional
    measured : (N, N) float, optional
        The true flip angle over the nominal one.

    Returns
    -------
    B1Map or None
        Relative to the settings' flip angle.
    """
    gated = temporal.gated
    if gated is None or not gated.recovers or not settings.t1_map:
        return None
    if measured is not None:
        scale = np.asarray(measured, np.float32) / np.float32(settings.flip_angle_scale)
        return B1Map(scale, np.full_like(scale, _MEASURED_DEVIATION), "measured")
    if settings.b1 == "nominal":
        return None
    if first is None:
        log.info("B1 is taken as nominal: the scan's first inversion period is not at hand")
        return None
    body = body_mask(np.abs(time_average(back_projection, temporal.basis)))
    try:
        return _estimated(back_projection, body, problem, temporal, gated, settings, first)
    except DataError as error:
        log.warning("B1 is taken as nominal: %s", error)
        return None


def _estimated(
    back_projection: NDArray,
    body: NDArray,
    problem: SubspaceProblem,
    temporal: TemporalModel,
    gated: GatedTensor,
    settings: Settings,
    first: FirstPeriod,
) -> B1Map:
    matrix, coarse = back_projection.shape[-1], first.problem.matrix
    mixing = gated.tensor.mean_recovery(gated.weights.at(temporal.kept))
    periodic = coarser(frames(back_projection, mixing), coarse)
    later = _later_periods(problem, temporal, gated, first.problem)
    if len(later) < _LEAST_LATER:
        raise DataError(f"{len(later)} full inversion periods follow the first; at least {_LEAST_LATER} are needed")
    pulses, basis = _fitted_pulses(temporal, gated)
    step, spacing = matrix // coarse, max(1, int(coarse / (2 * CENTRE_CYCLES)))
    resolved = np.zeros((coarse, coarse), dtype=bool)
    resolved[::spacing, ::spacing] = body[::step, ::step][::spacing, ::spacing]
    images = PeriodImages(
        periodic=centre_of(periodic, CENTRE_CYCLES),
        transient=centre_of(beyond(_period(first.problem), periodic), CENTRE_CYCLES),
        later=centre_of(np.stack([beyond(period, periodic) for period in later]), CENTRE_CYCLES),
        averaged=len(np.unique(temporal.imaging.inversion[temporal.kept])),
        basis=basis,
        pulses=pulses,
        mask=resolved,
        sequence=gated.sequence,
        fov_mm=first.fov_mm,
    )
    found = fit_first_inversion(images, matrix)
    inside = 100 * found.b1.scale[body]
    log.info(
        "B1 from the first inversion: %.0f %% (%.0f to %.0f %%) ± %.1f %%; χ² per degree of freedom %.1f",
        *(np.median(inside), inside.min(), inside.max(), 100 * np.median(found.b1.deviation[body])),
        found.misfit,
    )
    return found.b1


def _period(problem: SubspaceProblem) -> Period:
    """Weighted by the root of the distance from the centre of k-space, over which spokes thin out."""
    nufft = SubspaceNufft(plan_nufft(problem.trajectory, problem.matrix, problem.backend), problem.temporal_basis)
    linear, k = coil_encoding(problem.coil_maps, nufft), np.hypot(*np.moveaxis(problem.trajectory, -1, 0))
    weight = np.sqrt(np.maximum(k, 0.5) / CENTRE_CYCLES)
    return Period(problem.kspace * weight, lambda image: linear(image) * weight, lambda data: linear.H(data * weight))


def _later_periods(
    problem: SubspaceProblem, temporal: TemporalModel, gated: GatedTensor, first: SubspaceProblem
) -> list[Period]:
    """Some later periods of as many spokes, spread over the scan."""
    inversion, pulse = temporal.imaging.inversion[temporal.kept], temporal.imaging.pulse[temporal.kept]
    numbers, counts = np.unique(inversion, return_counts=True)
    full = numbers[counts >= _FULL_SHARE * first.kspace.shape[1]]
    chosen = full[np.unique(np.linspace(0, len(full) - 1, min(_LATER_PERIODS, len(full))).round().astype(int))]
    host, periods = sigpy.cpu_device, []
    for number in chosen:
        rows = np.flatnonzero(inversion == number)
        on_device = slice(int(rows[0]), int(rows[-1]) + 1)  # in the order of acquisition
        kspace = sigpy.to_device(problem.kspace[:_COILS, on_device], host)
        trajectory = sigpy.to_device(problem.trajectory[on_device], host)
        periods.append(_period(_at_rest(kspace, trajectory, pulse[rows], gated, first.coil_maps)))
    return periods


def map_t1(
    spatial_factor: NDArray,
    temporal: TemporalModel,
    settings: Settings,
    b1: B1Map | None = None,
    field_t: float | None = None,
) -> T1Map | None:
    """Fit T1 at one state of motion, inside the body; None if no T1 map is wanted or possible.

    The share of fresh spins in blood is that of the settings; else all blood has one T1. What cannot be fitted is
    logged: it must not cost the other images.

    Parameters
    ----------
    spatial_factor : (L, N, N) complex64
        U.
    temporal : TemporalModel
    settings : Settings
    b1 : B1Map, optional
        By default the settings' scale holds everywhere.
    field_t : float, optional
        Of the magnet, by which T1 of blood is expected.

    Returns
    -------
    T1Map or None
    """
    gated = temporal.gated
    if gated is None or not gated.recovers or not settings.t1_map:
        return None
    state = t1_state(gated, settings.t1_cardiac_bin, settings.t1_respiratory_bin)
    mixing = gated.tensor.recovery_of(*state)
    coordinates = frames(spatial_factor, mixing)
    pulses, basis = _fitted_pulses(temporal, gated)
    body = body_mask(np.abs(time_average(spatial_factor, temporal.basis)))
    shape, sequence = mixing.T @ mixing, gated.sequence
    try:
        found = fit_t1(coordinates, basis, pulses, sequence, body, shape, settings.assumed_inflow, b1)
    except DataError as error:
        log.warning("no T1 map: %s", error)
        return None
    if settings.inflow is not None:
        return found
    averaged = frames(spatial_factor, gated.tensor.mean_recovery(gated.weights))
    scale = None if b1 is None else b1.scale
    curves = RecoveryCurves(basis, pulses, sequence)
    return with_common_blood(found, coordinates, averaged, curves, expected_blood_t1_ms(field_t), scale)


def _fitted_pulses(temporal: TemporalModel, gated: GatedTensor) -> tuple[NDArray, NDArray]:
    pulses = np.unique(temporal.imaging.pulse)[::_T1_STEP]
    return pulses, gated.tensor.recovery[pulses]
