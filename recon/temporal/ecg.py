"""R waves of an external ECG."""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from recon.errors import DataError

_REFRACTORY_S = 0.3
"""Shortest distance of two R waves: 200 beats a minute, above every rate that the gating looks for by default."""

_LEAST_BEATS = 3
"""Fewer give no interval whose neighbours could tell whether it is early."""


def r_wave_times_s(time_s: NDArray, signal: NDArray) -> NDArray:
    """Find the R waves: peaks above half of the way from the median to the maximum.

    Parameters
    ----------
    time_s : (samples,) float64
        Scan times, evenly spaced but for gaps.
    signal : (samples,) float64
        ECG, R waves pointing up.

    Returns
    -------
    (beats,) float64
        Scan times.

    Raises
    ------
    DataError
        If there are fewer than three.
    """
    rest, peak = np.median(signal), np.max(signal)
    apart = max(1, round(_REFRACTORY_S / float(np.median(np.diff(time_s)))))
    beats = find_peaks(signal, height=rest + 0.5 * (peak - rest), distance=apart)[0]
    if len(beats) < _LEAST_BEATS:
        raise DataError(f"the ECG shows {len(beats)} R waves; check the electrodes, or set heart_source=self")
    return time_s[beats]
