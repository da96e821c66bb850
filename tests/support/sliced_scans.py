"""A scan of several slices, one after the other in one measurement: noise first of all, waveforms between."""

import dataclasses
from pathlib import Path

import ismrmrd

from gadgets.mrd.files import write_scan
from gadgets.simulated.radial import acquisitions, scan_header, waveforms
from recon.simulation.chest import PRESETS, simulate_scan

GAP_MS = 1500


def sliced_scan(path: Path, durations_s: tuple[float, ...], **settings: float) -> Path:
    """Write a scan whose slices last so long each; the last readout alone is flagged as the last."""
    readouts: list[ismrmrd.Acquisition] = []
    signals: list[ismrmrd.Waveform] = []
    offset_ms, header, uid = 0, None, 0
    for number, duration_s in enumerate(durations_s):
        protocol = dataclasses.replace(PRESETS["tiny"], duration_s=duration_s, coils=2, noise_readouts=4, **settings)
        scan = simulate_scan(protocol, seed=2 + number)
        header = header or scan_header(scan)
        for readout in acquisitions(scan):
            if readout.is_flag_set(ismrmrd.ACQ_IS_NOISE_MEASUREMENT) and number:
                continue
            uid = uid or readout.measurement_uid
            readout.measurement_uid, readout.scan_counter = uid, len(readouts) + 1
            readout.idx.slice = 0 if readout.is_flag_set(ismrmrd.ACQ_IS_NOISE_MEASUREMENT) else number
            readout.position[2] += 10 * number
            readout.acquisition_time_stamp += offset_ms
            readout.clear_flag(ismrmrd.ACQ_LAST_IN_MEASUREMENT)
            readouts.append(readout)
        for signal in waveforms(scan):
            signal.time_stamp, signal.measurement_uid = signal.time_stamp + offset_ms, uid
            signals.append(signal)
        offset_ms += round(1000 * duration_s) + GAP_MS
    readouts[-1].set_flag(ismrmrd.ACQ_LAST_IN_MEASUREMENT)
    header.encoding[0].encodingLimits.slice = ismrmrd.xsd.limitType(minimum=0, maximum=len(durations_s) - 1, center=0)
    write_scan(path, header, readouts, signals)
    return path
