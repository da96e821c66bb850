"""A scan of a body as rich as anatomy: k-space from a fine grid, and the truth on the image's."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recon.simulation.anatomy import Body, random_body
from recon.simulation.chest.body_signal import SignalModel, signal_model
from recon.simulation.chest.body_spectra import accumulate, oversampled_spectra
from recon.simulation.chest.protocol import DWELL_US, Protocol
from recon.simulation.chest.scanner import READOUTS_AT_A_TIME, ScannedSubject
from recon.simulation.chest.signal import Tissue
from recon.simulation.moving.motion_states import MotionStates, states_on
from recon.simulation.moving.sampling import area_means, sampled
from recon.threads import available_cpus

_FINEST = 256
"""Pixels of the fine grid at least; it has twice those of the image at least, and a whole multiple."""

_MARGIN = 12
"""Steps of half a cycle per field of view around the data: the kernel, the coils' shifts, and delays."""

_CHUNK_BYTES = 600e6
"""Of k-space before it is mixed to coils, at a time; every chunk visits all states, so more chunks take longer."""

_CONTRACTIONS = 17
"""States of a normal beat. Walls of the heart move by up to 10 mm, so neighbours differ by less than a millimetre."""

_BREATH_MM = 1.2
"""Displacement between states, about a pixel of the fine grid."""

_FEWEST_PIXELS = 12
"""Labels of fewer pixels have no signal of their own in the truth's list."""


def scanned_body(protocol: Protocol, seed: int) -> Body:
    """Draw the body of a scan on its fine grid."""
    fine = protocol.matrix * max(2, math.ceil(_FINEST / protocol.matrix))
    return random_body(protocol.kind, seed, fine, protocol.fov_mm, protocol.field_t)


def tissues_of(body: Body) -> dict[str, Tissue]:
    """Mean tissue of each label that is large enough, by its name."""
    tissues = {}
    for number, name in enumerate(body.names):
        inside = (body.labels == number) & (body.density != 0)
        if number and np.count_nonzero(inside) >= _FEWEST_PIXELS:
            values = (float(np.median(image[inside])) for image in (body.t1_ms, np.abs(body.density), body.inflow))
            tissues[name] = Tissue(name, *values)
    return tissues


