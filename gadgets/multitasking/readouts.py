"""A measurement's readouts become arrays, once: navigators and imaging spokes apart, with counters and trajectory."""

import logging
from dataclasses import dataclass

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.mrd.measurement import Measurement
from gadgets.multitasking.parameters import MultitaskingParameters
from recon.errors import DataError
from recon.readouts.trajectory import golden_angles_rad, radial_trajectory, recognise_unit
from recon.temporal.navigator import navigator_of_readouts

log = logging.getLogger(__name__)

_NAVIGATOR_MASK = 1 << (ismrmrd.ACQ_IS_NAVIGATION_DATA - 1)


@dataclass(frozen=True)
class SliceReadouts:
    """The readouts of one slice, navigators and imaging spokes apart, each in the order of acquisition.

    Attributes
    ----------
    navigators : (navigators, coils, samples) complex64
    imaging : (spokes, coils, samples) complex64
    trajectory : (spokes, samples, 2) float32
        Of the imaging spokes: (kx, ky) in cycles per field of view.
    navigator_of_spoke : (spokes,) int
        For each imaging spoke, the navigator that saw the same state.
    inversion : (spokes,) int
        ``idx.repetition`` of each imaging spoke.
    readout_index : (spokes,) int
        Position of each imaging spoke among all readouts of the slice, dropped ones included.
    since_inversion : (spokes,) int
        Readouts of the slice since the first one of the spoke's inversion period.
    navigator_inversion, navigator_index, navigator_since_inversion : (navigators,) int
        The same for the navigators.
    headers : list of ismrmrd.AcquisitionHeader
        Of the imaging spokes.
    trajectory_unit : str
        How the trajectory was written.
    slice_index : int
        ``idx.slice``.
    waveforms : list of ismrmrd.Waveform
        Of the measurement.
    """

    navigators: NDArray
    imaging: NDArray
    trajectory: NDArray
    navigator_of_spoke: NDArray
    inversion: NDArray
    readout_index: NDArray
    since_inversion: NDArray
    navigator_inversion: NDArray
    navigator_index: NDArray
    navigator_since_inversion: NDArray
    headers: list[ismrmrd.AcquisitionHeader]
    trajectory_unit: str
    slice_index: int
    waveforms: list[ismrmrd.Waveform]


def slice_readouts(
    measurement: Measurement, parameters: MultitaskingParameters, matrix: int, encoded_matrix: int | None = None
) -> list[SliceReadouts]:
    """Turn the readouts into arrays, slice by slice; readouts of several averages join their slice.

    Parameters
    ----------
    measurement : Measurement
    parameters : MultitaskingParameters
    matrix, encoded_matrix : int
        The header's image and encoding matrix, against which the trajectory's unit is told.

    Returns
    -------
    list of SliceReadouts
        In the order of their slice index.

    Raises
    ------
    DataError
        If the stream was empty, or a slice lacks navigators, imaging spokes, a trajectory or finite samples.
    """
    if not measurement.has_imaging:
        raise DataError(f"no imaging readouts among the {measurement.received} that came: the stream is empty")
    for name, count in measurement.skipped.items():
        log.warning("%d readouts of kind %s are not used", count, name)
    return [
        _slice_arrays(index, readouts, measurement.waveforms, parameters, matrix, encoded_matrix)
        for index, readouts in sorted(measurement.slices.items())
    ]


def _slice_arrays(
    slice_index: int,
    readouts: list[ismrmrd.Acquisition],
    waveforms: list[ismrmrd.Waveform],
    parameters: MultitaskingParameters,
    matrix: int,
    encoded_matrix: int | None,
) -> SliceReadouts:
    is_navigator = _find_navigators(readouts, parameters)
    repetition = np.array([readout.idx.repetition for readout in readouts])
    keep = _steady_state(repetition, parameters.skip_inversions)
    imaging = np.flatnonzero(keep & ~is_navigator)
    navigators = np.flatnonzero(keep & is_navigator)
    if not len(navigators):
        raise DataError(
            f"slice {slice_index}: none of {len(readouts)} readouts is a navigator by the rule "
            f"navigator={parameters.navigator}; set navigator to every_nth or zero_angle if the sequence flags none"
        )
    if not len(imaging):
        raise DataError(f"slice {slice_index}: all {len(readouts)} readouts are navigators; check the navigator rule")
    trajectory, unit = _trajectory(readouts, is_navigator, parameters, matrix, encoded_matrix)
    used = np.searchsorted(np.flatnonzero(~is_navigator), imaging)
    first_of_inversion = {number: int(np.argmax(repetition == number)) for number in np.unique(repetition)}
    since = np.arange(len(repetition)) - np.array([first_of_inversion[number] for number in repetition])
    return SliceReadouts(
        navigators=_stack(readouts, navigators),
        imaging=_stack(readouts, imaging),
        trajectory=trajectory[used],
        navigator_of_spoke=navigator_of_readouts(is_navigator[keep], repetition[keep]),
        inversion=repetition[imaging],
        readout_index=imaging,
        since_inversion=since[imaging],
        navigator_inversion=repetition[navigators],
        navigator_index=navigators,
        navigator_since_inversion=since[navigators],
        headers=[readouts[index].getHead() for index in imaging],
        trajectory_unit=unit,
        slice_index=slice_index,
        waveforms=waveforms,
    )


