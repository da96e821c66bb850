"""Good simulated scans give no finding; the same results, broken in one place each, give that one."""

import dataclasses
import functools

import numpy as np
import pytest

from gadgets.evaluation.truth import slice_of_simulation
from gadgets.multitasking.parameters import MultitaskingParameters
from recon.multitasking import Result, reconstruct
from recon.multitasking.findings import implausible
from recon.simulation.chest import PRESETS, simulate_scan

PARAMETERS = MultitaskingParameters(reconstruction="backprojection", rank=12)


@functools.cache
def result(preset: str, duration_s: float) -> Result:
    protocol = dataclasses.replace(PRESETS[preset], duration_s=duration_s)
    return reconstruct(slice_of_simulation(simulate_scan(protocol, 1), PARAMETERS).scan, PARAMETERS.settings())


@pytest.mark.parametrize(("preset", "duration_s"), [("tiny", 12), ("tiny", 26), ("standard", 17)])
def test_good_scans_give_no_finding(preset: str, duration_s: float) -> None:
    assert implausible(result(preset, duration_s)) == []


def broken(**changes: object) -> list[str]:
    found = implausible(dataclasses.replace(result("tiny", 26), **changes))
    return [finding.text for finding in found]


def with_gating(**changes: object) -> list[str]:
    good = result("tiny", 26)
    gated = dataclasses.replace(good.gated, gating=dataclasses.replace(good.gated.gating, **changes))
    return broken(temporal=dataclasses.replace(good.temporal, gated=gated))


def test_each_fault_is_found() -> None:
    good = result("tiny", 26)
    assert good.beats
    assert good.breathes
    factor, beats = good.spatial_factor, good.gated.gating.beats
    assert broken(spatial_factor=0 * factor) == ["1 of 1 images of the time average are blank"]
    assert "not numbers" in broken(spatial_factor=factor * np.where(np.arange(64) == 9, np.nan, 1).astype("c8"))[0]
    rng = np.random.default_rng(4)
    noise = rng.standard_normal(factor.shape) + 1j * rng.standard_normal(factor.shape)
    assert "noise" in broken(spatial_factor=noise.astype(np.complex64))[0]
    assert "heart rate" in with_gating(beats=dataclasses.replace(beats, time_s=beats.time_s / 5))[0]
    assert "respiratory rate" in with_gating(respiration=np.linspace(0, 1, len(good.gated.navigator_time_s)))[0]
    stuck = np.where(good.t1_map.t1_ms > 0, 4999, 0).astype(np.float32)
    assert "T1 is at a limit" in broken(t1_map=dataclasses.replace(good.t1_map, t1_ms=stuck))[0]
    sequence = dataclasses.replace(good.gated.sequence, delay_ms=-5.0)
    gated = dataclasses.replace(good.gated, sequence=sequence)
    assert "TI = -5 ms" in broken(temporal=dataclasses.replace(good.temporal, gated=gated))[0]
