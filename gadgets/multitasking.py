"""The Multitasking gadget: a raw golden-angle radial stream in; cine, T1 map, real-time images and basis maps out.

Gadgetron runs it as ``python3 -m gadgetron PORT gadgets.multitasking MultitaskingGadget``.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import ismrmrd
import numpy as np
import sigpy
from gadgetron.external.connection import Connection
from numpy.typing import NDArray

from gadgets.acquisitions import SliceReadouts, slice_readouts
from gadgets.connection import GadgetStream
from gadgets.device import choose_device
from gadgets.errors import StreamError
from gadgets.header import ScanHeader, read_header, repetition_time_ms
from gadgets.images import multitasking_images
from gadgets.measurement import Measurement
from gadgets.parameters import MultitaskingParameters, parse_parameters
from gadgets.rescue import rescued
from gadgets.selection import t1_state
from gadgets.series import MultitaskingResult
from gadgets.stages import StageClock
from gadgets.temporal import Temporal, temporal_basis
from recon.admm import AdmmSettings, admm
from recon.coils import compression_matrix, estimate_maps
from recon.density import ramp_weights
from recon.errors import DataError
from recon.fold import is_radial
from recon.frames import body_mask, frames, time_average
from recon.navigator import readout_profiles
from recon.noise import apply_to_coils, prewhitening_matrix
from recon.nufft import choose_backend, plan_nufft
from recon.problem import (
    SubspaceProblem,
    back_project,
    back_project_and_adjoint,
    back_project_exactly,
    normal_operator,
)
from recon.relaxometry import T1Map, fit_t1
from recon.subspace import coil_images
from recon.trajectory import samples_within

log = logging.getLogger(__name__)

_T1_STEP = 4


class MultitaskingGadget:
    """Reconstructs a Multitasking scan as soon as its last readout has arrived."""

    def handle(self, connection: Connection) -> None:
        """Serve the measurements of one stream; each ends with ``ACQ_LAST_IN_MEASUREMENT`` or with the stream.

        Parameters
        ----------
        connection : gadgetron.external.connection.Connection
            Config and header are read already; acquisitions and waveforms follow.

        Raises
        ------
        MalibuError, DataError
            On bad parameters, streams or data; the client has received the text as an ERROR message.
        """
        with GadgetStream(connection, type(self).__name__) as stream:
            parameters = parse_parameters(stream.configuration)
            stream.set_timeouts(parameters.message_timeout_s, parameters.idle_timeout_s)
            device = choose_device(parameters.device)
            choose_backend(parameters.nufft, on_gpu=device.id >= 0)
            measurement, open_ = Measurement(), True
            while open_:
                clock = StageClock()
                with rescued(measurement, stream.header, parameters.rescue_folder):
                    with clock.stage("receive"):
                        open_ = receive(stream, measurement)
                    if measurement.has_imaging or measurement.number == 0:
                        serve(stream, measurement, parameters, device, clock)
                measurement = measurement.following()


def serve(
    stream: GadgetStream,
    measurement: Measurement,
    parameters: MultitaskingParameters,
    device: sigpy.Device,
    clock: StageClock,
) -> None:
    """Reconstruct a measurement slice by slice and send each slice's images."""
    header = read_header(stream.header)
    for readouts, whitening in prepare(measurement, header, parameters, clock):
        result = reconstruct(readouts, whitening, header, parameters, device, clock)
        for image in multitasking_images(result, readouts, header, parameters, clock, measurement.number):
            stream.send(image)


def receive(stream: GadgetStream, measurement: Measurement) -> bool:
    """Keep every readout and waveform until the measurement is complete or the stream closes.

    Returns
    -------
    bool
        Whether the stream goes on.

    Raises
    ------
    StreamError
        If something else arrives, or the stream breaks.
    """
    for item in stream:
        if isinstance(item, ismrmrd.Acquisition):
            measurement.add(item)
            if measurement.complete:
                log.info("received %d readouts; the last in measurement is flagged", measurement.received)
                return True
        elif isinstance(item, ismrmrd.Waveform):
            measurement.waveforms.append(item)
        else:
            raise StreamError(
                f"the Multitasking gadget takes readouts and waveforms, but received {type(item).__name__}; "
                "put it directly after the readers"
            )
    if measurement.received or measurement.number == 0:
        log.info("received %d readouts and the end of the stream", measurement.received)
    return False


def prepare(
    measurement: Measurement, header: ScanHeader, parameters: MultitaskingParameters, clock: StageClock
) -> list[tuple[SliceReadouts, np.ndarray | None]]:
    """Turn the measurement into arrays and its noise scan into a prewhitening matrix.

    Returns
    -------
    list of (SliceReadouts, (coils, coils) complex64 or None)
    """
    with clock.stage("sort readouts"):
        slices = slice_readouts(measurement, parameters, header.matrix, header.encoded_matrix)
        noise = measurement.noise()
        if noise is None:
            log.warning("no noise scan: coils are not prewhitened, and pixel values are in the receiver's units")
            return [(readouts, None) for readouts in slices]
        samples, dwell_ratio = noise
        whitening = prewhitening_matrix(samples, dwell_ratio * header.relative_noise_bandwidth)
        return [(readouts, whitening) for readouts in slices]


