import pytest

from gadgets.errors import ParameterError
from gadgets.evaluation.scaling.batch_cost import BatchCost

COST = BatchCost(start_s=5.0, scan_s=20.0)


def test_a_batch_takes_its_rounds() -> None:
    assert COST.makespan_s(12, workers=1, cores=2, shared=1.0) == pytest.approx(5 + 12 * 10)
    assert COST.makespan_s(12, workers=1, cores=2, shared=0.5) == pytest.approx(5 + 12 * 15)
    assert COST.makespan_s(12, workers=2, cores=2) == pytest.approx(5 + 5 + 6 * 20)
    assert COST.makespan_s(13, workers=2, cores=2) == pytest.approx(5 + 5 + 7 * 20)
    assert COST.makespan_s(12, workers=4, cores=2) == pytest.approx(5 + 2 * (5 + 3 * 20))


def test_processes_pay_their_start_once() -> None:
    """Several workers have a client and a scheduler beside them."""
    assert COST.core_s(12, workers=1) == pytest.approx(5 + 12 * 20)
    assert COST.core_s(12, workers=4) == pytest.approx(5 * 5 + 12 * 20)


def test_start_and_scan_are_told_apart() -> None:
    runs = {scans: COST.core_s(scans, 1) for scans in (1, 3, 12)}
    found = BatchCost.learned(runs)
    assert (found.start_s, found.scan_s) == (pytest.approx(5.0), pytest.approx(20.0))
    with pytest.raises(ParameterError, match="two lengths"):
        BatchCost.learned({3: 65.0})
