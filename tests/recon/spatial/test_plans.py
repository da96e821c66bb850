import threading
import time

import numpy as np
import pytest
import sigpy

from recon.readouts.density import ramp_weights
from recon.readouts.trajectory import golden_angles_rad, radial_trajectory
from recon.spatial import plans
from recon.spatial.back_projection import normal_operator
from recon.spatial.fan import line_fan
from recon.spatial.plans import Shelf, digest, kept_fan, kept_plan, plan_ahead
from tests.support.problems import some_problem


def trajectory(first: int = 0, samples: int = 32) -> np.ndarray:
    return radial_trajectory(golden_angles_rad(first + np.arange(300)), samples, samples // 2)


@pytest.fixture(autouse=True)
def _empty_shelf() -> None:
    plans.SHELF.clear()


def test_one_geometry_has_one_fan_and_one_plan() -> None:
    fan = kept_fan(trajectory(), 16)
    assert kept_fan(trajectory().copy(), 16) is fan
    assert np.array_equal(fan.taps, line_fan(trajectory(), 16).taps)
    plan = kept_plan(fan.trajectory, 16, "auto", sigpy.cpu_device)
    assert kept_plan(fan.trajectory.copy(), 16, "auto", sigpy.cpu_device) is plan


def test_another_geometry_matrix_or_back_end_has_another() -> None:
    fan = kept_fan(trajectory(), 16)
    moved = trajectory()
    moved[7, 3, 1] = np.nextafter(moved[7, 3, 1], np.float32(9))
    assert len({id(kept_fan(one, n)) for one, n in ((trajectory(), 16), (moved, 16), (trajectory(), 32))}) == 3
    assert digest(trajectory()) != digest(trajectory().reshape(150, 64, 2))
    finufft = kept_plan(fan.trajectory, 16, "finufft", sigpy.cpu_device)
    assert kept_plan(fan.trajectory, 16, "sparse", sigpy.cpu_device) is not finufft
    assert kept_plan(fan.trajectory, 16, "finufft", sigpy.cpu_device) is finufft


def test_scans_of_one_protocol_share_the_plan_of_their_lines_made_ahead() -> None:
    plan_ahead(32, 16, 0.5, 16)
    assert len(plans.SHELF) == 1
    made = {id(kept_plan(line_fan(trajectory(first), 16).trajectory, 16, "auto", sigpy.cpu_device)) for first in (0, 9)}
    assert len(made) == 1
    assert len(plans.SHELF) == 1


def test_number_and_bytes_are_bounded_and_the_oldest_goes() -> None:
    shelf = Shelf(most=3, most_bytes=1000)
    for name in "abc":
        shelf.take((name,), lambda: np.zeros(25))
    first = shelf.take(("a",), lambda: pytest.fail("is kept"))
    shelf.take(("d",), lambda: np.zeros(25))
    assert (len(shelf), shelf.nbytes) == (3, 600)
    assert shelf.take(("a",), lambda: pytest.fail("was used since")) is first
    assert shelf.take(("b",), lambda: np.ones(100))[0] == 1
    assert shelf.nbytes <= 1000
    assert len(shelf.take(("large",), lambda: np.zeros(126))) == 126
    assert shelf.nbytes <= 1000


def test_threads_that_ask_at_once_get_the_same() -> None:
    shelf, made, got = Shelf(4, 10_000), [], []

    def make() -> np.ndarray:
        made.append(1)
        time.sleep(0.05)
        return np.zeros(3)

    threads = [threading.Thread(target=lambda: got.append(shelf.take(("one",), make))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len({id(one) for one in got}) == 1


def test_a_kernels_lines_are_planned_once() -> None:
    problem = some_problem(16, 200, 2)
    first = normal_operator(problem).kernel
    kept = len(plans.SHELF)
    assert np.array_equal(normal_operator(problem).kernel, first)
    assert len(plans.SHELF) == kept == 2
    normal_operator(problem, weights=ramp_weights(problem.trajectory)[0])
    assert len(plans.SHELF) == 3


def test_digest_is_told_by_the_shape_too() -> None:
    ones = np.ones((4, 6, 2), np.float32)
    assert digest(ones) == digest(ones.copy())
    assert digest(ones) != digest(ones.reshape(6, 4, 2))
