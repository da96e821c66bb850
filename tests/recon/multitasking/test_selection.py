"""Which frames are shown, by hand."""

import numpy as np
import pytest

from recon.errors import DataError
from recon.multitasking.selection import (
    Cells,
    bright_blood_pulse,
    dark_blood_pulse,
    frame_spokes,
    recovery_pulses,
    t1_state,
)
from recon.readouts.timeline import Timeline
from recon.relaxometry.inversion_recovery import InversionRecovery
from recon.temporal.bins import DisplacementScale
from recon.temporal.gating import Gating
from recon.temporal.model import GatedTensor, TemporalModel
from recon.temporal.tensor import BinWeights, TemporalTensor

SEQUENCE = InversionRecovery(4.0, 5.0, 12.0, 500)
PULSE = np.tile(np.arange(1, 500, 2), 3)
IMAGING = Timeline(np.arange(750) * 0.008, PULSE, np.repeat(np.arange(3), 250))


def gated(cardiac: int = 20, respiratory: int = 6) -> GatedTensor:
    tensor = TemporalTensor(np.ones((2, 1, 1, 1)), np.ones((cardiac, 1)), np.ones((respiratory, 1)), np.ones((500, 1)))
    weights = BinWeights(np.ones((750, cardiac)), np.ones((750, respiratory)), np.ones((750, 1)))
    gating = Gating(None, DisplacementScale(0, 1, 6), None, 0.0, 0.0, 0.0)
    return GatedTensor(SEQUENCE, tensor, gating, weights, np.arange(3.0), 0.1, end_expiration=2)


TEMPORAL = TemporalModel(np.ones((2, 750), np.complex64), np.ones(750, bool), np.ones(2), IMAGING)


def test_cells_are_broadcast() -> None:
    cells = Cells.of(np.arange(3), 4, 7)
    assert cells.cardiac.tolist() == [0, 1, 2]
    assert cells.respiratory.tolist() == [4, 4, 4]
    assert Cells.of(1, 2, 3).pulse.tolist() == [3]


def test_inversion_times_name_pulses() -> None:
    """TI = 12 ms + 4 ms a pulse; imaging pulses are odd."""
    assert bright_blood_pulse(TEMPORAL, gated()) == 499
    assert bright_blood_pulse(TEMPORAL, gated(), 416.0) == 101
    assert bright_blood_pulse(TEMPORAL, gated(), 419.0) == 101
    assert bright_blood_pulse(TEMPORAL, gated(), 421.0) == 103
    assert dark_blood_pulse(TEMPORAL, gated(), 0.8, 416.0) == 101
    assert dark_blood_pulse(TEMPORAL, gated(), 0.8, 0.0) == 1


@pytest.mark.parametrize(("inflow", "efficiency"), [(0.8, None), (0.7, 0.95), (1.0, 0.8)])
def test_dark_blood_is_where_blood_of_1900_ms_has_no_signal(inflow: float, efficiency: float | None) -> None:
    pulses = np.arange(1, 500, 2)
    signal = SEQUENCE.curves([1900.0], [efficiency or 0.95], [inflow], pulses)[0]
    found = dark_blood_pulse(TEMPORAL, gated(), inflow, efficiency=efficiency)
    assert found == pulses[np.argmin(np.abs(signal))]
    assert 400 < SEQUENCE.inversion_time_ms(found) < 1400
    assert signal[0] < 0 < signal[-1]


def test_t1_is_measured_at_end_diastole_and_end_expiration() -> None:
    assert t1_state(gated()) == (0, 2)
    assert t1_state(gated(), 19, 5) == (19, 5)
    assert t1_state(gated(), 3, 0) == (3, 0)
    assert t1_state(gated(cardiac=1), 7) == (0, 2)
    assert t1_state(gated(respiratory=1), 7, 4) == (7, 2)
    with pytest.raises(DataError, match="t1_cardiac_bin = 20 is above the last bin, 19"):
        t1_state(gated(), 20)
    with pytest.raises(DataError, match="t1_respiratory_bin = 6 is above the last bin, 5"):
        t1_state(gated(), 0, 6)


def test_pulses_spread_over_the_recovery() -> None:
    assert recovery_pulses(TEMPORAL, 4).tolist() == [1, 167, 333, 499]
    assert recovery_pulses(TEMPORAL, 1000).tolist() == list(range(1, 500, 2))


def test_frames_of_the_last_full_period() -> None:
    inversion = np.repeat([0, 1, 2, 3], [90, 99, 100, 40])
    spokes = frame_spokes("auto", inversion)
    assert len(spokes) == 40
    assert (spokes[0], spokes[-1]) == (189, 288)
    one_less = np.repeat([0, 1, 2], [100, 99, 98])
    assert frame_spokes("auto", one_less)[0] == 100
    assert frame_spokes("auto", np.zeros(5, int)).tolist() == [0, 1, 2, 3, 4]
    assert frame_spokes("2:9:3", inversion).tolist() == [2, 5, 8]
    assert frame_spokes("-2::", inversion).tolist() == [327, 328]
    with pytest.raises(DataError, match="selects none of the 329"):
        frame_spokes("400:", inversion)
