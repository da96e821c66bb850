"""Whether a heart rate can be believed: rates from all over the range are followed, and their results compared.

A path through a template that is free to slow down and speed up explains a navigator at almost any rate, the more so
the fewer beats there are: a beat of twice the length holds two beats, and breathing looks like a slow heart. What tells
the true rate is not how much it explains, but that starts near it all end there, and that no other rate comes close.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.temporal.heart import HeartPhase, HeartSettings, crossings, first_phase, follow_heart, unexplained_by
from recon.temporal.motion import Band, NavigatorSeries, unexplained
from recon.threads import in_parallel


@dataclass(frozen=True)
class RateSettings:
    """How rates are compared, and how much trust one needs; "tuned" means set by hand on simulated scans.

    The scans that a number was tuned on have seeds below 1000; docs/figures.md reports on others. A nat is one unit of
    natural log-likelihood.

    Attributes
    ----------
    step : float
        Ratio of neighbouring rates from which the heart is followed: a start converges from 16 % away. Tuned.
    basin : float
        A start lies near a rate up to this ratio, either way: two to four starts do. Tuned.
    tolerance : float
        Relative difference up to which two rates are the same: what a user of the rate would accept.
    irregularity_penalty_nats : float
        As in HeartSettings, but higher: of 109 scans, 87 instead of 84 had the true rate on top. Tuned.
    margin_nats : float
        Lead over the best other rate that makes 63 % of full trust. Tuned.
    rival_distance : float
        Relative difference from which a rate counts as another one: between, a path has slipped by part of a beat.
    full_share : float
        Share of the variation at which a heartbeat's size leaves no doubt. That of ``regular_heart_share``.
    beats : (2,) tuple of int
        Intervals that give no trust, and those that give full trust. With three, any path is regular. Tuned.
    regular, irregular : float
        Standard deviation of the beat intervals over their mean that gives full trust, and the one that halves it. A
        heart-rate variability of 4 % reaches 0.08 with the errors of tracking, wrong rates 0.1 to 0.2. It counts in
        full up to the beats of full trust, and less, by the root of their number, in a longer scan. Tuned.
    confirming_trust : (2,) tuple of float
        Trust from which a rate that the gating found by itself, too, is kept: in a short scan and in a long one. Tuned.
    long_scan_beats : int
        Beats from which a scan is long: 15 to 20 s. Tuned.
    overruling_trust : float
        Trust from which a rate takes the place of another one that the gating found. Below, sidebands at the
        inversion rate pass (92 for 60 beats per minute at 30 inversions per minute). Tuned.
    """

    step: float = 1.1
    basin: float = 1.2
    tolerance: float = 0.05
    irregularity_penalty_nats: float = 3.0
    margin_nats: float = 0.04
    rival_distance: float = 0.08
    full_share: float = 0.25
    beats: tuple[int, int] = (3, 8)
    regular: float = 0.08
    irregular: float = 0.16
    confirming_trust: tuple[float, float] = (0.35, 0.2)
    long_scan_beats: int = 18
    overruling_trust: float = 0.6


@dataclass(frozen=True)
class RateEvidence:
    """The most plausible of many rates, and what speaks for it.

    Attributes
    ----------
    heart : HeartPhase
    rate_per_minute : float
        Of the median interval.
    margin_nats : float
        Plausibility over that of the best other rate.
    convergence : float
        Share of the starts near the rate that ended at it.
    share : float
        Share of the navigator's variation, left by the other terms, that the heart explains.
    beats : int
        Whole intervals.
    variation : float
        Standard deviation of the intervals over their mean.
    """

    heart: HeartPhase
    rate_per_minute: float
    margin_nats: float
    convergence: float
    share: float
    beats: int
    variation: float

    def trust(self, settings: RateSettings) -> float:
        """How far the rate can be believed, from 0 to 1: every kind of evidence can take all of it."""
        few, enough = settings.beats
        counted = np.clip((self.beats - few) / (enough - few), 0, 1)
        lead = 1 - np.exp(-self.margin_nats / settings.margin_nats)
        spread = (self.variation - settings.regular) / (settings.irregular - settings.regular)
        regular = 0.5 ** (max(spread, 0.0) * np.sqrt(enough / max(self.beats, enough)))
        visible = np.clip(self.share / settings.full_share, 0, 1)
        return float(self.convergence * lead * counted * regular * visible)

    def needed(self, settings: RateSettings) -> float:
        """Trust from which the rate is kept if the gating found it by itself, too."""
        return settings.confirming_trust[int(self.beats >= settings.long_scan_beats)]


def rate_per_minute(heart: HeartPhase, time_s: NDArray) -> float:
    """Median heart rate, or 0 where there are fewer than two beats."""
    intervals = np.diff(crossings(heart.phase, heart.trigger, time_s))
    return 60.0 / float(np.median(intervals)) if len(intervals) else 0.0


def is_same_rate(first: float, second: float, tolerance: float) -> bool:
    """Whether two rates are equal up to a relative tolerance; a rate of 0 is like no other."""
    return min(first, second) > 0 and bool(abs(np.log(first / second)) < tolerance)


def compare_rates(
    series: NavigatorSeries,
    terms: NDArray,
    band: Band,
    range_hz: tuple[float, float],
    heart_settings: HeartSettings,
    settings: RateSettings,
) -> RateEvidence | None:
    """Follow the heart from rates all over the range, and weigh the most plausible against the others.

    Parameters
    ----------
    series : NavigatorSeries
    terms : (times, terms) float64
        What breathing adds to the model.
    band : Band
        Motion from a little below the lowest rate to part of the second harmonic of the highest.
    range_hz : (2,) tuple of float
        Lowest and highest heart rate.
    heart_settings : HeartSettings
    settings : RateSettings

    Returns
    -------
    RateEvidence or None
        None where no start makes two beat intervals.
    """
    known = np.concatenate([series.known, terms], axis=1)
    signals = band.strongest(0.9 * range_hz[0], np.inf, 5)
    starts = _starts_per_minute(range_hz, settings.step)

    def followed(start: float) -> HeartPhase:
        phase = first_phase(signals, start / 60, series.rate_hz)
        return follow_heart(series, known, phase, heart_settings)

    hearts = in_parallel(followed, starts)
    rates = np.array([rate_per_minute(heart, series.time_s) for heart in hearts])
    left = np.array(in_parallel(lambda heart: unexplained_by(series, terms, heart), hearts))
    irregularity = np.array([heart.irregularity(series.time_s) for heart in hearts])
    usable = np.flatnonzero(np.isfinite(irregularity))
    if not len(usable):
        return None
    plausibility = -np.log(left) - settings.irregularity_penalty_nats * irregularity
    best = usable[np.argmax(plausibility[usable])]
    distance = np.abs(np.log(np.maximum(rates, 1e-3) / rates[best]))
    others = usable[distance[usable] >= settings.rival_distance]
    near = np.abs(np.log(starts / rates[best])) < np.log(settings.basin)
    ended = distance < settings.tolerance
    intervals = np.diff(crossings(hearts[best].phase, hearts[best].trigger, series.time_s))
    return RateEvidence(
        heart=hearts[best],
        rate_per_minute=float(rates[best]),
        margin_nats=float(plausibility[best] - plausibility[others].max()) if len(others) else np.inf,
        convergence=float(np.mean(ended[near])) if near.any() else 0.0,
        share=float(1 - left[best] / unexplained(series, terms)),
        beats=len(intervals),
        variation=float(np.std(intervals) / np.mean(intervals)),
    )


def _starts_per_minute(range_hz: tuple[float, float], step: float) -> NDArray:
    low, high = 60 * range_hz[0], 60 * range_hz[1]
    return np.geomspace(low, high, max(2, int(np.ceil(np.log(high / low) / np.log(step))) + 1))
