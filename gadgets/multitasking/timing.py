"""When each readout was measured: inversion periods, excitations since the inversion, scan times, and their checks."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from gadgets.mrd.header import ScanHeader
from gadgets.multitasking.parameters import MultitaskingParameters
from recon.errors import DataError
from recon.multitasking.scan import Sequence
from recon.readouts.clock import SMOOTHED, Spacing, excitations_of_scan, rows_since_start, spacing_of, unwrapped
from recon.readouts.placement import Placement, place

log = logging.getLogger(__name__)

_OTHER_COUNTERS = ("set", "average", "phase")
"""Counters in which converters count inversions instead of repetitions."""

_LEAST_TICKS = 0.1
"""Ticks between two excitations, below which stamps are no clock: 2.5 ms at TR 2 ms are 0.8."""

_INVERSION_FLIP_DEG = 90.0
"""Pulses of at least this angle prepare or refocus; FLASH excites with less."""


@dataclass(frozen=True)
class Timing:
    """Times of the readouts of one slice, imaging and navigators, in the order of acquisition.

    Attributes
    ----------
    sequence : Sequence
    period : (readouts,) int
        Number of the inversion period, from 0.
    placed : Placement
        Excitations since the inversion, and what is missing.
    time_s : (readouts,) float64
        Time since the start of the scan.
    stamps : (readouts,) float64 or None
        Time stamps in ticks, unwrapped; None where they tell nothing.
    """

    sequence: Sequence
    period: NDArray[np.int_]
    placed: Placement
    time_s: NDArray[np.float64]
    stamps: NDArray[np.float64] | None

    @property
    def excitation(self) -> NDArray[np.int_]:
        """Excitations since the inversion, the readout's own not counted."""
        return self.placed.excitation

    @property
    def placed_by(self) -> str:
        """What told where each readout lies, for people."""
        return self.placed.told_by

    @property
    def missing(self) -> int:
        """Readouts that were excited and never came."""
        return self.placed.missing


def timing_of(
    heads: NDArray, header: ScanHeader, parameters: MultitaskingParameters, counter: NDArray | None = None
) -> Timing:
    """Place the readouts of one slice in time.

    Scan counters place them, else time stamps, else their order alone. The times are those of a constant TR between
    inversions that are TI apart from their first readout, corrected by the time stamps where the sequence paused.

    Parameters
    ----------
    heads : (readouts,) structured array
        Heads of imaging readouts and navigators, in the order of acquisition.
    header : ScanHeader
    parameters : MultitaskingParameters
    counter : (readouts,) int, optional
        Scan counters without those of other echoes; default: those of the heads.

    Returns
    -------
    Timing

    Raises
    ------
    DataError
        If inversions cannot be told apart, TR is not known, or TR or TI contradict the time stamps.
    """
    period = inversion_periods(heads, parameters, header)
    stamps = _clock(heads, period)
    counter = heads["scan_counter"] if counter is None else counter
    placed = place(counter, period, stamps)
    spacing = Spacing(0.0, 1.0) if stamps is None else spacing_of(stamps, placed.excitation, period)
    sequence = sequence_of(header, parameters, spacing)
    tick_ms = _agreed_tick_ms(spacing, sequence, parameters)
    if tick_ms is None and stamps is not None:
        stamps, placed = None, place(counter, period, None)
    time_ms = _nominal_ms(period, placed, sequence)
    if stamps is not None and tick_ms is not None:
        measured_ms = tick_ms * (stamps - stamps[0]).astype(np.float64)
        if parameters.temporal_model == "tensor":
            _check_inversion_time(measured_ms, period, sequence, parameters)
        time_ms = time_ms + _pauses_ms(time_ms, measured_ms, period, sequence, tick_ms)
    wide = None if stamps is None else stamps.astype(np.float64)
    return Timing(sequence, period, placed, time_ms / 1000, wide)


def _clock(heads: NDArray, period: NDArray) -> NDArray[np.int64] | None:
    """Unwrapped time stamps; None if they tell nothing, as those of a converter that wrote its own time in seconds."""
    stamps = unwrapped(heads["acquisition_time_stamp"])
    if stamps is None:
        return None
    return stamps if spacing_of(stamps, rows_since_start(period), period).ticks >= _LEAST_TICKS else None


