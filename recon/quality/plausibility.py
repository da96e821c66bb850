"""What no scan of a living heart can show: the limits of everything that is reported, in one place.

Each function looks at one result and returns what is wrong with it. A finding is certain if nothing but an error can
make it; otherwise it is unlikely, and a person has to look.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HEART_RATE_PER_MINUTE = (20.0, 250.0)
"""Below, nobody lies still in a scanner; above 220 less the age, and 250 in arrhythmia, no ventricle fills."""

RESPIRATORY_RATE_PER_MINUTE = (3.0, 60.0)
"""Trained breathing reaches 3 to 4 breaths a minute, newborns breathe up to 60 times."""

T1_BOUND_MARGIN = 0.02
"""A T1 this close to a limit of the search, relative to it, is the limit's and not the tissue's."""

T1_BOUND_SHARE = 0.2
"""Share of the body with T1 at a limit: at most 0.01 in simulated scans, 0.49 where there is noise only."""

CYCLE_CHANGE = 0.5
"""Change of the body's total magnitude over the cardiac cycle, maximum less minimum over the mean. A heart moves a
tenth of the slice's blood out of the plane, and simulated scans show 0.02; 1 is frames that come and go."""

LEAST_COHERENCE = 0.5
"""Correlation of neighbouring pixels: at least 0.86 in images of simulated scans, below 0.02 in those of noise."""


@dataclass(frozen=True)
class Finding:
    """Something in a result that cannot, or can hardly, be true.

    Attributes
    ----------
    text : str
        What, and what it may come from; one sentence without a full stop.
    certain : bool
        Whether it can only be an error.
    """

    text: str
    certain: bool


def heart_rate(rate_per_minute: float) -> list[Finding]:
    """Judge a heart rate.

    Parameters
    ----------
    rate_per_minute : float

    Returns
    -------
    list of Finding
    """
    return _rate("heart", "beats", rate_per_minute, HEART_RATE_PER_MINUTE)


def respiratory_rate(signal: NDArray, time_s: NDArray) -> list[Finding]:
    """Judge how often a respiratory signal rises through its mean.

    Parameters
    ----------
    signal : (times,) float
    time_s : (times,) float
        Rising.

    Returns
    -------
    list of Finding
    """
    if not np.isfinite(signal).all():
        return [Finding("the respiratory signal has values that are not numbers", True)]
    # a breath must rise by half a standard deviation on either side of the mean: ripples do not count
    level = np.where(signal > signal.mean() + 0.5 * signal.std(), 1, np.where(signal < signal.mean(), -1, 0))
    sides = level[level != 0]
    breaths = np.count_nonzero(np.diff(sides) > 0)
    minutes = (time_s[-1] - time_s[0]) / 60
    if minutes * RESPIRATORY_RATE_PER_MINUTE[0] < 1:
        return []  # too short to hold a breath that would be too slow
    return _rate("respiratory", "breaths", breaths / minutes, RESPIRATORY_RATE_PER_MINUTE)


def _rate(name: str, unit: str, per_minute: float, limits: tuple[float, float]) -> list[Finding]:
    low, high = limits
    if low <= per_minute <= high:
        return []
    certain = not per_minute > 0  # negative, zero or not a number
    return [Finding(f"a {name} rate of {per_minute:.0f} {unit} per minute is outside of {low:g} to {high:g}", certain)]


def inversion_time(ti_ms: float) -> list[Finding]:
    """Judge the time from the inversion to the first excitation.

    Parameters
    ----------
    ti_ms : float

    Returns
    -------
    list of Finding
    """
    if ti_ms >= 0:
        return []
    return [Finding(f"TI = {ti_ms:g} ms: the first excitation cannot precede the inversion", True)]


def t1(t1_ms: NDArray, body: NDArray, limits_ms: tuple[float, float]) -> list[Finding]:
    """Judge a T1 map by the share of the body whose T1 is at a limit of the search.

    Parameters
    ----------
    t1_ms : (N, N) float
    body : (N, N) bool
        Where T1 was fitted.
    limits_ms : (2,) tuple of float
        Shortest and longest T1 of the search.

    Returns
    -------
    list of Finding
    """
    values = t1_ms[body]
    if not values.size:
        return [Finding("the T1 map is empty: no pixel was fitted", False)]
    if not np.isfinite(values).all():
        return [Finding("the T1 map has values that are not numbers", True)]
    found = []
    if (values < 0).any():
        found.append(Finding(f"T1 is negative in {np.count_nonzero(values < 0)} pixels", True))
    low, high = limits_ms
    stuck = (values <= low * (1 + T1_BOUND_MARGIN)) | (values >= high * (1 - T1_BOUND_MARGIN))
    if np.mean(stuck) > T1_BOUND_SHARE:
        found.append(
            Finding(
                f"T1 is at a limit of the search ({low:g} or {high:g} ms) in {100 * np.mean(stuck):.0f} % of the "
                "body: check TI, TR, flip angle and the count of inversions",
                False,
            )
        )
    return found


def images(name: str, magnitude: NDArray) -> list[Finding]:
    """Judge images by whether they are numbers, and show anything.

    Parameters
    ----------
    name : str
        What they are called in the finding.
    magnitude : (frames, N, N) or (N, N) float

    Returns
    -------
    list of Finding
    """
    finite = np.isfinite(magnitude)
    if not finite.all():
        return [Finding(f"{np.count_nonzero(~finite)} pixels of the {name} are not numbers", True)]
    frames = np.abs(magnitude).reshape(-1, magnitude.shape[-2] * magnitude.shape[-1])
    blank = np.count_nonzero(frames.max(axis=1) == 0)
    if blank:
        return [Finding(f"{blank} of {len(frames)} images of the {name} are blank", True)]
    coherence = _coherence(np.abs(magnitude.reshape(-1, *magnitude.shape[-2:])).mean(axis=0))
    if coherence < LEAST_COHERENCE:
        return [
            Finding(f"the {name} shows noise and no object: neighbouring pixels correlate by {coherence:.2f}", False)
        ]
    return []


def _coherence(image: NDArray) -> float:
    """Correlation of each pixel with the next one, along both axes; 0 for an image without contrast."""
    centred = image.astype(np.float64) - image.mean(dtype=np.float64)
    energy = np.mean(centred**2)
    if energy == 0:
        return 0.0
    pairs = (centred[1:] * centred[:-1], centred[:, 1:] * centred[:, :-1])
    return float(np.mean([pair.mean() for pair in pairs]) / energy)


def cycle(magnitude: NDArray, body: NDArray) -> list[Finding]:
    """Judge the frames of a cardiac cycle by the change of the body's total magnitude.

    Parameters
    ----------
    magnitude : (phases, N, N) float
    body : (N, N) bool

    Returns
    -------
    list of Finding
    """
    total = magnitude[:, body].sum(axis=1, dtype=np.float64)
    if len(total) < 2 or not np.isfinite(total).all() or total.mean() <= 0:
        return []  # what is wrong here is found by `images`
    change = float((total.max() - total.min()) / total.mean())
    if change <= CYCLE_CHANGE:
        return []
    return [
        Finding(
            f"the signal of the whole body changes by {100 * change:.0f} % over the cardiac cycle, more than a heart "
            "can: the gating is wrong, or the coils or the gain changed during the scan",
            change > 1,
        )
    ]