@dataclass(frozen=True)
class BodyScan(ScannedSubject):
    """A body in the scanner.

    The truth is a finite set of states of motion; between two states of contraction and two of displacement the body
    is the bilinear mixture of their images, so that "exact" is well defined: ``A(t) = Σ_s w_s(t) Σ_r m_r(t) I_sr``,
    with s the states, and r the maps of `SignalModel`. In state s each pixel of the fine grid holds what the backward
    map brings there by linear interpolation. A pixel is a square of even density, seen through coils that are a
    Fourier series; k-space is that of these squares, exact but for 1e-5 (of the signal model) and 1e-6 (of the
    interpolation). A pixel of the truth's image is the mean over its area, at the echo.

    B1 and off-resonance belong to the tissue and move with it: over the few millimetres they hardly change.

    Attributes
    ----------
    body : Body
    """

    body: Body

    @cached_property
    def states(self) -> MotionStates:
        """States of motion, and what each readout is a mixture of."""
        motion = self.motion
        squeeze = np.linspace(0, max(1.0, float(motion.contraction.max())), _CONTRACTIONS)
        farthest = float(motion.displacement_mm.max())
        breath_mm = np.linspace(0, farthest, 1 + math.ceil(farthest / _BREATH_MM)) if farthest else np.zeros(1)
        return states_on(motion.contraction, motion.displacement_mm, squeeze, breath_mm)

    @cached_property
    def model(self) -> SignalModel:
        """Signal of each voxel over the scan and along the readout."""
        offset_us = (np.arange(self.protocol.measured_samples) - self.protocol.echo_sample) * DWELL_US
        return signal_model(self.body, self.protocol, self.timeline, offset_us)

    def kspace(self) -> Iterator[tuple[slice, NDArray]]:
        """Compute the readouts in their order, some hundred megabytes at a time.

        Yields
        ------
        slice
            Which readouts.
        (readouts, coils, samples) complex64
            Their data, noise included.
        """
        played, readouts = self.played_trajectory(), self.protocol.readouts
        bytes_each = 8 * self.protocol.measured_samples * len(self.coils.shift_cycles_per_fov)
        step = max(1, int(_CHUNK_BYTES / bytes_each / READOUTS_AT_A_TIME)) * READOUTS_AT_A_TIME
        for begin in range(0, readouts, step):
            chunk = slice(begin, min(begin + step, readouts))
            terms = self._terms(chunk, played[chunk])
            for start in range(chunk.start, chunk.stop, READOUTS_AT_A_TIME):
                block = slice(start, min(start + READOUTS_AT_A_TIME, chunk.stop))
                clean = self._coils(terms[block.start - begin : block.stop - begin])
                yield block, (clean + self._noise(len(clean), 1 + start)).astype(np.complex64)

    def played_trajectory(self) -> NDArray:
        """Where data are taken, delays included: ``(readouts, samples, 2)`` float64, in cycles per field of view."""
        nominal = self.trajectory().astype(np.float64)
        protocol = self.protocol
        per_us = (nominal[:, 1] - nominal[:, 0]) / DWELL_US
        # Δk S n̂, as recon.readouts.gradient_delays has it
        delay = per_us * [protocol.gradient_delay_x_us, protocol.gradient_delay_y_us]
        rng = np.random.default_rng([self.seed, 8])
        angle = np.arctan2(per_us[:, 1], per_us[:, 0])
        waves = np.stack([np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)], axis=-1)
        stray = waves @ rng.normal(0, protocol.trajectory_error / math.sqrt(2), (4, 2))
        return nominal + delay[:, None] + stray[:, None]

    def noiseless(self, block: slice, k_cycles_per_fov: NDArray) -> NDArray:
        """Data of some readouts at any k within 3 cycles of the matrix's.

        Parameters
        ----------
        block : slice
            Which readouts: the state of the body.
        k_cycles_per_fov : (readouts, samples, 2) float64
            As many samples as the protocol has: the time along the readout is theirs.

        Returns
        -------
        (readouts, coils, samples) complex64
            On the scale of a unitary transform of the truth's images.
        """
        return self._coils(self._terms(block, k_cycles_per_fov))

    def _coils(self, terms: NDArray) -> NDArray:
        return (self.protocol.matrix * self.coils.coefficients).astype(np.complex64) @ terms

    def _terms(self, block: slice, k: NDArray) -> NDArray:
        """Data for each shift of the coil model: ``(readouts, terms, samples)`` complex64."""
        shifts = self.coils.shift_cycles_per_fov
        data = np.zeros((len(k), len(shifts), k.shape[1]), dtype=np.complex64)
        pixels, workers = len(self.body.density), available_cpus()
        reach = min(pixels, self.protocol.matrix + _MARGIN)
        with ThreadPoolExecutor(workers) as pool:
            for number in range(len(self.states.contraction)):
                rows, share = self.states.readouts_of(number, block)
                if not len(rows):
                    continue
                spectra = oversampled_spectra(self._moved(self.model.maps, number), reach)

                def add(
                    some: NDArray, spectra: NDArray = spectra, rows: NDArray = rows, share: NDArray = share
                ) -> None:
                    mixing = self.model.mixing(rows[some] + (block.start or 0)) * share[some, None, None].astype("f4")
                    accumulate(data, spectra, rows[some], k[rows[some]], mixing, shifts, pixels)

                list(pool.map(add, np.array_split(np.arange(len(rows)), max(workers, len(rows) // 64))))
        return data

    @cached_property
    def _backward(self) -> dict[int, NDArray]:
        return {}

    def _moved(self, maps: NDArray, number: int) -> NDArray:
        """Maps of the body at rest as they are in a state: ``(n, n, maps)`` complex64."""
        contraction = float(self.states.contraction[number])
        if number not in self._backward:
            displacement_mm = float(self.states.displacement_mm[number])
            self._backward[number] = self.body.backward_map(contraction, displacement_mm)
        return sampled(maps * self.body.through_plane(contraction)[..., None], self._backward[number])

    def truth_images(self, readouts: NDArray) -> NDArray:
        """Draw the body without coil sensitivities, at the echo.

        Parameters
        ----------
        readouts : (frames,) int
            Readouts at whose times it is drawn.

        Returns
        -------
        (frames, N, N) complex64
            Each pixel the mean over its area.
        """
        images = np.zeros((len(readouts), self.protocol.matrix, self.protocol.matrix), dtype=np.complex64)
        # frames at rest first: a mixture moves as its parts do, and there are fewer of them
        rest = self.model.maps @ self.model.mixing_at_echo(readouts).T
        states, weights = self.states.state[readouts], self.states.weight[readouts].astype(np.float32)
        for number in np.unique(states):
            frames, column = np.nonzero((states == number) & (weights > 0))
            if len(frames):
                drawn = area_means(
                    self._moved(rest[..., frames] * weights[frames, column], int(number)), self.protocol.matrix
                )
                np.add.at(images, frames, np.moveaxis(drawn, -1, 0))
        return images

    @property
    def shape_names(self) -> list[str]:
        """Names of the body's labels."""
        return list(self.body.names)

    def shape_map(self) -> NDArray:
        """Draw the label at the centre of each pixel: ``(N, N)`` uint8."""
        step = len(self.body.labels) // self.protocol.matrix
        return self.body.labels[::step, ::step][: self.protocol.matrix, : self.protocol.matrix].copy()

    def tissue_map(self, values: dict[str, float]) -> NDArray:
        """Draw one value per label; 0 where it names none."""
        return np.array([values.get(name, 0.0) for name in self.body.names], dtype=np.float32)[self.shape_map()]

    def truth_maps(self) -> dict[str, NDArray]:
        """T1, B1, inflow, fat, T2* and off-resonance: means over each pixel, weighted by protons; 0 in air."""
        density = np.abs(self.body.density)
        protons = area_means(density, self.protocol.matrix)
        maps = {name: getattr(self.body, name) for name in ("t1_ms", "b1", "inflow", "fat", "t2_star_ms")}
        maps["off_resonance_hz"] = self.body.off_resonance_hz
        sums = {name: area_means(density * image, self.protocol.matrix) for name, image in maps.items()}
        means = {name: image / np.maximum(protons, 1e-9) for name, image in sums.items()}
        return {"proton_density": protons.astype(np.float32)} | {
            name: np.where(self.shape_map() > 0, image, 0).astype(np.float32) for name, image in means.items()
        }
