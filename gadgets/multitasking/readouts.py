"""A measurement's readouts become the arrays of a RadialScan, once, slice by slice."""

import logging
from dataclasses import dataclass

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.mrd.files import ScanFile
from gadgets.mrd.header import ScanHeader, geometry_of, read_header
from gadgets.mrd.measurement import Measurement
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.waveforms import waveform
from recon.errors import DataError
from recon.multitasking.scan import NoiseScan, RadialScan, Readouts, Sequence, Signal, Timeline
from recon.multitasking.temporal_basis import has_inversions
from recon.readouts.trajectory import golden_angles_rad, radial_trajectory, recognise_unit

log = logging.getLogger(__name__)

_SEQUENCE = ("tr_ms", "ti_ms", "flip_angle_deg")

# ISMRMRD counts flags from 1, bits from 0.
_NAVIGATOR_MASK = 1 << (ismrmrd.ACQ_IS_NAVIGATION_DATA - 1)


@dataclass(frozen=True)
class MeasuredSlice:
    """One slice of a measurement: the scan as arrays, and what its images take from ISMRMRD.

    Attributes
    ----------
    scan : RadialScan
    headers : list of ismrmrd.AcquisitionHeader
        Headers of the imaging spokes.
    trajectory_unit : str
        How the trajectory was written.
    """

    scan: RadialScan
    headers: list[ismrmrd.AcquisitionHeader]
    trajectory_unit: str


def slices_of(measurement: Measurement, header: ScanHeader, parameters: MultitaskingParameters) -> list[MeasuredSlice]:
    """Turn the readouts into arrays, slice by slice; readouts of several averages join their slice.

    Parameters
    ----------
    measurement : Measurement
    header : ScanHeader
    parameters : MultitaskingParameters

    Returns
    -------
    list of MeasuredSlice
        In the order of their slice index.

    Raises
    ------
    DataError
        If the stream was empty, TR is not known, or a slice lacks navigators, imaging spokes, a trajectory, finite
        samples or a wanted waveform.
    """
    measurement.check_imaging()
    noise = measurement.noise(header.relative_noise_bandwidth)
    if noise is None:
        log.warning("no noise scan: coils are not prewhitened, and pixel values are in the receiver's units")
    _log_passed_over(header, parameters)
    return [
        _slice(number, readouts, measurement, NoiseScan(*noise) if noise else None, header, parameters)
        for number, readouts in sorted(measurement.slices.items())
    ]


def read_slices(scan: ScanFile, parameters: MultitaskingParameters) -> list[MeasuredSlice]:
    """Read all slices of a raw-data file, with its waveforms; arguments and errors are those of :func:`slices_of`."""
    return slices_of(Measurement.of(scan.items()), read_header(scan.header), parameters)


def sequence_of(header: ScanHeader, parameters: MultitaskingParameters) -> Sequence:
    """Sequence of the scan: what the parameters say, else the header."""
    written = {name: getattr(header, name) for name in _SEQUENCE}
    return Sequence(**written | parameters.model_dump(include=set(_SEQUENCE), exclude_none=True))


def _log_passed_over(header: ScanHeader, parameters: MultitaskingParameters) -> None:
    for name in _SEQUENCE:
        given, written = getattr(parameters, name), getattr(header, name)
        if given is not None and written and given != written:  # 0 stands for unknown
            log.warning("%s = %g is set; the header's %g is passed over", name, given, written)