def sequence_of(header: ScanHeader, parameters: MultitaskingParameters, spacing: Spacing | None = None) -> Sequence:
    """Sequence of the scan: what the parameters say, else the header; lists are understood where one value fits.

    Parameters
    ----------
    header : ScanHeader
    parameters : MultitaskingParameters
    spacing : Spacing, optional
        Time between excitations by the time stamps, which chooses among several TRs.

    Returns
    -------
    Sequence

    Raises
    ------
    DataError
        If the header lists several values of which none stands out, and the parameter is not set.
    """
    chosen = {
        "tr_ms": lambda: _one_of(header.tr_ms, "TR", "tr_ms", lambda tr: bool(spacing and spacing.tick_ms(tr))),
        "ti_ms": lambda: _one_of(header.ti_ms, "TI", "ti_ms", lambda ti: False),
        "flip_angle_deg": lambda: _one_of(
            header.flip_angle_deg, "flipAngle_deg", "flip_angle_deg", lambda angle: 0 < angle < _INVERSION_FLIP_DEG
        ),
    }
    inverts = False if parameters.inversion_counter == "none" else None
    if inverts is False:
        chosen.pop("ti_ms")  # headers name one even where the sequence does not invert
    values = {}
    for name, choose in chosen.items():
        values[name] = getattr(parameters, name)
        if values[name] is None:
            try:
                values[name] = choose()
            except DataError:
                if name == "tr_ms" or parameters.temporal_model == "tensor":
                    raise  # the other models need neither TI nor flip angle
    return Sequence(**values, inverts=inverts, field_t=header.field_t)


def log_passed_over(header: ScanHeader, parameters: MultitaskingParameters) -> None:
    """Say which of the header's values a parameter took the place of."""
    for name in ("tr_ms", "ti_ms", "flip_angle_deg"):
        given, written = getattr(parameters, name), getattr(header, name)
        if given is not None and written and any(written) and (given,) != written:  # 0 stands for unknown
            values = ", ".join(f"{value:g}" for value in written)
            log.warning("%s = %g is set; the header's %s is passed over", name, given, values)


def _one_of(values: tuple[float, ...], name: str, parameter: str, fits) -> float | None:  # type: ignore[no-untyped-def]
    known = tuple(dict.fromkeys(value for value in values if value)) or values[:1]  # of several, 0 stands for unknown
    if len(known) < 2:
        return known[0] if known else None
    fitting = [value for value in known if fits(value)]
    if len(fitting) != 1:
        raise DataError(
            f"the header lists several {name}, {', '.join(f'{value:g}' for value in known[:8])}, and nothing tells "
            f"which one is that of the excitations; set the parameter {parameter}"
        )
    log.info("of the header's %s %s, %g is that of the excitations", name, known, fitting[0])
    return fitting[0]


def inversion_periods(heads: NDArray, parameters: MultitaskingParameters, header: ScanHeader) -> NDArray[np.int_]:
    """Number the inversion period of each readout, from 0: it rises wherever the counter changes.

    Raises
    ------
    DataError
        If another counter than the one that is set seems to count the inversions.
    """
    if parameters.readouts_per_inversion is not None:
        return excitations_of_scan(heads["scan_counter"]) // parameters.readouts_per_inversion
    name = parameters.inversion_counter
    if name == "none":
        return np.zeros(len(heads), dtype=np.int64)
    sets = np.unique(heads["idx"]["set"])
    if name == "repetition" and len(sets) > 1 and np.ptp(heads["idx"]["repetition"].astype(int)):
        raise DataError(
            f"the readouts belong to {len(sets)} sets (idx.set {sets[0]} to {sets[-1]}), as flow encodings do: they "
            "cannot be mixed; set set_index to one of them, or inversion_counter=set if they count inversions"
        )
    counter = heads["idx"][name].astype(np.int64)
    period = np.r_[0, np.cumsum(np.diff(counter) != 0)]
    if name == "repetition" and period[-1] == 0:
        _refuse_other_counters(heads, header)
    return period


