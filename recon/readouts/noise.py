"""Noise prewhitening."""

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from recon.errors import DataError


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
