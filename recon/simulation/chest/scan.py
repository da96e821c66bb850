"""A simulated scan: timeline, exact k-space readout by readout, and the truth."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recon.readouts.timeline import Timeline
from recon.readouts.trajectory import golden_angles_rad, radial_trajectory
from recon.simulation.chest.coils import CoilModel, loop_coils
from recon.simulation.chest.motion import Motion, random_motion, rest
from recon.simulation.chest.phantom import Ellipses, Phantom, coverage, random_phantom
from recon.simulation.chest.protocol import Protocol
from recon.simulation.chest.signal import Tissue, ir_flash_timeline, random_tissues, transverse_signal
from recon.simulation.chest.spokes import shifted_spectra
from recon.threads import available_cpus

# Readouts per task; each task's noise has its own seed, so another number gives other scans.
_READOUTS_AT_A_TIME = 64


@dataclass(frozen=True)
class SimulatedScan:
    """One subject in the scanner; data and truth are computed when asked for, a few readouts at a time.

    Attributes
    ----------
    protocol : Protocol
    phantom : Phantom
    tissues : dict of str to Tissue
    coils : CoilModel
    timeline : Timeline
        Times of every readout, navigators (even) and imaging spokes (odd, or all).
    motion : Motion
        At the time of every readout.
    signal : dict of str to (readouts,) float64
        Transverse magnetisation of each tissue.
    noise_factor : (coils, coils) complex128
        L with ``R = L Lᴴ``, the receiver noise covariance.
    seed : int
    """

    protocol: Protocol
    phantom: Phantom
    tissues: dict[str, Tissue]
    coils: CoilModel
    timeline: Timeline
    motion: Motion
    signal: dict[str, NDArray]
    noise_factor: NDArray
    seed: int

    @cached_property
    def intensity(self) -> NDArray:
        """(shapes, readouts) float64: signal of each shape less that of what it displaces."""
        return np.stack([self.signal[shape.tissue] - self.signal[shape.parent] for shape in self.phantom.shapes])

    @property
    def is_navigator(self) -> NDArray:
        """(readouts,) bool: every other readout, from the first; none in a scan without navigators."""
        return (np.arange(self.protocol.readouts) % 2 == 0) & self.protocol.navigators

    @property
    def truth_readouts(self) -> NDArray:
        """(frames,) int: imaging readouts at whose times the truth is an image."""
        step = max(1, round(self.protocol.truth_interval_ms / (2 * self.protocol.tr_ms)))
        return np.arange(1, self.protocol.readouts, 2 * step)

    def trajectory(self) -> NDArray:
        """Return (kx, ky) of all readouts: ``(readouts, samples, 2)`` float32, cycles per field of view."""
        angles, is_imaging = np.zeros(self.protocol.readouts), ~self.is_navigator
        spokes = np.arange(np.count_nonzero(is_imaging))
        angles[is_imaging] = golden_angles_rad(spokes, self.protocol.golden_angle_deg)
        return radial_trajectory(angles, self.protocol.samples, self.protocol.matrix)

    def noise(self) -> NDArray:
        """Return the noise scan: ``(noise readouts, coils, samples)`` complex64."""
        return self._noise(self.protocol.noise_readouts, block=0).astype(np.complex64)

    def _noise(self, readouts: int, block: int) -> NDArray:
        rng = np.random.default_rng([self.seed, 7, block])
        shape = (readouts, self.protocol.coils, self.protocol.samples)
        white = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / math.sqrt(2)
        return self.noise_factor @ white

    def kspace(self) -> Iterator[tuple[slice, NDArray]]:
        """Compute the readouts in their order, on all cores.

        Yields
        ------
        slice
            Which readouts.
        (readouts, coils, samples) complex64
            Their data, noise included.
        """
        trajectory = self.trajectory()
        starts = range(0, self.protocol.readouts, _READOUTS_AT_A_TIME)
        blocks = [slice(start, min(start + _READOUTS_AT_A_TIME, self.protocol.readouts)) for start in starts]
        workers = available_cpus()
        with ThreadPoolExecutor(workers) as pool:
            for first in range(0, len(blocks), workers):
                group = blocks[first : first + workers]
                yield from zip(group, pool.map(lambda block: self._block(block, trajectory), group), strict=True)

    def _block(self, block: slice, trajectory: NDArray) -> NDArray:
        clean = self.noiseless(block, trajectory[block].astype(np.float64))
        return (clean + self._noise(len(clean), 1 + block.start)).astype(np.complex64)

    def _ellipses(self, readouts: slice | NDArray) -> Ellipses:
        return self.phantom.at(self.motion.at(readouts))

    def noiseless(self, block: slice, k_cycles_per_fov: NDArray) -> NDArray:
        """Exact data of some readouts at any k.

        Parameters
        ----------
        block : slice
            Which readouts: the state of the body.
        k_cycles_per_fov : (readouts, samples, 2) float64

        Returns
        -------
        (readouts, coils, samples) complex128
            On the scale of a unitary transform of the truth's images.
        """
        fov = self.protocol.fov_mm
        ellipses = self._ellipses(block)
        in_fov = Ellipses(ellipses.center_mm / fov, ellipses.axes_mm / fov, ellipses.angle_rad)
        shifts = self.coils.shift_cycles_per_fov
        spectra = shifted_spectra(in_fov, self.intensity[:, block], k_cycles_per_fov, shifts)
        return self.protocol.matrix * (self.coils.coefficients @ spectra)

    def truth_images(self, readouts: NDArray) -> NDArray:
        """Draw the body without coil sensitivities.

        Parameters
        ----------
        readouts : (frames,) int
            Readouts at whose times it is drawn.

        Returns
        -------
        (frames, N, N) float32
            Signed signal, each pixel the mean over its area.
        """
        ellipses = self._ellipses(readouts)
        matrix, fov = self.protocol.matrix, self.protocol.fov_mm
        images = np.zeros((len(readouts), matrix, matrix), dtype=np.float32)
        for row, shape in enumerate(self.phantom.shapes):
            moving = shape.layer != "still" or shape.breathing != 0
            mask = coverage(ellipses, row, 0, matrix, fov)
            for frame, readout in enumerate(readouts):
                if moving and frame:
                    mask = coverage(ellipses, row, frame, matrix, fov)
                images[frame] += np.float32(self.intensity[row, readout]) * mask
        return images

    def tissue_map(self, values: dict[str, float]) -> NDArray:
        """Draw one value per tissue on the body at end-diastole and end-expiration; 0 where it names none.

        Parameters
        ----------
        values : dict of str to float

        Returns
        -------
        (N, N) float32
        """
        by_shape = np.array([0.0, *(values.get(shape.tissue, 0.0) for shape in self.phantom.shapes)])
        return by_shape[self.shape_map()].astype(np.float32)

    def shape_map(self) -> NDArray:
        """Draw the number of each shape, from 1, on the body at end-diastole and end-expiration.

        Returns
        -------
        (N, N) uint8
            Each pixel belongs to the innermost shape that covers its centre; 0 is air.
        """
        ellipses = self.phantom.at(rest())
        image = np.zeros((self.protocol.matrix, self.protocol.matrix), dtype=np.uint8)
        for row in range(len(self.phantom.shapes)):
            image[coverage(ellipses, row, 0, self.protocol.matrix, self.protocol.fov_mm) >= 0.5] = row + 1
        return image


def simulate_scan(protocol: Protocol, seed: int) -> SimulatedScan:
    """Draw a subject and lay out the scan; equal seeds give equal scans, bit for bit.

    Parameters
    ----------
    protocol : Protocol
    seed : int
        Non-negative.

    Returns
    -------
    SimulatedScan
    """
    anatomy, magnetic, body, receiver = (np.random.default_rng([seed, stream]) for stream in range(4))
    tissues = random_tissues(magnetic)
    phantom = random_phantom(anatomy, protocol.infarct)
    timeline = ir_flash_timeline(protocol.readouts, protocol.tr_ms, protocol.period, protocol.delay_ms)
    motion = random_motion(timeline.time_s, body, protocol.physiology)
    signals = {"air": np.zeros(protocol.readouts)}
    for name, tissue in tissues.items():
        signals[name] = transverse_signal(
            tissue,
            timeline,
            protocol.tr_ms,
            protocol.flip_angle_scale * protocol.flip_angle_deg,
            protocol.delay_ms,
            protocol.efficiency,
        )
    steady = signals["myocardium"][min(protocol.readouts, protocol.period) - 1]
    mixing = np.eye(protocol.coils) + 0.15 * receiver.standard_normal((protocol.coils, protocol.coils))
    noise_factor = np.linalg.cholesky(mixing @ mixing.T) * abs(steady) / protocol.snr
    coils = loop_coils(protocol.coils, receiver)
    return SimulatedScan(
        protocol, phantom, tissues, coils, timeline, motion, signals, noise_factor.astype(complex), seed
    )
