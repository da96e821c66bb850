"""Heartbeat and breathing of a simulated subject."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Motion:
    """State of the body at given times.

    Attributes
    ----------
    cardiac_phase : (times,) float64
        Fraction of the beat since its R wave, in [0, 1).
    since_r_wave_s : (times,) float64
        Time since the R wave.
    respiratory_phase : (times,) float64
        Fraction of the breath, in [0, 1); 0 is end-expiration, 0.5 end-inspiration.
    displacement_mm : (times,) float64
        Downward displacement of the diaphragm from end-expiration.
    """

    cardiac_phase: NDArray
    since_r_wave_s: NDArray
    respiratory_phase: NDArray
    displacement_mm: NDArray


def _cycles(time_s: NDArray, mean_s: float, variability: float, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    count = int(2 * time_s[-1] / mean_s) + 8
    lengths = mean_s * np.clip(1 + variability * rng.standard_normal(count), 0.6, 1.6)
    onsets = np.concatenate([[-rng.uniform(0, mean_s)], lengths]).cumsum()
    cycle = np.searchsorted(onsets, time_s, side="right") - 1
    elapsed = time_s - onsets[cycle]
    return elapsed / lengths[cycle], elapsed


def random_motion(time_s: NDArray, rng: np.random.Generator, static: bool = False) -> Motion:
    """Motion of one subject: 0.7-1.2 s per beat, 2.5-6 s per breath, both varying from cycle to cycle.

    Parameters
    ----------
    time_s : (times,) float64
        Increasing times, from 0.
    rng : numpy.random.Generator
    static : bool
        Stay at end-diastole and end-expiration; random numbers are drawn all the same.

    Returns
    -------
    Motion
    """
    cardiac_phase, since_r_wave_s = _cycles(time_s, rng.uniform(0.7, 1.2), 0.04, rng)
    respiratory_phase, _ = _cycles(time_s, rng.uniform(2.5, 6.0), 0.1, rng)
    amplitude_mm, drift_mm = rng.uniform(6.0, 9.0), rng.uniform(-1.0, 1.0)
    displacement_mm = amplitude_mm * np.sin(np.pi * respiratory_phase) ** 4
    displacement_mm = np.maximum(displacement_mm + drift_mm * time_s / max(time_s[-1], 1e-9), 0.0)
    if static:
        still = np.zeros_like(time_s)
        return Motion(still, since_r_wave_s, still, still)
    return Motion(cardiac_phase, since_r_wave_s, respiratory_phase, displacement_mm)


def contraction(cardiac_phase: NDArray) -> NDArray:
    """How far the ventricles have contracted: 0 at end-diastole, 1 at end-systole (a third of the beat).

    Parameters
    ----------
    cardiac_phase : array of float
        In [0, 1).

    Returns
    -------
    array of float
        In [0, 1], smooth and periodic.
    """
    systole, relaxed = 0.33, 0.65
    rising = 0.5 - 0.5 * np.cos(np.pi * cardiac_phase / systole)
    falling = 0.5 + 0.5 * np.cos(np.pi * (cardiac_phase - systole) / (relaxed - systole))
    return np.where(cardiac_phase < systole, rising, np.where(cardiac_phase < relaxed, falling, 0.0))
