"""The signal of every voxel of a body over the scan and along each readout, as a few maps times a few functions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.readouts.timeline import Timeline
from recon.simulation.anatomy.body import Body
from recon.simulation.chest.protocol import DWELL_US, Protocol
from recon.simulation.chest.signal import Tissue, transverse_signal

_FAT_PPM = -3.35
"""Of fat's main peak, from water (Hamilton, NMR Biomed 2011: 1.3 against 4.7 ppm)."""

_HZ_PER_PPM_T = 42.577

_T1_MS = np.geomspace(100, 6000, 60)
_B1_STEPS = 9
"""Knots of the curves that are computed exactly; each voxel's is interpolated by cubics in ln T1 and B1."""

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
    along, at_echo = (_lagrange(nodes_us, times) for times in (offset_us, np.zeros(1)))
    return SignalModel(maps, curves, along, combine, at_echo[:, 0])


def _lagrange(nodes: NDArray, places: NDArray) -> NDArray:
    """Lagrange polynomials of the nodes: ``(nodes, places)`` float64."""
    values = np.ones((len(nodes), len(places)))
    for one, node in enumerate(nodes):
        for other in np.delete(nodes, one):
            values[one] *= (places - other) / (node - other)
    return values


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
    ratios = np.linspace(b1.min(), b1.max(), _B1_STEPS) if np.ptp(b1) > 1e-6 else b1[:1].astype(float)

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

    pulsed = np.array([[curve(t1, ratio, 0.0) for ratio in ratios] for t1 in _T1_MS])
    fresh = np.array([[curve(t1, ratio, 1.0) for ratio in ratios] for t1 in _T1_MS])
    table = np.stack([pulsed, fresh])  # 2 × T1 × B1 × readouts
    flat = table.reshape(-1, table.shape[-1])
    power, vectors = np.linalg.eigh(flat @ flat.T)
    kept = np.cumsum(np.maximum(power, 0)) > (0.1 * _TOLERANCE) ** 2 * power.sum()
    curves = (vectors[:, kept][:, ::-1].T @ flat) / np.sqrt(power[kept][::-1, None])
    shares = (flat @ curves.T).reshape(*table.shape[:3], -1)
    weights_t1 = _cubic(np.log(body.t1_ms[filled]), np.log(_T1_MS))
    weights_b1 = _cubic(b1, ratios)
    by_curve = np.zeros((len(b1), len(curves)))
    for place_t1, weight_t1 in zip(*weights_t1, strict=True):
        for place_b1, weight_b1 in zip(*weights_b1, strict=True):
            weight = (weight_t1 * weight_b1)[:, None]
            for kind, part in ((0, 1 - inflow), (1, inflow)):
                by_curve += weight * part[:, None] * shares[kind, place_t1, place_b1]
    return curves, by_curve.astype(np.float32)


def _even_inflow(body: Body, filled: NDArray) -> NDArray:
    """Inflow of each voxel that is the mean over all of its label."""
    labels = body.labels[filled]
    total = np.bincount(labels, body.inflow[filled], minlength=256)
    return (total / np.maximum(np.bincount(labels, minlength=256), 1))[labels]


def _cubic(values: NDArray, knots: NDArray) -> tuple[list[NDArray], list[NDArray]]:
    """Four knots about each value and their Lagrange weights, or the only knot."""
    if len(knots) == 1:
        return [np.zeros(len(values), dtype=int)], [np.ones(len(values))]
    place = np.clip((values - knots[0]) / (knots[1] - knots[0]), 0, len(knots) - 1)
    first = np.clip(np.floor(place).astype(int) - 1, 0, len(knots) - 4)
    offset = place - first
    weights = _lagrange(np.arange(4.0), offset)
    return [first + step for step in range(4)], list(weights)
