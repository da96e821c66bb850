"""Recovery of every voxel as shares of a few curves: T1, B1 and inflow may differ from voxel to voxel."""

from collections.abc import Callable

import numpy as np
import sigpy
from numpy.typing import NDArray

_T1_MS = np.geomspace(100, 6000, 60)
_B1_STEPS = 9
"""Knots of the curves that are computed exactly; each voxel's is interpolated by cubics in ln T1 and B1."""


class RecoveryTable:
    """What spins look like in a basis of their recovery, whatever their T1, B1 and inflow.

    Parameters
    ----------
    curve : callable
        From T1 in ms, B1 (the true flip angle over the nominal one) and inflow (1 for fresh spins, 0 for those that
        stay) to the signal of unit proton density ``(times,)``.
    b1 : (2,) tuple of float
        Least and most of what is asked for.
    tolerance : float
        Of the table's norm: what lies below is left out.

    Attributes
    ----------
    curves : (K, times) float64
        Orthonormal rows, the strongest first.
    """

    def __init__(
        self, curve: Callable[[float, float, float], NDArray], b1: tuple[float, float], tolerance: float
    ) -> None:
        self._ratios = np.linspace(*b1, _B1_STEPS) if b1[1] - b1[0] > 1e-6 else np.array(b1[:1], dtype=float)
        table = np.stack(
            [np.array([[curve(t1, ratio, fresh) for ratio in self._ratios] for t1 in _T1_MS]) for fresh in (0.0, 1.0)]
        )  # 2 × T1 × B1 × times
        flat = table.reshape(-1, table.shape[-1])
        power, vectors = np.linalg.eigh(flat @ flat.T)
        kept = np.cumsum(np.maximum(power, 0)) > tolerance**2 * power.sum()
        self.curves = (vectors[:, kept][:, ::-1].T @ flat) / np.sqrt(power[kept][::-1, None])
        self._shares = (flat @ self.curves.T).reshape(*table.shape[:3], -1)

    def shares(self, t1_ms: NDArray, b1: NDArray, inflow: NDArray) -> NDArray:
        """Signal of unit proton density as shares of the curves.

        Parameters
        ----------
        t1_ms, b1, inflow : (voxels,) float32
            Their device is followed.

        Returns
        -------
        (voxels, K) float32
        """
        xp = sigpy.get_array_module(t1_ms)
        shares, result = xp.asarray(self._shares), xp.zeros((len(b1), len(self.curves)))
        weights_t1 = _cubic(xp.log(t1_ms), np.log(_T1_MS))
        weights_b1 = _cubic(b1, self._ratios)
        for place_t1, weight_t1 in zip(*weights_t1, strict=True):
            for place_b1, weight_b1 in zip(*weights_b1, strict=True):
                weight = (weight_t1 * weight_b1)[:, None]
                for kind, part in ((0, 1 - inflow), (1, inflow)):
                    result += weight * part[:, None] * shares[kind, place_t1, place_b1]
        return result.astype(np.float32)


def lagrange(nodes: NDArray, places: NDArray) -> NDArray:
    """Lagrange polynomials of the nodes: ``(nodes, places)`` float64; the places' device is followed."""
    values = sigpy.get_array_module(places).ones((len(nodes), len(places)))
    for one, node in enumerate(nodes):
        for other in np.delete(nodes, one):
            values[one] *= (places - other) / (node - other)
    return values


def _cubic(values: NDArray, knots: NDArray) -> tuple[list[NDArray], list[NDArray]]:
    """Four knots about each value and their Lagrange weights, or the only knot."""
    xp = sigpy.get_array_module(values)
    if len(knots) == 1:
        return [xp.zeros(len(values), dtype=int)], [xp.ones(len(values))]
    place = xp.clip((values - knots[0]) / (knots[1] - knots[0]), 0, len(knots) - 1)
    first = xp.clip(xp.floor(place).astype(int) - 1, 0, len(knots) - 4)
    offset = place - first
    weights = lagrange(np.arange(4.0), offset)
    return [first + step for step in range(4)], list(weights)