def _slice(
    number: int,
    readouts: list[ismrmrd.Acquisition],
    measurement: Measurement,
    noise: NoiseScan | None,
    header: ScanHeader,
    parameters: MultitaskingParameters,
) -> MeasuredSlice:
    is_navigator = _find_navigators(readouts, parameters)
    inversion = np.array([readout.idx.repetition for readout in readouts])
    keep = _steady_state(inversion, parameters.skip_inversions)
    imaging, navigators = np.flatnonzero(keep & ~is_navigator), np.flatnonzero(keep & is_navigator)
    if not len(navigators):
        raise DataError(
            f"slice {number}: none of {len(readouts)} readouts is a navigator by the rule "
            f"navigator={parameters.navigator}; set navigator to every_nth or zero_angle if the sequence flags none"
        )
    if not len(imaging):
        raise DataError(f"slice {number}: all {len(readouts)} readouts are navigators; check the navigator rule")
    trajectory, unit = _trajectory(readouts, is_navigator, parameters, header)
    sequence, pulse = sequence_of(header, parameters), _since_first(inversion)

    def kind(rows: NDArray) -> Readouts:
        return Readouts(_stack(readouts, rows), sequence.timeline(rows, pulse[rows], inversion[rows]), rows)

    spokes = kind(imaging)
    headers = [readouts[row].getHead() for row in imaging]
    ecg, respiration = _signals(measurement, headers, spokes.timeline, parameters)
    scan = RadialScan(
        imaging=spokes,
        navigators=kind(navigators),
        trajectory=trajectory[np.searchsorted(np.flatnonzero(~is_navigator), imaging)],
        matrix=header.matrix,
        sequence=sequence,
        geometry=geometry_of(headers[0], header.fov_mm),
        noise=noise,
        ecg=ecg,
        respiration=respiration,
        slice_index=number,
    )
    return MeasuredSlice(scan, headers, unit)


def bare_slice(scan: RadialScan) -> MeasuredSlice:
    """Give a scan that came from arrays the headers that its images need: geometry, times, counters.

    Parameters
    ----------
    scan : RadialScan

    Returns
    -------
    MeasuredSlice
    """
    geometry, timeline, headers = scan.geometry, scan.imaging.timeline, []
    for time_s, inversion in zip(timeline.time_s, timeline.inversion, strict=True):
        head = ismrmrd.AcquisitionHeader()
        head.version = 1
        head.position[:], head.read_dir[:] = geometry.position_mm, geometry.read_dir
        head.phase_dir[:], head.slice_dir[:] = geometry.phase_dir, geometry.slice_dir
        head.acquisition_time_stamp = round(1000 * float(time_s))
        head.idx.slice, head.idx.repetition = scan.slice_index, int(inversion)
        headers.append(head)
    return MeasuredSlice(scan, headers, "given in cycles per field of view")


def _since_first(inversion: NDArray) -> NDArray:
    """Readouts since the first one of the same inversion period."""
    first = {number: int(np.argmax(inversion == number)) for number in np.unique(inversion)}
    return np.arange(len(inversion)) - np.array([first[number] for number in inversion])


def _signals(
    measurement: Measurement,
    headers: list[ismrmrd.AcquisitionHeader],
    timeline: Timeline,
    parameters: MultitaskingParameters,
) -> tuple[Signal | None, Signal | None]:
    """The ECG and the respiration that the parameters ask for; the tensor model alone uses them."""
    is_tensor = parameters.temporal_model == "tensor" and has_inversions(timeline)
    stamps = np.array([head.acquisition_time_stamp for head in headers], dtype=np.float64)
    signals: list[Signal | None] = []
    for source, given, waveform_id, name in (
        ("heart_source", parameters.heart_source, parameters.ecg_waveform_id, "ECG"),
        ("respiration_source", parameters.respiration_source, parameters.respiration_waveform_id, "respiration"),
    ):
        wanted = given != "self" and is_tensor
        remedy = f"{source}=self"
        signal = waveform(measurement.waveforms, waveform_id, name, remedy, stamps, timeline.time_s) if wanted else None
        signals.append(signal)
    return signals[0], signals[1]


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
    header: ScanHeader,
) -> tuple[NDArray, str]:
    imaging = [readouts[index] for index in np.flatnonzero(~is_navigator)]
    first = imaging[0]
    kept = slice(first.discard_pre, first.number_of_samples - first.discard_post)
    if all(readout.trajectory_dimensions >= 2 for readout in imaging):
        written = np.stack([readout.traj[:, :2] for readout in imaging])
        unit = recognise_unit(written, header.matrix, header.encoded_matrix)
        return (written[:, kept] * np.float32(unit.cycles_per_fov)).astype(np.float32), unit.name
    if parameters.golden_angle_deg is None:
        raise DataError(
            "the imaging readouts carry no trajectory, and no golden_angle_deg is set; "
            "set it to the increment between imaging spokes (111.246 for the golden angle)"
        )
    _refuse_lost_readouts(readouts)
    angles = golden_angles_rad(np.arange(len(imaging)), parameters.golden_angle_deg)
    center = first.center_sample or None
    spokes = radial_trajectory(angles, first.number_of_samples, header.matrix, center)
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
