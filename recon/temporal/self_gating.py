"""Self-gating: breathing and heartbeat from the navigator alone (`multitasking.md` §2)."""

import logging
from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from recon.temporal.heart import HeartPhase, follow_heart, plausibility, track_heart
from recon.temporal.motion import (
    NavigatorSeries,
    band_components,
    band_pass,
    low_pass,
    refine,
    unexplained,
)

log = logging.getLogger(__name__)

_SLOWEST_HZ = 0.05
_SLOW = 1.4
"""Of the highest respiratory rate: where the respiratory signal ends, its second harmonic partly included."""

_LEAST_BREATHS = 1.5
_LEAST_BEATS = 5
_HARMONICS = 1.6
_RESOLVED_BREATHING = 0.15
_RESOLVED_BREATHING_ALONE = 0.6
_RESOLVED_HEART = 0.6
_RESOLVED_REGULAR_HEART = 0.25
_REGULAR = 0.06


@dataclass(frozen=True)
class GatingBands:
    """Where breathing and heartbeat are looked for.

    Attributes
    ----------
    respiration_hz, heart_hz : (2,) tuple of float
        Lowest and highest rate.
    """

    respiration_hz: tuple[float, float] = (0.1, 0.5)
    heart_hz: tuple[float, float] = (0.7, 2.5)


@dataclass(frozen=True)
class SelfGating:
    """What the navigator told about the motion.

    Attributes
    ----------
    respiration : (times,) float64 or None
        Displacement in arbitrary units, rising towards inspiration; None where no breathing was resolved.
    heart : HeartPhase or None
        None where no heartbeat was resolved.
    respiration_quality, heart_quality : float
        Share of the navigator's variation, left by all other terms of the model, that breathing and heart explain.
    """

    respiration: NDArray | None
    heart: HeartPhase | None
    respiration_quality: float
    heart_quality: float


def self_gate(series: NavigatorSeries, bands: GatingBands | None = None) -> SelfGating:
    """Find breathing and heartbeat.

    Both are first guessed from one regression over their two bands; then the heart is tracked given the breathing,
    the breathing is found again given the heart, and the heart is followed once more.

    Parameters
    ----------
    series : NavigatorSeries
    bands : GatingBands, optional

    Returns
    -------
    SelfGating
    """
    bands = bands or GatingBands()
    duration_s = series.time_s[-1] - series.time_s[0]
    low_hz, high_hz = bands.heart_hz
    if duration_s * low_hz < _LEAST_BEATS or series.rate_hz < 4 * high_hz:
        log.warning("%.1f s at %.0f navigators per second are too few for self-gating", duration_s, series.rate_hz)
        return SelfGating(None, None, 0.0, 0.0)
    if duration_s * bands.respiration_hz[0] < _LEAST_BREATHS:
        log.warning("%.1f s of navigators are too few to resolve breathing", duration_s)
        return _without_breathing(series, bands)
    return _judged(series, bands, *_breathing_and_heart(series, bands))


def _breathing_and_heart(series: NavigatorSeries, bands: GatingBands) -> tuple[NDArray, NDArray, HeartPhase]:
    """Respiratory signal, the terms that breathing adds to the model, and the heart, by turns."""
    slow_hz = _SLOW * bands.respiration_hz[1]
    band = band_components(series, series.known, _SLOWEST_HZ, _HARMONICS * bands.heart_hz[1], 3)
    start = np.concatenate([band.strongest(_SLOWEST_HZ, slow_hz, 2), band.strongest(slow_hz, np.inf, 2)], axis=1)
    terms = _slow_terms(low_pass(refine(series, start), series.rate_hz, slow_hz))
    heart = _track(series, terms, bands)
    beating = replace(series, known=np.concatenate([series.known, heart.terms], axis=1))
    again = band_components(beating, beating.known, _SLOWEST_HZ, 1.2 * slow_hz, 3)
    motion = refine(beating, again.strongest(_SLOWEST_HZ, slow_hz, 3), smoothing_s=0.1)
    terms = _slow_terms(low_pass(motion, series.rate_hz, slow_hz))
    heart = follow_heart(series, np.concatenate([series.known, terms], axis=1), heart.phase)
    return _respiration(motion, series.rate_hz, bands), terms, heart


