"""ECG and respiration waveforms of the stream, on the time axis of the scan."""

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from recon.errors import DataError
from recon.multitasking.scan import Signal


def waveform(
    waveforms: list[ismrmrd.Waveform], waveform_id: int, name: str, remedy: str, stamps: NDArray, time_s: NDArray
) -> Signal:
    """Join the messages of one waveform, and align their time stamps with the scan's times.

    Parameters
    ----------
    waveforms : list of ismrmrd.Waveform
        Messages of any number of signals, in any order.
    waveform_id : int
        Id of the wanted one; its first channel is used.
    name, remedy : str
        For error texts: what it is, and the setting that does without it.
    stamps, time_s : (readouts,) float
        Acquisition time stamps and scan times of the same readouts.

    Returns
    -------
    Signal

    Raises
    ------
    DataError
        If the stream has no such waveform, or the readouts carry no time stamps.
    """
    messages = sorted((one for one in waveforms if one.waveform_id == waveform_id), key=lambda one: one.time_stamp)
    if not messages:
        known = sorted({one.waveform_id for one in waveforms})
        raise DataError(
            f"the stream has no {name} waveform with id {waveform_id} (ids: {known or 'none'}); set {remedy}"
        )
    if np.ptp(stamps) <= 0:
        raise DataError(f"the readouts carry no time stamps, so the {name} cannot be aligned; set {remedy}")
    ticks_per_s, start = np.polyfit(time_s, stamps, 1)
    times = [
        (one.time_stamp - start) / ticks_per_s + 1e-6 * one.sample_time_us * np.arange(one.data.shape[1])
        for one in messages
    ]
    return Signal(np.concatenate(times), np.concatenate([one.data[0].astype(np.float64) for one in messages]))
