"""How far a network's result may be off: variances that its turned inputs, its changes and the fit of T1 tell.

Turned inputs alone underestimate it, since what the network always does wrong it does wrong in every orientation. The
variance is therefore a sum of terms, each with a coefficient that is fitted to errors of pairs with a known truth
(``malibu calibrate``) and lies in the weights' model card: the error model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from recon.multitasking.result import Result
from recon.relaxometry.t1 import T1Map
from recon.spatial.frames import frames

FRAME_TERMS = ("spread", "change")
T1_TERMS = ("spread", "fit")
"""Terms of the variances of frames and of T1, as an error model names their coefficients."""

OF_FRAMES = ("still", "moving")
"""Kinds of scans: of one image, and of several basis maps."""

KINDS = (*OF_FRAMES, "t1")
"""What has coefficients of its own: frames of either kind of scans, and T1."""

UNCALIBRATED: Mapping[str, float] = {f"{kind}.spread": 1.0 for kind in KINDS} | {"t1.fit": 1.0}
"""Error model of weights whose card has none: what is seen to vary, as it is."""

_NEAR_PIXELS = 2.0
"""Standard deviation of the neighbourhood over which mean squares are taken: few samples tell little of one pixel."""


def frame_spread(shown: NDArray, samples: Sequence[NDArray], phi: NDArray) -> NDArray:
    """Mean square of what samples' frames differ by from those of the result.

    Parameters
    ----------
    shown : (frames, N, N) float32
        Magnitudes of the result.
    samples : sequence of (L, N, N) complex64
    phi : (L, frames) complex64

    Returns
    -------
    (frames, N, N) float32
    """
    return np.mean([(np.abs(frames(maps, phi)) - shown) ** 2 for maps in samples], axis=0)


def t1_spread(t1_ms: NDArray, samples_ms: Sequence[NDArray]) -> NDArray:
    """Mean square of what samples' T1 differ by; a voxel that a sample could not fit counts as one that agrees.

    Parameters
    ----------
    t1_ms : (N, N) float32
    samples_ms : sequence of (N, N) float32
        Zero where nothing was fitted.

    Returns
    -------
    (N, N) float32
    """
    squares = [np.where(one > 0, one - t1_ms, 0) ** 2 for one in samples_ms]
    return np.mean(squares, axis=0) if squares else np.zeros_like(t1_ms)


def frame_terms(shown: NDArray, initial: NDArray, spread: NDArray) -> NDArray[np.float32]:
    """Mean squares that the variance of magnitude frames is a sum of.

    Parameters
    ----------
    shown, initial : (frames, N, N) float32
        Magnitudes of the result, and of the back-projection.
    spread : (frames, N, N) float32
        Mean square of what the samples differ by from the result.

    Returns
    -------
    (2, frames, N, N) float32
        In the order of :data:`FRAME_TERMS`: the samples' spread nearby, and what the network changed nearby, which is
        what noise and streaks were.
    """
    return np.stack([_near(spread), _near((shown - initial) ** 2)]).astype(np.float32)


def t1_terms(t1_ms: NDArray, deviation_ms: NDArray, spread: NDArray) -> NDArray[np.float32]:
    """Mean squares that the variance of T1 is a sum of.

    Parameters
    ----------
    t1_ms, deviation_ms, spread : (N, N) float32
        T1, the deviation that its fit tells, and the mean square of what the samples' T1 differ by; zero outside the
        body.

    Returns
    -------
    (2, N, N) float32
        In the order of :data:`T1_TERMS`; zero outside the body.
    """
    body = t1_ms > 0
    share = np.maximum(gaussian_filter(body.astype(np.float32), _NEAR_PIXELS), 1e-3)
    near = gaussian_filter(np.where(body, spread, 0).astype(np.float32), _NEAR_PIXELS) / share
    return (np.stack([near, deviation_ms**2]) * body).astype(np.float32)


def variance(terms: NDArray, kind: str, error_model: Mapping[str, float]) -> NDArray:
    """Sum of terms by the coefficients of an error model.

    Parameters
    ----------
    terms : (2, ...) float32
        Of :func:`frame_terms` or :func:`t1_terms`.
    kind : str
        Of :data:`KINDS`.
    error_model : mapping of str to float
        Coefficients by ``kind.term``; if it is empty, :data:`UNCALIBRATED`.

    Returns
    -------
    (...) float
    """
    model, names = error_model or UNCALIBRATED, T1_TERMS if kind == "t1" else FRAME_TERMS
    # v = Σ_i c_i m_i
    return np.tensordot([model.get(f"{kind}.{name}", 0.0) for name in names], terms, axes=1)


def kind_of_frames(rank: int) -> str:
    """Which coefficients the frames of a scan of so many basis maps have."""
    return OF_FRAMES[rank > 1]


def frame_deviation(result: Result, phi: NDArray) -> NDArray[np.float32]:
    """Standard deviation of the magnitude of frames.

    Parameters
    ----------
    result : Result
        With samples.
    phi : (L, frames) complex64
        Columns of Φ.

    Returns
    -------
    (frames, N, N) float32
    """
    shown, initial = (np.abs(frames(maps, phi)) for maps in (result.spatial_factor, result.back_projection))
    terms = frame_terms(shown, initial, frame_spread(shown, result.samples, phi))
    kind = kind_of_frames(len(result.spatial_factor))
    return np.sqrt(variance(terms, kind, result.error_model)).astype(np.float32)


def with_samples(t1_map: T1Map, others: Sequence[T1Map | None], error_model: Mapping[str, float]) -> T1Map:
    """Let the deviation of T1 know of the samples; that of blood whose T1 was told as a whole stays.

    Parameters
    ----------
    t1_map : T1Map
    others : sequence of T1Map or None
        T1 of the samples; None where it could not be fitted.
    error_model : mapping of str to float

    Returns
    -------
    T1Map
    """
    spread = t1_spread(t1_map.t1_ms, [one.t1_ms for one in others if one is not None])
    terms = t1_terms(t1_map.t1_ms, t1_map.uncertainty_ms, spread)
    deviation = np.sqrt(variance(terms, "t1", error_model)).astype(np.float32)
    # the error model knows of fits voxel by voxel alone
    return replace(t1_map, uncertainty_ms=np.where(t1_map.is_common, t1_map.uncertainty_ms, deviation))


def _near(squares: NDArray) -> NDArray:
    return gaussian_filter(squares, (0, _NEAR_PIXELS, _NEAR_PIXELS))
