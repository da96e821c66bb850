"""ECG and respiration waveforms of the stream, on the time axis of the scan."""

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from recon.errors import DataError
from recon.multitasking.scan import Signal
from recon.readouts.clock import nearest_turn

_LEAST_OVERLAP = 0.9
"""Share of the scan that a signal must cover: beyond its end, beats would be guessed."""


def waveform(
    waveforms: list[ismrmrd.Waveform], waveform_id: int, name: str, remedy: str, stamps: NDArray | None, time_s: NDArray
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
    stamps : (readouts,) float or None
        Acquisition time stamps, unwrapped over midnight.
    time_s : (readouts,) float
        Scan times of the same readouts.

    Returns
    -------
    Signal

    Raises
    ------
    DataError
        If the stream has no such waveform, or the readouts carry no time stamps that rise.
    """
    messages = [one for one in waveforms if one.waveform_id == waveform_id]
    if not messages:
        known = sorted({one.waveform_id for one in waveforms})
        raise DataError(
            f"the stream has no {name} waveform with id {waveform_id} (ids: {known or 'none'}); set {remedy}"
        )
    if stamps is None or np.ptp(stamps) <= 0:
        raise DataError(
            f"the time stamps of the readouts stand still or run backwards: the {name} cannot be aligned; set {remedy}"
        )
    ticks_per_s, start = np.polyfit(time_s, stamps, 1)
    turned = nearest_turn(np.array([one.time_stamp for one in messages]), round(float(stamps[0])))
    order = np.argsort(turned, kind="stable")
    times = [
        (turned[row] - start) / ticks_per_s
        + 1e-6 * messages[row].sample_time_us * np.arange(messages[row].data.shape[1])
        for row in order
    ]
    start_s, stop_s = min(part[0] for part in times), max(part[-1] for part in times)
    overlap_s = min(stop_s, time_s[-1]) - max(start_s, time_s[0])
    if overlap_s < _LEAST_OVERLAP * (time_s[-1] - time_s[0]):
        raise DataError(
            f"the {name} lies from {start_s:.4g} to {stop_s:.4g} s on the clock of a scan from {time_s[0]:.4g} to "
            f"{time_s[-1]:.4g} s: its time stamps are of another clock, or it was cut; set {remedy}"
        )
    values = np.concatenate([messages[row].data[0].astype(np.float64) for row in order])
    return Signal(np.concatenate(times), values)
