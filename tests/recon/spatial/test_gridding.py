import numpy as np
import pytest

from recon.readouts.trajectory import golden_angles_rad, radial_trajectory
from recon.spatial.fan import line_fan
from recon.spatial.gridding import SparsePlan, matrix_bytes
from recon.spatial.nufft import SigpyPlan, plan_nufft
from tests.support.linear import complex_normal, slow_dft


def lines(matrix: int, spokes: int = 400) -> np.ndarray:
    trajectory = radial_trajectory(golden_angles_rad(np.arange(spokes)), 2 * matrix, matrix)
    return line_fan(trajectory, matrix).trajectory


def test_it_is_sigpys_gridding() -> None:
    """Same kernel, grid and deapodisation: they differ by SigPy's rounding of the weights to float32."""
    trajectory = lines(80)
    ours, theirs = SparsePlan(trajectory, 80), SigpyPlan(trajectory, 80)
    rng = np.random.default_rng(0)
    data, images = complex_normal(rng, (2, *trajectory.shape[:2])), complex_normal(rng, (2, 80, 80))
    assert np.linalg.norm(ours.adjoint(data) - theirs.adjoint(data)) < 5e-6 * np.linalg.norm(theirs.adjoint(data))
    assert np.linalg.norm(ours.forward(images) - theirs.forward(images)) < 5e-6 * np.linalg.norm(theirs.forward(images))


@pytest.mark.parametrize(("oversampling", "width", "error"), [(2, 6, 1e-5), (1.25, 8, 3e-5), (2, 4, 1e-3)])
@pytest.mark.parametrize("matrix", [16, 21])
def test_error_by_width_and_oversampling(matrix: int, oversampling: float, width: int, error: float) -> None:
    trajectory = radial_trajectory(golden_angles_rad(np.arange(40)), 2 * matrix, matrix)
    images = complex_normal(np.random.default_rng(1), (2, matrix, matrix))
    exact = slow_dft(images, trajectory)
    found = SparsePlan(trajectory, matrix, oversampling, width).forward(images)
    assert error / 30 < np.linalg.norm(found - exact) / np.linalg.norm(exact) < error


def test_memory_layout_and_threads_do_not_change_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    trajectory = lines(20)
    plan = SparsePlan(trajectory, 20)
    data = complex_normal(np.random.default_rng(2), (5, *trajectory.shape[:2]))
    images_last = np.moveaxis(np.ascontiguousarray(np.moveaxis(data, 0, -1)), -1, 0)
    expected = plan.adjoint(data)
    assert np.array_equal(plan.adjoint(images_last), expected)
    assert np.array_equal(plan.adjoint(data.astype(np.complex128)), expected)
    monkeypatch.setattr("recon.spatial.fourier.available_cpus", lambda: 5)
    assert np.array_equal(plan.adjoint(data), expected)


def test_memory_is_that_of_the_weights() -> None:
    trajectory = lines(20)
    points = trajectory[..., 0].size
    assert matrix_bytes(points) == 8 * 36 * points
    assert matrix_bytes(points) < SparsePlan(trajectory, 20).nbytes <= matrix_bytes(points) + 8 * 41**2


def test_lines_of_fixed_profiles_take_a_fraction_of_the_memory() -> None:
    trajectory = lines(40)
    along = np.ones((1, trajectory.shape[1]), np.float32)
    plan = SparsePlan.of_profiles(trajectory, along, 40)
    assert 3 * plan.nbytes < plan_nufft(trajectory, 40).nbytes
    assert 0.5 < plan.nbytes / SparsePlan.profile_bytes(len(trajectory), along, 40) < 1
    coefficients = complex_normal(np.random.default_rng(3), (2, len(trajectory), 1))
    expected = plan_nufft(trajectory, 40).adjoint(coefficients * along)
    assert np.linalg.norm(plan.adjoint(coefficients) - expected) < 3e-5 * np.linalg.norm(expected)
