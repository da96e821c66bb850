"""Heartbeat and breathing of a simulated subject."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DEEPER = 1.5
"""Depth of a deep breath over that of a quiet one."""

_PREMATURE = (0.65, 0.75)
"""When an ectopic beat comes, as a share of the interval that a normal one would have taken."""

_WEAKER = 0.6
"""Contraction of an ectopic beat over that of a normal one: the ventricle was not yet filled."""


@dataclass(frozen=True)
class Motion:
    """State of the body at given times.

    Attributes
    ----------
    cardiac_phase : (times,) float64
        Fraction of the beat since its R wave, in [0, 1).
    since_r_wave_s : (times,) float64
        Time since the R wave.
    is_ectopic : (times,) bool
        In a beat that ends early or starts early.
    contraction : (times,) float64
        0 at end-diastole, 1 at the end-systole of a normal beat.
    respiratory_phase : (times,) float64
        Fraction of the breath, in [0, 1); 0 is end-expiration, 0.5 end-inspiration.
    displacement_mm : (times,) float64
        Displacement of the diaphragm from end-expiration.
    """

    cardiac_phase: NDArray
    since_r_wave_s: NDArray
    is_ectopic: NDArray
    contraction: NDArray
    respiratory_phase: NDArray
    displacement_mm: NDArray

    def at(self, times: slice | NDArray) -> "Motion":
        """State at some of the times."""
        return Motion(*(getattr(self, name)[times] for name in self.__dataclass_fields__))


def rest(times: int = 1) -> Motion:
    """End-diastole and end-expiration."""
    still = np.zeros(times)
    return Motion(still, still, still.astype(bool), still, still, still)


@dataclass(frozen=True)
class Physiology:
    """How a subject's heart beats and how the chest breathes.

    Attributes
    ----------
    heart_rate_variability, breath_variability : float
        Standard deviation of an interval over its mean.
    ectopic_share : float
        Share of the beats that come early, each followed by a compensatory pause.
    deep_breath_share : float
        Share of the breaths that are 1.5 times as deep.
    drift_mm : float
        Bound of the diaphragm's drift over the scan, either way.
    heartbeat, breathing : float
        Scale of the contraction and of the displacement; 0 holds still.
    """

    heart_rate_variability: float = 0.04
    breath_variability: float = 0.1
    ectopic_share: float = 0.0
    deep_breath_share: float = 0.05
    drift_mm: float = 1.0
    heartbeat: float = 1.0
    breathing: float = 1.0


def random_motion(time_s: NDArray, rng: np.random.Generator, physiology: Physiology | None = None) -> Motion:
    """Motion of one subject: 0.7-1.2 s per beat, 2.5-6 s per breath, varying from cycle to cycle.

    Parameters
    ----------
    time_s : (times,) float64
        Increasing times, from 0.
    rng : numpy.random.Generator
    physiology : Physiology, optional

    Returns
    -------
    Motion
    """
    physiology = physiology or Physiology()
    phase, since_s, is_ectopic, squeeze = _heart(time_s, rng, physiology)
    mean_s = rng.uniform(2.5, 6.0)
    lengths = _lengths(time_s, mean_s, physiology.breath_variability, rng)
    onsets = np.concatenate([[-rng.uniform(0, mean_s)], lengths]).cumsum()
    breath, respiratory_phase, _ = _cycles(time_s, onsets)
    depth_mm = rng.uniform(6.0, 9.0) * rng.normal(1, 0.05, len(lengths))
    depth_mm *= np.where(rng.random(len(lengths)) < physiology.deep_breath_share, _DEEPER, 1.0)
    drift_mm = rng.uniform(-1, 1) * physiology.drift_mm * time_s / max(time_s[-1], 1e-9)
    displacement_mm = np.maximum(depth_mm[breath] * np.sin(np.pi * respiratory_phase) ** 4 + drift_mm, 0.0)
    return Motion(
        phase,
        since_s,
        is_ectopic,
        physiology.heartbeat * squeeze,
        respiratory_phase,
        physiology.breathing * displacement_mm,
    )


def _lengths(time_s: NDArray, mean_s: float, variability: float, rng: np.random.Generator) -> NDArray:
    count = int(2 * time_s[-1] / mean_s) + 8
    return mean_s * np.clip(1 + variability * rng.standard_normal(count), 0.6, 1.6)


def _cycles(time_s: NDArray, onsets: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    cycle = np.searchsorted(onsets, time_s, side="right") - 1
    elapsed = time_s - onsets[cycle]
    return cycle, elapsed / np.diff(onsets)[cycle], elapsed


def _heart(
    time_s: NDArray, rng: np.random.Generator, physiology: Physiology
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    mean_s = rng.uniform(0.7, 1.2)
    normal = _lengths(time_s, mean_s, physiology.heart_rate_variability, rng)
    first = rng.uniform(0, mean_s)
    is_early = rng.random(len(normal)) < physiology.ectopic_share
    is_early[1:] &= ~is_early[:-1]
    is_early[-1] = False
    early = rng.uniform(*_PREMATURE, len(normal))
    ends_early, starts_early = is_early, np.roll(is_early, 1)
    lengths = np.where(ends_early, early * normal, np.where(starts_early, (2 - np.roll(early, 1)) * normal, normal))
    beat, phase, elapsed = _cycles(time_s, np.concatenate([[-first], lengths]).cumsum())
    strength = np.where(starts_early, _WEAKER, 1.0)[beat]
    squeeze = strength * contraction(np.minimum(elapsed / normal[beat], 1.0))
    return phase, elapsed, (ends_early | starts_early)[beat], squeeze


def contraction(cardiac_phase: NDArray) -> NDArray:
    """How far the ventricles of a normal beat have contracted; end-systole is a third of the beat.

    Parameters
    ----------
    cardiac_phase : array of float
        In [0, 1].

    Returns
    -------
    array of float
        In [0, 1], smooth and periodic.
    """
    systole, relaxed = 0.33, 0.65
    rising = 0.5 - 0.5 * np.cos(np.pi * cardiac_phase / systole)
    falling = 0.5 + 0.5 * np.cos(np.pi * (cardiac_phase - systole) / (relaxed - systole))
    return np.where(cardiac_phase < systole, rising, np.where(cardiac_phase < relaxed, falling, 0.0))
