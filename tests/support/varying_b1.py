"""A simulated scan whose B1 varies over the slice, its k-space still in closed form."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from recon.simulation.chest import Protocol, SimulatedScan, simulate_scan
from recon.simulation.chest.coils import CoilModel

MIDDLE, SWING = 0.975, 0.175
"""B1 from 0.8 to 1.15, of which a body of 240 mm sees 0.81 to 1.14."""

# B1 = middle + swing · sin 2π κ·r
_KAPPA = np.array([0.25, 0.25])


def b1_map(matrix: int) -> NDArray:
    """The true flip angle over the nominal one: ``(N, N)`` float64."""
    x = (np.arange(matrix) - matrix // 2) / matrix
    return MIDDLE + SWING * np.sin(2 * np.pi * (_KAPPA[0] * x[None, :] + _KAPPA[1] * x[:, None]))


def _times(coils: CoilModel, series: dict[int, complex]) -> CoilModel:
    """Coils times ``Σ c_n e^{2πi n κ·r}``."""
    coefficients = np.concatenate([coils.coefficients * factor for factor in series.values()], axis=1)
    shifts = np.concatenate([coils.shift_cycles_per_fov + number * _KAPPA for number in series])
    return CoilModel(coefficients, shifts)


class VaryingScan(SimulatedScan):
    """The signal at each place interpolated, by a parabola in B1, between those of three values of B1."""

    nodes: tuple[SimulatedScan, ...] = ()

    def noiseless(self, block: slice, k_cycles_per_fov: NDArray) -> NDArray:
        """Sum over the three values of B1, each seen by coils times its weight."""
        return sum(SimulatedScan.noiseless(node, block, k_cycles_per_fov) for node in self.nodes)


def varying_scan(protocol: Protocol, seed: int) -> SimulatedScan:
    """Draw the subject of a seed with a B1 that varies over the slice.

    Parameters
    ----------
    protocol : Protocol
    seed : int

    Returns
    -------
    SimulatedScan
    """
    # with s = sin: (s² - s)/2, 1 - s², (s² + s)/2 at s = -1, 0, 1
    sine = {1: -0.5j, -1: 0.5j}
    square = {0: 0.5, 2: -0.25, -2: -0.25}
    weights = (
        {n: (square.get(n, 0) - sine.get(n, 0)) / 2 for n in (0, 1, -1, 2, -2)},
        {0: 1 - square[0], 2: -square[2], -2: -square[-2]},
        {n: (square.get(n, 0) + sine.get(n, 0)) / 2 for n in (0, 1, -1, 2, -2)},
    )
    nodes = []
    for scale, weight in zip((MIDDLE - SWING, MIDDLE, MIDDLE + SWING), weights, strict=True):
        scan = simulate_scan(dataclasses.replace(protocol, flip_angle_scale=scale), seed)
        nodes.append(dataclasses.replace(scan, coils=_times(scan.coils, weight)))
    base = simulate_scan(protocol, seed)
    varying = VaryingScan(**{field.name: getattr(base, field.name) for field in dataclasses.fields(base)})
    object.__setattr__(varying, "nodes", tuple(nodes))
    return varying
