"""Where each readout lies in time: from scan counters and time stamps, so that lost readouts shift nothing."""

from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

_WRAPS = (34_560_000, 86_400_000, 2**32)
"""A day in ticks of 2.5 ms and of 1 ms: vendors count from midnight; and what a 32-bit counter holds."""

_LONGEST_PAUSE = 600_000
"""Ticks that may pass between two readouts over such a wrap: ten minutes of milliseconds; more is no wrap."""

_TICKS_MS = (2.5, 1.0, 0.1, 0.01, 0.001, 0.0001)
"""Units of time stamps: Siemens counts 2.5 ms, other converters milliseconds or decimal parts of them."""

_TICK_TOLERANCE = 0.03
"""A header's TR may be rounded: 3.6 for 3.57 ms."""

_APART = 10
"""Readouts between which time is measured: most pairs of readouts this near have nothing missing in between."""

SMOOTHED = 15
"""Readouts over which the rounding of time stamps averages out: 2.5 ms of 3.6 ms become 0.2 ms."""


def unwrapped(stamps: NDArray) -> NDArray[np.int64] | None:
    """Time stamps that go on rising where the clock of the day starts anew at midnight.

    Parameters
    ----------
    stamps : (readouts,) int
        In the order of acquisition.

    Returns
    -------
    (readouts,) int64 or None
        None if the stamps stand still or run backwards: there is no clock.
    """
    wide = stamps.astype(np.int64)
    steps = np.diff(wide)
    for row in np.flatnonzero(steps < 0):
        fitting = [wrap for wrap in _WRAPS if 0 <= steps[row] + wrap <= _LONGEST_PAUSE]
        if not fitting:
            return None
        wide[row + 1 :] += fitting[0]
    return wide if len(wide) > 1 and wide[-1] > wide[0] else None


def nearest_turn(stamps: NDArray, reference: int) -> NDArray[np.int64]:
    """Stamps of another signal on the unwrapped clock of the readouts: moved by whole days, nearest to a reference."""
    wide = stamps.astype(np.int64)
    for wrap in _WRAPS:
        moved = wide + wrap * np.rint((reference - wide) / wrap).astype(np.int64)
        if np.all(np.abs(moved - reference) <= _LONGEST_PAUSE * 6):  # a scan of an hour at most
            return moved
    return wide


def excitations_by_counter(counter: NDArray, period: NDArray) -> NDArray[np.int64] | None:
    """Excitations since the first of the same period, from scan counters.

    The commonest step is one excitation: 1, or 2 where each is read twice, or the number of interleaved slices.
    Readouts that are missing in between leave a larger step; those missing at the start of a period leave a larger gap
    before it than the others have, less what the period before lacks at its end.

    Parameters
    ----------
    counter : (readouts,) int
        In the order of acquisition.
    period : (readouts,) int
        Number of the inversion period, from 0, rising.

    Returns
    -------
    (readouts,) int64 or None
        None if the counters stand still, restart within a period, or do not step by multiples.
    """
    wide = counter.astype(np.int64)
    inside = np.diff(period) == 0
    steps = np.diff(wide)
    if not inside.any() or np.any(steps[inside] <= 0):
        return None
    unit = commonest(steps[inside])
    if np.any(steps[inside] % unit):
        return None
    position = (wide - wide[np.searchsorted(period, period)]) // unit
    return position + _late(position, wide / unit, period, 0)


def _late(position: NDArray, clock: NDArray, period: NDArray, jitter: float) -> NDArray[np.int64]:
    """Excitations that are missing before each readout's period begins; none where periods differ in length anyway.

    ``clock`` counts excitations, true to ``jitter``: fewer missing ones are not told from it.
    """
    starts = np.flatnonzero(np.r_[True, np.diff(period) != 0])
    late = np.zeros(len(starts), dtype=np.int64)
    if len(starts) < 3:
        return np.zeros(len(period), dtype=np.int64)
    lasts = np.r_[starts[1:], len(position)] - 1
    gaps = clock[starts[1:]] - clock[lasts[:-1]]
    usual, usual_gap = commonest(position[lasts]), float(np.quantile(gaps, 0.5, method="lower"))
    if np.count_nonzero(position[lasts] == usual) * 2 <= len(starts) or usual_gap <= 0:
        return np.zeros(len(period), dtype=np.int64)
    for number in range(1, len(starts)):
        missing_before = max(0, usual - int(position[lasts[number - 1]]) - int(late[number - 1]))
        missing = round(float(gaps[number - 1] - usual_gap)) - missing_before
        if missing > jitter:
            late[number] = min(missing, max(0, usual - int(position[lasts[number]])))
    return np.repeat(late, np.diff(np.r_[starts, len(period)]))


def commonest(values: NDArray) -> int:
    """Value that stands most often; of equally common ones the smallest."""
    known, counts = np.unique(values, return_counts=True)
    return int(known[np.argmax(counts)])


