"""Work on several cores: results in their order, errors in their place."""

import threading

import pytest

from recon.threads import at_once, in_parallel, one_ahead


@pytest.mark.parametrize("threads", ["1", "3"])
def test_results_keep_the_order_of_the_tasks(threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert in_parallel(lambda number: number**2, range(9)) == [number**2 for number in range(9)]
    assert in_parallel(lambda number: number, []) == []
    assert at_once(lambda: "first", lambda: "second") == ("first", "second")
    for first, second in ((lambda: 1 / 0, lambda: 2), (lambda: 2, lambda: 1 / 0)):
        with pytest.raises(ZeroDivisionError):
            at_once(first, second)


def test_the_next_task_is_computed_while_the_last_is_used_and_no_other() -> None:
    begun: list[int] = []
    second = threading.Event()

    def compute(number: int) -> int:
        begun.append(number)
        if number == 1:
            second.set()
        return 10 * number

    results = one_ahead(compute, range(4))
    assert next(results) == 0
    assert second.wait(5)
    assert max(begun) == 1
    assert list(results) == [10, 20, 30]


def test_an_error_comes_in_the_place_of_its_result() -> None:
    results = one_ahead(lambda number: 6 // number, [3, 2, 0, 1])
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)
