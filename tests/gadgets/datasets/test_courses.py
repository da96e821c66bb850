"""Courses of simulated scans: what a pair is made of is what the scan had encoded."""

from dataclasses import replace

import numpy as np
import pytest

from gadgets.datasets.courses import simulated_course
from gadgets.multitasking.parameters import MultitaskingParameters
from recon.simulation.chest import PRESETS

PARAMETERS = MultitaskingParameters(rank=4, temporal_model="realtime", images=("basis_maps",))


@pytest.mark.parametrize(("preset", "seconds"), [("plain", 1.2), ("tiny", 6.0)])
def test_a_course_is_what_its_protocol_encodes(preset: str, seconds: float) -> None:
    protocol = replace(PRESETS[preset], duration_s=seconds, matrix=32, samples=64)
    course = simulated_course(protocol, PARAMETERS, 3)
    assert course.rank == 4
    assert course.trajectory.shape[1:] == (64, 2)
    assert len(course.pulse) == len(course.contraction) == course.temporal_basis.shape[1]
    if protocol.inversions:
        assert course.sequence.pulses == 400
        assert course.efficiency == 0.95
        assert np.all(np.diff(course.pulse)[course.pulse[1:] > course.pulse[:-1]] == 2), "every second is a navigator"
        assert course.pulse.max() > 390
    else:
        assert course.sequence is None
        assert not course.pulse.any(), "in the steady state, all pulses are alike"
        assert len(course.trajectory) == protocol.readouts, "every readout is a spoke"