def excitations_by_clock(stamps: NDArray, period: NDArray) -> NDArray[np.int64]:
    """Excitations since the first readout of the same period, from unwrapped time stamps.

    The time per excitation is measured where no readouts are missing. What the stamps run ahead of it, smoothed over
    some readouts, is a multiple of it wherever readouts are missing.

    Parameters
    ----------
    stamps : (readouts,) int64
    period : (readouts,) int

    Returns
    -------
    (readouts,) int64
    """
    position = rows_since_start(period)
    for _ in range(2):  # the second time with a spacing that the missing readouts do not bias
        spacing = max(spacing_of(stamps, position, period).ticks, 1e-9)
        position = _placed(stamps, period, spacing)
    return position + _late(position, stamps / spacing, period, 2 / spacing)


def _placed(stamps: NDArray, period: NDArray, spacing: float) -> NDArray[np.int64]:
    position = np.zeros(len(stamps), dtype=np.int64)
    for number in np.unique(period):
        rows = np.flatnonzero(period == number)
        ahead = stamps[rows] - stamps[rows[0]] - np.arange(len(rows)) * spacing
        smooth = scipy.ndimage.median_filter(ahead, size=SMOOTHED, mode="nearest")
        missing = np.maximum.accumulate(np.rint((smooth - smooth[0]) / spacing).astype(np.int64))
        position[rows] = np.arange(len(rows)) + _at_gaps(missing, ahead / spacing)
    return position


def _at_gaps(missing: NDArray, ahead: NDArray) -> NDArray[np.int64]:
    """Move each rise of a smoothed count of missing readouts to where the unsmoothed one fits it best.

    ``ahead`` is what the clock runs ahead of the order, in excitations; rounding to ticks leaves it off by a constant.
    """
    level = ahead - np.median(ahead - missing)
    exact, last = np.zeros(len(missing), dtype=np.int64), -SMOOTHED
    for row in np.flatnonzero(np.diff(missing, prepend=0)):
        rise = missing[row] - (missing[row - 1] if row else 0)
        if row - last > SMOOTHED:  # else it is the rest of the same rise
            first = max(0, int(row) - SMOOTHED // 2)
            near = level[first : row + SMOOTHED // 2 + 1] - exact[first]
            after = np.arange(len(near)) >= np.arange(len(near))[:, None]
            last = first + int(np.argmin(np.sum((near - rise * after) ** 2, axis=1)))
        exact[last:] += rise
    return exact


def rows_since_start(period: NDArray) -> NDArray[np.int64]:
    """Readouts since the first one of the same period: excitations, if none is missing."""
    return np.arange(len(period)) - np.searchsorted(period, period)


def excitations_of_scan(counter: NDArray) -> NDArray[np.int64]:
    """Excitations since the first readout of all, from scan counters, or where these tell nothing from the order."""
    excitation = excitations_by_counter(counter, np.zeros(len(counter), dtype=np.int64))
    return np.arange(len(counter)) if excitation is None else excitation


@dataclass(frozen=True)
class Spacing:
    """Time between two excitations in ticks of the time stamps.

    Attributes
    ----------
    ticks : float
        0 where it cannot be told.
    relative_error : float
        Of rounding to whole ticks.
    """

    ticks: float
    relative_error: float

    def tick_ms(self, tr_ms: float) -> float | None:
        """Unit of the time stamps by which they agree with a repetition time; None if none does."""
        found = tr_ms / self.ticks if self.ticks > 0 else 0.0
        tolerance = _TICK_TOLERANCE + self.relative_error
        return next((unit for unit in _TICKS_MS if abs(found / unit - 1) <= tolerance), None)

    def meant(self) -> str:
        """What the spacing may be in milliseconds, for people."""
        return " or ".join(f"{self.ticks * unit:.4g} ms (ticks of {unit:g} ms)" for unit in _TICKS_MS[:2])


def spacing_of(stamps: NDArray, excitation: NDArray, period: NDArray) -> Spacing:
    """Measure the time between two excitations, from pairs of readouts of one period.

    Parameters
    ----------
    stamps : (readouts,) int64
        Unwrapped.
    excitation, period : (readouts,) int

    Returns
    -------
    Spacing
    """
    for distance in (_APART, 1):
        even = (period[distance:] == period[:-distance]) & (excitation[distance:] - excitation[:-distance] == distance)
        ticks = (stamps[distance:] - stamps[:-distance])[even]
        if len(ticks):
            near = ticks[np.abs(ticks - np.median(ticks)) <= 1]  # their mean tells fractions of a tick
            mean = max(float(near.mean()), 1e-9)
            return Spacing(mean / distance, 0.5 / (mean * len(near) ** 0.5))
    return Spacing(0.0, 1.0)
