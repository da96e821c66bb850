"""The signal of every voxel of a body over the scan and along each readout, as a few maps times a few functions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.readouts.timeline import Timeline
from recon.simulation.anatomy.body import Body
from recon.simulation.chest.protocol import DWELL_US, Protocol
from recon.simulation.chest.signal import Tissue, transverse_signal
from recon.simulation.moving.recovery import RecoveryTable, lagrange

_FAT_PPM = -3.35
"""Of fat's main peak, from water (Hamilton, NMR Biomed 2011: 1.3 against 4.7 ppm)."""

_HZ_PER_PPM_T = 42.577

_NODES = 8
"""Chebyshev nodes along a readout. A phase that runs by ±φ is then interpolated to 2 (φ/2)⁸/8!: 7e-7 for fat at 3 T."""

_TOLERANCE = 1e-5
"""Of the signal's norm over body, time and readout; what lies below is left out of the truth and of the data alike."""


@dataclass(frozen=True)
class SignalModel:
    """Signal of voxel v at readout t and time τ from its echo: ``Σ_r map_r(v) · mixing_r(t, τ)``.

    Attributes
    ----------
    maps : (n, n, R) complex64
        Of the body at rest, density included.
    curves : (K, readouts) float64
    along : (Q, samples) float64
        Lagrange polynomials of the time along the readout.
    combine : (R, K, Q) complex64
        ``mixing_r(t, τ) = Σ_kq combine_rkq curves_k(t) along_q(τ)``.
    at_echo : (Q,) float64
        The polynomials at τ = 0, where the truth is drawn.
    """

    maps: NDArray
    curves: NDArray
    along: NDArray
    combine: NDArray
    at_echo: NDArray

    def mixing(self, readouts: NDArray | slice) -> NDArray:
        """Weights of the maps: ``(readouts, R, samples)`` complex64."""
        by_node = np.einsum("rkq,kt->trq", self.combine, self.curves[:, readouts].astype(np.float32), optimize=True)
        return by_node @ self.along.astype(np.float32)

    def mixing_at_echo(self, readouts: NDArray) -> NDArray:
        """Weights of the maps at the echo: ``(readouts, R)`` complex64."""
        return np.einsum("rkq,kt,q->tr", self.combine, self.curves[:, readouts], self.at_echo).astype(np.complex64)


def signal_model(body: Body, protocol: Protocol, timeline: Timeline, offset_us: NDArray) -> SignalModel:
    """Factor the signal of a body.

    Parameters
    ----------
    body : Body
    protocol : Protocol
        Its effects are switched on and off here.
    timeline : Timeline
    offset_us : (samples,) float64
        Time of each sample from the echo.

    Returns
    -------
    SignalModel
        Exact but for 1e-5 of its norm.
    """
    filled = body.density != 0
    curves, by_curve = _recovery(body, filled, protocol, timeline)
    half_us = max(float(np.abs(offset_us).max()), DWELL_US)
    varies = protocol.off_resonance or protocol.fat_shift or protocol.t2_star
    nodes_us = half_us * np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES) if varies else np.zeros(1)
    by_node = _along_readout(body, filled, protocol, nodes_us)
    tensor = body.density[filled, None, None] * by_curve[:, :, None] * by_node[:, None, :]
    flat = tensor.reshape(len(tensor), -1)
    # V (voxels × KQ) ≈ (V Q_R) Q_Rᴴ with the leading eigenvectors of VᴴV
    power, vectors = np.linalg.eigh((flat.conj().T @ flat).astype(np.complex128))
    kept = np.cumsum(np.maximum(power, 0)) > _TOLERANCE**2 * power.sum()
    vectors = vectors[:, kept][:, ::-1].astype(np.complex64)
    maps = np.zeros((*filled.shape, vectors.shape[1]), dtype=np.complex64)
    maps[filled] = flat @ vectors
    combine = vectors.conj().T.reshape(-1, by_curve.shape[1], len(nodes_us))
    along, at_echo = (lagrange(nodes_us, times) for times in (offset_us, np.zeros(1)))
    return SignalModel(maps, curves, along, combine, at_echo[:, 0])


def _along_readout(body: Body, filled: NDArray, protocol: Protocol, nodes_us: NDArray) -> NDArray:
    """Phase and decay of each voxel at the nodes: ``(voxels, nodes)`` complex64, from the excitation on."""
    since_ms = protocol.echo_time_ms + nodes_us / 1000
    turn = 2j * np.pi * since_ms / 1000  # radians per Hz
    result = np.ones((np.count_nonzero(filled), len(nodes_us)), dtype=np.complex64)
    if protocol.off_resonance:
        result *= np.exp(body.off_resonance_hz[filled, None] * turn)
    if protocol.fat_shift:
        fat = body.fat[filled, None]
        result *= 1 - fat + fat * np.exp(_FAT_PPM * _HZ_PER_PPM_T * protocol.field_t * turn)
    if protocol.t2_star:
        result *= np.exp(-since_ms / body.t2_star_ms[filled, None])
    return result


def _recovery(body: Body, filled: NDArray, protocol: Protocol, timeline: Timeline) -> tuple[NDArray, NDArray]:
    """Curves over the scan, and each voxel's share of them: ``(K, readouts)`` float64, ``(voxels, K)`` float32."""
    b1 = body.b1[filled] if protocol.b1_variation else np.ones(np.count_nonzero(filled), dtype=np.float32)
    inflow = body.inflow[filled] if protocol.varying_inflow else _even_inflow(body, filled)

    def curve(t1_ms: float, ratio: float, fresh: float) -> NDArray:
        flip_angle_deg = ratio * protocol.flip_angle_scale * protocol.flip_angle_deg
        return transverse_signal(
            Tissue("", t1_ms, 1.0, fresh),
            timeline,
            protocol.tr_ms,
            flip_angle_deg,
            protocol.delay_ms,
            protocol.efficiency,
        )

    table = RecoveryTable(curve, (b1.min(), b1.max()), 0.1 * _TOLERANCE)
    return table.curves, table.shares(body.t1_ms[filled], b1, inflow)


def _even_inflow(body: Body, filled: NDArray) -> NDArray:
    """Inflow of each voxel that is the mean over all of its label."""
    labels = body.labels[filled]
    total = np.bincount(labels, body.inflow[filled], minlength=256)
    return (total / np.maximum(np.bincount(labels, minlength=256), 1))[labels]
