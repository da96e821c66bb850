"""The truth of a simulated scan: the phantom as a perfect reconstruction with the estimated coil maps shows it."""

import logging
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import sigpy
from numpy.typing import NDArray

from gadgets.mrd.header import read_header
from gadgets.mrd.intake.measurement import Measurement
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.readouts import MeasuredSlice, slices_of
from gadgets.simulated.radial import acquisitions, scan_header
from recon.multitasking import Cells, EncodedScan, RadialScan
from recon.multitasking.selection import bright_blood_pulse, dark_blood_pulse
from recon.quality.metrics import Quality, quality
from recon.simulation.chest import ScannedSubject
from recon.spatial.frames import frames
from recon.temporal.model import TemporalModel

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Truth:
    """Spatial factor and images of a simulated scan.

    Attributes
    ----------
    spatial_factor : (L, N, N) complex64
        Least-squares fit of the true images by the temporal basis, with the shading of the estimated coil maps.
    magnitudes : (times, N, N) float32
        The true images themselves, shaded.
    spokes : (times,) int
        Columns of the temporal basis that belong to them.
    """

    spatial_factor: NDArray
    magnitudes: NDArray
    spokes: NDArray


def slice_of_simulation(simulated: ScannedSubject, parameters: MultitaskingParameters) -> MeasuredSlice:
    """Take a simulated scan through the gadget's own steps, from ISMRMRD readouts to arrays."""
    measurement, header = Measurement.of(acquisitions(simulated)), read_header(scan_header(simulated))
    (measured,) = slices_of(measurement, header, parameters)
    return measured


def seen_truth(encoded: EncodedScan, scan: RadialScan, images: NDArray, coil_maps: NDArray, readout: NDArray) -> Truth:
    """Show true images as the reconstruction sees them.

    Parameters
    ----------
    encoded : EncodedScan
    scan : RadialScan
    images : (times, N, N) float32
        True signed signal.
    coil_maps : (coils, N, N) complex64
        True sensitivities.
    readout : (times,) int
        Readouts at whose times the images are drawn.

    Returns
    -------
    Truth
        Truth of the images whose spokes are reconstructed.
    """
    basis = sigpy.to_device(encoded.problem.temporal_basis, sigpy.cpu_device)
    reconstructed = scan.imaging.index[encoded.temporal.kept]
    is_reconstructed = np.isin(readout, reconstructed)
    images, spokes = images[is_reconstructed], np.searchsorted(reconstructed, readout[is_reconstructed])
    estimated = sigpy.to_device(encoded.problem.coil_maps, sigpy.cpu_device)
    # S_virtual = C S: the true sensitivities through prewhitening and compression
    seen = np.einsum("ij,jyx->iyx", encoded.to_coils, coil_maps)
    shading = np.sum(estimated.conj() * seen, axis=0) / np.sum(np.abs(estimated) ** 2, axis=0)
    factor = np.linalg.lstsq(basis[:, spokes].T, images.reshape(len(images), -1).astype(np.complex64), rcond=None)[0]
    factor = factor.reshape(len(basis), *images.shape[1:]) * shading
    return Truth(factor.astype(np.complex64), np.abs(images * shading).astype(np.float32), spokes)


def known_truth(encoded: EncodedScan, scan: RadialScan, path: Path) -> Truth | None:
    """Read the truth of a simulated scan, as the reconstruction sees it.

    Parameters
    ----------
    encoded : EncodedScan
    scan : RadialScan
    path : Path
        Truth file.

    Returns
    -------
    Truth or None
        None if there is no such file, or it has another matrix.
    """
    if not path.is_file():
        log.info("no %s: nothing is compared with the truth", path.name)
        return None
    with h5py.File(path) as file:
        images, maps, readout = file["images"][:], file["coil_maps"][:], file["image_readout"][:]
    if images.shape[-1] != encoded.problem.matrix:
        log.warning("the truth has another matrix (%d): nothing is compared with it", images.shape[-1])
        return None
    return seen_truth(encoded, scan, images, maps, readout)


def cine_quality(
    factor: NDArray, true_factor: NDArray, temporal: TemporalModel, parameters: MultitaskingParameters
) -> tuple[Quality | None, Quality | None]:
    """Compare the bright- and the dark-blood cardiac cycle of two spatial factors; None without a heartbeat.

    Parameters
    ----------
    factor, true_factor : (L, N, N) complex64
    temporal : TemporalModel
    parameters : MultitaskingParameters
        Its inversion times, and the share of fresh spins in flowing blood.

    Returns
    -------
    Quality or None, Quality or None
    """
    gated, qualities = temporal.gated, []
    if gated is None or gated.gating.beats is None:
        return None, None
    bright = bright_blood_pulse(temporal, gated, parameters.bright_blood_ti_ms)
    dark = dark_blood_pulse(temporal, gated, parameters.settings().assumed_inflow, parameters.dark_blood_ti_ms)
    for pulse in (bright, dark):
        cells = Cells.of(np.arange(len(gated.tensor.cardiac)), gated.end_expiration, pulse)
        phi = gated.tensor.cells(cells.cardiac, cells.respiratory, cells.pulse).astype(np.float32)
        qualities.append(quality(np.abs(frames(factor, phi)), np.abs(frames(true_factor, phi))))
    return qualities[0], qualities[1]
