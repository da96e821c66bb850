"""Share of fresh spins in flowing blood, from curves averaged over the states of motion (docs/method/t1.md)."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from recon.relaxometry.curve_fit import CurveModel
from recon.relaxometry.inversion_recovery import InversionRecovery
from recon.relaxometry.t1 import INFLOW, INFLOW_DEVIATION, turned_real

_INSIDE = 1 / 40
"""Distance of the voxels from all that is not blood, over the width of the image: 7 mm of 270, where the walls of a
beating, breathing chamber hardly come [of 1 to 4 voxels of 160; `standard` seeds 21 to 28]."""

_LEAST_VOXELS = 64
"""Fewer leave the share as it is assumed: on bodies of 128 pixels, 30 to 40 told it wrong by up to 0.2, 109 by 0.03."""

_BRIGHT = 0.5
"""Least norm of a curve over that of the brightest blood (its 95th percentile): lungs may recover as slowly."""

_OWN_DEVIATION = 0.03
"""Standard deviation of what the curves tell [`standard` seeds 21 to 28]."""

_T1_MS = np.geomspace(1000, 3000, 221)
"""T1 of blood that is tried, 0.5 % apart."""


@dataclass(frozen=True)
class FreshShare:
    """Share of fresh spins, as the scan and what was assumed tell it.

    Attributes
    ----------
    value, deviation : float
        Mean and standard deviation.
    told : float
        What the curves tell by themselves.
    voxels : int
        That told it.
    """

    value: float
    deviation: float
    told: float
    voxels: int


def fresh_share(
    coordinates: NDArray,
    basis: NDArray,
    pulses: NDArray,
    sequence: InversionRecovery,
    flows: NDArray,
    efficiency: float,
    scale: NDArray | None = None,
) -> FreshShare | None:
    """Tell the share of fresh spins from the curves in the middle of the blood.

    Fresh spins relax with T1 and the others with T1*, a factor of three faster: at each T1, least squares tell both
    amplitudes. What one state of motion shows is too rough for it (1 % of a curve is 0.2 of the share); the average
    over all of them is not. The share of all blood is one number, and what is assumed beforehand counts as much as it
    is sure.

    Parameters
    ----------
    coordinates : (R, N, N) complex
        Recovery curves in a basis, averaged over the states of motion.
    basis : (times, R) float
        Columns; curve = basis · coordinates.
    pulses : (times,) int
        Excitation pulses since the inversion at each row of the basis.
    sequence : InversionRecovery
    flows : (N, N) bool
        Where blood flows.
    efficiency : float
        Of the inversion.
    scale : (N, N) float, optional
        The true flip angle over that of the sequence.

    Returns
    -------
    FreshShare or None
        None where too little blood is far from anything else.
    """
    strength = np.linalg.norm(coordinates, axis=0)
    bright = flows & (strength > _BRIGHT * np.quantile(strength[flows], 0.95)) if flows.any() else flows
    middle = binary_erosion(bright, iterations=max(1, round(_INSIDE * len(flows))))
    if np.count_nonzero(middle) < _LEAST_VOXELS:
        return None
    orthonormal, triangle = np.linalg.qr(basis)
    curve = turned_real(triangle @ coordinates[:, middle].astype(np.complex128), orthonormal)[0].sum(axis=1)
    if scale is not None:
        sequence = replace(sequence, flip_angle_deg=sequence.flip_angle_deg * float(np.median(scale[middle])))
    model = CurveModel(sequence, orthonormal, pulses, INFLOW)
    known = np.log(_T1_MS), np.full(len(_T1_MS), efficiency), model.cosine(len(_T1_MS))
    pools = np.stack([model.shape(*known, inflow) for inflow in (0.0, 1.0)], axis=-1)
    amplitudes = np.stack([np.linalg.lstsq(one, curve, rcond=None)[0] for one in pools.transpose(1, 0, 2)])
    # residual of each T1: y - Σ_p a_p h_p
    left = np.linalg.norm(curve - np.einsum("rtp,tp->tr", pools, amplitudes), axis=1)
    stays, fresh = amplitudes[np.argmin(left)]
    told = float(np.clip(fresh / max(stays + fresh, 1e-30), 0, 1))
    weights = np.array([_OWN_DEVIATION, INFLOW_DEVIATION]) ** -2.0
    value = float(weights @ [told, INFLOW] / weights.sum())
    return FreshShare(value, float(weights.sum() ** -0.5), told, int(np.count_nonzero(middle)))