def _refuse_other_counters(heads: NDArray, header: ScanHeader) -> None:
    """Refuse a scan with inversion times that counts nothing as repetitions, but something else instead."""
    counted = {
        name: int(counter.max()) for name in _OTHER_COUNTERS if np.ptp(counter := heads["idx"][name].astype(int)) > 0
    }
    if counted and any(header.ti_ms):
        name = next(iter(counted))
        listed = ", ".join(f"idx.{one} from 0 to {most}" for one, most in counted.items())
        raise DataError(
            f"inversions are counted by idx.repetition, which is {int(heads['idx']['repetition'][0])} for all "
            f"{len(heads)} readouts; the readouts count {listed}: set inversion_counter={name} if that counts the "
            "inversions, readouts_per_inversion, or inversion_counter=none if there are none"
        )


def _nominal_ms(period: NDArray, placed: Placement, sequence: Sequence) -> NDArray[np.float64]:
    """Times at constant TR, each inversion followed by TI; periods are as long as their last excitation says."""
    before = np.r_[0, np.cumsum(placed.lengths)[:-1]]
    return (before[period] + placed.excitation) * sequence.known_tr_ms + (period + 1) * (sequence.ti_ms or 0.0)


def _agreed_tick_ms(spacing: Spacing, sequence: Sequence, parameters: MultitaskingParameters) -> float | None:
    tick_ms = spacing.tick_ms(sequence.known_tr_ms)
    if tick_ms is not None or spacing.ticks == 0:
        return tick_ms
    text = f"time stamps contradict TR = {sequence.known_tr_ms:g} ms: readouts are {spacing.meant()} apart"
    if parameters.tr_ms is None:
        raise DataError(
            f"{text}; TR must be the time between two excitations, not between inversions: correct the header, or set "
            "the parameter tr_ms"
        )
    log.warning("%s; tr_ms is set and wins, the time stamps are not used", text)
    return None


def _check_inversion_time(
    measured_ms: NDArray, period: NDArray, sequence: Sequence, parameters: MultitaskingParameters
) -> None:
    """Refuse a TI that does not fit between the last readout of a period and the first of the next."""
    starts = np.flatnonzero(np.diff(period)) + 1
    if not len(starts) or sequence.ti_ms is None:
        return
    gap_ms = float(np.median(measured_ms[starts] - measured_ms[starts - 1]))
    if sequence.ti_ms <= gap_ms + sequence.known_tr_ms:  # stamps may be those of a readout's start or of its end
        return
    text = (
        f"TI = {sequence.ti_ms:g} ms does not fit: {gap_ms:.4g} ms pass between the last readout of an inversion "
        "period and the first of the next; TI must be the time from the inversion to the first excitation"
    )
    if parameters.ti_ms is None:
        raise DataError(
            f"{text}: correct the header, or set the parameter ti_ms, or inversion_counter=none if the sequence does "
            "not invert"
        )
    log.warning("%s; ti_ms is set and wins", text)


def _pauses_ms(
    time_ms: NDArray, measured_ms: NDArray, period: NDArray, sequence: Sequence, tick_ms: float
) -> NDArray[np.float64]:
    """What each readout is later than TR and TI say, where that is more than rounding and drift.

    Sequences pause before inversions, to wait for a trigger or for recovery, and some within a period.
    """
    late = measured_ms - (time_ms - time_ms[0])
    tolerance_ms = max(2 * tick_ms, sequence.known_tr_ms)
    rest = np.zeros(len(late))
    offsets = np.zeros(int(period[-1]) + 1)
    for number in range(len(offsets)):
        rows = np.flatnonzero(period == number)
        offsets[number] = np.median(late[rows])
        smooth = median_filter(late[rows], size=SMOOTHED, mode="nearest")
        if np.ptp(smooth) > 2 * tolerance_ms:
            rest[rows] = smooth - offsets[number]
    steps = np.diff(offsets, prepend=offsets[0])
    steps[np.abs(steps) <= tolerance_ms] = 0.0
    moved_ms = np.cumsum(steps)[period] + rest
    if np.any(moved_ms):
        log.info("by the time stamps, readouts are up to %.4g ms later than TR and TI say", np.abs(moved_ms).max())
    return moved_ms
