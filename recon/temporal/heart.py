"""Cardiac phase of every navigator: a template over the cycle and a most likely path through it, in turn."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks, hilbert

from recon.temporal.kernels.parallel import in_parallel
from recon.temporal.kernels.path import cheapest_path
from recon.temporal.kernels.template import knot_sums, phase_costs
from recon.temporal.motion import Band, NavigatorSeries, band_pass, products, solve_ridge


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


def interpolation(phase: NDArray, knots: int) -> NDArray:
    """Periodic linear interpolation between knots at ``i / knots``: ``(times, knots)``, rows add to one."""
    low, share = _beside(phase, knots)
    weights = np.zeros((len(phase), knots))
    rows = np.arange(len(phase))
    weights[rows, low] = 1 - share
    weights[rows, (low + 1) % knots] += share
    return weights


def _beside(phase: NDArray, knots: int) -> tuple[NDArray, NDArray]:
    """The knot before each phase, and the weight of the one behind it."""
    place = np.mod(phase, 1.0) * knots
    low = np.floor(place).astype(int)
    return low % knots, place - low


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
    static = products(known, series.recovery)
    fixed = static.T @ static, static.T @ series.features
    for _ in range(settings.path_rounds):
        patterns = _fit_template(series, static, fixed, phase, settings.template_knots)
        # rest(t) = D(t) - Σ_j m_j(t) C_j u(t): what static and respiratory terms leave
        rest = series.features - static @ patterns[: static.shape[1]]
        template = patterns[static.shape[1] :].reshape(settings.template_knots, series.recovery.shape[1], -1)
        phase = _most_likely(_cost(rest, template, series.recovery, settings), phase, settings)
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
    static = products(np.concatenate([series.known, terms], axis=1), series.recovery)
    fixed = static.T @ static, static.T @ series.features
    gram, right = _normal_equations(series, static, fixed, heart.phase, heart.settings.template_knots)
    # the model has a constant, so that one knot adds nothing
    needed = np.r_[: static.shape[1], static.shape[1] + series.recovery.shape[1] : len(gram)]
    gram, right = gram[np.ix_(needed, needed)], right[needed]
    # Σ_t ⟨y, C d⟩ = ⟨Σ_t y dᵀ, C⟩
    return 1.0 - float(np.sum(right * solve_ridge(gram, right)) / np.sum(series.features**2))


def _normal_equations(
    series: NavigatorSeries, static: NDArray, fixed: tuple[NDArray, NDArray], phase: NDArray, knots: int
) -> tuple[NDArray, NDArray]:
    """Gram matrix and right side of the model of static columns and knots, each knot times every order of recovery."""
    low, share = _beside(phase, knots)
    own, between, beside, right = knot_sums(low, share, knots, static, series.recovery, series.features)
    orders, known = own.shape[1], static.shape[1]
    blocks = np.zeros((knots, orders, knots, orders))
    here = np.arange(knots)
    there = (here + 1) % knots
    blocks[here, :, here] = own
    blocks[here, :, there] += between
    blocks[there, :, here] += between  # u uᵀ is symmetric
    cross = beside.reshape(knots * orders, known)
    gram = np.block([[fixed[0], cross.T], [cross, blocks.reshape(knots * orders, -1)]])
    return gram, np.concatenate([fixed[1], right.reshape(knots * orders, -1)])


def _fit_template(
    series: NavigatorSeries, static: NDArray, fixed: tuple[NDArray, NDArray], phase: NDArray, knots: int
) -> NDArray:
    """Patterns of the static columns, then of each knot times every order of recovery: ``(columns, features)``."""
    gram, right = _normal_equations(series, static, fixed, phase, knots)
    difference = np.eye(knots) - np.roll(np.eye(knots), 1, axis=0)
    roughness = 2 * difference.T @ difference + 1e-3 * np.eye(knots)
    energy = np.diag((series.recovery**2).sum(axis=0)) / knots
    gram[static.shape[1] :, static.shape[1] :] += np.kron(roughness, energy)
    return np.linalg.solve(gram, right)


def _cost(rest: NDArray, template: NDArray, recovery: NDArray, settings: HeartSettings) -> NDArray:
    """Misfit of each phase of the template over blocks of navigators, in units of the noise: ``(blocks, phases)``."""
    knots = len(template)
    # ‖T_q u‖² = Σ_lm u_l u_m ⟨T_q,l, T_q,m⟩, and the same of T_q with T_q+1
    both = [np.einsum("qlk,qmk->lmq", template, np.roll(template, -shift, axis=0)) for shift in (0, 1)]
    quadratic = products(recovery, recovery) @ np.concatenate(both, axis=2).reshape(-1, 2 * knots)
    # ⟨rest, T_q u⟩ = Σ_lk u_l rest_k T_q,lk
    linear = products(recovery, rest) @ template.reshape(knots, -1).T
    own, between = quadratic[:, :knots], quadratic[:, knots:]
    cost, least = phase_costs(own, between, linear, settings.phase_steps, settings.navigators_per_block)
    noise = np.median(np.sum(rest**2, axis=1) + least) / rest.shape[1]
    return cost / (2 * max(noise, 1e-30))


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
