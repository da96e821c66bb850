"""Cardiac phase of every navigator: a template over the cycle and a most likely path through it, in turn."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks, hilbert

from recon.temporal.fitting.knots import interpolation
from recon.temporal.fitting.path import cheapest_path
from recon.temporal.fitting.template import TemplateModel
from recon.temporal.motion import Band, NavigatorSeries, band_pass
from recon.threads import in_parallel


@dataclass(frozen=True)
class HeartSettings:
    """Sizes and penalties of the search for the cardiac phase; "tuned" means set by hand on simulated scans.

    A nat is one unit of natural log-likelihood.

    Attributes
    ----------
    template_knots : int
        Knots of the template of one heartbeat, joined linearly: as many as there are cardiac bins by default.
    phase_steps : int
        Phases per heartbeat among which the most likely path is found: three per knot, 17 ms at 60 per minute.
    navigators_per_block : int
        Navigators that share one phase in the path search: 29 ms at TR 3.6 ms. A choice of speed.
    rate_candidates : int
        Strongest heart rates of the spectrum that are followed and compared. Sidebands at multiples of the
        inversion rate fit almost as well as the true rate, so the strongest alone is not enough.
    path_rounds : int
        Rounds of fitting the template and finding the path through it. Tuned.
    pace_penalty_nats : float
        Cost per block of a pace that differs from the mean pace by the mean pace itself, so of standing still for a
        block: minus the logarithm of a Laplace prior of scale pace / 6. Tuned.
    irregularity_penalty_nats : float
        Plausibility lost per unit of irregularity: 0.1 of irregularity weighs as much as 22 % more energy left. Tuned.
    quiet_cycle_share : float
        Length, over a heartbeat, of the rest whose middle is called end-diastole: 150 ms at 60 per minute. Tuned.
    """

    template_knots: int = 20
    phase_steps: int = 60
    navigators_per_block: int = 4
    rate_candidates: int = 3
    path_rounds: int = 4
    pace_penalty_nats: float = 6.0
    irregularity_penalty_nats: float = 2.0
    quiet_cycle_share: float = 0.15


@dataclass(frozen=True)
class HeartPhase:
    """A heart that beats through a template.

    Attributes
    ----------
    phase : (times,) float64
        Cycles since the start, rising.
    change : (phases,) float64
        How fast the template changes over the cycle.
    settings : HeartSettings
    """

    phase: NDArray
    change: NDArray
    settings: HeartSettings

    @property
    def trigger(self) -> float:
        """Phase, in [0, 1), at which the heart changes fastest: the time that is best known."""
        return float((np.argmax(self.change) + 0.5) / len(self.change))

    @property
    def terms(self) -> NDArray:
        """(times, knots - 1) float64: what the phase adds to a model that has a constant."""
        return interpolation(self.phase, self.settings.template_knots)[:, 1:]

    def irregularity(self, time_s: NDArray) -> float:
        """Median deviation of the intervals between triggers from their median, relative to it."""
        intervals = np.diff(crossings(self.phase, self.trigger, time_s))
        if len(intervals) < 2:
            return np.inf
        return float(np.median(np.abs(intervals - np.median(intervals))) / np.median(intervals))

    @property
    def quiet(self) -> float:
        """Phase, in [0, 1), in the middle of the longest rest: end-diastole."""
        width = max(1, round(self.settings.quiet_cycle_share * len(self.change)))
        around = np.convolve(np.tile(self.change, 3), np.ones(width), "same")[len(self.change) : 2 * len(self.change)]
        return float((np.argmin(around) + 0.5) / len(self.change))


def track_heart(
    series: NavigatorSeries,
    known: NDArray,
    band: Band,
    range_hz: tuple[float, float],
    settings: HeartSettings,
) -> HeartPhase:
    """Find the rate among the strongest of the band, then phase and template by turns.

    Sidebands of the true rate at multiples of the inversion rate fit almost as well as the rate itself; the one
    whose beats are both well explained and regular is taken.

    Parameters
    ----------
    series : NavigatorSeries
    known : (times, terms) float64
        Static and respiratory terms of the model.
    band : Band
        Motion from a little below the lowest rate to part of the second harmonic of the highest.
    range_hz : (2,) tuple of float
        Lowest and highest heart rate.
    settings : HeartSettings

    Returns
    -------
    HeartPhase
    """
    signals = band.strongest(0.9 * range_hz[0], np.inf, 5)
    terms = known[:, series.known.shape[1] :]

    def followed(rate_hz: float) -> tuple[float, HeartPhase]:
        heart = follow_heart(series, known, first_phase(signals, rate_hz, series.rate_hz), settings)
        return plausibility(unexplained_by(series, terms, heart), heart, series), heart

    found = in_parallel(followed, _rates(band, range_hz, settings.rate_candidates))
    _, heart = max(found, key=lambda candidate: candidate[0])
    return follow_heart(series, known, heart.phase, settings)


def plausibility(left: float, heart: HeartPhase, series: NavigatorSeries) -> float:
    """How good a model is that leaves a share of the navigator's energy: the less, and the more regular, the better."""
    return -float(np.log(left)) - heart.settings.irregularity_penalty_nats * heart.irregularity(series.time_s)


