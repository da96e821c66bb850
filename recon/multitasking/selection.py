"""Which frames are shown: cells of the tensor, real-time spokes, inversion times of bright and dark blood."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.errors import DataError
from recon.temporal.model import GatedTensor, TemporalModel

_REALTIME_FRAMES = 40
"""Frames of one inversion period of 2.5 s: 16 a second, about as many as a real-time cine has."""

_BLOOD_T1_MS = 1900.0
"""T1 of flowing blood at 3 T for the null point; the simulator draws 1800 to 2000 ms."""

_EFFICIENCY = 0.95
"""Efficiency of the inversion where none was measured: that of the simulated protocols."""


@dataclass(frozen=True)
class Cells:
    """Cells of the temporal tensor, one for each frame.

    Attributes
    ----------
    cardiac, respiratory : (frames,) int
        Bins.
    pulse : (frames,) int
        Excitation pulses since the inversion.
    """

    cardiac: NDArray[np.int_]
    respiratory: NDArray[np.int_]
    pulse: NDArray[np.int_]

    @classmethod
    def of(cls, cardiac: NDArray | int, respiratory: NDArray | int, pulse: NDArray | int) -> "Cells":
        """Broadcast bins and pulses against each other."""
        return cls(*(np.atleast_1d(axis) for axis in np.broadcast_arrays(cardiac, respiratory, pulse)))


def bright_blood_pulse(temporal: TemporalModel, gated: GatedTensor, ti_ms: float | None = None) -> int:
    """Imaging pulse nearest to an inversion time.

    Parameters
    ----------
    temporal : TemporalModel
    gated : GatedTensor
    ti_ms : float, optional
        By default the last pulse of the recovery is taken, where blood is bright.

    Returns
    -------
    int
        Excitation pulses since the inversion.
    """
    known = np.unique(temporal.imaging.pulse)
    return int(known[-1]) if ti_ms is None else _nearest(known, gated, ti_ms)


def dark_blood_pulse(
    temporal: TemporalModel,
    gated: GatedTensor,
    inflow: float,
    ti_ms: float | None = None,
    efficiency: float | None = None,
) -> int:
    """Imaging pulse nearest to an inversion time; by default where flowing blood has no signal.

    Parameters
    ----------
    temporal : TemporalModel
    gated : GatedTensor
    inflow : float
        Share of fresh spins in flowing blood.
    ti_ms : float, optional
    efficiency : float, optional
        Efficiency of the inversion, where it was measured.

    Returns
    -------
    int
        Excitation pulses since the inversion.
    """
    known = np.unique(temporal.imaging.pulse)
    if ti_ms is not None:
        return _nearest(known, gated, ti_ms)
    blood = gated.sequence.curves([_BLOOD_T1_MS], [efficiency or _EFFICIENCY], [inflow], known)[0]
    return int(known[np.argmin(np.abs(blood))])


def _nearest(known: NDArray, gated: GatedTensor, ti_ms: float) -> int:
    return int(known[np.argmin(np.abs(gated.sequence.inversion_time_ms(known) - ti_ms))])


def t1_state(gated: GatedTensor, cardiac_bin: int = 0, respiratory_bin: int | None = None) -> tuple[int, int]:
    """Cardiac and respiratory bin at which T1 is measured; the only one on an axis that was not resolved.

    Parameters
    ----------
    gated : GatedTensor
    cardiac_bin : int
        0 is end-diastole.
    respiratory_bin : int, optional
        Default: end-expiration.

    Returns
    -------
    int, int

    Raises
    ------
    DataError
        If there is no such bin.
    """
    wanted = (cardiac_bin, respiratory_bin)
    bins = (len(gated.tensor.cardiac), len(gated.tensor.respiratory))
    for name, bin_, count in zip(("t1_cardiac_bin", "t1_respiratory_bin"), wanted, bins, strict=True):
        if bin_ is not None and bin_ >= count > 1:
            raise DataError(f"{name} = {bin_} is above the last bin, {count - 1}")
    cardiac = cardiac_bin if bins[0] > 1 else 0
    respiratory = respiratory_bin if respiratory_bin is not None and bins[1] > 1 else gated.end_expiration
    return cardiac, respiratory


def recovery_pulses(temporal: TemporalModel, count: int) -> NDArray:
    """Imaging pulses spread evenly over the recovery: ``(frames,)`` int, at most ``count``."""
    known = np.unique(temporal.imaging.pulse)
    return known[np.unique(np.linspace(0, len(known) - 1, count).round().astype(int))]


def frame_spokes(selection: str, inversion: NDArray) -> NDArray:
    """Imaging spokes whose times become real-time frames.

    Parameters
    ----------
    selection : str
        ``first:last:step`` as a Python slice, or ``auto``: 40 frames evenly over the last full inversion period.
    inversion : (spokes,) int
        Number of the inversion period of each imaging spoke.

    Returns
    -------
    (frames,) int

    Raises
    ------
    DataError
        If the selection is empty.
    """
    if selection == "auto":
        periods, counts = np.unique(inversion, return_counts=True)
        full = periods[counts >= counts.max() - 1][-1]
        spokes = np.flatnonzero(inversion == full)
        return spokes[np.unique(np.linspace(0, len(spokes) - 1, _REALTIME_FRAMES).round().astype(int))]
    bounds = [int(part) if part else None for part in selection.split(":")]
    spokes = np.arange(len(inversion))[slice(*bounds)]
    if not len(spokes):
        raise DataError(f"frames = {selection} selects none of the {len(inversion)} imaging spokes")
    return spokes
