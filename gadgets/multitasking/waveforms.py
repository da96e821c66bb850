"""ECG and respiration waveforms of the stream, on the time axis of the scan."""

import ismrmrd
import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from recon.errors import DataError

_REFRACTORY_S = 0.3
_LEAST_BEATS = 3


def r_wave_times_s(waveforms: list[ismrmrd.Waveform], waveform_id: int, stamps: NDArray, time_s: NDArray) -> NDArray:
    """R waves of the ECG.

    Parameters
    ----------
    waveforms : list of ismrmrd.Waveform
    waveform_id : int
        Of the ECG; its first channel is used.
    stamps, time_s : (readouts,) float
        Acquisition time stamps and scan times of the same readouts.

    Returns
    -------
    (beats,) float64
        Scan times.

    Raises
    ------
    DataError
        If the stream has no such waveform, fewer than three R waves, or readouts without time stamps.
    """
    times, signal = _signal(waveforms, waveform_id, "ECG", "heart_source=self", stamps, time_s)
    rest, peak = np.median(signal), np.max(signal)
    apart = max(1, round(_REFRACTORY_S / float(np.median(np.diff(times)))))
    beats = find_peaks(signal, height=rest + 0.5 * (peak - rest), distance=apart)[0]
    if len(beats) < _LEAST_BEATS:
        raise DataError(f"the ECG shows {len(beats)} R waves; check the electrodes, or set heart_source=self")
    return times[beats]


def respiration_at(
    waveforms: list[ismrmrd.Waveform], waveform_id: int, stamps: NDArray, time_s: NDArray, wanted_s: NDArray
) -> NDArray:
    """Respiration waveform at given scan times: ``(times,)`` float64; parameters and errors as above."""
    times, signal = _signal(waveforms, waveform_id, "respiration", "respiration_source=self", stamps, time_s)
    return np.interp(wanted_s, times, signal)


def _signal(
    waveforms: list[ismrmrd.Waveform], waveform_id: int, name: str, remedy: str, stamps: NDArray, time_s: NDArray
) -> tuple[NDArray, NDArray]:
    mine = sorted((one for one in waveforms if one.waveform_id == waveform_id), key=lambda one: one.time_stamp)
    if not mine:
        known = sorted({one.waveform_id for one in waveforms})
        raise DataError(
            f"the stream has no {name} waveform with id {waveform_id} (ids: {known or 'none'}); set {remedy}"
        )
    if np.ptp(stamps) <= 0:
        raise DataError(f"the readouts carry no time stamps, so the {name} cannot be aligned; set {remedy}")
    ticks_per_s, start = np.polyfit(time_s, stamps, 1)
    times = [
        (one.time_stamp - start) / ticks_per_s + 1e-6 * one.sample_time_us * np.arange(one.data.shape[1])
        for one in mine
    ]
    return np.concatenate(times), np.concatenate([one.data[0].astype(np.float64) for one in mine])
