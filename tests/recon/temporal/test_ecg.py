"""R waves where they were drawn."""

import numpy as np
import pytest

from recon.errors import DataError
from recon.temporal.ecg import r_wave_times_s

TIME_S = 5.0 + np.arange(0, 12, 0.004)


def ecg(beats_s: np.ndarray, t_wave: float = 0.4) -> np.ndarray:
    """R waves of 2.5 mV on an offset of 3, each with a T wave 0.25 s later."""
    signal = np.zeros(len(TIME_S))
    for beat in beats_s:
        signal += np.exp(-(((TIME_S - beat) / 0.012) ** 2)) + t_wave * np.exp(-(((TIME_S - beat - 0.25) / 0.05) ** 2))
    return 3 + 2.5 * signal


def test_times_of_the_r_waves() -> None:
    beats = 5.5 + np.cumsum(np.r_[0, [0.8, 0.9, 0.7, 1.1, 0.35, 1.2]])
    assert np.allclose(r_wave_times_s(TIME_S, ecg(beats)), beats, atol=0.004)


def test_a_high_t_wave_within_the_refractory_time_is_no_beat() -> None:
    beats = 5.5 + 0.9 * np.arange(7)
    assert np.allclose(r_wave_times_s(TIME_S, ecg(beats, t_wave=0.9)), beats, atol=0.004)


def test_half_of_the_way_to_the_highest_counts() -> None:
    beats = 5.5 + 0.9 * np.arange(7)
    signal = ecg(beats, t_wave=0.0)
    low = np.abs(TIME_S - beats[3]) < 0.1
    signal[low] = 3 + 0.55 * (signal[low] - 3)
    assert len(r_wave_times_s(TIME_S, signal)) == 7
    signal[low] = 3 + 0.8 * (signal[low] - 3)
    assert len(r_wave_times_s(TIME_S, signal)) == 6


def test_two_beats_are_too_few() -> None:
    assert len(r_wave_times_s(TIME_S, ecg(np.array([6.0, 7.0, 8.0])))) == 3
    with pytest.raises(DataError, match="shows 2 R waves"):
        r_wave_times_s(TIME_S, ecg(np.array([6.0, 7.0])))


def test_a_signal_sampled_once_a_second_has_peaks_as_well() -> None:
    time_s = np.arange(9.0)
    signal = np.array([0, 1, 0, 1, 0, 0, 1, 0, 0.0])
    assert r_wave_times_s(time_s, signal).tolist() == [1, 3, 6]
