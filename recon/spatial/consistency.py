"""Data consistency: what was measured overrules what was learned (docs/method/space.md)."""

import sigpy
from numpy.typing import NDArray
from sigpy import alg, linop

from recon.errors import DataError
from recon.spatial.admm import Circulant
from recon.spatial.fourier import fft2, ifft2
from recon.spatial.toeplitz import ToeplitzNormal

_RINGS = 12
"""Of k-space, from its centre to where spokes end: enough points in each to tell a mean power."""

_NOISE_FACTOR = 2.0
"""Of the noise's power that is taken away: one would leave what fluctuates above the mean [chosen: with 2, `standard`
seeds 1 and 2 keep their SSIM within 0.004, with 1 within 0.017]."""

_LEAST_DENSITY = 0.1
"""Of the mean sampling density: below it nothing was measured. The ends of dense spokes have 0.6 of it and more, what
the circulant form leaks beyond them next to nothing."""


def enforce_data(
    normal: ToeplitzNormal, adjoint_data: NDArray, prior: NDArray, relative_weight: float, steps: int
) -> NDArray:
    """Take CG steps from a prior towards the minimum of ``‖d - E_Φ(U)‖² + μ ‖U - U_prior‖²``.

    The system is ``(E_Φᴴ E_Φ + μ) U = E_Φᴴ d + μ U_prior``, preconditioned by the sampling density.

    Parameters
    ----------
    normal : ToeplitzNormal
        E_Φᴴ E_Φ on ``(L, N, N)``.
    adjoint_data : (L, N, N) complex64
        E_Φᴴ d.
    prior : (L, N, N) complex64
        What the network says; CG starts there.
    relative_weight : float
        μ over the mean sampling density.
    steps : int

    Returns
    -------
    (L, N, N) complex64

    Raises
    ------
    DataError
        If the weight is not positive.
    """
    if relative_weight <= 0:
        raise DataError(f"the weight of the prior is {relative_weight:g}; it must be above 0")
    weight = relative_weight * float(normal.density.mean())
    system = normal + weight * linop.Identity(normal.ishape)
    precondition = Circulant(1 / (normal.density + weight), len(prior))
    estimate = sigpy.get_array_module(prior).array(prior)
    right = adjoint_data + weight * estimate
    solver = alg.ConjugateGradient(system, right, estimate, P=precondition, max_iter=steps)
    while not solver.done():
        solver.update()
    return estimate


def answer_residual(normal: ToeplitzNormal, adjoint_data: NDArray, maps: NDArray) -> NDArray:
    """Add to a network's result what its residual says beyond noise and the shape of a pixel.

    ``R = E_Φᴴ(d - E_Φ U)`` is even by ring of k-space and basis map: what is more than noise leaves there was lost.
    Each ring of each map is answered by ``w D⁻¹ R`` with Wiener's weight ``w = 1 - (2 n D + |(1 - b) D U|²) / |R|²``, D
    being the sampling density and n the noise of a sample. A pixel is a mean over its area, whose spectrum is ``b =
    sinc(k_x) sinc(k_y)`` times that of the point that E_Φ takes it for: so much of a residual is no error.

    Parameters
    ----------
    normal : ToeplitzNormal
        E_Φᴴ E_Φ on ``(L, N, N)``.
    adjoint_data : (L, N, N) complex64
        E_Φᴴ d.
    maps : (L, N, N) complex64
        U; not changed.

    Returns
    -------
    (L, N, N) complex64
    """
    xp = sigpy.get_array_module(maps)
    least = _LEAST_DENSITY * normal.density.mean()
    density, rings = xp.maximum(normal.density, least), _rings(normal.density > least)
    points = xp.sqrt(xp.float32(maps[0].size))
    residual, expected = fft2(adjoint_data - normal(maps)) / points, fft2(maps) * density / points
    along = xp.sinc(xp.fft.fftfreq(maps.shape[-1])).astype(xp.float32)
    power, shape = xp.abs(residual) ** 2, xp.abs((1 - along[:, None] * along) * expected) ** 2
    noise = _noise(power / density, rings)
    found, of_shape = _by_ring(power, rings), _by_ring(shape, rings)
    of_noise = noise * _by_ring(density[None], rings)
    weight = xp.clip(1 - (_NOISE_FACTOR * of_noise + of_shape) / xp.maximum(found, 1e-30), 0, 1)
    # w at each point: Σ_r w[l, r] rings[r, k]
    residual *= (weight @ rings).reshape(residual.shape) / density * points
    return maps + ifft2(residual).astype(maps.dtype)


def _rings(measured: NDArray) -> NDArray:
    """Which points of k-space each ring holds, up to where spokes end: (rings, N²) float32, in FFT order."""
    xp = sigpy.get_array_module(measured)
    along = xp.fft.fftfreq(len(measured))
    radius = xp.hypot(along[:, None], along)
    reach = min(0.5, float((radius * measured).max()))
    ring = (_RINGS * radius / reach).astype(int)
    return ((ring == xp.arange(_RINGS)[:, None, None]) & measured).reshape(_RINGS, -1).astype(xp.float32)


def _by_ring(power: NDArray, rings: NDArray) -> NDArray:
    """Sum over each ring: (L, rings)."""
    return power.reshape(len(power), -1) @ rings.T


def _noise(power: NDArray, rings: NDArray) -> NDArray:
    """Power of a sample's noise: in the outer half of rings, the median of the later half of maps, which hold least."""
    xp = sigpy.get_array_module(power)
    later, outer = power[len(power) // 2 :], rings[_RINGS // 2 :]
    return xp.median(_by_ring(later, outer).sum(axis=1) / outer.sum())
