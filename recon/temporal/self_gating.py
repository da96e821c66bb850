"""Self-gating: breathing and heartbeat from the navigator alone (docs/method/time.md)."""

import logging
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from recon.temporal.heart import HeartPhase, HeartSettings, follow_heart, plausibility, track_heart
from recon.temporal.motion import (
    NavigatorSeries,
    band_components,
    band_pass,
    low_pass,
    refine,
    unexplained,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GatingSettings:
    """Where breathing and heartbeat are looked for, and when they count as resolved.

    "Tuned" means set by hand on simulated scans. A share is that of the navigator's variation, left by all other terms
    of the model, that a signal explains; a nat is one unit of natural log-likelihood.

    Attributes
    ----------
    lowest_heart_rate, highest_heart_rate : float
        Beats per minute between which the heart is looked for.
    respiration_hz : (2,) tuple of float
        Lowest and highest respiratory rate: 6 to 30 breaths a minute.
    lowest_motion_hz : float
        Motion slower than this is taken for drift, not breathing. Half the lowest respiratory rate (0.1 Hz).
    breathing_cutoff_ratio : float
        Where the respiratory signal ends, over the highest respiratory rate: part of the second harmonic stays.
        With 0.5 Hz that is 0.7 Hz, the lowest heart rate.
    least_breaths : float
        Breaths at the lowest respiratory rate that a scan must hold for breathing to be looked for (15 s). Tuned.
    least_beats : float
        Beats at the lowest heart rate that a scan must hold for any gating at all (7.1 s). Tuned; five seconds
        must be too few (tests/recon/temporal).
    cardiac_bandwidth_ratio : float
        Upper end of the band in which the heartbeat is looked for, over the highest heart rate (4 Hz for 2.5 Hz):
        part of the second harmonic. The navigator rate must be at least four times the highest heart rate.
    breathing_gain_nats : float
        Breathing is kept if it raises the model's plausibility, -ln(energy left) - penalty for irregular beats, by
        this much: at equal regularity, if it removes 14 % of the energy that the heart alone leaves. Tuned.
    breathing_share_without_heart : float
        Share of the navigator's variation that breathing must explain where no heartbeat is found. Tuned.
    heart_share : float
        Share of the variation left by breathing that a heartbeat must explain. Tuned; held from both sides by
        tests/recon/temporal.
    regular_heart_share : float
        The same for a heartbeat that is regular, for noisy scans. Tuned.
    regular_interval_deviation : float
        Largest median deviation of beat intervals from their median, over the median, that counts as regular.
        Twice what 4 % of heart-rate variability gives (0.67 * 0.04 = 0.027). Tuned.
    heart : HeartSettings
    """

    lowest_heart_rate: float = 42
    highest_heart_rate: float = 150
    respiration_hz: tuple[float, float] = (0.1, 0.5)
    lowest_motion_hz: float = 0.05
    breathing_cutoff_ratio: float = 1.4
    least_breaths: float = 1.5
    least_beats: float = 5
    cardiac_bandwidth_ratio: float = 1.6
    breathing_gain_nats: float = 0.15
    breathing_share_without_heart: float = 0.6
    heart_share: float = 0.6
    regular_heart_share: float = 0.25
    regular_interval_deviation: float = 0.06
    heart: HeartSettings = field(default_factory=HeartSettings)

    @property
    def heart_hz(self) -> tuple[float, float]:
        """Lowest and highest heart rate in beats per second."""
        return self.lowest_heart_rate / 60, self.highest_heart_rate / 60

    @property
    def slow_hz(self) -> float:
        """Frequency at which the respiratory signal ends."""
        return self.breathing_cutoff_ratio * self.respiration_hz[1]


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


def self_gate(series: NavigatorSeries, settings: GatingSettings | None = None) -> SelfGating:
    """Find breathing and heartbeat.

    Both are first guessed from one regression over their two bands; then the heart is tracked given the breathing,
    the breathing is found again given the heart, and the heart is followed once more.

    Parameters
    ----------
    series : NavigatorSeries
    settings : GatingSettings, optional

    Returns
    -------
    SelfGating
    """
    settings = settings or GatingSettings()
    duration_s = series.time_s[-1] - series.time_s[0]
    low_hz, high_hz = settings.heart_hz
    if duration_s * low_hz < settings.least_beats or series.rate_hz < 4 * high_hz:
        log.warning("%.1f s at %.0f navigators per second are too few for self-gating", duration_s, series.rate_hz)
        return SelfGating(None, None, 0.0, 0.0)
    if duration_s * settings.respiration_hz[0] < settings.least_breaths:
        log.warning("%.1f s of navigators are too few to resolve breathing", duration_s)
        return _without_breathing(series, settings)
    return _judged(series, settings, *_breathing_and_heart(series, settings))


def _breathing_and_heart(series: NavigatorSeries, settings: GatingSettings) -> tuple[NDArray, NDArray, HeartPhase]:
    """Respiratory signal, the terms that breathing adds to the model, and the heart, by turns."""
    slow_hz = settings.slow_hz
    band = band_components(
        series, series.known, settings.lowest_motion_hz, settings.cardiac_bandwidth_ratio * settings.heart_hz[1], 3
    )
    start = np.concatenate(
        [band.strongest(settings.lowest_motion_hz, slow_hz, 2), band.strongest(slow_hz, np.inf, 2)], axis=1
    )
    terms = _slow_terms(low_pass(refine(series, start), series.rate_hz, slow_hz))
    heart = _track(series, terms, settings)
    beating = replace(series, known=np.concatenate([series.known, heart.terms], axis=1))
    again = band_components(beating, beating.known, settings.lowest_motion_hz, 1.2 * slow_hz, 3)
    motion = refine(beating, again.strongest(settings.lowest_motion_hz, slow_hz, 3), smoothing_s=0.1)
    terms = _slow_terms(low_pass(motion, series.rate_hz, slow_hz))
    heart = follow_heart(series, np.concatenate([series.known, terms], axis=1), heart.phase, settings.heart)
    return _respiration(motion, series.rate_hz, settings), terms, heart


def _judged(
    series: NavigatorSeries, settings: GatingSettings, respiration: NDArray, terms: NDArray, heart: HeartPhase
) -> SelfGating:
    """Keep what explains the navigator better than the model without it."""
    left_by_both = unexplained(series, np.concatenate([terms, heart.terms], axis=1))
    left_by_breathing, left_by_none = unexplained(series, terms), unexplained(series, terms[:, :0])
    heart_quality = 1 - left_by_both / left_by_breathing
    if not _is_beating(heart, heart_quality, series, settings):
        respiration_quality = 1 - left_by_breathing / left_by_none
        seen = respiration if respiration_quality > settings.breathing_share_without_heart else None
        return SelfGating(seen, None, respiration_quality, heart_quality)
    alone = _without_breathing(series, settings)
    if alone.heart is None:
        return SelfGating(respiration, heart, 1 - left_by_both / left_by_none, heart_quality)
    left_by_heart = unexplained(series, alone.heart.terms)
    respiration_quality = 1 - left_by_both / left_by_heart
    gain = plausibility(left_by_both, heart, series) - plausibility(left_by_heart, alone.heart, series)
    if gain < settings.breathing_gain_nats:
        return replace(alone, respiration_quality=respiration_quality)
    return SelfGating(respiration, heart, respiration_quality, heart_quality)


def _is_beating(heart: HeartPhase, quality: float, series: NavigatorSeries, settings: GatingSettings) -> bool:
    """A heart explains most of the variation, or, in noise, a part of it and beats regularly."""
    irregularity = heart.irregularity(series.time_s)
    needed = (
        settings.regular_heart_share if irregularity < settings.regular_interval_deviation else settings.heart_share
    )
    return bool(np.isfinite(irregularity)) and quality > needed


def _track(series: NavigatorSeries, terms: NDArray, settings: GatingSettings) -> HeartPhase:
    known = np.concatenate([series.known, terms], axis=1)
    low_hz, high_hz = settings.heart_hz
    band = band_components(
        series, known, 0.85 * low_hz, settings.cardiac_bandwidth_ratio * high_hz, series.recovery.shape[1]
    )
    return track_heart(series, known, band, settings.heart_hz, settings.heart)


def _without_breathing(series: NavigatorSeries, settings: GatingSettings) -> SelfGating:
    none = np.zeros((len(series.time_s), 0))
    heart = _track(series, none, settings)
    quality = 1 - unexplained(series, heart.terms) / unexplained(series, none)
    return SelfGating(None, heart if _is_beating(heart, quality, series, settings) else None, 0.0, quality)


def _slow_terms(slow: NDArray) -> NDArray:
    """Two leading slow signals, and the square of the first: what breathing does to the navigator."""
    leading = np.linalg.svd(slow - slow.mean(axis=0), full_matrices=False)[0][:, :2] * np.sqrt(len(slow))
    return np.concatenate([leading, leading[:, :1] ** 2], axis=1)


def _respiration(motion: NDArray, rate_hz: float, settings: GatingSettings) -> NDArray:
    """Combination of motion signals with the largest share in the respiratory band, turned towards inspiration.

    More time is spent near end-expiration, so the distribution's long tail points to inspiration.
    """
    inside = band_pass(motion, rate_hz, *settings.respiration_hz)
    centred = motion - motion.mean(axis=0)
    _, vectors = scipy.linalg.eigh(inside.T @ inside, centred.T @ centred)
    signal = low_pass(centred @ vectors[:, -1], rate_hz, settings.slow_hz)
    signal = signal / signal.std()
    return signal * (1.0 if np.mean((signal - signal.mean()) ** 3) >= 0 else -1.0)
