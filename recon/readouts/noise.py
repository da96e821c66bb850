"""Noise of readouts: prewhitening, and what spokes tell where no noise was measured."""

import numpy as np
import scipy.linalg
import sigpy
from numpy.typing import NDArray

from recon.errors import DataError

_RIM = 0.9
"""Of the largest k-space radius: beyond, samples are mostly noise."""


def prewhitening_matrix(noise: NDArray, dwell_ratio: float = 1.0) -> NDArray:
    """Matrix that turns the coils' noise into white noise of unit variance.

    With the noise covariance ``R = L Lᴴ`` the matrix is ``L⁻¹`` (Pruessmann, MRM 2001), scaled for the bandwidth
    at which the imaging data were sampled. Complex noise variance after it, ``E|n|²``, is one.

    Parameters
    ----------
    noise : (coils, samples) complex64
        Samples of the noise scan.
    dwell_ratio : float
        Dwell time of the imaging readouts over that of the noise scan, times the relative noise bandwidth of
        the receiver where the header gives it.

    Returns
    -------
    (coils, coils) complex64
        Lower triangular; apply it from the left to ``(coils, samples)``.

    Raises
    ------
    DataError
        If there are too few noise samples, or a coil carries no noise at all.
    """
    coils, samples = noise.shape
    if samples < 4 * coils:
        raise DataError(f"the noise scan has {samples} samples for {coils} coils; at least {4 * coils} are needed")
    noise = noise.astype(np.complex128)
    covariance = noise @ noise.conj().T / (samples - 1)
    power = covariance.diagonal().real
    if np.any(power <= 1e-10 * power.max()):
        silent = ", ".join(str(coil) for coil in np.flatnonzero(power <= 1e-10 * power.max()))
        raise DataError(f"coil {silent} is silent in the noise scan; deselect it or check the receiver")
    try:
        factor = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError as error:
        raise DataError("the noise covariance is singular: two coils carry the same signal") from error
    whitening = scipy.linalg.solve_triangular(factor, np.eye(coils), lower=True)
    return (whitening * np.sqrt(dwell_ratio)).astype(np.complex64)


def apply_to_coils(matrix: NDArray, kspace: NDArray) -> NDArray:
    """Multiply the coil axis by a matrix: prewhitening, or compression to virtual coils.

    Parameters
    ----------
    matrix : (coils_out, coils) complex64
    kspace : (readouts, coils, samples) complex64

    Returns
    -------
    (readouts, coils_out, samples) complex64
    """
    return matrix @ kspace


def rim_variance(kspace: NDArray, trajectory: NDArray) -> float:
    """Tell the variance of a sample's noise from the ends of spokes, where no noise was measured.

    Parameters
    ----------
    kspace : (coils, spokes, samples) complex64
    trajectory : (spokes, samples, 2) float32

    Returns
    -------
    float
        Median of the power there, over that of an exponential distribution of unit mean, so that the coarse structures
        of a body hardly count.
    """
    xp = sigpy.get_array_module(kspace)
    radius = xp.hypot(trajectory[..., 0], trajectory[..., 1])
    power = xp.abs(kspace[:, radius > _RIM * radius.max()]) ** 2
    return float(xp.median(power)) / float(np.log(2))
