"""Which frames are shown: real-time spokes, and inversion times of bright and dark blood."""

import numpy as np
from numpy.typing import NDArray

from gadgets.multitasking.parameters import MultitaskingParameters
from recon.errors import DataError
from recon.temporal.model import Timeline, TimeModel

_AUTO_FRAMES = 40
_BLOOD_T1_MS = 1900.0
_EFFICIENCY = 0.95


def bright_blood_pulse(imaging: Timeline, model: TimeModel, parameters: MultitaskingParameters) -> int:
    """Imaging pulse nearest to the wanted inversion time; by default the last of the recovery."""
    known, wanted_ms = np.unique(imaging.pulse), parameters.bright_blood_ti_ms
    return int(known[-1]) if wanted_ms is None else _nearest(known, model, wanted_ms)


def dark_blood_pulse(
    imaging: Timeline, model: TimeModel, parameters: MultitaskingParameters, efficiency: float | None = None
) -> int:
    """Imaging pulse nearest to the wanted inversion time; by default where flowing blood has no signal.

    Parameters
    ----------
    imaging : Timeline
    model : TimeModel
    parameters : MultitaskingParameters
    efficiency : float, optional
        Of the inversion; 0.95 if it was not measured.

    Returns
    -------
    int
    """
    known, wanted_ms = np.unique(imaging.pulse), parameters.dark_blood_ti_ms
    if wanted_ms is not None:
        return _nearest(known, model, wanted_ms)
    blood = model.sequence.curves([_BLOOD_T1_MS], [efficiency or _EFFICIENCY], [parameters.inflow], known)[0]
    return int(known[np.argmin(np.abs(blood))])


def t1_state(model: TimeModel, parameters: MultitaskingParameters) -> tuple[int, int]:
    """Cardiac and respiratory bin at which T1 is measured; the only one on an axis that was not resolved.

    Raises
    ------
    DataError
        If there is no such bin.
    """
    wanted = (parameters.t1_cardiac_bin, parameters.t1_respiratory_bin)
    bins = (len(model.tensor.cardiac), len(model.tensor.respiratory))
    for name, bin_, count in zip(("t1_cardiac_bin", "t1_respiratory_bin"), wanted, bins, strict=True):
        if bin_ is not None and bin_ >= count > 1:
            raise DataError(f"{name} = {bin_} is above the last bin, {count - 1}")
    cardiac = wanted[0] if bins[0] > 1 else 0
    respiratory = wanted[1] if wanted[1] is not None and bins[1] > 1 else model.end_expiration
    return cardiac, respiratory


def _nearest(known: NDArray, model: TimeModel, inversion_time_ms: float) -> int:
    times_ms = model.sequence.delay_ms + known * model.sequence.tr_ms
    return int(known[np.argmin(np.abs(times_ms - inversion_time_ms))])


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
        return spokes[np.unique(np.linspace(0, len(spokes) - 1, _AUTO_FRAMES).round().astype(int))]
    bounds = [int(part) if part else None for part in selection.split(":")]
    spokes = np.arange(len(inversion))[slice(*bounds)]
    if not len(spokes):
        raise DataError(f"frames = {selection} selects none of the {len(inversion)} imaging spokes")
    return spokes
