"""Work that follows: in order, beside everything else, and gone when nobody waits for it."""

import threading
from collections.abc import Callable

import pytest

from gadgets.mrd.later import CancelledError, LaterWork


def test_jobs_run_one_after_the_other_beside_who_adds_them() -> None:
    done: list[int] = []
    work, gate = LaterWork(), threading.Event()

    def job(number: int) -> Callable[[Callable[[], None]], None]:
        def run(check: Callable[[], None]) -> None:
            assert gate.wait(5)
            done.append(number)

        return run

    for number in range(4):
        work.add(job(number))
    assert done == []
    gate.set()
    work.finish()
    assert done == [0, 1, 2, 3]
    work.add(job(4))
    work.finish()
    assert done[-1] == 4


def kept(jobs: list[str], name: str) -> Callable[[Callable[[], None]], None]:
    """A job that notes whether it got to work, or could only rescue what it held."""

    def run(check: Callable[[], None]) -> None:
        try:
            check()
        except CancelledError:
            jobs.append(f"{name} is rescued")
            raise
        jobs.append(name)

    return run


def test_the_first_failure_ends_the_work_and_reaches_who_finishes() -> None:
    begun: list[str] = []

    def fails(check: Callable[[], None]) -> None:
        begun.append("fails")
        raise ValueError("the kernel does not fit")

    work = LaterWork()
    work.add(fails)
    work.add(kept(begun, "after"))
    with pytest.raises(ValueError, match="does not fit"):
        work.finish()
    assert begun == ["fails", "after is rescued"]


def test_cancelling_ends_a_job_at_its_next_step_and_begins_none() -> None:
    started, begun = threading.Event(), list[str]()

    def endless(check: Callable[[], None]) -> None:
        while True:
            started.set()
            check()

    work = LaterWork()
    work.add(endless)
    work.add(kept(begun, "after"))
    assert started.wait(5)
    work.cancel()
    assert begun == ["after is rescued"]
    work.finish()
