"""Self-gating: breathing and heartbeat from the navigator alone (docs/method/time.md)."""

import logging
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from recon.temporal.breathing import breathing_trust, respiratory_signal, slow_terms
from recon.temporal.heart import HeartPhase, HeartSettings, follow_heart, plausibility, track_heart, unexplained_by
from recon.temporal.heart_rate import RateEvidence, RateSettings, compare_rates, is_same_rate, rate_per_minute
from recon.temporal.motion import Band, NavigatorSeries, band_components, low_pass, refine, unexplained

log = logging.getLogger(__name__)

_Motions = tuple[NDArray, NDArray, HeartPhase]
"""Respiratory signal, the terms that breathing adds to the model, and the heart."""


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
    rate : RateSettings
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
    rate: RateSettings = field(default_factory=RateSettings)

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
    respiration_quality : float
        Trust in the respiratory signal, from 0 to 1 (:func:`recon.temporal.breathing.breathing_trust`); without one,
        the share of the navigator's variation, left by all other terms of the model, that breathing explains.
    heart_quality : float
        Trust in the heart rate, from 0 to 1 (:meth:`recon.temporal.heart_rate.RateEvidence.trust`).
    """

    respiration: NDArray | None
    heart: HeartPhase | None
    respiration_quality: float
    heart_quality: float


def self_gate(series: NavigatorSeries, settings: GatingSettings | None = None) -> SelfGating:
    """Find breathing and heartbeat.

    Both are first guessed from one regression over their two bands; then the heart is tracked given the breathing,
    the breathing is found again given the heart, and the heart is followed once more. At last the heart rate is
    compared with all others (:mod:`recon.temporal.heart_rate`), and kept, replaced, or given up.

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
    breathes = duration_s * settings.respiration_hz[0] >= settings.least_breaths
    if not breathes:
        log.warning("%.1f s of navigators are too few to resolve breathing", duration_s)
    slow = _first_breathing(series, settings)
    band = _heart_band(series, slow, settings)
    evidence = compare_rates(series, slow, band, settings.heart_hz, settings.heart, settings.rate)
    found = _without_breathing(series, settings)
    if breathes:
        found = _judged(series, settings, *_tracked(series, settings, slow, band), found)
    found = _confirmed(series, settings, found, slow, evidence)
    if found.respiration is None:
        return found
    return replace(found, respiration_quality=breathing_trust(found.respiration, slow))


def _confirmed(
    series: NavigatorSeries,
    settings: GatingSettings,
    found: SelfGating,
    slow: NDArray,
    evidence: RateEvidence | None,
) -> SelfGating:
    """Keep the heart whose rate is the most plausible of all; else take that rate, or none if it is in doubt."""
    if evidence is None:
        return replace(found, heart=None, heart_quality=0.0)
    trust, needed = evidence.trust(settings.rate), evidence.needed(settings.rate)
    agree = _has_rate(found.heart, evidence, series, settings)
    if not agree and trust > settings.rate.overruling_trust:
        found = _overruled(series, settings, found, slow, evidence.heart)
        agree = _has_rate(found.heart, evidence, series, settings)
    if found.heart is None or (agree and trust > needed):
        return replace(found, heart_quality=trust if found.heart else min(trust, needed))
    log.warning(
        "a heart rate of %.0f per minute explains the navigators, but others do so nearly as well (quality %.2f)",
        rate_per_minute(found.heart, series.time_s),
        min(trust, needed),
    )
    return replace(found, heart=None, heart_quality=min(trust, needed))


def _has_rate(
    heart: HeartPhase | None, evidence: RateEvidence, series: NavigatorSeries, settings: GatingSettings
) -> bool:
    if heart is None:
        return False
    rate = rate_per_minute(heart, series.time_s)
    return is_same_rate(rate, evidence.rate_per_minute, settings.rate.tolerance)


def _overruled(
    series: NavigatorSeries, settings: GatingSettings, found: SelfGating, slow: NDArray, heart: HeartPhase
) -> SelfGating:
    """Gating that starts from another heart than the one it found itself."""
    duration_s = series.time_s[-1] - series.time_s[0]
    if duration_s * settings.respiration_hz[0] >= settings.least_breaths:
        alone = _without_breathing(series, settings, heart)
        return _judged(series, settings, *_breathing_given(series, settings, heart), alone)
    share = 1 - unexplained_by(series, slow, heart) / unexplained(series, slow)
    return replace(found, heart=heart if _is_beating(heart, share, series, settings) else None)


