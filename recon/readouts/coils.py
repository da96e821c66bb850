"""Receive coils: compression to virtual coils, and sensitivity maps."""

import logging

import numpy as np
import sigpy
import sigpy.mri.app
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

log = logging.getLogger(__name__)


_BLOCK = 256
"""Readouts that are taken at a time: 5 MB of 8 coils × 320 samples, which stay in a core's cache."""


def coil_covariance(kspace: NDArray) -> NDArray:
    """Sum up the products of all pairs of coils, ``Σ d dᴴ``, over readouts and samples.

    Parameters
    ----------
    kspace : (readouts, coils, samples) complex64

    Returns
    -------
    (coils, coils) complex128
    """
    total = np.zeros((kspace.shape[1], kspace.shape[1]), np.complex128)
    for start in range(0, len(kspace), _BLOCK):
        block = np.moveaxis(kspace[start : start + _BLOCK], 1, 0).reshape(kspace.shape[1], -1)
        total += block @ block.conj().T
    return total


def over_coils(matrix: NDArray, kspace: NDArray, samples: slice = slice(None)) -> NDArray:
    """Multiply the coil axis by a matrix, and put it first.

    Parameters
    ----------
    matrix : (coils_out, coils) complex64
    kspace : (readouts, coils, samples) complex64
    samples : slice
        Samples of each readout that are taken.

    Returns
    -------
    (coils_out, readouts, samples) complex64
    """
    result = np.empty((len(matrix), len(kspace), len(range(*samples.indices(kspace.shape[2])))), np.complex64)
    for start in range(0, len(kspace), _BLOCK):
        block = np.moveaxis(kspace[start : start + _BLOCK, :, samples], 1, 0)
        result[:, start : start + _BLOCK] = np.tensordot(matrix, block, axes=1)
    return result


def compression_matrix(covariance: NDArray, virtual_coils: int) -> NDArray:
    """Principal components of the coils (Buehrer, MRM 2007).

    Parameters
    ----------
    covariance : (coils, coils) complex128
        From :func:`coil_covariance`, of prewhitened data.
    virtual_coils : int
        Coils to keep; all are kept, and only ordered by energy, if there are no more than that.

    Returns
    -------
    (virtual_coils, coils) complex64
        Orthonormal rows, so that white noise stays white.
    """
    _, vectors = np.linalg.eigh(covariance)
    leading = vectors[:, ::-1][:, :virtual_coils].conj().T
    anchor = leading[np.arange(len(leading)), np.argmax(np.abs(leading), axis=1)]
    return (leading * (np.abs(anchor) / anchor)[:, None]).astype(np.complex64)


def espirit_maps(coil_images: NDArray, calibration_width: int = 24) -> NDArray:
    """Coil maps by ESPIRiT from time-averaged coil images (Uecker, MRM 2014; SigPy's implementation).

    Parameters
    ----------
    coil_images : (coils, N, N) complex64
        Time-averaged back-projection of each coil.
    calibration_width : int
        Width of the central k-space region that calibrates, in cycles per field of view.

    Returns
    -------
    (coils, N, N) complex64
        Maps with unit root sum of squares everywhere (no mask), phase relative to the first virtual coil.
    """
    width = min(calibration_width, coil_images.shape[-1])
    app = sigpy.mri.app.EspiritCalib(
        sigpy.fft(coil_images, axes=(-2, -1)),
        calib_width=width,
        crop=0,
        device=sigpy.get_device(coil_images),
        show_pbar=False,
    )
    return sigpy.get_array_module(coil_images).ascontiguousarray(app.run())


def walsh_maps(coil_images: NDArray, window: int = 7, iterations: int = 10) -> NDArray:
    """Coil maps by the adaptive combination of Walsh (MRM 2000): the local covariance's first eigenvector.

    Parameters
    ----------
    coil_images : (coils, N, N) complex64
        Time-averaged back-projection of each coil, in host memory.
    window : int
        Width in pixels of the neighbourhood that is averaged.
    iterations : int
        Power iterations for the eigenvector.

    Returns
    -------
    (coils, N, N) complex64
        Maps with unit root sum of squares, phase relative to the first virtual coil; zero where no coil
        sees anything.
    """
    pairs = coil_images[:, None] * coil_images[None].conj()
    smooth = (1, 1, window, window)
    covariance = uniform_filter(pairs.real, smooth) + 1j * uniform_filter(pairs.imag, smooth)
    covariance = np.moveaxis(covariance, (0, 1), (2, 3))
    vector = np.ones((*covariance.shape[:3], 1), dtype=covariance.dtype)
    for _ in range(iterations):
        vector = covariance @ vector
        vector /= np.maximum(np.linalg.norm(vector, axis=2, keepdims=True), np.finfo(np.float32).tiny)
    maps = np.moveaxis(vector[..., 0], 2, 0)
    reference = maps[0] / np.maximum(np.abs(maps[0]), np.finfo(np.float32).tiny)
    return np.ascontiguousarray(maps * reference.conj()).astype(np.complex64)


def estimate_maps(coil_images: NDArray, method: str) -> NDArray:
    """Coil maps by the named method, on the device of the images.

    Parameters
    ----------
    coil_images : (coils, N, N) complex64
    method : {"espirit", "walsh"}

    Returns
    -------
    (coils, N, N) complex64
        Unit root sum of squares; all ones for a single coil, for which no map can be told from the image.
    """
    xp = sigpy.get_array_module(coil_images)
    if len(coil_images) == 1:
        return xp.ones_like(coil_images)
    if method == "walsh":
        return xp.asarray(walsh_maps(sigpy.to_device(coil_images)))
    return espirit_maps(coil_images)
