"""The cost model finds what runs were made of, and what many scans need follows from one."""

from dataclasses import replace

import numpy as np
import pytest

from gadgets.errors import ParameterError
from gadgets.evaluation.scaling.costs import WORK, Cost, Run, ScanSizes, fit, from_operators
from gadgets.evaluation.scaling.fleet import BUSY, fleet_for

SIZES = [
    ScanSizes(64, 128, 4, 2000, 2000, 32),
    ScanSizes(96, 192, 4, 4000, 4000, 16),
    ScanSizes(96, 192, 8, 6000, 6000, 32),
    ScanSizes(128, 256, 6, 3000, 3000, 24),
    ScanSizes(128, 256, 8, 8000, 8000, 16),
]
LARGE = ScanSizes()
UNITS = {"start": (4.0,), "sort readouts": (0.1, 2e-9), "back-projection": (0.0, 3e-10, 2e-9), "T1 map": (0.2, 1e-5)}


def run_of(sizes: ScanSizes) -> Run:
    """A run that costs exactly what the units say."""
    core_s = {
        name: units[0] + sum(unit * work for unit, work in zip(units[1:], WORK[name](sizes), strict=True))
        for name, units in UNITS.items()
        if name in WORK
    }
    core_s["start"] = 4.0
    peak = 6e8 + 2 * sizes.raw_bytes + 0.5 * sizes.kernel_bytes
    return Run(sizes, core_s, round(peak), round(1000 + 500 * sizes.matrix**2 + 2 * sizes.factor_bytes))


def test_a_larger_scan_costs_what_it_costs() -> None:
    truth, cost = run_of(LARGE), fit([run_of(sizes) for sizes in SIZES]).estimate(LARGE)
    assert cost.core_s == pytest.approx(truth.core_s, rel=1e-3)
    assert cost.peak_bytes == pytest.approx(truth.peak_bytes, rel=1e-3)
    assert cost.image_bytes == pytest.approx(truth.image_bytes, rel=1e-3)
    assert cost.total_core_s == pytest.approx(sum(truth.core_s.values()), rel=1e-3)


def test_no_work_costs_less_than_nothing() -> None:
    """Where noise would make a larger scan cheaper."""
    rng = np.random.default_rng(0)
    runs = [run_of(sizes) for sizes in SIZES]
    noisy = [replace(run, core_s={name: s * rng.uniform(0.5, 1.5) for name, s in run.core_s.items()}) for run in runs]
    model = fit(noisy)
    assert min(min(units) for units in model.stages.values()) >= 0
    small, large = model.estimate(SIZES[0]), model.estimate(LARGE)
    assert all(large.core_s[name] >= seconds for name, seconds in small.core_s.items())


def test_runs_that_are_alike_teach_nothing() -> None:
    with pytest.raises(ParameterError, match="three sizes at least"):
        fit([run_of(SIZES[0])] * 4)


def without(run: Run, stage: str) -> Run:
    return replace(run, core_s={name: seconds for name, seconds in run.core_s.items() if name != stage})


def test_a_stage_that_some_runs_lack_is_learned_from_the_others() -> None:
    """As the T1 map of a scan whose heart was not resolved: that it was not done does not make it cheaper."""
    truth, runs = run_of(LARGE), [run_of(sizes) for sizes in SIZES]
    some = [without(runs[0], "T1 map"), runs[1], without(runs[2], "T1 map"), runs[3], runs[4], run_of(LARGE)]
    assert fit(some).estimate(LARGE).core_s == pytest.approx(truth.core_s, rel=1e-3)


def test_a_stage_of_one_run_grows_with_its_work() -> None:
    runs = [without(without(run_of(sizes), "T1 map"), "start") for sizes in SIZES]
    runs[1] = replace(runs[1], core_s={**runs[1].core_s, "T1 map": 3.0, "start": 4.0, "data misfit": 6.0})
    model = fit(runs)
    for sizes in (SIZES[1], LARGE):
        expected = {"T1 map": 3.0 * (sizes.matrix / SIZES[1].matrix) ** 2, "start": 4.0}
        cost = model.estimate(sizes).core_s
        assert {name: cost[name] for name in expected} == pytest.approx(expected)
    kinds = zip(WORK["data misfit"](LARGE), WORK["data misfit"](SIZES[1]), strict=True)
    times = np.mean([mine / theirs for mine, theirs in kinds])
    assert model.estimate(LARGE).core_s["data misfit"] == pytest.approx(6.0 * times)


def test_raw_bytes_are_those_on_the_wire() -> None:
    """340 B of head, 8 coils of 320 complex64, 320 places of two float32."""
    assert ScanSizes(imaging=1, navigators=1).raw_bytes == 2 * (340 + 8 * 320 * 8 + 320 * 2 * 4)
    assert ScanSizes().kernel_bytes == 320 * 320 * 32 * 32 * 8


def test_operators_are_scaled_by_their_work() -> None:
    rows = [{"name": "back-projection", "seconds": 1.5}, {"name": "fold", "seconds": 9.0}]
    table = {"sizes": {"matrix": 160, "rank": 32, "coils": 8, "spokes": 8333}, "rows": rows}
    assert from_operators(table, 2, LARGE) == {"back-projection": pytest.approx(3.0)}
    twice = replace(LARGE, rank=64)
    assert from_operators(table, 2, twice) == {"back-projection": pytest.approx(6.0)}


def test_a_day_of_scans() -> None:
    cost = Cost({"start": 6.0, "network": 54.0}, peak_bytes=10**9, raw_bytes=4 * 10**8, image_bytes=10**8)
    fleet = fleet_for(cost, 10_000, slices=2, cores_of_worker=4)
    assert fleet.core_hours == pytest.approx(10_000 * 2 * 60 / 3600)
    assert pytest.approx(19.84, abs=0.01) == 10_000 * 2 * 60 / 86_400 / BUSY
    assert (fleet.cores, fleet.workers, fleet.memory_bytes) == (20, 5, 5 * 10**9)
    assert fleet.disk_bytes == 10_000 * 2 * 5 * 10**8
    assert fleet.network_bytes_s == pytest.approx(10_000 * 2 * 5 * 10**8 / 36_000)
