"""From motion signals to places on the axes of the temporal tensor: bins, and linear interpolation between them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.temporal.heart import interpolation

# A beat is ectopic if its interval is below this share of the median of those around it.
_EARLY = 0.8
# Intervals on either side whose median is the normal one: ten beats follow a changing rate.
_NEIGHBOURS = 5
# Percentiles of the respiratory signal at the centres of its first and last bin.
_TAILS = (0.5, 99.5)


@dataclass(frozen=True)
class Beats:
    """Heartbeats of a scan.

    Attributes
    ----------
    time_s : (beats,) float64
        Times of their triggers.
    is_ectopic : (beats,) bool
        Beats that came early.
    """

    time_s: NDArray[np.float64]
    is_ectopic: NDArray[np.bool_]

    @property
    def rate_per_minute(self) -> float:
        """Median heart rate."""
        return 60.0 / float(np.median(np.diff(self.time_s)))

    def phase(self, time_s: NDArray, origin: float = 0.0) -> NDArray:
        """Cardiac phase in [0, 1), linear between triggers; beyond the first and the last at the median rate.

        Parameters
        ----------
        time_s : (times,) float
        origin : float
            Phase after the trigger that is called zero.

        Returns
        -------
        (times,) float64
        """
        return np.mod(self._cycles(time_s) - origin, 1.0)

    def disturbed(self, time_s: NDArray, origin: float = 0.0) -> NDArray:
        """Find the times in a cycle that an ectopic beat cuts short, or in the ectopic cycle itself.

        Parameters
        ----------
        time_s : (times,) float
        origin : float
            Phase after the trigger at which a cycle starts, as in :meth:`phase`.

        Returns
        -------
        (times,) bool
        """
        to_start = origin if origin > 0 else 1.0
        beat = np.floor(self._cycles(time_s) + 1.0 - to_start).astype(int)
        marked = np.flatnonzero(self.is_ectopic)
        return np.isin(beat, marked) | np.isin(beat + 1, marked)

    def _cycles(self, time_s: NDArray) -> NDArray:
        """Number of the trigger, and the share of its interval that has passed."""
        step = float(np.median(np.diff(self.time_s)))
        earlier = max(0, int(np.ceil((self.time_s[0] - time_s[0]) / step)) + 1)
        later = max(0, int(np.ceil((time_s[-1] - self.time_s[-1]) / step)) + 1)
        before = self.time_s[0] - step * np.arange(earlier, 0, -1)
        after = self.time_s[-1] + step * np.arange(1, later + 1)
        triggers = np.concatenate([before, self.time_s, after])
        return np.interp(time_s, triggers, np.arange(len(triggers), dtype=float) - earlier)


def mark_ectopic(time_s: NDArray) -> Beats:
    """Mark beats whose interval is shorter than 0.8 of the median of those around it.

    Parameters
    ----------
    time_s : (beats,) float
        Triggers; at least two.

    Returns
    -------
    Beats
    """
    intervals = np.diff(time_s)
    early = np.zeros(len(time_s), dtype=bool)
    for number, interval in enumerate(intervals):
        around = intervals[max(0, number - _NEIGHBOURS) : number + _NEIGHBOURS + 1]
        early[number + 1] = interval < _EARLY * np.median(around)
    return Beats(np.asarray(time_s, np.float64), early)


def cardiac_weights(phase: NDArray, bins: int) -> NDArray:
    """Share of each reading in its two nearest cardiac bins, which lie at phases ``i / bins``: ``(times, bins)``."""
    return interpolation(phase, bins)


@dataclass(frozen=True)
class DisplacementScale:
    """Maps a respiratory signal to bins of equal width, the first at end-expiration.

    Attributes
    ----------
    low, high : float
        Signal at the centres of the first and of the last bin.
    bins : int
    """

    low: float
    high: float
    bins: int

    def weights(self, signal: NDArray) -> NDArray:
        """Share of each reading in its two nearest bins; beyond the ends it belongs to the last: ``(times, bins)``."""
        place = np.clip((signal - self.low) / (self.high - self.low), 0, 1) * (self.bins - 1)
        return interpolation(place / self.bins, self.bins)  # of the circle of bins all but the way back to the first


def displacement_scale(signal: NDArray, bins: int) -> DisplacementScale:
    """Spread the bins over all but the outermost half per cent of the signal's values.

    Bins follow the displacement, not the phase of the breath: the image depends on where the diaphragm is, and breaths
    differ in depth.
    """
    low, high = np.percentile(signal, _TAILS)
    return DisplacementScale(float(low), float(high), bins)


def nearest_bin(weights: NDArray) -> NDArray:
    """(times,) int: the bin that each reading belongs to; every reading has exactly one."""
    return np.argmax(weights, axis=1)
