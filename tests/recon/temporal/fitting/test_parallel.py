"""Tasks on several cores: the order of results, and the bits of what is found by them."""

import threading

import numpy as np
import pytest

from recon.temporal.fitting.knots import knot_sums, phase_costs
from recon.temporal.fitting.path import cheapest_path
from recon.temporal.fitting.rows import stacked_gram, stacked_product
from recon.temporal.fitting.warm_up import warm_up
from recon.temporal.fitting.waves import waves
from recon.temporal.self_gating import self_gate
from recon.threads import in_parallel
from tests.support.navigators import Chest


@pytest.mark.parametrize("cores", [1, 3])
def test_results_come_in_the_order_of_the_tasks(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recon.threads.available_cpus", lambda: cores)
    assert in_parallel(lambda number: number**2, range(7)) == [0, 1, 4, 9, 16, 25, 36]
    assert in_parallel(lambda number: number, []) == []


def test_tasks_do_run_beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recon.threads.available_cpus", lambda: 2)
    both = threading.Barrier(2)
    assert sorted(in_parallel(lambda _: both.wait(timeout=20), range(2))) == [0, 1]


@pytest.mark.parametrize("cores", [1, 2])
def test_errors_of_a_task_are_told(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recon.threads.available_cpus", lambda: cores)
    with pytest.raises(ZeroDivisionError):
        in_parallel(lambda number: 1 / number, [1, 0])


def test_gating_is_the_same_on_one_core_and_on_many(monkeypatch: pytest.MonkeyPatch) -> None:
    series, found = Chest(20).series, []
    for cores in (1, 2, 5):
        monkeypatch.setattr("recon.threads.available_cpus", lambda cores=cores: cores)
        found.append(self_gate(series))
    for other in found[1:]:
        assert np.array_equal(other.heart.phase, found[0].heart.phase)
        assert np.array_equal(other.heart.change, found[0].heart.change)
        assert np.array_equal(other.respiration, found[0].respiration)
        assert other.heart_quality == found[0].heart_quality
        assert other.respiration_quality == found[0].respiration_quality


@pytest.mark.parametrize("rows", [5, 128, 300])
def test_stacks_are_whole_products(rows: int) -> None:
    rng = np.random.default_rng(0)
    left, right, narrow = rng.standard_normal((rows, 6)), rng.standard_normal((rows, 4)), rng.standard_normal((6, 3))
    assert np.allclose(stacked_product(left, narrow), left @ narrow)
    assert np.allclose(stacked_gram(left, right), left.T @ right)


def test_nothing_is_left_to_compile_after_warming_up() -> None:
    warm_up()
    kernels = (knot_sums, phase_costs, cheapest_path)
    before = [len(kernel.signatures) for kernel in kernels]
    assert before == [1, 1, 1]
    assert waves(np.arange(3) / 3, 1, 1).shape == (3, 2)
    self_gate(Chest(10).series)
    assert [len(kernel.signatures) for kernel in kernels] == before
