"""Exact k-space of ellipses along readouts, in one compiled pass."""

import math
from functools import cache

import numba
import numpy as np
import scipy.special
from numpy.typing import NDArray

from recon.simulation.chest.phantom import Ellipses

# Table steps per cycle; cubics between them err by 1e-7.
_STEPS_PER_CYCLE = 64


@cache
def _jinc_table(cycles: int) -> tuple[NDArray, NDArray]:
    """``J₁(2πq) / q`` and its slope per step at q = 0, 1/64, 2/64 … cycles."""
    q = np.arange(1, cycles * _STEPS_PER_CYCLE + 2) / _STEPS_PER_CYCLE
    value = scipy.special.j1(2 * np.pi * q) / q
    slope = -2 * np.pi * scipy.special.jv(2, 2 * np.pi * q) / q
    return np.append(np.pi, value), np.append(0.0, slope / _STEPS_PER_CYCLE)


def shifted_spectra(ellipses: Ellipses, intensity: NDArray, k_cycles_per_fov: NDArray, shifts: NDArray) -> NDArray:
    """Sum the Fourier transforms of all ellipses, once for each term of the coil model.

    An ellipse with semi-axes a, b is ``a b J₁(2πq) / q`` with ``q² = (a k_a)² + (b k_b)²``, times the phase of its
    position; J₁ is interpolated by cubics from its exact values and slopes, to 1e-9.

    Parameters
    ----------
    ellipses : Ellipses
        Lengths in fields of view.
    intensity : (shapes, readouts) float64
    k_cycles_per_fov : (readouts, samples, 2) float64
    shifts : (terms, 2) float64
        The spectrum is taken at ``k - shift``, in cycles per field of view.

    Returns
    -------
    (readouts, terms, samples) complex128
        In squared fields of view.
    """
    farthest = np.abs(k_cycles_per_fov).max() + np.abs(shifts).max()
    cycles = math.ceil(math.sqrt(2) * farthest * ellipses.axes_mm.max()) + 1
    readouts, samples = k_cycles_per_fov.shape[:2]
    spectra = np.zeros((readouts, len(shifts), samples), dtype=np.complex128)
    _accumulate(
        spectra,
        k_cycles_per_fov,
        shifts,
        ellipses.center_mm,
        ellipses.axes_mm,
        np.cos(ellipses.angle_rad),
        np.sin(ellipses.angle_rad),
        intensity,
        *_jinc_table(2 ** math.ceil(math.log2(cycles))),
    )
    return spectra


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=True)
def _accumulate(
    spectra: NDArray,
    k: NDArray,
    shifts: NDArray,
    center: NDArray,
    axes: NDArray,
    cosine: NDArray,
    sine: NDArray,
    intensity: NDArray,
    value: NDArray,
    slope: NDArray,
) -> None:
    jinc = np.empty(k.shape[1])
    for shape in range(len(intensity)):
        for readout in range(len(k)):
            x, y = center[shape, readout]
            a, b = _STEPS_PER_CYCLE * axes[shape, readout]
            ax, ay, bx, by = a * cosine[shape], a * sine[shape], -b * sine[shape], b * cosine[shape]
            scale = axes[shape, readout, 0] * axes[shape, readout, 1] * intensity[shape, readout]
            kx, ky = k[readout, :, 0].copy(), k[readout, :, 1].copy()
            turn = scale * np.exp(-2j * np.pi * (kx * x + ky * y))
            for term in range(len(shifts)):
                sx, sy = shifts[term]
                for sample in range(len(kx)):
                    along = ax * (kx[sample] - sx) + ay * (ky[sample] - sy)
                    across = bx * (kx[sample] - sx) + by * (ky[sample] - sy)
                    radius = math.sqrt(along * along + across * across)
                    low = np.uint32(radius)
                    t = radius - low
                    u = 1.0 - t
                    near = (1.0 + 2.0 * t) * value[low] + t * slope[low]
                    far = (1.0 + 2.0 * u) * value[low + 1] - u * slope[low + 1]
                    jinc[sample] = u * u * near + t * t * far
                shift = np.exp(2j * np.pi * (sx * x + sy * y))
                for sample in range(len(kx)):
                    spectra[readout, term, sample] += jinc[sample] * (turn[sample] * shift)
