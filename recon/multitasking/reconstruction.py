"""MR Multitasking of one slice, from readouts to spatial factor and T1 map: arrays in, arrays out."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sigpy
from numpy.typing import NDArray

from recon.multitasking.played_out import PlayedOut, played_out
from recon.multitasking.quantitative import FirstPeriod, find_b1, first_period, map_t1
from recon.multitasking.result import Result
from recon.multitasking.scan import NoiseScan, RadialScan
from recon.multitasking.settings import Settings
from recon.multitasking.spatial_factor import Network, estimate
from recon.multitasking.temporal_basis import temporal_basis
from recon.multitasking.uncertainty import with_samples
from recon.readouts.coils import coil_covariance, compression_matrix, estimate_maps, over_coils
from recon.readouts.noise import prewhitening_matrix
from recon.readouts.trajectory import samples_within, unaliased
from recon.relaxometry.blood_t1 import is_known_field
from recon.relaxometry.t1 import CommonT1, T1Map
from recon.spatial.back_projection import SubspaceProblem, time_averaged_coil_images
from recon.spatial.nufft import choose_backend
from recon.spatial.plans import kept_fan
from recon.stages import StageClock
from recon.temporal.model import TemporalModel
from recon.threads import at_once, few_blas_threads

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EncodedScan:
    """A slice's data with everything that encodes them: the inverse problem ``d = E_Φ(U)``.

    Attributes
    ----------
    problem : SubspaceProblem
        Data, trajectory, Φ and coil maps on the device.
    temporal : TemporalModel
    to_coils : (virtual coils, coils) complex64
        Prewhitening and compression.
    played_out : PlayedOut
        What was found and done about gradient delays.
    prewhitened : bool
    first : FirstPeriod or None
        The scan's first inversion period, where it tells B1.
    measured_b1 : (N, N) float array or None
    field_t : float or None
        Of the magnet; None where nobody said.
    """

    problem: SubspaceProblem
    temporal: TemporalModel
    to_coils: NDArray[np.complex64]
    played_out: PlayedOut
    prewhitened: bool
    first: FirstPeriod | None = None
    measured_b1: NDArray | None = None
    field_t: float | None = None


def reconstruct(
    scan: RadialScan,
    settings: Settings | None = None,
    network: Network | None = None,
    device: sigpy.Device = sigpy.cpu_device,
    clock: StageClock | None = None,
) -> Result:
    """Reconstruct one slice: navigator → Φ → coil maps → back-projection → network or ADMM → T1.

    Parameters
    ----------
    scan : RadialScan
    settings : Settings, optional
    network : callable, optional
        U₀ → U on ``(L, N, N)`` complex64 arrays of the device. Without one, and unless the settings choose ADMM, the
        back-projection itself is the result.
    device : sigpy.Device
    clock : StageClock, optional
        Goes on counting seconds; by default a new one starts.

    Returns
    -------
    Result
        In host memory.

    Raises
    ------
    DataError
        If the scan cannot be reconstructed; the message names cause and remedy.
    """
    settings, clock = settings or Settings(), clock or StageClock()
    return solve(encode(scan, settings, device, clock), settings, network, clock)


@few_blas_threads()
def solve(
    encoded: EncodedScan,
    settings: Settings,
    network: Network | None = None,
    clock: StageClock | None = None,
    watch: Callable[[], None] = lambda: None,
) -> Result:
    """Estimate the spatial factor of an encoded scan, and map T1.

    Parameters
    ----------
    encoded : EncodedScan
        May be solved more than once, by several methods.
    settings, network, clock
        As in :func:`reconstruct`.
    watch : callable
        Called after each iteration of ADMM; what it raises ends the work.

    Returns
    -------
    Result

    Raises
    ------
    DataError
        If the result is not finite.
    """
    clock, device = clock or StageClock(), sigpy.get_device(encoded.problem.kspace)
    with device:
        estimated = estimate(encoded.problem, settings, clock, network, watch)
    with clock.stage("T1 map"):
        before, given = estimated.back_projection, encoded.measured_b1
        b1 = find_b1(before, encoded.problem, encoded.temporal, settings, encoded.first, given)
        known = encoded.temporal, settings, b1, encoded.field_t
        t1_map = map_t1(estimated.maps, *known)
        if t1_map is not None and t1_map.blood is not None:
            _say_blood(t1_map, t1_map.blood, encoded.field_t)
    if t1_map is not None and estimated.samples:
        with clock.stage("uncertainty samples"):
            others = [map_t1(maps, *known) for maps in estimated.samples]
            t1_map = with_samples(t1_map, others, estimated.error_model)
    return Result(
        spatial_factor=estimated.maps,
        back_projection=estimated.back_projection,
        method=estimated.method,
        temporal=encoded.temporal,
        t1_map=t1_map,
        coil_maps=sigpy.to_device(encoded.problem.coil_maps, sigpy.cpu_device),
        settings=settings,
        provenance={**_said(encoded.played_out), **estimated.provenance},
        prewhitened=encoded.prewhitened,
        nufft=encoded.problem.backend,
        device="cpu" if device.id < 0 else f"cuda:{device.id}",
        seconds=clock.seconds,
        b1=b1,
        samples=estimated.samples,
        error_model=estimated.error_model,
        misfit=estimated.misfit,
    )


def _say_blood(t1_map: T1Map, blood: CommonT1, field_t: float | None) -> None:
    told = f"by {blood.voxels} of its voxels" if blood.voxels else "as is expected of it: none lies far from a wall"
    log.info(
        "T1 of all flowing blood: %.0f ± %.0f ms, %s; share of fresh spins: %.2f in the median",
        *(blood.t1_ms, blood.t1_ms * blood.deviation, told, t1_map.share),
    )
    if not is_known_field(field_t):
        log.warning(
            "the T1 of blood is sought around that at 3 T: the header's systemFieldStrength_T is %s; correct it, or "
            "set inflow to a share of fresh spins",
            "missing" if field_t is None else f"{field_t:g}",
        )


def _said(gradients: PlayedOut) -> dict[str, str]:
    left = {} if np.isnan(gradients.left_samples) else {"MalibuGradientDelayLeft": f"{gradients.left_samples:.3f}"}
    return {"MalibuGradientDelays": gradients.said} | left


@few_blas_threads()
def encode(
    scan: RadialScan,
    settings: Settings | None = None,
    device: sigpy.Device = sigpy.cpu_device,
    clock: StageClock | None = None,
) -> EncodedScan:
    """Turn a scan into the data, temporal basis and coil maps of ``d = E_Φ(U)``, on the device.

    Parameters
    ----------
    scan : RadialScan
    settings : Settings, optional
    device : sigpy.Device
    clock : StageClock, optional

    Returns
    -------
    EncodedScan

    Raises
    ------
    DataError
        If the scan cannot be reconstructed.
    """
    settings, clock = settings or Settings(), clock or StageClock()
    matrix = settings.matrix or scan.matrix
    backend = choose_backend(settings.nufft, on_gpu=device.id >= 0)
    with clock.stage("prewhiten and compress coils"):
        whitening = prewhitening_of(scan.noise, scan.imaging.kspace.shape[1])
        to_coils = _compression(scan, whitening, settings.coils) @ whitening
    with clock.stage("gradient delays"):
        gradients = played_out(scan, to_coils, settings.gradient_delays)
        trajectory = gradients.correct(scan.trajectory)
    with clock.stage("prewhiten and compress coils"):
        inside = samples_within(trajectory, matrix)
        kspace = sigpy.to_device(over_coils(to_coils, scan.imaging.kspace, inside), device)
        within = np.ascontiguousarray(trajectory[:, inside])
        on_device, fan = sigpy.to_device(within, device), kept_fan(within, matrix)

    def maps() -> NDArray:
        with device, clock.stage("coil maps"):
            coil_maps = estimate_maps(time_averaged_coil_images(kspace, fan, matrix, backend), settings.coil_maps)
            _blank_aliases(coil_maps, trajectory)
        return coil_maps

    def time_model() -> TemporalModel:
        with clock.stage("temporal basis"):
            # components over time are those of any rotation of the coils: where none is dropped, whitening will do
            seen_by = whitening if len(to_coils) == len(whitening) else to_coils
            return temporal_basis(seen_by, scan, settings)

    coil_maps, temporal = at_once(maps, time_model)
    with device:
        basis = sigpy.to_device(temporal.basis, device)
        if not temporal.kept.all():
            spokes = sigpy.to_device(np.flatnonzero(temporal.kept), device)
            kspace, on_device = kspace[:, spokes], on_device[spokes]
    laid_out, variance = fan if temporal.kept.all() else None, None if scan.noise is None else 1.0
    problem = SubspaceProblem(kspace, on_device, basis, coil_maps, backend, laid_out, variance)
    first = None
    if scan.leading is not None and settings.b1 == "estimate" and scan.b1 is None:
        first = first_period(scan, gradients.correct(scan.leading.trajectory), to_coils, coil_maps, temporal)
    return EncodedScan(
        problem, temporal, to_coils, gradients, scan.noise is not None, first, scan.b1, scan.sequence.field_t
    )


def _blank_aliases(coil_maps: NDArray, trajectory: NDArray) -> None:
    """Make coils blind where spokes without enough readout oversampling show repetitions of the object."""
    seen = unaliased(trajectory, coil_maps.shape[-1])
    if seen is not None:
        share = 100 * (1 - np.mean(seen))
        log.info("%.0f %% of the image lie outside of what the spacing of the samples resolves: they are blank", share)
        coil_maps *= sigpy.get_array_module(coil_maps).asarray(seen)


def prewhitening_of(noise: NoiseScan | None, coils: int) -> NDArray[np.complex64]:
    """Give the matrix that prewhitens the coils: ``(coils, coils)``; without a noise scan it changes nothing.

    Raises
    ------
    DataError
        If the noise scan is too short, or a coil is silent in it.
    """
    if noise is None:
        return np.eye(coils, dtype=np.complex64)
    return prewhitening_matrix(noise.samples, noise.dwell_ratio)


def _compression(scan: RadialScan, whitening: NDArray, coils: int) -> NDArray:
    """Principal components of the prewhitened coils: ``(virtual coils, coils)`` complex64."""
    measured = coil_covariance(scan.imaging.kspace)
    # that of prewhitened data, W (Σ d dᴴ) Wᴴ
    return compression_matrix(whitening @ measured @ whitening.conj().T, coils)
