"""What a spatial factor leaves of the data: ‖d - E_Φ(U)‖² in one number, and where in the image it lies."""

from dataclasses import dataclass

import numpy as np
import sigpy
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from recon.spatial.toeplitz import ToeplitzNormal

LEAST_RELATIVE = 1e-3
"""Of ‖d - E_Φ(U)‖² over ‖d‖²: the fold is 3e-4 accurate, and the difference of large numbers shows it below."""

_REGION_PIXELS = 8.0
"""Full width at half maximum of a region: streaks and ghosts are wider, and single pixels of noise are not of use."""

_LEAST_DENSITY = 0.01
"""Of the mean sampling density: below, as in the corners of k-space, nothing was measured."""

_LEAST_COILS = 0.05
"""Of the most that coils see: where they are blind, there is no residual to speak of."""


@dataclass(frozen=True)
class DataMisfit:
    """What the data and a result disagree about.

    Attributes
    ----------
    relative : float
        ‖d - E_Φ(U)‖² / ‖d‖²; below :data:`LEAST_RELATIVE`, a bound rather than a number.
    over_noise : float
        ‖d - E_Φ(U)‖² over the energy that noise of unit variance has in as many samples; 1 is noise alone.
    by_region : (N, N) float32
        Root mean square, over maps and some 8 pixels, of W E_Φᴴ(d - E_Φ U), W undoing the density, in host memory; 1 is
        the noise that the coils would leave there, if that of a sample has unit variance. Zero where coils see nothing.
    """

    relative: float
    over_noise: float
    by_region: NDArray[np.float32]


def data_misfit(normal: ToeplitzNormal, adjoint_data: NDArray, maps: NDArray, kspace: NDArray) -> DataMisfit:
    """Compare a spatial factor with the data, at the cost of one product with the normal operator.

    ``‖d - E U‖² = ‖d‖² - 2 Re⟨U, Eᴴd⟩ + ⟨U, Eᴴ E U⟩``: no sample is computed.

    Parameters
    ----------
    normal : ToeplitzNormal
        E_Φᴴ E_Φ.
    adjoint_data : (L, N, N) complex64
        E_Φᴴ d.
    maps : (L, N, N) complex64
        U, on the same device.
    kspace : (coils, spokes, samples) complex64
        d.

    Returns
    -------
    DataMisfit
    """
    image = normal(maps)
    measured = sum(_energy(coil) for coil in kspace)
    left = max(measured - 2 * _inner(maps, adjoint_data) + _inner(maps, image), 0.0)
    seen = coil_energy(normal)
    residual = _evened(normal, adjoint_data - image)
    share = float(_sampled(normal).mean())
    per_pixel = (abs(residual) ** 2).mean(axis=0) / share
    region = gaussian_filter(sigpy.to_device(per_pixel, sigpy.cpu_device), _REGION_PIXELS / 2.355)
    noise = gaussian_filter(seen, _REGION_PIXELS / 2.355)
    by_region = np.where(seen > _LEAST_COILS, np.sqrt(region / np.maximum(noise, _LEAST_COILS)), 0)
    return DataMisfit(
        relative=left / max(measured, 1e-30),
        over_noise=left / kspace.size,
        by_region=by_region.astype(np.float32),
    )


def coil_energy(normal: ToeplitzNormal) -> NDArray:
    """What all coils see, ``Σ_j |S_j|²``, over its maximum: (N, N) float64 in host memory."""
    maps = sigpy.to_device(normal.maps, sigpy.cpu_device)[..., 0]
    seen = np.linalg.norm(maps.astype(np.complex128), axis=-1) ** 2
    return seen / max(float(seen.max()), 1e-30)


def _sampled(normal: ToeplitzNormal) -> NDArray:
    return normal.density > _LEAST_DENSITY * normal.density.mean()


def _evened(normal: ToeplitzNormal, maps: NDArray) -> NDArray:
    """W: noise that went through E_Φᴴ is white after it, and of unit variance where all coils see most."""
    xp = sigpy.get_array_module(maps)
    gain = xp.where(_sampled(normal), 1 / xp.sqrt(xp.maximum(normal.density, 1e-30)), 0).astype(xp.float32)
    return xp.fft.ifft2(xp.fft.fft2(maps) * gain)


def _energy(values: NDArray) -> float:
    return float((abs(values) ** 2).sum(dtype=np.float64))


def _inner(left: NDArray, right: NDArray) -> float:
    return float((left.real * right.real + left.imag * right.imag).sum(dtype=np.float64))
