import types

import numpy as np
import pytest
import sigpy
from sigpy import linop

from recon.errors import DataError
from recon.readouts.trajectory import golden_angles_rad, radial_trajectory
from recon.spatial.encoding import Nufft
from recon.spatial.gridding import SparsePlan
from recon.spatial.nufft import FinufftPlan, NufftPlan, choose_backend, plan_nufft, plan_profiles
from tests.support.linear import assert_adjoint, complex_normal, slow_dft


class PlanLinop(linop.Linop):
    """A plan as a Linop, so that it takes the same test as all operators."""

    def __init__(self, plan: NufftPlan, batch: int, adjoint: bool = False) -> None:
        self.plan, self.batch, self.is_adjoint = plan, batch, adjoint
        shapes = (batch, *plan.data_shape), (batch, plan.matrix, plan.matrix)
        super().__init__(*(reversed(shapes) if adjoint else shapes))

    def _apply(self, array: np.ndarray) -> np.ndarray:
        return self.plan.adjoint(array) if self.is_adjoint else self.plan.forward(array)

    def _adjoint_linop(self) -> linop.Linop:
        return PlanLinop(self.plan, self.batch, not self.is_adjoint)


def spokes(matrix: int, count: int = 40) -> np.ndarray:
    return radial_trajectory(golden_angles_rad(np.arange(count)), 2 * matrix, matrix)


@pytest.mark.parametrize("backend", ["sparse", "sigpy", "finufft"])
@pytest.mark.parametrize("matrix", [16, 17, 31])
@pytest.mark.parametrize("batch", [1, 3])
def test_plan_against_slow_dft(backend: str, matrix: int, batch: int) -> None:
    rng = np.random.default_rng(matrix)
    trajectory = spokes(matrix)
    plan = plan_nufft(trajectory, matrix, backend)
    images = complex_normal(rng, (batch, matrix, matrix))
    exact = slow_dft(images, trajectory)
    assert np.linalg.norm(plan.forward(images) - exact) < 1e-4 * np.linalg.norm(exact)
    # SigPy and the sparse matrix grid there and back with the same kernel
    assert_adjoint(PlanLinop(plan, batch), 1e-4 if backend == "finufft" else 1e-6)


@pytest.mark.parametrize("backend", ["sparse", "sigpy", "finufft"])
def test_batch_of_any_size_gives_the_same_images(backend: str) -> None:
    trajectory = spokes(24)
    data = complex_normal(np.random.default_rng(0), (13, *trajectory.shape[:2]))
    plan = plan_nufft(trajectory, 24, backend)
    together = plan.adjoint(data)
    apart = np.concatenate([plan.adjoint(one[None]) for one in data])
    assert np.linalg.norm(together - apart) < 1e-5 * np.linalg.norm(apart)


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_finufft_gives_the_same_bits_every_time(batch: int) -> None:
    trajectory = spokes(64, 400)
    data = complex_normal(np.random.default_rng(0), (batch, *trajectory.shape[:2]))
    first = plan_nufft(trajectory, 64, "finufft").adjoint(data)
    for _ in range(4):
        assert np.array_equal(first, plan_nufft(trajectory, 64, "finufft").adjoint(data))


def test_back_end_must_fit_the_device() -> None:
    assert choose_backend("auto", on_gpu=False) == choose_backend("auto", on_gpu=True) == "sparse"
    assert choose_backend("sparse", on_gpu=True) == "sparse"
    with pytest.raises(ValueError, match="cufinufft needs a GPU"):
        choose_backend("cufinufft", on_gpu=False)
    with pytest.raises(ValueError, match="finufft runs on the CPU"):
        choose_backend("finufft", on_gpu=True)
    assert choose_backend("sigpy", on_gpu=False) == "sigpy"
    assert choose_backend("finufft", on_gpu=False) == "finufft"
    assert choose_backend("sigpy", on_gpu=True) == "sigpy"