def _first_breathing(series: NavigatorSeries, settings: GatingSettings) -> NDArray:
    """Terms that breathing adds to the model, from a guess of both motions."""
    band = band_components(
        series, series.known, settings.lowest_motion_hz, settings.cardiac_bandwidth_ratio * settings.heart_hz[1], 3
    )
    start = np.concatenate(
        [band.strongest(settings.lowest_motion_hz, settings.slow_hz, 2), band.strongest(settings.slow_hz, np.inf, 2)],
        axis=1,
    )
    return slow_terms(low_pass(refine(series, start), series.rate_hz, settings.slow_hz))


def _tracked(series: NavigatorSeries, settings: GatingSettings, slow: NDArray, band: Band) -> _Motions:
    """Both motions, from a guess of the breathing, by turns."""
    known = np.concatenate([series.known, slow], axis=1)
    heart = track_heart(series, known, band, settings.heart_hz, settings.heart)
    return _breathing_given(series, settings, heart)


def _breathing_given(series: NavigatorSeries, settings: GatingSettings, heart: HeartPhase) -> _Motions:
    """Breathing found again, given the heart, and the heart followed once more."""
    beating = replace(series, known=np.concatenate([series.known, heart.terms], axis=1))
    again = band_components(beating, beating.known, settings.lowest_motion_hz, 1.2 * settings.slow_hz, 3)
    start = again.strongest(settings.lowest_motion_hz, settings.slow_hz, 3)
    motion = refine(beating, start, smoothing_s=0.1)
    terms = slow_terms(low_pass(motion, series.rate_hz, settings.slow_hz))
    heart = follow_heart(series, np.concatenate([series.known, terms], axis=1), heart.phase, settings.heart)
    respiration = respiratory_signal(motion, series.rate_hz, settings.respiration_hz, settings.slow_hz)
    return respiration, terms, heart


def _judged(
    series: NavigatorSeries,
    settings: GatingSettings,
    respiration: NDArray,
    terms: NDArray,
    heart: HeartPhase,
    alone: SelfGating,
) -> SelfGating:
    """Keep what explains the navigator better than the model without it, be it ``alone``, that of a heart only."""
    left_by_both = unexplained_by(series, terms, heart)
    left_by_breathing, left_by_none = unexplained(series, terms), unexplained(series, terms[:, :0])
    heart_share = 1 - left_by_both / left_by_breathing
    if not _is_beating(heart, heart_share, series, settings):
        respiration_quality = 1 - left_by_breathing / left_by_none
        seen = respiration if respiration_quality > settings.breathing_share_without_heart else None
        return SelfGating(seen, None, respiration_quality, heart_share)
    if alone.heart is None:
        return SelfGating(respiration, heart, 1 - left_by_both / left_by_none, heart_share)
    left_by_heart = unexplained_by(series, terms[:, :0], alone.heart)
    respiration_quality = 1 - left_by_both / left_by_heart
    gain = plausibility(left_by_both, heart, series) - plausibility(left_by_heart, alone.heart, series)
    if gain < settings.breathing_gain_nats:
        return replace(alone, respiration_quality=respiration_quality)
    return SelfGating(respiration, heart, respiration_quality, heart_share)


def _is_beating(heart: HeartPhase, quality: float, series: NavigatorSeries, settings: GatingSettings) -> bool:
    """A heart explains most of the variation, or, in noise, a part of it and beats regularly."""
    irregularity = heart.irregularity(series.time_s)
    needed = (
        settings.regular_heart_share if irregularity < settings.regular_interval_deviation else settings.heart_share
    )
    return bool(np.isfinite(irregularity)) and quality > needed


def _heart_band(series: NavigatorSeries, terms: NDArray, settings: GatingSettings) -> Band:
    known = np.concatenate([series.known, terms], axis=1)
    low_hz, high_hz = settings.heart_hz
    return band_components(
        series, known, 0.85 * low_hz, settings.cardiac_bandwidth_ratio * high_hz, series.recovery.shape[1]
    )


def _without_breathing(
    series: NavigatorSeries, settings: GatingSettings, given: HeartPhase | None = None
) -> SelfGating:
    none = np.zeros((len(series.time_s), 0))
    if given is None:
        band = _heart_band(series, none, settings)
        heart = track_heart(series, series.known, band, settings.heart_hz, settings.heart)
    else:
        heart = follow_heart(series, series.known, given.phase, settings.heart)
    share = 1 - unexplained_by(series, none, heart) / unexplained(series, none)
    return SelfGating(None, heart if _is_beating(heart, share, series, settings) else None, 0.0, share)