def _find_navigators(readouts: list[ismrmrd.Acquisition], parameters: MultitaskingParameters) -> NDArray:
    if parameters.navigator == "flag":
        return np.array([bool(readout.flags & _NAVIGATOR_MASK) for readout in readouts])
    if parameters.navigator == "every_nth":
        index = np.arange(len(readouts)) - parameters.navigator_offset
        return (index >= 0) & (index % parameters.navigator_every == 0)
    if any(readout.trajectory_dimensions < 2 for readout in readouts):
        raise DataError("navigator=zero_angle needs a trajectory, and the readouts carry none; use every_nth")
    ends = np.stack([readout.traj[-1, :2] - readout.traj[0, :2] for readout in readouts])
    return np.abs(ends[:, 1]) < 1e-3 * ends[:, 0]  # not 180 degrees: those run backwards


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


def _stack(readouts: list[ismrmrd.Acquisition], index: NDArray) -> NDArray:
    first = readouts[index[0]]
    stop = first.number_of_samples - first.discard_post
    data = np.stack([readouts[row].data[:, first.discard_pre : stop] for row in index])
    finite = np.isfinite(data.view(np.float32).sum(axis=(1, 2), dtype=np.float64))
    if not finite.all():
        bad = readouts[index[np.argmin(finite)]]
        raise DataError(
            f"{np.count_nonzero(~finite)} readouts hold NaN or Inf samples, the first with scan counter "
            f"{bad.scan_counter} (slice {bad.idx.slice}); check the receiver or leave them out"
        )
    return data


def _trajectory(
    readouts: list[ismrmrd.Acquisition],
    is_navigator: NDArray,
    parameters: MultitaskingParameters,
    matrix: int,
    encoded_matrix: int | None,
) -> tuple[NDArray, str]:
    imaging = [readouts[index] for index in np.flatnonzero(~is_navigator)]
    first = imaging[0]
    kept = slice(first.discard_pre, first.number_of_samples - first.discard_post)
    if all(readout.trajectory_dimensions >= 2 for readout in imaging):
        written = np.stack([readout.traj[:, :2] for readout in imaging])
        unit = recognise_unit(written, matrix, encoded_matrix)
        return (written[:, kept] * np.float32(unit.cycles_per_fov)).astype(np.float32), unit.name
    if parameters.golden_angle_deg is None:
        raise DataError(
            "the imaging readouts carry no trajectory, and no golden_angle_deg is set; "
            "set it to the increment between imaging spokes (111.246 for the golden angle)"
        )
    _refuse_lost_readouts(readouts)
    angles = golden_angles_rad(np.arange(len(imaging)), parameters.golden_angle_deg)
    center = first.center_sample or None
    spokes = radial_trajectory(angles, first.number_of_samples, matrix, center)
    return spokes[:, kept], f"computed: {parameters.golden_angle_deg:g} degrees per spoke"


def _refuse_lost_readouts(readouts: list[ismrmrd.Acquisition]) -> None:
    counters = np.array([readout.scan_counter for readout in readouts], dtype=np.int64)
    steps = np.diff(counters)
    if len(steps) and np.all(steps > 0) and np.any(steps != np.median(steps)):
        row = int(np.argmax(steps != np.median(steps)))
        raise DataError(
            f"readouts are missing after scan counter {counters[row]}: without a trajectory in the data the angles "
            "of all later spokes would be wrong"
        )
