"""What the data say against a network's result, as far as a few wavelets tell it (docs/method/space.md)."""

import numpy as np
import sigpy
from numpy.typing import NDArray

from recon.spatial.admm import coefficient_noise, soft_threshold, sparsifier
from recon.spatial.fourier import fft2, ifft2
from recon.spatial.toeplitz import Circulant, ToeplitzNormal

_STEPS = 6
"""Each takes one product. Four took the error of two gated pairs (SNR 20) to 0.81, six to 0.79, eight to 0.77."""

_RELATIVE_RHO = 1.0
"""Penalty of ADMM over the mean sampling density; 0.5 and 2 differ by 1 %."""

_NOISE_FACTOR = 1.0
"""Penalty over the noise of a coefficient [chosen of 0.7 to 2 on short axes, brains and abdomens at an SNR of 8 and 20:
below it gated pairs of 8 lose, above it those of 20 gain less]."""

LEAST_DENSITY = 0.1
"""Of the mean sampling density: below it nothing was measured. The ends of dense spokes have 0.6 of it and more, what
the circulant form leaks beyond them next to nothing."""


def sparse_answer(normal: ToeplitzNormal, left: NDArray, maps: NDArray, noise_variance: float) -> NDArray:
    """Minimise ``½ ‖d - E_Φ(U + V)‖² + λ ‖Ψ V‖₁`` over V by a few steps of ADMM.

    What few wavelets explain together was lost by the network; noise and streaks are spread over all of them. The
    penalty is on what is added, not on the image, so that nothing is smoothed where the data do not ask for it: Chen
    2008 (PICCS), with the network's image as the prior one. What looks like the shape of a pixel
    (:func:`of_pixel_shape`) is taken out of the residual first, as much of it as there is.

    Parameters
    ----------
    normal : ToeplitzNormal
        E_Φᴴ E_Φ on ``(L, N, N)``.
    left : (L, N, N) complex64
        The residual E_Φᴴ(d - E_Φ U); not changed.
    maps : (L, N, N) complex64
        U, the network's result; not changed.
    noise_variance : float
        Of a complex sample of d.

    Returns
    -------
    (L, N, N) complex64
        V, to be added.
    """
    xp, psi = sigpy.get_array_module(maps), sparsifier(maps.shape, "wavelet")
    wanted = without_pixel_shape(left, maps, normal.density)
    rho = _RELATIVE_RHO * float(normal.density.mean())
    threshold = _NOISE_FACTOR * coefficient_noise(normal, noise_variance) / rho
    precondition = Circulant(1 / (normal.density + rho), len(maps))
    found, shown = xp.zeros_like(maps), xp.zeros_like(maps)
    sparse = psi(found)
    dual = xp.zeros_like(sparse)
    for _ in range(_STEPS):
        # steepest descent on ½⟨V, (A + ρ) V⟩ - Re⟨R + ρ Ψᴴ(z - y), V⟩; A V is kept, so that a step takes one product
        slope = wanted - shown + rho * (psi.H(sparse - dual) - found)
        direction = precondition(slope)
        image = normal(direction)
        curvature = float(xp.vdot(direction, image).real) + rho * float(xp.vdot(direction, direction).real)
        length = float(xp.vdot(direction, slope).real) / max(curvature, float(np.finfo(np.float32).tiny))
        found, shown = found + length * direction, shown + length * image
        coefficients = psi(found) + dual
        sparse = soft_threshold(coefficients, threshold)
        dual = coefficients - sparse
    return psi.H(sparse).astype(maps.dtype, copy=False)


def of_pixel_shape(maps: NDArray, density: NDArray) -> NDArray:
    """Residual that maps would leave if they were means over pixels, which E_Φ takes for points.

    A mean over a pixel's area has ``b = sinc(k_x) sinc(k_y)`` times the spectrum of the point, so that
    ``(1 - b) D U / b`` is left, in the circulant form of the normal operator; this is b times as much, or the ends of
    spokes would count most.

    Parameters
    ----------
    maps : (L, N, N) complex64
        U.
    density : (N, N) float32
        D, the sampling density, in FFT order.

    Returns
    -------
    (L, N, N) complex64
        Its spectrum, in FFT order.
    """
    xp = sigpy.get_array_module(maps)
    along = xp.sinc(xp.fft.fftfreq(maps.shape[-1])).astype(xp.float32)
    return (1 - along[:, None] * along) * density * fft2(maps)


def without_pixel_shape(left: NDArray, maps: NDArray, density: NDArray) -> NDArray:
    """Take that part out of a residual which is a share of :func:`of_pixel_shape`.

    Networks learn from means over pixels and from points alike, and theirs lie between: the share is fitted, 0 to 1, by
    least squares in k-space, where noise has the power D.

    Parameters
    ----------
    left : (L, N, N) complex64
        E_Φᴴ(d - E_Φ U).
    maps : (L, N, N) complex64
        U.
    density : (N, N) float32
        D.

    Returns
    -------
    (L, N, N) complex64
    """
    xp, shape = sigpy.get_array_module(left), of_pixel_shape(maps, density)
    measured = density > LEAST_DENSITY * density.mean()
    weighted = shape * (measured / xp.where(measured, density, 1)).astype(xp.float32)
    likeness, energy = float(xp.vdot(weighted, fft2(left)).real), float(xp.vdot(weighted, shape).real)
    share = min(max(likeness / max(energy, float(np.finfo(np.float32).tiny)), 0.0), 1.0)
    return left - np.float32(share) * ifft2(shape)
