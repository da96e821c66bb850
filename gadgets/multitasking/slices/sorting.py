"""What the readouts of a slice are for, and when each was measured, by their heads."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gadgets.mrd.header import ScanHeader
from gadgets.mrd.headers.roles import is_flagged
from gadgets.mrd.intake.selected import Selected
from gadgets.mrd.intake.store import StoredReadouts
from gadgets.multitasking.feasibility import inverts, settled
from gadgets.multitasking.navigators import find_navigators
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.timing import Timing, timing_of
from recon.errors import DataError
from recon.multitasking.scan import Timeline

log = logging.getLogger(__name__)


def starting_slice(selected: Selected) -> int:
    """Slice of the first readout that is used; the others were inverted before."""
    return min(selected.slices, key=lambda number: selected.slices[number].rows[0])


@dataclass(frozen=True)
class SortedReadouts:
    """What each readout of one slice is for, and when it was measured.

    Attributes
    ----------
    timing : Timing
    is_imaging, is_navigator, keep : (readouts,) bool
        ``keep`` leaves out those before the steady state.
    is_inverting : bool
        Whether they follow inversions from which T1 can be told.
    """

    timing: Timing
    is_imaging: NDArray[np.bool_]
    is_navigator: NDArray[np.bool_]
    keep: NDArray[np.bool_]
    is_inverting: bool

    @property
    def imaging(self) -> NDArray[np.int_]:
        """Rows of the imaging spokes that are used."""
        return np.flatnonzero(self.keep & self.is_imaging)

    @property
    def navigators(self) -> NDArray[np.int_]:
        """Rows of the navigators that are used."""
        return np.flatnonzero(self.keep & self.is_navigator)

    def timeline(self, rows: NDArray) -> Timeline:
        """When some of them were measured."""
        return Timeline(self.timing.time_s[rows], self.timing.excitation[rows], self.timing.period[rows])


def sorted_readouts(
    number: int, readouts: StoredReadouts, counter: NDArray, header: ScanHeader, parameters: MultitaskingParameters
) -> SortedReadouts:
    """Sort the readouts of one slice by their heads.

    Parameters
    ----------
    number : int
        Slice.
    readouts : StoredReadouts
        Their samples are not looked at.
    counter : (readouts,) int
        Scan counters without those of other echoes.
    header : ScanHeader
    parameters : MultitaskingParameters

    Raises
    ------
    DataError
        If they are of several partitions, navigators do not share an angle, or nothing tells when they were measured.
    """
    _check_two_dimensional(readouts.heads, number)
    is_navigator = find_navigators(readouts, parameters)
    is_imaging = ~is_navigator & ~_passed_over(readouts.heads, is_navigator, parameters)
    timing = timing_of(readouts.heads, header, parameters, counter)
    has_navigators = bool(is_navigator.any())
    is_inverting = inverts(timing, has_navigators)
    if is_inverting or (has_navigators and parameters.temporal_model != "tensor"):
        keep = _steady_state(timing.period, parameters.skip_inversions)
    else:
        keep = settled(timing.time_s, parameters)
    return SortedReadouts(timing, is_imaging, is_navigator, keep, is_inverting)


def _passed_over(heads: NDArray, is_navigator: NDArray, parameters: MultitaskingParameters) -> NDArray[np.bool_]:
    """Readouts flagged as navigators that the rule does not take for such: they are no imaging spokes either."""
    others = is_flagged(heads, "ACQ_IS_NAVIGATION_DATA") & ~is_navigator
    if others.any():
        log.warning("%d flagged navigators are not used: navigator=%s", np.count_nonzero(others), parameters.navigator)
    return others


def _check_two_dimensional(heads: NDArray, number: int) -> None:
    partitions = np.unique(heads["idx"]["kspace_encode_step_2"])
    if len(partitions) > 1:
        raise DataError(
            f"slice {number} has {len(partitions)} partitions (idx.kspace_encode_step_2): a stack of stars is "
            "three-dimensional, and malibu reconstructs radial slices; transform along the partitions upstream, and "
            "count them in idx.slice"
        )


def _steady_state(repetition: NDArray, skip_inversions: int) -> NDArray:
    """Readouts after the leading periods, of which no more are dropped than leave half of the readouts."""
    periods = np.unique(repetition)
    for skipped in range(min(skip_inversions, len(periods) - 1), 0, -1):
        keep = repetition >= periods[skipped]
        if 2 * np.count_nonzero(keep) >= len(keep):
            log.info("%d readouts of %d leading inversion periods are dropped", np.count_nonzero(~keep), skipped)
            break
    else:
        skipped, keep = 0, np.ones(len(repetition), dtype=bool)
    if skipped < skip_inversions:
        log.warning("the scan is short: %d instead of %d leading inversion periods dropped", skipped, skip_inversions)
    return keep