def reconstruct(
    readouts: SliceReadouts,
    whitening: np.ndarray | None,
    header: ScanHeader,
    parameters: MultitaskingParameters,
    device: sigpy.Device,
    clock: StageClock,
) -> MultitaskingResult:
    """Navigator → temporal basis → coil maps → back-projection (→ ADMM) → T1 of one slice.

    Parameters
    ----------
    readouts : SliceReadouts
    whitening : (coils, coils) complex64 or None
    header : ScanHeader
    parameters : MultitaskingParameters
    device : sigpy.Device
    clock : StageClock

    Returns
    -------
    MultitaskingResult
        In host memory.
    """
    posed = pose(readouts, whitening, header, parameters, device, clock)
    with device:
        spatial_factor = sigpy.to_device(solve(posed.problem, parameters, clock), sigpy.cpu_device)
    _check_finite(spatial_factor, posed.problem.backend)
    with clock.stage("T1 map"):
        t1_map = map_t1(spatial_factor, posed.temporal, parameters)
    return MultitaskingResult(
        spatial_factor=spatial_factor,
        temporal=posed.temporal,
        t1_map=t1_map,
        coils=len(posed.to_coils),
        prewhitened=whitening is not None,
        nufft=posed.problem.backend,
        device="cpu" if device.id < 0 else f"cuda:{device.id}",
        tr_ms=repetition_time_ms(header, parameters.tr_ms),
    )


@dataclass(frozen=True)
class Posed:
    """A slice's inverse problem, and what led to it.

    Attributes
    ----------
    problem : SubspaceProblem
        On the device.
    temporal : Temporal
    to_coils : (virtual coils, coils) complex64
        Prewhitening and compression.
    """

    problem: SubspaceProblem
    temporal: Temporal
    to_coils: NDArray


def pose(
    readouts: SliceReadouts,
    whitening: np.ndarray | None,
    header: ScanHeader,
    parameters: MultitaskingParameters,
    device: sigpy.Device,
    clock: StageClock,
) -> Posed:
    """Turn one slice's readouts into the data, basis and coil maps of ``d = E_Φ(U)``, on the device."""
    matrix = parameters.matrix or header.matrix
    backend = choose_backend(parameters.nufft, on_gpu=device.id >= 0)
    with clock.stage("prewhiten and compress coils"):
        to_coils = np.eye(readouts.imaging.shape[1], dtype=np.complex64) if whitening is None else whitening
        to_coils = compression_matrix(apply_to_coils(to_coils, readouts.imaging), parameters.coils) @ to_coils
        inside = samples_within(readouts.trajectory, matrix)
        imaging = apply_to_coils(to_coils, readouts.imaging[:, :, inside])
        kspace = sigpy.to_device(np.ascontiguousarray(imaging.swapaxes(0, 1)), device)
        trajectory = sigpy.to_device(np.ascontiguousarray(readouts.trajectory[:, inside]), device)
    with clock.stage("temporal basis"):
        profiles = readout_profiles(apply_to_coils(to_coils, readouts.navigators), header.matrix)
        temporal = temporal_basis(profiles, readouts, header, parameters)
    with device, clock.stage("coil maps"):
        plan = plan_nufft(trajectory, matrix, backend)
        coil_maps = estimate_maps(coil_images(plan, ramp_weights(trajectory), kspace), parameters.coil_maps)
        basis = sigpy.to_device(temporal.basis, device)
        if not temporal.kept.all():
            kept = sigpy.to_device(np.flatnonzero(temporal.kept), device)
            kspace, trajectory = kspace[:, kept], trajectory[kept]
    return Posed(SubspaceProblem(kspace, trajectory, basis, coil_maps, backend), temporal, to_coils)


def solve(problem: SubspaceProblem, parameters: MultitaskingParameters, clock: StageClock) -> NDArray:
    """Estimate the spatial factor by the method that the parameters name."""
    if parameters.reconstruction == "backprojection":
        with clock.stage("back-projection"):
            return _back_projection(problem, parameters)
    settings = AdmmSettings(
        sparsity=parameters.sparsity,
        relative_lambda=parameters.relative_lambda,
        iterations=parameters.iterations,
        cg_iterations=parameters.cg_iterations,
    )
    with clock.stage("back-projection"):
        initial, adjoint_data = back_project_and_adjoint(problem)
    with clock.stage("Toeplitz kernel"):
        normal = normal_operator(problem, int(parameters.memory_gb * 2**30))
    with clock.stage("ADMM"):
        return admm(normal, adjoint_data, initial, settings, _log_progress(settings.iterations)).spatial_factor


def _back_projection(problem: SubspaceProblem, parameters: MultitaskingParameters) -> NDArray:
    if parameters.gridding == "exact":
        return back_project_exactly(problem)
    if is_radial(sigpy.to_device(problem.trajectory)):
        return back_project(problem)
    log.warning("the spokes are not straight through k = 0: every spoke is gridded")
    return back_project_exactly(problem)


def _log_progress(total: int) -> Callable[[int, float], None]:
    return lambda iteration, residual: log.info("ADMM %d of %d, residual %.1e", iteration, total, residual)


def map_t1(spatial_factor: NDArray, temporal: Temporal, parameters: MultitaskingParameters) -> T1Map | None:
    """Fit T1 at one state of motion, inside the body; None if no T1 image is wanted or possible.

    What cannot be fitted is logged: it must not cost the other images.
    """
    model = temporal.model
    if model is None or not {"t1_map", "t1_uncertainty"} & set(parameters.images):
        return None
    mixing = model.tensor.recovery_of(*t1_state(model, parameters))
    coordinates = frames(spatial_factor, mixing)
    pulses = np.unique(temporal.imaging.pulse)[::_T1_STEP]
    body = body_mask(np.abs(time_average(spatial_factor, temporal.basis)))
    basis = model.tensor.recovery[pulses]
    try:
        return fit_t1(coordinates, basis, pulses, model.sequence, body, mixing.T @ mixing, parameters.inflow)
    except DataError as error:
        log.warning("no T1 map: %s", error)
        return None


def _check_finite(spatial_factor: np.ndarray, backend: str) -> None:
    if not np.isfinite(spatial_factor).all():
        raise DataError(f"the back-projection with NUFFT back end {backend} is not finite; choose another back end")