def _rates(band: Band, range_hz: tuple[float, float], candidates: int) -> NDArray:
    frequency_hz = np.unique(band.frequency_hz)
    power = (band.coefficients**2).sum(axis=1).reshape(2, -1).sum(axis=0)
    power = gaussian_filter1d(power, 0.04 / (frequency_hz[1] - frequency_hz[0]))
    power[(frequency_hz < range_hz[0]) | (frequency_hz > range_hz[1])] = 0
    peaks = find_peaks(np.concatenate([[0], power, [0]]))[0] - 1
    if not len(peaks):
        peaks = np.array([np.argmax(power)])
    return frequency_hz[peaks[np.argsort(-power[peaks])][:candidates]]


def first_phase(signals: NDArray, rate_hz: float, sampling_hz: float) -> NDArray:
    """Phase of the combination of signals whose spectrum is most concentrated at a rate."""
    spectrum = np.fft.rfft(signals * np.hanning(len(signals))[:, None], axis=0)
    near = np.abs(np.fft.rfftfreq(len(signals), 1 / sampling_hz) - rate_hz) < 0.12 * rate_hz
    total = (spectrum.conj().T @ spectrum).real
    total += 1e-9 * np.trace(total) * np.eye(len(total))
    inside = (spectrum[near].conj().T @ spectrum[near]).real
    values, vectors = np.linalg.eig(np.linalg.solve(total, inside))
    signal = signals @ vectors[:, np.argmax(values.real)].real
    analytic = hilbert(band_pass(signal, sampling_hz, 0.75 * rate_hz, 1.35 * rate_hz))
    return np.unwrap(np.angle(analytic)) / (2 * np.pi)


def follow_heart(series: NavigatorSeries, known: NDArray, phase: NDArray, settings: HeartSettings) -> HeartPhase:
    """Improve a phase: fit the template to it, find the most likely path through the template, and again.

    Parameters
    ----------
    series : NavigatorSeries
    known : (times, terms) float64
        Static and respiratory terms of the model.
    phase : (times,) float64
        Cycles.
    settings : HeartSettings

    Returns
    -------
    HeartPhase
    """
    model = TemplateModel.of(series.features, known, series.recovery, settings.template_knots)
    for _ in range(settings.path_rounds):
        rest, template = model.fit(phase)
        cost = model.cost(rest, template, settings.phase_steps, settings.navigators_per_block)
        phase = _most_likely(cost, phase, settings)
    # template(p) = Σ_q h_q(p) C_q: the patterns of the knots, interpolated to every phase
    phases = interpolation(np.arange(settings.phase_steps) / settings.phase_steps, settings.template_knots)
    return HeartPhase(phase, _change(np.einsum("pq,qlk->plk", phases, template)), settings)


def unexplained_by(series: NavigatorSeries, terms: NDArray, heart: HeartPhase) -> float:
    """Share of the navigator's energy that breathing and a heart leave; ``unexplained`` of both, in less time.

    Parameters
    ----------
    series : NavigatorSeries
    terms : (times, terms) float64
        What breathing adds to the model.
    heart : HeartPhase

    Returns
    -------
    float
    """
    known = np.concatenate([series.known, terms], axis=1)
    model = TemplateModel.of(series.features, known, series.recovery, heart.settings.template_knots)
    return 1.0 - model.explained(heart.phase) / float(np.sum(series.features**2))


def _most_likely(cost: NDArray, previous: NDArray, settings: HeartSettings) -> NDArray:
    """Path of least cost whose pace stays near that of the previous one (Viterbi); cycles, at every navigator."""
    blocks, phases = cost.shape
    pace = max((previous[-1] - previous[0]) / blocks * phases, 0.05)
    advance = np.arange(int(np.ceil(3 * pace)) + 1)
    penalty = settings.pace_penalty_nats * np.abs(advance - pace) / pace
    first, taken = cheapest_path(cost, penalty)
    path = (first + np.cumsum(taken)) / phases
    middle = np.arange(blocks) * settings.navigators_per_block + (settings.navigators_per_block - 1) / 2
    return np.interp(np.arange(len(previous)), middle, path)


def _change(template: NDArray) -> NDArray:
    steps = np.linalg.norm((np.roll(template, -1, axis=0) - template).reshape(len(template), -1), axis=1)
    return gaussian_filter1d(steps, 1.0, mode="wrap")


def crossings(phase: NDArray, at: float, time_s: NDArray) -> NDArray:
    """Times at which a rising phase passes ``at`` plus a whole number.

    Parameters
    ----------
    phase : (times,) float
        Cycles, never falling.
    at : float
    time_s : (times,) float

    Returns
    -------
    (crossings,) float64
    """
    whole = np.floor(phase - at)
    after = np.flatnonzero(np.diff(whole) > 0) + 1
    rise = phase[after] - phase[after - 1]
    share = (whole[after] + at - phase[after - 1]) / rise
    return time_s[after - 1] + share * (time_s[after] - time_s[after - 1])
