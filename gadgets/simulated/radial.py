"""Simulated scans as ISMRMRD files, with the truth beside them."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import ismrmrd
import numpy as np
from pydantic import TypeAdapter, ValidationError

from gadgets import __version__
from gadgets.errors import ParameterError
from gadgets.files import NewHDF5
from gadgets.mrd.files import write_scan
from recon.simulation.chest import PRESETS, Protocol, ScannedSubject
from recon.simulation.chest.protocol import DWELL_US

# Simulated scans start at ten o'clock, in ms since midnight.
_START_OF_SCAN_MS = 10 * 3600 * 1000
# Sampling interval of the simulated ECG and respiration, in ms.
_WAVEFORM_SAMPLE_MS = 2.5
# Samples in one waveform message: one second.
_WAVEFORM_SAMPLES = 400
_TRUTH = ".truth.h5"
# True images drawn and written at a time.
_TRUTH_CHUNK = 128


def protocol_with(preset: str, settings: dict[str, Any]) -> Protocol:
    """Take a preset and change some of it.

    Parameters
    ----------
    preset : str
        Name from ``PRESETS``.
    settings : dict of str to str or number
        By the names of :class:`Protocol` and :class:`Physiology`.

    Returns
    -------
    Protocol

    Raises
    ------
    ParameterError
        If a preset or name is not known, or a value is impossible.
    """
    if preset not in PRESETS:
        raise ParameterError(f"there is no preset {preset!r}; known are {', '.join(PRESETS)}")
    values = asdict(PRESETS[preset])
    for name, value in settings.items():
        holder = values if name in values else values["physiology"]
        if name not in holder or name == "physiology":
            known = [key for key in (*values, *values["physiology"]) if key != "physiology"]
            raise ParameterError(f"a simulation has no setting {name!r}; known are {', '.join(known)}")
        holder[name] = value
    try:
        return TypeAdapter(Protocol).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = f"simulation setting {first['loc'][-1]} = {first['input']!r}: " if first["loc"] else ""
        raise ParameterError(place + first["msg"].removeprefix("Value error, ")) from error


def truth_path(scan_path: Path) -> Path:
    """Name of the truth file that belongs to a scan: ``scan.h5`` → ``scan.truth.h5``."""
    return scan_path.with_suffix(_TRUTH)


def is_truth(path: Path) -> bool:
    """Whether a file is the truth beside a simulated scan, by its name."""
    return path.name.endswith(_TRUTH)


def write_simulation(scan: ScannedSubject, path: Path, progress: Callable[[int], None] = lambda readouts: None) -> None:
    """Write a simulated scan and its truth; data go to disk as they are computed.

    Parameters
    ----------
    scan : ScannedSubject
    path : Path
        Path of the raw-data file.
    progress : callable
        Called with the number of readouts written.
    """
    write_scan(path, scan_header(scan), acquisitions(scan, progress), waveforms(scan))
    with NewHDF5(truth_path(path)) as file:
        _write_truth(scan, file)


def scan_header(scan: ScannedSubject) -> ismrmrd.xsd.ismrmrdHeader:
    """ISMRMRD header of a simulated scan, without any subject information."""
    xsd, protocol = ismrmrd.xsd, scan.protocol
    matrix, oversampling = protocol.matrix, protocol.samples / protocol.matrix
    encoded_fov = protocol.fov_mm * oversampling
    spokes, inversions = np.count_nonzero(~scan.is_navigator), int(scan.timeline.inversion[-1]) + 1
    long = {"readouts_per_inversion": protocol.period} if protocol.inversions else {}
    encoding = xsd.encodingType(
        encodedSpace=xsd.encodingSpaceType(
            matrixSize=xsd.matrixSizeType(x=protocol.samples, y=protocol.samples, z=1),
            fieldOfView_mm=xsd.fieldOfViewMm(x=encoded_fov, y=encoded_fov, z=protocol.slice_mm),
        ),
        reconSpace=xsd.encodingSpaceType(
            matrixSize=xsd.matrixSizeType(x=matrix, y=matrix, z=1),
            fieldOfView_mm=xsd.fieldOfViewMm(x=protocol.fov_mm, y=protocol.fov_mm, z=protocol.slice_mm),
        ),
        encodingLimits=xsd.encodingLimitsType(
            kspace_encoding_step_1=_limit(int(spokes) - 1),
            segment=_limit(protocol.period // 2 - 1),
            repetition=_limit(inversions - 1),
        ),
        trajectory=xsd.trajectoryType.GOLDENANGLE,
    )
    return xsd.ismrmrdHeader(
        measurementInformation=xsd.measurementInformationType(patientPosition=xsd.patientPositionType.HFS),
        acquisitionSystemInformation=xsd.acquisitionSystemInformationType(
            systemVendor="malibu simulator",
            systemModel=__version__,
            systemFieldStrength_T=protocol.field_t,
            receiverChannels=protocol.coils,
            relativeReceiverNoiseBandwidth=1.0,
        ),
        experimentalConditions=xsd.experimentalConditionsType(
            H1resonanceFrequency_Hz=round(123_200_000 * protocol.field_t / 3.0)
        ),
        encoding=[encoding],
        sequenceParameters=xsd.sequenceParametersType(
            TR=[protocol.tr_ms],
            TI=[protocol.delay_ms] if protocol.inversions else [],
            flipAngle_deg=[protocol.flip_angle_deg],
            sequence_type="IR-FLASH" if protocol.inversions else "FLASH",
        ),
        userParameters=xsd.userParametersType(
            userParameterLong=[xsd.userParameterLongType(name=name, value=value) for name, value in long.items()],
            userParameterDouble=[xsd.userParameterDoubleType(name="golden_angle_deg", value=protocol.golden_angle_deg)],
        ),
    )


def _limit(maximum: int) -> ismrmrd.xsd.limitType:
    return ismrmrd.xsd.limitType(minimum=0, maximum=min(maximum, 65535), center=0)


def common_head(scan: ScannedSubject) -> ismrmrd.AcquisitionHeader:
    """What the headers of all readouts of a scan have in common."""
    protocol = scan.protocol
    head = ismrmrd.AcquisitionHeader()
    head.version = 1
    head.measurement_uid = 1 + scan.seed % 2**31
    head.number_of_samples = protocol.measured_samples
    head.active_channels = head.available_channels = protocol.coils
    for coil in range(protocol.coils):
        head.channel_mask[coil // 64] |= 1 << (coil % 64)
    head.center_sample = protocol.echo_sample
    head.sample_time_us = DWELL_US
    head.position[:] = (10.0, -20.0, 30.0)
    head.read_dir[:] = (1.0, 0.0, 0.0)
    head.phase_dir[:] = (0.0, 1.0, 0.0)
    head.slice_dir[:] = (0.0, 0.0, 1.0)
    head.acquisition_time_stamp = _START_OF_SCAN_MS
    return head


def acquisitions(
    scan: ScannedSubject, progress: Callable[[int], None] = lambda readouts: None
) -> Iterator[ismrmrd.Acquisition]:
    """Make the readouts of a simulated scan, the noise scan first; they are computed as they are taken."""
    protocol = scan.protocol
    noise = scan.noise()
    for number, data in enumerate(noise):
        acquisition = ismrmrd.Acquisition(bytes(common_head(scan)), data)
        acquisition.scan_counter = number + 1
        acquisition.set_flag(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)
        yield acquisition
    trajectory = scan.trajectory() / np.float32(protocol.matrix)
    head = common_head(scan)
    head.trajectory_dimensions = 2
    common = bytes(head)
    for block, kspace in scan.kspace():
        for readout, data in zip(range(block.start, block.stop), kspace, strict=True):
            acquisition = ismrmrd.Acquisition(common, data, trajectory[readout])
            _stamp(acquisition, scan, readout)
            acquisition.scan_counter = len(noise) + readout + 1
            yield acquisition
        progress(block.stop - block.start)


def _stamp(acquisition: ismrmrd.Acquisition, scan: ScannedSubject, readout: int) -> None:
    spoke = readout // 2 if scan.protocol.navigators else readout
    idx = acquisition.idx
    idx.kspace_encode_step_1 = spoke % 65536
    idx.segment = int(scan.timeline.pulse[readout]) // 2
    idx.repetition = int(scan.timeline.inversion[readout])
    acquisition.acquisition_time_stamp = _START_OF_SCAN_MS + round(1000 * scan.timeline.time_s[readout])
    acquisition.physiology_time_stamp[0] = round(1000 * scan.motion.since_r_wave_s[readout])
    if scan.is_navigator[readout]:
        acquisition.set_flag(ismrmrd.ACQ_IS_NAVIGATION_DATA)
    if readout == 0:
        acquisition.set_flag(ismrmrd.ACQ_FIRST_IN_SLICE)
    if readout == scan.protocol.readouts - 1:
        acquisition.set_flag(ismrmrd.ACQ_LAST_IN_SLICE)
        acquisition.set_flag(ismrmrd.ACQ_LAST_IN_MEASUREMENT)


def waveforms(scan: ScannedSubject) -> list[ismrmrd.Waveform]:
    """ECG (id 0: an R wave of 30 ms) and respiration (id 2: displacement), one message a second."""
    end_ms = 1000 * scan.timeline.time_s[-1]
    times_s = np.arange(0, end_ms, _WAVEFORM_SAMPLE_MS) / 1000
    nearest = np.searchsorted(scan.timeline.time_s, times_s, side="right") - 1
    since_r_wave_s = scan.motion.since_r_wave_s[np.maximum(nearest, 0)]
    signals = {
        0: 2048 + 1500 * np.exp(-(((since_r_wave_s - 0.02) / 0.01) ** 2)),
        2: 2048 + 100 * scan.motion.displacement_mm[np.maximum(nearest, 0)],
    }
    messages = []
    for start in range(0, len(times_s), _WAVEFORM_SAMPLES):
        for waveform_id, signal in signals.items():
            samples = signal[None, start : start + _WAVEFORM_SAMPLES].round().astype(np.uint32)
            stamp = _START_OF_SCAN_MS + round(start * _WAVEFORM_SAMPLE_MS)
            messages.append(
                ismrmrd.Waveform.from_array(
                    samples,
                    waveform_id=waveform_id,
                    time_stamp=stamp,
                    sample_time_us=1000 * _WAVEFORM_SAMPLE_MS,
                    measurement_uid=1 + scan.seed % 2**31,
                )
            )
    return messages


def _write_truth(scan: ScannedSubject, file: h5py.File) -> None:
    protocol = scan.protocol
    file.attrs["malibu_version"] = __version__
    file.attrs["seed"] = scan.seed
    for name, value in protocol.settings.items():
        file.attrs[name] = value
    readouts = scan.truth_readouts
    shape = (len(readouts), protocol.matrix, protocol.matrix)
    drawn = scan.truth_images(readouts[:1]).dtype
    images = file.create_dataset("images", shape, drawn, chunks=(1, *shape[1:]), compression="gzip", compression_opts=1)
    for start in range(0, len(readouts), _TRUTH_CHUNK):
        images[start : start + _TRUTH_CHUNK] = scan.truth_images(readouts[start : start + _TRUTH_CHUNK])
    file["image_readout"] = readouts
    file["image_time_s"] = scan.timeline.time_s[readouts]
    file["coil_maps"] = scan.coils.maps(protocol.matrix)
    for name, image in scan.truth_maps().items():
        file[name] = image
    file["tissue"] = scan.tissue_numbers()
    file["tissue"].attrs["names"] = scan.tissue_names
    file["shape"] = scan.shape_map()
    file["shape"].attrs["names"] = scan.shape_names
    for name, tissue in scan.tissues.items():
        file[f"signal/{name}"] = scan.signal[name]
        file[f"signal/{name}"].attrs["t1_ms"] = tissue.t1_ms
    file["noise_covariance"] = scan.noise_factor @ scan.noise_factor.conj().T
    for name, values in vars(scan.motion).items():
        file[f"readout/{name}"] = values
    file["readout/time_s"] = scan.timeline.time_s
    file["readout/inversion"] = scan.timeline.inversion
    file["readout/pulse"] = scan.timeline.pulse
    file["readout/is_navigator"] = scan.is_navigator
