"""What all simulated scans have in common: the timeline, the spokes, coils and noise, and k-space in its order."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.readouts.timeline import Timeline
from recon.readouts.trajectory import golden_angles_rad, radial_trajectory
from recon.simulation.chest.coils import CoilModel
from recon.simulation.chest.motion import Motion
from recon.simulation.chest.protocol import Protocol
from recon.simulation.chest.signal import Tissue
from recon.threads import available_cpus

# Readouts per task; each task's noise has its own seed, so another number gives other scans.
READOUTS_AT_A_TIME = 64


@dataclass(frozen=True)
class ScannedSubject(ABC):
    """One subject in the scanner; data and truth are computed when asked for, a few readouts at a time.

    Attributes
    ----------
    protocol : Protocol
    coils : CoilModel
    timeline : Timeline
        Times of every readout, navigators (even) and imaging spokes (odd, or all).
    motion : Motion
        At the time of every readout.
    noise_factor : (coils, coils) complex128
        L with ``R = L Lᴴ``, the receiver noise covariance.
    tissues : dict of str to Tissue
    signal : dict of str to (readouts,) float64
        Transverse magnetisation of each tissue.
    seed : int
    """

    protocol: Protocol
    coils: CoilModel
    timeline: Timeline
    motion: Motion
    noise_factor: NDArray
    tissues: dict[str, Tissue]
    signal: dict[str, NDArray]
    seed: int

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
        """Return (kx, ky) of all readouts: ``(readouts, measured samples, 2)`` float32, cycles per field of view."""
        angles, is_imaging = np.zeros(self.protocol.readouts), ~self.is_navigator
        spokes = np.arange(np.count_nonzero(is_imaging))
        angles[is_imaging] = golden_angles_rad(spokes, self.protocol.golden_angle_deg)
        whole = radial_trajectory(angles, self.protocol.samples, self.protocol.matrix)
        return whole[:, self.protocol.skipped_samples :]

    def noise(self) -> NDArray:
        """Return the noise scan: ``(noise readouts, coils, samples)`` complex64."""
        return self._noise(self.protocol.noise_readouts, block=0).astype(np.complex64)

    def _noise(self, readouts: int, block: int) -> NDArray:
        rng = np.random.default_rng([self.seed, 7, block])
        shape = (readouts, self.protocol.coils, self.protocol.measured_samples)
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
        starts = range(0, self.protocol.readouts, READOUTS_AT_A_TIME)
        blocks = [slice(start, min(start + READOUTS_AT_A_TIME, self.protocol.readouts)) for start in starts]
        workers = available_cpus()
        with ThreadPoolExecutor(workers) as pool:
            for first in range(0, len(blocks), workers):
                group = blocks[first : first + workers]
                yield from zip(group, pool.map(lambda block: self._block(block, trajectory), group), strict=True)

    def _block(self, block: slice, trajectory: NDArray) -> NDArray:
        clean = self.noiseless(block, trajectory[block].astype(np.float64))
        return (clean + self._noise(len(clean), 1 + block.start)).astype(np.complex64)

    @abstractmethod
    def noiseless(self, block: slice, k_cycles_per_fov: NDArray) -> NDArray:
        """Data of some readouts at any k.

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

    @abstractmethod
    def truth_images(self, readouts: NDArray) -> NDArray:
        """Draw the body without coil sensitivities.

        Parameters
        ----------
        readouts : (frames,) int
            Readouts at whose times it is drawn.

        Returns
        -------
        (frames, N, N) float32 or complex64
            Signed signal, each pixel the mean over its area.
        """

    @property
    @abstractmethod
    def shape_names(self) -> list[str]:
        """Names of the shapes of `shape_map`, by number; the first is air."""

    @abstractmethod
    def shape_map(self) -> NDArray:
        """Draw the number of each shape, from 1, on the body at end-diastole and end-expiration.

        Returns
        -------
        (N, N) uint8
            Each pixel belongs to the innermost shape that covers its centre; 0 is air.
        """

    @abstractmethod
    def truth_maps(self) -> dict[str, NDArray]:
        """Maps of the body at end-diastole and end-expiration: each ``(N, N)`` float32, 0 in air.

        Returns
        -------
        dict of str to NDArray
            ``t1_ms`` at least.
        """

    @abstractmethod
    def tissue_map(self, values: dict[str, float]) -> NDArray:
        """Draw one value per tissue on the body at end-diastole and end-expiration; 0 where it names none.

        Parameters
        ----------
        values : dict of str to float

        Returns
        -------
        (N, N) float32
        """

    @property
    def tissue_names(self) -> list[str]:
        """Names of the tissues, sorted, after air."""
        return ["air", *sorted(self.tissues)]

    def tissue_numbers(self) -> NDArray:
        """Draw the number of each tissue in `tissue_names`: ``(N, N)`` uint8."""
        return self.tissue_map({name: number for number, name in enumerate(self.tissue_names)}).astype(np.uint8)