@pytest.mark.parametrize("error", [ImportError, OSError, RuntimeError])
def test_a_back_end_that_cannot_be_loaded_is_not_taken(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def load(name: str) -> None:
        raise error(f"no {name} for this CUDA")

    monkeypatch.setattr("recon.spatial.nufft.importlib", types.SimpleNamespace(import_module=load))
    with caplog.at_level("INFO"):
        assert choose_backend("auto", on_gpu=True) == "sparse"
    assert "too long for it by sigpy" in caplog.text
    with pytest.raises(DataError, match="cufinufft is not installed"):
        choose_backend("cufinufft", on_gpu=True)
    monkeypatch.setattr("recon.spatial.nufft.importlib", types.SimpleNamespace(import_module=lambda _: None))
    with caplog.at_level("INFO"):
        assert choose_backend("auto", on_gpu=True) == "sparse"
    assert "too long for it by cufinufft" in caplog.text
    assert choose_backend("cufinufft", on_gpu=True) == "cufinufft"


def test_long_trajectories_are_left_to_finufft(monkeypatch: pytest.MonkeyPatch) -> None:
    trajectory = spokes(16)
    assert isinstance(plan_nufft(trajectory, 16), SparsePlan)
    monkeypatch.setattr("recon.spatial.nufft._MATRIX_BYTES", 8 * 36 * trajectory[..., 0].size - 1)
    assert isinstance(plan_nufft(trajectory, 16), FinufftPlan)
    assert isinstance(plan_nufft(trajectory, 16, "sparse"), FinufftPlan)


@pytest.mark.parametrize("backend", ["sparse", "sigpy", "finufft"])
def test_weights_and_profiles_are_maps_of_the_data(backend: str) -> None:
    """W F, and F's data as profiles along each spoke: Σ_r P_p(r) d(m, r)."""
    rng = np.random.default_rng(2)
    trajectory = spokes(16)
    weights = rng.uniform(0, 2, trajectory.shape[:2]).astype(np.float32)
    profiles = rng.uniform(-1, 1, (2, trajectory.shape[1])).astype(np.float32)
    profiles[1, 3:] = 0
    images = complex_normal(rng, (3, 16, 16))
    exact = slow_dft(images, trajectory)
    weighted = plan_nufft(trajectory, 16, backend).weighted(weights)
    assert np.linalg.norm(weighted.forward(images) - weights * exact) < 1e-4 * np.linalg.norm(weights * exact)
    assert_adjoint(PlanLinop(weighted, 3))
    along = plan_profiles(trajectory, profiles, 16, backend)
    assert along.data_shape == (40, 2)
    expected = np.einsum("bmr,pr->bmp", exact, profiles)
    assert np.linalg.norm(along.forward(images) - expected) < 1e-4 * np.linalg.norm(expected)
    assert_adjoint(PlanLinop(along, 3))


@pytest.mark.gpu
@pytest.mark.parametrize("backend", ["sparse", "sigpy", "cufinufft"])
def test_gpu_agrees_with_cpu(backend: str) -> None:
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    if backend == "cufinufft":
        pytest.importorskip("cufinufft", reason="cuFINUFFT is not installed")
    if not cupy.cuda.is_available():
        pytest.skip("no GPU")
    trajectory = spokes(64, 100)
    data = complex_normal(np.random.default_rng(0), (5, *trajectory.shape[:2]))
    on_cpu = plan_nufft(trajectory, 64, "finufft").adjoint(data)
    on_gpu = plan_nufft(cupy.asarray(trajectory), 64, backend).adjoint(cupy.asarray(data))
    assert np.linalg.norm(sigpy.to_device(on_gpu) - on_cpu) < 1e-3 * np.linalg.norm(on_cpu)


@pytest.mark.parametrize("stack", [(), (2,), (2, 3)])
def test_stack_of_images_is_transformed_one_by_one(stack: tuple[int, ...]) -> None:
    trajectory = spokes(16)
    plan = plan_nufft(trajectory, 16)
    nufft = Nufft(plan, stack)
    assert_adjoint(nufft)
    images = complex_normal(np.random.default_rng(4), (*stack, 16, 16))
    expected = slow_dft(images.reshape(-1, 16, 16), trajectory).reshape(*stack, *trajectory.shape[:2])
    assert np.linalg.norm(nufft(images) - expected) < 1e-4 * np.linalg.norm(expected)
