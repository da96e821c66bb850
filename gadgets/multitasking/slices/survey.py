"""What no slice can tell of a scan by itself: which came first, and the size that the series of all share."""

import logging
from collections.abc import Iterable

import ismrmrd
import numpy as np

from gadgets.mrd.header import ScanHeader
from gadgets.mrd.headers.roles import head_bytes
from gadgets.mrd.intake.measurement import Measurement
from gadgets.mrd.wire.packed_items import WholeScan
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.slices.sorting import SortedReadouts, sorted_readouts, starting_slice
from recon.errors import DataError
from recon.multitasking.scan import Sequence, Timeline

log = logging.getLogger(__name__)


def hollow(readout: ismrmrd.Acquisition) -> ismrmrd.Acquisition:
    """A readout without its samples, but with the ends of its trajectory, which tell its angle.

    Parameters
    ----------
    readout : ismrmrd.Acquisition

    Returns
    -------
    ismrmrd.Acquisition
        ``data`` (coils, 0), ``traj`` (2, dimensions): 0.4 kB instead of 23 kB at 8 coils × 320 samples.
    """
    ends = readout.traj[[0, -1]] if readout.traj.size else readout.traj[:0]
    return ismrmrd.Acquisition(head_bytes(readout), np.empty((len(readout.data), 0), np.complex64), ends)


def survey(measurement: Measurement, header: ScanHeader, parameters: MultitaskingParameters) -> WholeScan:
    """Look over a whole measurement by the heads of its readouts.

    Parameters
    ----------
    measurement : Measurement
        Its readouts may be :func:`hollow`.
    header : ScanHeader
    parameters : MultitaskingParameters

    Returns
    -------
    WholeScan
        What is wrong with a slice is left out here: the slice says it itself.
    """
    try:
        selected = measurement.select(parameters)
    except DataError as problem:
        log.info("the slices will say what is wrong with the scan: %s", problem)
        return WholeScan(measurement.complete)
    sorts = []
    for number, readouts in selected.slices.items():
        try:
            sorts.append(sorted_readouts(number, readouts, selected.counters[number], header, parameters))
        except DataError as problem:
            log.info("slice %d will say what is wrong with it: %s", number, problem)
    size = shared_size(parameters.rank, map(_timelines, sorts)) if len(selected.slices) > 1 and sorts else None
    return WholeScan(measurement.complete, starting_slice(selected), size)


def _timelines(sort: SortedReadouts) -> tuple[Sequence, Timeline, Timeline | None]:
    navigators = sort.timeline(sort.navigators) if sort.is_navigator.any() else None
    return sort.timing.sequence, sort.timeline(sort.imaging), navigators


def shared_size(rank: int, slices: Iterable[tuple[Sequence, Timeline, Timeline | None]]) -> tuple[int, int, int]:
    """Size that the series of several slices share.

    Parameters
    ----------
    rank : int
    slices : iterable of (Sequence, Timeline, Timeline or None)
        Of each slice, those of its imaging spokes and of its navigators.

    Returns
    -------
    (3,) tuple of int
        Rank, imaging spokes, and excitation pulses: the longest train after an inversion; 1 without inversions.
    """
    spokes, pulses = 0, 0
    for sequence, imaging, navigators in slices:
        spokes = max(spokes, len(imaging.time_s))
        if sequence.ti_ms is not None:
            parts = [imaging] if navigators is None else [imaging, navigators]
            pulses = max(pulses, *(int(part.pulse.max()) for part in parts))
    return rank, spokes, 1 + pulses
