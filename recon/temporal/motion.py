"""Motion signals in the navigator, freed from T1 recovery.

A navigator at time t, after n pulses since the inversion, is ``D(t) = Σ_j m_j(t) C_j u(n)``: each state of motion has
its own recovery in the basis u = U_τ(n), and m_0 = 1. Motion is thus multiplied by recovery, and changes its sign
with it; projecting the static part C_0 u out is not enough. The model is bilinear: given all m, C is a linear
regression; given C, m(t) is a small one at each time.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, sosfiltfilt

from recon.temporal.fitting.eigenvectors import leading_eigenvectors
from recon.temporal.fitting.rows import products, regress
from recon.temporal.fitting.waves import waves, waves_gram

# Leading navigator components that the self-gating looks at, of the 64 that the tensor uses.
_FEATURES = 16
# Deviation from the steady state left after one period: exp(-2.48 s / 1.9 s) = 0.27, rounded.
_FRESH_DECAY = 0.25
# Ridge of the band's regression, over the energy of one function: shrinks coefficients by 9 %.
_RIDGE = 0.1

_BLOCK = 1024
"""Navigators whose products are summed up at once: 7.4 s at TR 3.6 ms. The bits of a Gram matrix depend on it."""


@dataclass(frozen=True)
class NavigatorSeries:
    """Navigators as the self-gating sees them.

    Attributes
    ----------
    features : (times, features) float64
        Principal components of real and imaginary parts.
    recovery : (times, R) float64
        U_τ at each navigator, columns of unit mean square.
    known : (times, terms) float64
        One, and the approach to the steady state: fresh blood of T1 1.9 s forgets its start fourfold per period.
    time_s : (times,) float64
    """

    features: NDArray
    recovery: NDArray
    known: NDArray
    time_s: NDArray

    @property
    def rate_hz(self) -> float:
        """Navigators per second."""
        return 1.0 / float(np.median(np.diff(self.time_s)))


def navigator_series(features: NDArray, recovery: NDArray, period: NDArray, time_s: NDArray) -> NavigatorSeries:
    """Reduce navigators to what the self-gating needs.

    Parameters
    ----------
    features : (times, K) float64
        From :func:`principal_features`; the leading ones are used.
    recovery : (times, R) float
        U_τ at each navigator.
    period : (times,) int
        Number of the inversion period.
    time_s : (times,) float

    Returns
    -------
    NavigatorSeries
    """
    numbers = np.searchsorted(np.unique(period), period).astype(np.float64)
    known = np.stack([np.ones(len(features)), _FRESH_DECAY**numbers], axis=1)
    if not numbers.any():
        known = known[:, :1]  # in a single period both terms would be the same
    scaled = recovery / np.maximum(np.sqrt(np.mean(recovery**2, axis=0)), 1e-12)
    return NavigatorSeries(features[:, :_FEATURES], scaled, known, np.asarray(time_s, np.float64))


def principal_features(profiles: NDArray, count: int, components: NDArray | None = None) -> NDArray:
    """Principal components over time of the navigators' real and imaginary parts.

    Parameters
    ----------
    profiles : (times, coils, pixels) complex64
    count : int
    components : (2 · coils · pixels, at least count) float64, optional
        Found on the way by :mod:`recon.temporal.fitting.profiles`, in double precision. By default they are found here,
        from one product in single precision, whose rounding (1e-8 of the static part's energy) is more than the
        distance of neighbouring noise components: these are then others.

    Returns
    -------
    (times, min(count, 2 · coils · pixels)) float64
    """
    real = _real(profiles)
    if components is None:
        components = leading_eigenvectors((real.T @ real).astype(np.float64), min(count, real.shape[1]))
    vectors = components[:, :count]
    # block by block, since BLAS first makes all of it double
    return np.concatenate([real[start : start + _BLOCK] @ vectors for start in range(0, len(real), _BLOCK)])


def _real(profiles: NDArray) -> NDArray:
    """Real and imaginary parts side by side: ``(times, 2 · coils · pixels)`` float32."""
    flat = profiles.reshape(len(profiles), -1)
    return np.concatenate([flat.real, flat.imag], axis=1)


def unexplained(series: NavigatorSeries, motion: NDArray) -> float:
    """Share of the navigator's energy that a motion model leaves.

    Parameters
    ----------
    series : NavigatorSeries
    motion : (times, J) float
        m beside the known terms; J may be 0.

    Returns
    -------
    float
    """
    design = products(np.concatenate([series.known, motion], axis=1), series.recovery)
    explained = np.sum(series.features * (design @ regress(design, series.features)))
    return 1.0 - float(explained / np.sum(series.features**2))


def band_components(series: NavigatorSeries, known: NDArray, low_hz: float, high_hz: float, orders: int) -> "Band":
    """Motion of a frequency band by one linear regression on Fourier functions times recovery.

    Parameters
    ----------
    series : NavigatorSeries
    known : (times, terms) float64
        Known terms of the model.
    low_hz, high_hz : float
    orders : int
        Columns of U_τ that modulate the motion.

    Returns
    -------
    Band
    """
    duration_s = series.time_s[-1] - series.time_s[0]
    turns = (series.time_s - series.time_s[0]) / duration_s
    first, last = int(np.ceil(low_hz * duration_s)), int(np.floor(high_hz * duration_s))
    functions, recovery = waves(turns, first, last), series.recovery[:, :orders]
    static, _ = np.linalg.qr(products(known, series.recovery))
    rest = series.features - static @ (static.T @ series.features)
    # Σ_t f(t) u_l(t) x(t): for each function and order of recovery the static columns, and what they leave
    inner = functions.T @ products(recovery, np.concatenate([static, rest], axis=1))
    inner = inner.reshape(functions.shape[1] * recovery.shape[1], -1)
    overlap, right = inner[:, : static.shape[1]], inner[:, static.shape[1] :]
    gram = waves_gram(turns, recovery, first, last) - overlap @ overlap.T
    gram[np.diag_indices_from(gram)] += _RIDGE * len(functions)
    coefficients = scipy.linalg.solve(gram, right, assume_a="pos", overwrite_a=True, check_finite=False)
    frequency_hz = np.arange(first, last + 1) / duration_s
    return Band(functions, np.tile(frequency_hz, 2), coefficients.reshape(functions.shape[1], -1))


@dataclass(frozen=True)
class Band:
    """Motion as Fourier functions.

    Attributes
    ----------
    functions : (times, functions) float64
    frequency_hz : (functions,) float64
    coefficients : (functions, R · features) float64
    """

    functions: NDArray
    frequency_hz: NDArray
    coefficients: NDArray

    def strongest(self, low_hz: float, high_hz: float, count: int) -> NDArray:
        """Leading components between two frequencies: ``(times, count)``, of unit variance."""
        inside = (self.frequency_hz >= low_hz) & (self.frequency_hz < high_hz)
        left = np.linalg.svd(self.coefficients[inside], full_matrices=False)[0][:, :count]
        signals = self.functions[:, inside] @ left
        return signals / np.maximum(signals.std(axis=0), 1e-12)


def refine(series: NavigatorSeries, motion: NDArray, smoothing_s: float = 0.03, iterations: int = 10) -> NDArray:
    """Alternate between the patterns C and the motion m, the latter smoothed over time.

    Parameters
    ----------
    series : NavigatorSeries
    motion : (times, J) float64
        Start.
    smoothing_s : float
        Standard deviation of the Gaussian over which the normal equations of m(t) are averaged.
    iterations : int

    Returns
    -------
    (times, J) float64
        Orthogonal components of unit variance, strongest first.
    """
    width, terms = smoothing_s * series.rate_hz, series.known.shape[1]
    times, components = motion.shape
    for _ in range(iterations):
        model = np.concatenate([series.known, motion], axis=1)
        patterns = regress(products(model, series.recovery), series.features)
        patterns = patterns.reshape(model.shape[1], series.recovery.shape[1], -1)
        seen = np.matmul(series.recovery, patterns).transpose(1, 0, 2)
        # rest without the known terms: y[t,k] − Σ_j m[t,j] S[t,j,k], S = U_τ C_j
        rest = series.features - np.einsum("tjk,tj->tk", seen[:, :terms], series.known)
        moving = seen[:, terms:]
        gram = np.matmul(moving, moving.transpose(0, 2, 1)).reshape(times, -1)
        gram = gaussian_filter1d(gram, width, axis=0).reshape(times, components, components)
        inner = gaussian_filter1d(np.matmul(moving, rest[:, :, None])[:, :, 0], width, axis=0)
        floor = 1e-2 * np.trace(gram.mean(axis=0)) / components + 1e-30
        motion = np.linalg.solve(gram + floor * np.eye(components), inner[:, :, None])[:, :, 0]
        motion = np.linalg.svd(motion - motion.mean(axis=0), full_matrices=False)[0] * np.sqrt(times)
    return motion


def low_pass(signal: NDArray, rate_hz: float, high_hz: float) -> NDArray:
    """Remove what is faster, without delay."""
    return sosfiltfilt(butter(3, high_hz, "low", fs=rate_hz, output="sos"), signal, axis=0)


def band_pass(signal: NDArray, rate_hz: float, low_hz: float, high_hz: float) -> NDArray:
    """Keep a band, without delay."""
    return sosfiltfilt(butter(3, [low_hz, high_hz], "band", fs=rate_hz, output="sos"), signal, axis=0)
