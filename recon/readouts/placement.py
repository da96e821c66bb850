"""How many excitations each readout is away from the start of its period, by counters, by the clock, or by order."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.readouts.clock import commonest, excitations_by_clock, excitations_by_counter, rows_since_start

log = logging.getLogger(__name__)

_ROUNDING = 2
"""Excitations by which a clock of coarse ticks may be wrong beside a gap."""

_DISAGREEING = 0.05
"""Share of readouts that may differ by more: those beside gaps that are near each other."""


@dataclass(frozen=True)
class Placement:
    """Where the readouts of a slice lie.

    Attributes
    ----------
    excitation : (readouts,) int
        Excitations since the start of the period.
    lengths : (periods,) int
        Excitations of each period, those after its last readout included where counters tell them.
    told_by : str
        For people.
    missing : int
        Readouts that were excited and never came.
    jumps : int
        Those that are missing by the counters, even where the clock says that nothing was excited.
    """

    excitation: NDArray[np.int_]
    lengths: NDArray[np.int_]
    told_by: str
    missing: int
    jumps: int


def place(counter: NDArray, period: NDArray, stamps: NDArray | None) -> Placement:
    """Place readouts by their counters, unless a clock contradicts them; else by the clock, else by their order.

    Counters may count more than excitations, such as other echoes: then the clock tells.

    Parameters
    ----------
    counter : (readouts,) int
        In the order of acquisition.
    period : (readouts,) int
        Number of the period, from 0, rising.
    stamps : (readouts,) int64 or None
        Unwrapped time stamps.

    Returns
    -------
    Placement
    """
    by_order = rows_since_start(period)
    by_counter = excitations_by_counter(counter, period)
    by_clock = None if stamps is None else excitations_by_clock(stamps, period)
    excitation, told_by = by_order, "their order alone"
    lengths = by_counter_lengths = _lengths(period, by_order)
    if by_counter is not None:
        by_counter_lengths = _lengths(period, by_counter) + _missing_at_ends(counter, by_counter, period)
    if by_counter is not None and (by_clock is None or not _contradict(by_counter, by_clock, by_order)):
        excitation, told_by, lengths = by_counter, "scan counters", by_counter_lengths
    elif by_clock is not None:
        excitation, told_by, lengths = by_clock, "time stamps", _lengths(period, by_clock)
    else:
        log.warning("neither scan counters nor time stamps place the readouts: none are taken to be missing")
    missing = int(lengths.sum()) - len(period)
    if missing:
        log.warning("%d readouts are missing by the %s; all others keep their times", missing, told_by)
    return Placement(excitation, lengths, told_by, missing, int(by_counter_lengths.sum()) - len(period))


def _contradict(by_counter: NDArray, by_clock: NDArray, by_order: NDArray) -> bool:
    if np.array_equal(by_clock, by_order):
        return not np.array_equal(by_counter, by_order)
    if np.mean(by_counter - by_clock > _ROUNDING) <= _DISAGREEING:
        return False  # fewer than the clock says: the sequence paused
    log.warning("scan counters count more than excitations: the time stamps place the readouts")
    return True


def _lengths(period: NDArray, excitation: NDArray) -> NDArray[np.int_]:
    """Excitations of each period, up to the last one that came."""
    return np.array([excitation[period == number].max() + 1 for number in range(int(period[-1]) + 1)])


def _missing_at_ends(counter: NDArray, excitation: NDArray, period: NDArray) -> NDArray[np.int_]:
    """Excitations after the last readout of each period: what the gap to the next one is longer than the others."""
    wide = counter.astype(np.int64)
    starts = np.flatnonzero(np.diff(period)) + 1
    ends = np.zeros(int(period[-1]) + 1, dtype=np.int64)
    inside = np.diff(wide)[np.diff(period) == 0]
    if len(starts) < 2 or not len(inside):
        return ends
    gaps = (wide[starts] - wide[starts - 1]) / commonest(inside) - excitation[starts]
    if gaps.min() > 0:  # else counters restart
        ends[:-1] = np.maximum(0, np.rint(gaps - np.quantile(gaps, 0.5, method="lower")))
    return ends
