"""What the data say of a network's result: lost detail comes back, and air is cleared (docs/method/space.md)."""

from dataclasses import dataclass, replace

import numpy as np
import sigpy
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from recon.spatial.fourier import fft2, ifft2
from recon.spatial.toeplitz import ToeplitzNormal
from recon.spatial.trust.misfit import coil_energy
from recon.spatial.trust.sparse_answer import LEAST_DENSITY, of_pixel_shape, sparse_answer

_RINGS = 12
"""Of k-space, from its centre to where spokes end: enough points in each to tell a mean power."""

_NOISE_FACTOR = 2.0
"""Of the noise's power that is taken away: one would leave what fluctuates above the mean [chosen: with 2, `standard`
seeds 1 and 2 keep their SSIM within 0.004, with 1 within 0.017]."""

_NEAR_PIXELS = 5
"""Width of the square whose mean power tells of a pixel. Single ones would leave holes in tissue hardly above noise."""

_AIR, _SIGNAL = 2.0, 4.0
"""Mean power over that of noise up to which a pixel is air, and from which it is kept whole: a square has some seven
independent pixels of noise, so that the noise's own is 1 ± 0.4 and 1 % of its squares lie above the one."""


@dataclass(frozen=True)
class Correction:
    """A network's result as the data leave it.

    Attributes
    ----------
    maps : (L, N, N) complex64
        U.
    given_back : float
        Energy of what was added, over that of what the network said.
    air : float
        Share of the pixels that hold no more than noise.
    """

    maps: NDArray
    given_back: float
    air: float


@dataclass(frozen=True)
class Residual:
    """``R = E_Φᴴ(d - E_Φ U)`` in k-space, and what noise has of it.

    Attributes
    ----------
    spectrum : (L, N, N) complex64
        Unitary transform of R, in FFT order.
    density : (N, N) float32
        D, the sampling density, but a tenth of its mean at least.
    rings : (rings, N²) float32
        Which points of k-space each ring holds, up to where spokes end.
    noise : float
        n, the power of a sample's noise.
    """

    spectrum: NDArray
    density: NDArray
    rings: NDArray
    noise: float

    @classmethod
    def of(cls, normal: ToeplitzNormal, left: NDArray) -> "Residual":
        """Transform it, and find what noise has of it.

        Parameters
        ----------
        normal : ToeplitzNormal
            E_Φᴴ E_Φ on ``(L, N, N)``.
        left : (L, N, N) complex64
            R.

        Returns
        -------
        Residual
        """
        xp = sigpy.get_array_module(left)
        least = LEAST_DENSITY * normal.density.mean()
        density, rings = xp.maximum(normal.density, least), _rings(normal.density > least)
        spectrum = fft2(left) / _points(left)
        return cls(spectrum, density, rings, _noise(xp.abs(spectrum) ** 2 / density, rings))


def corrected(
    normal: ToeplitzNormal, adjoint_data: NDArray, maps: NDArray, noise_variance: float, clear_air: bool = True
) -> Correction:
    """Give back what a network lost of the data, and clear what it drew where the data hold no more than noise.

    First comes what few wavelets tell (:func:`recon.spatial.trust.sparse_answer.sparse_answer`), then what is left of
    it by ring of k-space. Air is judged by what the data hold then, against the noise that the network's own residual
    seems to have: misfit of a scan of few spokes counts as noise.

    Parameters
    ----------
    normal : ToeplitzNormal
        E_Φᴴ E_Φ on ``(L, N, N)``.
    adjoint_data : (L, N, N) complex64
        E_Φᴴ d.
    maps : (L, N, N) complex64
        U; not changed.
    noise_variance : float
        Of a complex sample of d, as it was measured.
    clear_air : bool

    Returns
    -------
    Correction
    """
    xp, left = sigpy.get_array_module(maps), adjoint_data - normal(maps)
    told = maps + sparse_answer(normal, left, maps, noise_variance)
    residual = Residual.of(normal, adjoint_data - normal(told))
    total = told + answer_of(residual, told)
    share, air = _energy(total - maps) / max(_energy(maps), 1e-30), 0.0
    if clear_air:
        noisy = replace(residual, noise=Residual.of(normal, left).noise)
        power = evidence(noisy, told, coil_energy(normal))
        total *= xp.asarray(np.clip((power - _AIR) / (_SIGNAL - _AIR), 0, 1).astype(np.float32))
        air = float((power < _AIR).mean())
    return Correction(total, share, air)


