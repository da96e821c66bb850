"""Temporal bases without navigators: of a sliding window's images, given, or constant (docs/method/time.md)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from recon.errors import DataError
from recon.readouts.timeline import Timeline
from recon.readouts.windows import Windows
from recon.temporal.model import TemporalModel
from recon.temporal.motion import band_pass, low_pass, principal_features
from recon.temporal.navigator import navigator_subspace, orthonormalise
from recon.temporal.self_gating import GatingSettings

SETTLING_S = 2.48
"""Time in which fresh blood of T1 1.9 s forgets its start fourfold, and all else its own tenfold: the inversion period
that the self-gating takes for one step towards the steady state."""

COMPONENTS = 8
"""Components of a sliding window's images that stand above its streaks and noise. Tuned on simulated scans: 4 to 16 of
them show the truth equally well (within 0.1 %), and the back-projection's noise grows with their number."""

WINDOWS = "sliding windows"
"""What such a model says that it comes from."""

_FEATURES = 64
"""Components of the windows among which breathing is looked for: as many as the tensor is made of."""

_BREATHING_SHARE = 0.1
"""Share of the windows' variation up to the heart's second harmonic that breathing must hold. Tuned on simulated scans:
0.16 to 0.27 of six subjects, 0.04 to 0.06 of two who held their breath."""

_ORTHONORMAL = 1e-4
"""Largest deviation of Φ Φᴴ from the identity that is rounding in complex64: such a basis is taken as it is."""


@dataclass(frozen=True)
class Breathing:
    """Breathing as windows show it.

    Attributes
    ----------
    signal : (windows,) float64
        Displacement in arbitrary units, rising towards inspiration.
    quality : float
        From 0 to 1; a half at the least share of the variation that counts as breathing.
    """

    signal: NDArray[np.float64]
    quality: float


def breathing_in(windows: Windows, settings: GatingSettings) -> Breathing | None:
    """Find the respiratory signal of a scan without inversions: the strongest motion of the respiratory band.

    Where nothing recovers, the images follow the displacement almost linearly (0.99 in simulations), and the strongest
    component is a safer guess than the purest one, which the self-gating of recovering navigators takes.

    Parameters
    ----------
    windows : Windows
    settings : GatingSettings

    Returns
    -------
    Breathing or None
        None if the scan is too short, or no motion of the band is strong enough.
    """
    time_s, (low_hz, high_hz) = windows.time_s, settings.respiration_hz
    rate_hz = 1 / float(np.median(np.diff(time_s)))
    fastest_hz = settings.cardiac_bandwidth_ratio * settings.heart_hz[1]
    if (time_s[-1] - time_s[0]) * low_hz < settings.least_breaths or rate_hz <= 2 * fastest_hz:
        return None
    features = principal_features(windows.profiles, _FEATURES)
    features -= features.mean(axis=0)
    band = band_pass(features, rate_hz, low_hz, high_hz)
    _, values, patterns = np.linalg.svd(band, full_matrices=False)
    share = float(values[0] ** 2 / np.sum(low_pass(features, rate_hz, fastest_hz) ** 2))
    if share < _BREATHING_SHARE:
        return None
    signal = low_pass(features @ patterns[0], rate_hz, settings.slow_hz)
    signal = signal / signal.std()
    signal *= 1.0 if np.mean((signal - signal.mean()) ** 3) >= 0 else -1.0  # more time is spent at end-expiration
    return Breathing(signal, share / (share + _BREATHING_SHARE))


def settling(time_s: NDArray) -> Timeline:
    """Times of a scan without inversions: no pulses are counted, and periods only tell how long the scan has run."""
    return Timeline(time_s, np.zeros(len(time_s), np.int_), np.floor((time_s - time_s[0]) / SETTLING_S).astype(np.int_))


def uninverted(time_s: NDArray) -> Timeline:
    """Times of a scan without inversions: no pulses are counted, and the scan is one period."""
    none = np.zeros(len(time_s), np.int_)
    return Timeline(time_s, none, none)


def windowed_model(windows: Windows, imaging: Timeline, rank: int, energy: float | None = None) -> TemporalModel:
    """Take Φ from the principal components of a sliding window's images.

    Parameters
    ----------
    windows : Windows
    imaging : Timeline
        Times of the imaging readouts, to which the components are interpolated by cubic splines.
    rank : int
        L, an upper bound; no more than there are windows.
    energy : float, optional
        Keep as few components as hold this share of the energy.

    Returns
    -------
    TemporalModel
        Without states of motion; all imaging readouts are kept.
    """
    most = min(rank, len(windows.profiles), windows.profiles[0].size)
    subspace = navigator_subspace(windows.profiles, most, energy)
    centers = windows.time_s
    times = np.clip(imaging.time_s, centers[0], centers[-1])  # no spline is trusted beyond its knots
    smooth = CubicSpline(centers, subspace.basis.astype(np.complex128), axis=1)(times)
    return _kept_whole(orthonormalise(smooth), subspace.singular_values, imaging, WINDOWS)


def static_model(imaging: Timeline) -> TemporalModel:
    """One constant function: the scan becomes one image, the average over its time."""
    spokes = len(imaging.time_s)
    return _kept_whole(np.full((1, spokes), spokes**-0.5), np.ones(1), imaging, "static")


def given_model(basis: NDArray, imaging: Timeline) -> TemporalModel:
    """Take a given Φ, made orthonormal if it is not.

    Parameters
    ----------
    basis : (L, spokes) float or complex
        One column for each imaging readout.
    imaging : Timeline

    Returns
    -------
    TemporalModel

    Raises
    ------
    DataError
        If it is not of that shape, not finite, or its rows depend on each other.
    """
    spokes = len(imaging.time_s)
    if basis.ndim != 2 or basis.shape[1] != spokes or not 1 <= len(basis) <= spokes:
        raise DataError(
            f"the given temporal basis has shape {basis.shape}; the {spokes} imaging spokes that are used need "
            f"(rank, {spokes}): one column for each, in the order of acquisition"
        )
    if not np.issubdtype(basis.dtype, np.number) or not np.isfinite(basis).all():
        raise DataError("the given temporal basis holds NaN, Inf, or something else than numbers; correct the file")
    wide = basis.astype(np.complex128)
    singular_values = np.linalg.svd(wide, compute_uv=False)
    if np.abs(wide @ wide.conj().T - np.eye(len(wide))).max() > _ORTHONORMAL:
        wide = orthonormalise(wide)
    return _kept_whole(wide, singular_values, imaging, "given")


def _kept_whole(basis: NDArray, singular_values: NDArray, imaging: Timeline, source: str) -> TemporalModel:
    spokes = basis.shape[1]
    return TemporalModel(basis.astype(np.complex64), np.ones(spokes, bool), singular_values, imaging, source=source)