def _judged(
    series: NavigatorSeries, bands: GatingBands, respiration: NDArray, terms: NDArray, heart: HeartPhase
) -> SelfGating:
    """Keep what explains the navigator better than the model without it."""
    left_by_both = unexplained(series, np.concatenate([terms, heart.terms], axis=1))
    left_by_breathing, left_by_none = unexplained(series, terms), unexplained(series, terms[:, :0])
    heart_quality = 1 - left_by_both / left_by_breathing
    if not _is_beating(heart, heart_quality, series):
        respiration_quality = 1 - left_by_breathing / left_by_none
        seen = respiration if respiration_quality > _RESOLVED_BREATHING_ALONE else None
        return SelfGating(seen, None, respiration_quality, heart_quality)
    alone = _without_breathing(series, bands)
    if alone.heart is None:
        return SelfGating(respiration, heart, 1 - left_by_both / left_by_none, heart_quality)
    left_by_heart = unexplained(series, alone.heart.terms)
    respiration_quality = 1 - left_by_both / left_by_heart
    gain = plausibility(left_by_both, heart, series) - plausibility(left_by_heart, alone.heart, series)
    if gain < _RESOLVED_BREATHING:
        return replace(alone, respiration_quality=respiration_quality)
    return SelfGating(respiration, heart, respiration_quality, heart_quality)


def _is_beating(heart: HeartPhase, quality: float, series: NavigatorSeries) -> bool:
    """A heart explains most of the variation, or, in noise, a part of it and beats regularly."""
    irregularity = heart.irregularity(series.time_s)
    needed = _RESOLVED_REGULAR_HEART if irregularity < _REGULAR else _RESOLVED_HEART
    return bool(np.isfinite(irregularity)) and quality > needed


def _track(series: NavigatorSeries, terms: NDArray, bands: GatingBands) -> HeartPhase:
    known = np.concatenate([series.known, terms], axis=1)
    low_hz, high_hz = bands.heart_hz
    band = band_components(series, known, 0.85 * low_hz, _HARMONICS * high_hz, series.recovery.shape[1])
    return track_heart(series, known, band, low_hz, high_hz)


def _without_breathing(series: NavigatorSeries, bands: GatingBands) -> SelfGating:
    none = np.zeros((len(series.time_s), 0))
    heart = _track(series, none, bands)
    quality = 1 - unexplained(series, heart.terms) / unexplained(series, none)
    return SelfGating(None, heart if _is_beating(heart, quality, series) else None, 0.0, quality)


def _slow_terms(slow: NDArray) -> NDArray:
    """Two leading slow signals, and the square of the first: what breathing does to the navigator."""
    leading = np.linalg.svd(slow - slow.mean(axis=0), full_matrices=False)[0][:, :2] * np.sqrt(len(slow))
    return np.concatenate([leading, leading[:, :1] ** 2], axis=1)


def _respiration(motion: NDArray, rate_hz: float, bands: GatingBands) -> NDArray:
    """Combination of motion signals with the largest share in the respiratory band, turned towards inspiration.

    More time is spent near end-expiration, so the distribution's long tail points to inspiration.
    """
    inside = band_pass(motion, rate_hz, *bands.respiration_hz)
    centred = motion - motion.mean(axis=0)
    _, vectors = scipy.linalg.eigh(inside.T @ inside, centred.T @ centred)
    signal = low_pass(centred @ vectors[:, -1], rate_hz, _SLOW * bands.respiration_hz[1])
    signal = signal / signal.std()
    return signal * (1.0 if np.mean((signal - signal.mean()) ** 3) >= 0 else -1.0)