def answer_of(residual: Residual, maps: NDArray) -> NDArray:
    """What a residual says beyond noise and the shape of a pixel.

    R is even by ring of k-space and basis map: what is more than noise leaves there was lost. Each ring of each map is
    answered by ``w D⁻¹ R`` with Wiener's weight ``w = 1 - (2 n D + |(1 - b) D U|²) / |R|²``: as much as the shape of a
    pixel leaves (:func:`recon.spatial.trust.sparse_answer.of_pixel_shape`) is no error.

    Parameters
    ----------
    residual : Residual
    maps : (L, N, N) complex64
        U, of which it is the residual.

    Returns
    -------
    (L, N, N) complex64
        To be added.
    """
    xp, density, rings = sigpy.get_array_module(maps), residual.density, residual.rings
    shape = xp.abs(of_pixel_shape(maps, density) / _points(maps)) ** 2
    found, of_shape = _by_ring(xp.abs(residual.spectrum) ** 2, rings), _by_ring(shape, rings)
    of_noise = residual.noise * _by_ring(density[None], rings)
    weight = xp.clip(1 - (_NOISE_FACTOR * of_noise + of_shape) / xp.maximum(found, 1e-30), 0, 1)
    # w at each point: Σ_r w[l, r] rings[r, k]
    answer = residual.spectrum * (weight @ rings).reshape(maps.shape) / density * _points(maps)
    return ifft2(answer).astype(maps.dtype)


def evidence(residual: Residual, maps: NDArray, seen: NDArray) -> NDArray:
    """Power of what the data hold around each pixel, over that of noise there.

    The data's own estimate, ``U + D⁻¹ R``, knows no prior. Its maps count by the energy that they have in the whole
    image, ``Σ_l p_l |S_l|²``: most is in the first, of which a scan knows the most.

    Parameters
    ----------
    residual : Residual
    maps : (L, N, N) complex64
        U, of which it is the residual.
    seen : (N, N) float
        What all coils see, over its maximum, in host memory.

    Returns
    -------
    (N, N) float32
        T, in host memory: 1 where there is noise alone, 0 where coils are blind and nothing was measured.
    """
    xp = sigpy.get_array_module(maps)
    frequency = xp.fft.fftfreq(maps.shape[-1]).astype(xp.float32)
    radius = xp.minimum(xp.hypot(frequency[:, None], frequency), np.float32(0.5))
    # Hann's window: its side lobes are below the noise three pixels away from tissue.
    window = (0.5 + 0.5 * xp.cos(2 * xp.pi * radius)) * (residual.rings.sum(axis=0) > 0).reshape(radius.shape)
    told = ifft2((fft2(maps) / _points(maps) + residual.spectrum / residual.density) * window) * _points(maps)
    shares = (xp.abs(maps) ** 2).sum(axis=(1, 2))
    # Σ_l p_l |S_l|²
    power = xp.tensordot(shares / xp.maximum(shares.sum(), 1e-30), xp.abs(told) ** 2, axes=1)
    # Noise of E_Φᴴ n has the power n D at each point of k-space, as a mean over what coils see.
    noise = residual.noise * float((window**2 / residual.density).mean()) * seen / max(float(seen.mean()), 1e-30)
    around = uniform_filter(sigpy.to_device(power, sigpy.cpu_device), _NEAR_PIXELS)
    found = around / np.maximum(uniform_filter(noise, _NEAR_PIXELS), 1e-30)
    return np.where(seen > 0, found, 0).astype(np.float32)


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


def _noise(power: NDArray, rings: NDArray) -> float:
    """Power of a sample's noise: in the outer half of rings, the median of the later half of maps, which hold least."""
    xp = sigpy.get_array_module(power)
    later, outer = power[len(power) // 2 :], rings[_RINGS // 2 :]
    return float(xp.median(_by_ring(later, outer).sum(axis=1) / outer.sum()))


def _points(maps: NDArray) -> NDArray:
    """Root of the number of pixels: FFTs over it are unitary."""
    return sigpy.get_array_module(maps).sqrt(np.float32(maps[0].size))


def _energy(maps: NDArray) -> float:
    return float((abs(maps) ** 2).sum(dtype=np.float64))
