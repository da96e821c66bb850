"""A simulated scan: timeline, exact k-space readout by readout, and the truth."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recon.simulation.chest.body_scan import BodyScan, scanned_body, tissues_of
from recon.simulation.chest.coils import loop_coils
from recon.simulation.chest.motion import random_motion, rest
from recon.simulation.chest.phantom import Ellipses, Phantom, coverage, random_phantom
from recon.simulation.chest.protocol import Protocol
from recon.simulation.chest.scanner import ScannedSubject
from recon.simulation.chest.signal import ir_flash_timeline, random_tissues, signals_of
from recon.simulation.chest.spokes import shifted_spectra


@dataclass(frozen=True)
class SimulatedScan(ScannedSubject):
    """A chest of ellipses in the scanner; k-space in closed form.

    Attributes
    ----------
    phantom : Phantom
    """

    phantom: Phantom

    @cached_property
    def intensity(self) -> NDArray:
        """(shapes, readouts) float64: signal of each shape less that of what it displaces."""
        return np.stack([self.signal[shape.tissue] - self.signal[shape.parent] for shape in self.phantom.shapes])

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

    def truth_maps(self) -> dict[str, NDArray]:
        """T1 of the tissues."""
        return {"t1_ms": self.tissue_map({name: tissue.t1_ms for name, tissue in self.tissues.items()})}

    @property
    def shape_names(self) -> list[str]:
        """Names of the shapes, from the outside in."""
        return ["air", *(shape.name for shape in self.phantom.shapes)]

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


def simulate_scan(protocol: Protocol, seed: int) -> SimulatedScan | BodyScan:
    """Draw a subject and lay out the scan; equal seeds give equal scans, bit for bit.

    Parameters
    ----------
    protocol : Protocol
        With the kind of body; without one it is a chest of ellipses.
    seed : int
        Non-negative.

    Returns
    -------
    SimulatedScan or BodyScan
    """
    anatomy, magnetic, moving, receiver = (np.random.default_rng([seed, stream]) for stream in range(4))
    timeline = ir_flash_timeline(protocol.readouts, protocol.tr_ms, protocol.period, protocol.delay_ms)
    motion = random_motion(timeline.time_s, moving, protocol.physiology)
    tissues = random_tissues(magnetic)
    signals = signals_of(tissues, timeline, protocol)
    steady = signals["myocardium"][min(protocol.readouts, protocol.period) - 1]
    mixing = np.eye(protocol.coils) + 0.15 * receiver.standard_normal((protocol.coils, protocol.coils))
    noise_factor = (np.linalg.cholesky(mixing @ mixing.T) * abs(steady) / protocol.snr).astype(complex)
    coils = loop_coils(protocol.coils, receiver)
    if protocol.kind:
        body = scanned_body(protocol, seed)
        tissues = tissues_of(body)
        signals = signals_of(tissues, timeline, protocol)
        return BodyScan(protocol, coils, timeline, motion, noise_factor, tissues, signals, seed, body)
    phantom = random_phantom(anatomy, protocol.infarct)
    return SimulatedScan(protocol, coils, timeline, motion, noise_factor, tissues, signals, seed, phantom)
