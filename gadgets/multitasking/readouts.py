"""A measurement's readouts become the arrays of a RadialScan, once, slice by slice."""

import logging
from dataclasses import dataclass, field

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.mrd.files import ScanFile
from gadgets.mrd.header import ScanHeader, read_header
from gadgets.mrd.headers.places import check_one_place, geometry_of, oriented
from gadgets.mrd.intake.measurement import Measurement
from gadgets.mrd.intake.store import StoredReadouts
from gadgets.multitasking.feasibility import check_wishes, given_basis, remarks_on
from gadgets.multitasking.given.b1_file import given_b1
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.samples import finite_samples, kept_samples, trajectory_of
from gadgets.multitasking.slices.sorting import sorted_readouts, starting_slice
from gadgets.multitasking.timing import Timing, log_passed_over
from gadgets.multitasking.waveforms import waveform
from recon.errors import DataError
from recon.multitasking.scan import LeadingSpokes, NoiseScan, RadialScan, Readouts, Signal, Timeline

log = logging.getLogger(__name__)


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
    navigator_rows : (navigators,) int or None
        Places of the navigators among all readouts of the stream.
    remarks : list of str
        What a user of the images must know of the scan.
    """

    scan: RadialScan
    headers: list[ismrmrd.AcquisitionHeader]
    trajectory_unit: str
    remarks: list[str] = field(default_factory=list)
    navigator_rows: NDArray[np.int_] | None = None


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
        If the stream was empty, TR is not known, or a slice lacks imaging spokes, a trajectory, finite samples, a
        wanted waveform, or, having inversions, navigators.
    """
    selected = measurement.select(parameters)
    if selected.roles.encoding_space != header.encoding_space:
        raise DataError(
            f"the readouts belong to encoding space {selected.roles.encoding_space} (encoding_space_ref); "
            f"set encoding_space={selected.roles.encoding_space}"
        )
    noise = measurement.noise(header.relative_noise_bandwidth)
    if noise is None:
        log.warning("no noise scan: coils are not prewhitened, and pixel values are in the receiver's units")
    log_passed_over(header, parameters)
    whole = measurement.whole
    starting = starting_slice(selected) if whole is None else whole.starting_slice
    return [
        _slice(
            number,
            readouts,
            selected.counters[number],
            measurement,
            NoiseScan(*noise) if noise else None,
            header,
            parameters,
            number == starting,
        )
        for number, readouts in sorted(selected.slices.items())
    ]


def read_slices(scan: ScanFile, parameters: MultitaskingParameters) -> list[MeasuredSlice]:
    """Read all slices of a raw-data file, with its waveforms; arguments and errors are those of :func:`slices_of`."""
    return slices_of(
        Measurement.of(scan.items()), read_header(scan.header, parameters.encoding_space, parameters.matrix), parameters
    )


def _slice(
    number: int,
    readouts: StoredReadouts,
    counter: NDArray,
    measurement: Measurement,
    noise: NoiseScan | None,
    header: ScanHeader,
    parameters: MultitaskingParameters,
    starts_scan: bool,
) -> MeasuredSlice:
    heads = readouts.heads
    sort = sorted_readouts(number, readouts, counter, header, parameters)
    timing, has_navigators, is_inverting = sort.timing, bool(sort.is_navigator.any()), sort.is_inverting
    check_wishes(number, len(readouts), has_navigators, is_inverting, parameters)
    if not has_navigators:
        log.info("slice %d: no readout is a navigator: the scan is taken for one without", number)
    imaging, navigators, keep = sort.imaging, sort.navigators, sort.keep
    leading = np.flatnonzero(~keep & sort.is_imaging & (timing.period == 0) & is_inverting & starts_scan)
    if not len(imaging):
        raise DataError(f"slice {number}: all {len(readouts)} readouts are navigators; check the navigator rule")
    kept, spokes = kept_samples(heads), np.flatnonzero(sort.is_imaging)
    missing = max(timing.missing, timing.placed.jumps)
    trajectory, unit = trajectory_of(readouts.at(spokes), heads[spokes], missing, parameters, header)
    check_one_place(heads[imaging], f"slice {number}")
    headers = [header_like(head) for head in heads[imaging]]
    _orient(headers)

    def kind(rows: NDArray) -> Readouts:
        return Readouts(finite_samples(readouts.at(rows), kept), sort.timeline(rows), rows)

    def path(rows: NDArray) -> NDArray:
        return trajectory[np.searchsorted(spokes, rows)][:, kept]

    measured = kind(imaging)
    ecg, respiration = _signals(measurement, timing, imaging, measured.timeline, parameters)
    geometry = geometry_of(headers[0], header.fov_mm)
    scan = RadialScan(
        imaging=measured,
        navigators=kind(navigators) if has_navigators else None,
        trajectory=path(imaging),
        matrix=header.matrix,
        sequence=timing.sequence,
        geometry=geometry,
        noise=noise,
        ecg=ecg,
        respiration=respiration,
        slice_index=number,
        basis=given_basis(parameters, number, keep[spokes]),
        leading=LeadingSpokes(kind(leading), path(leading)) if len(leading) else None,
        b1=given_b1(parameters, number, geometry, parameters.matrix or header.matrix, measurement.maps),
    )
    remarks = _remarks(measurement, timing) + remarks_on(has_navigators, is_inverting, parameters)
    return MeasuredSlice(scan, headers, unit, remarks, readouts.rows[navigators])


def header_like(head: np.void) -> ismrmrd.AcquisitionHeader:
    """Copy a row of an array of heads as the object that images take their counters and times from."""
    return ismrmrd.AcquisitionHeader.from_buffer_copy(head.tobytes())


def _remarks(measurement: Measurement, timing: Timing) -> list[str]:
    remarks = []
    if measurement.received and not measurement.complete:
        remarks.append("the stream ended without ACQ_LAST_IN_MEASUREMENT: the scan may be incomplete")
    if timing.missing:
        remarks.append(f"{timing.missing} readouts are missing by the {timing.placed_by}")
    return remarks


def _orient(headers: list[ismrmrd.AcquisitionHeader]) -> None:
    first = oriented(headers[0])
    for head in headers:  # within rounding of the first's, or all without
        head.read_dir[:], head.phase_dir[:], head.slice_dir[:] = first.read_dir, first.phase_dir, first.slice_dir


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


def _signals(
    measurement: Measurement,
    timing: Timing,
    imaging: NDArray,
    timeline: Timeline,
    parameters: MultitaskingParameters,
) -> tuple[Signal | None, Signal | None]:
    """The ECG and the respiration that the parameters ask for; the tensor model alone uses them."""
    is_tensor = parameters.temporal_model == "tensor" and parameters.basis is None
    stamps = None if timing.stamps is None else timing.stamps[imaging]
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
