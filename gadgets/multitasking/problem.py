"""One slice's readouts become the inverse problem d = E_Φ(U)."""

import logging
from dataclasses import dataclass

import numpy as np
import sigpy
from numpy.typing import NDArray

from gadgets.mrd.header import ScanHeader
from gadgets.mrd.measurement import Measurement
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.readouts import SliceReadouts, slice_readouts
from gadgets.multitasking.temporal import Temporal, temporal_basis
from recon.readouts.coils import compression_matrix, estimate_maps
from recon.readouts.density import ramp_weights
from recon.readouts.noise import apply_to_coils, prewhitening_matrix
from recon.readouts.trajectory import samples_within
from recon.spatial.back_projection import SubspaceProblem
from recon.spatial.encoding import coil_images
from recon.spatial.nufft import choose_backend, plan_nufft
from recon.stages import StageClock
from recon.temporal.navigator import readout_profiles

log = logging.getLogger(__name__)


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
