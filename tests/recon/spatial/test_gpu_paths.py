"""What differs on a GPU, run through NumPy: the array module is NumPy's, and cuSPARSE's product that of SciPy."""

import sys
import types

import numpy as np
import pytest
import scipy.sparse
from sigpy import linop

from recon.spatial import plans
from recon.spatial.back_projection import back_project, normal_operator, time_averaged_coil_images
from recon.spatial.encoding import Nufft
from recon.spatial.fan import line_fan
from recon.spatial.fold import Fold
from recon.spatial.gridding import SparsePlan
from recon.spatial.toeplitz import Circulant
from tests.support.linear import assert_adjoint, complex_normal
from tests.support.problems import FIBONACCI_DEG, some_problem


def spmm(matrix: scipy.sparse.csr_matrix, dense: np.ndarray, transb: bool) -> np.ndarray:
    """As CuPy has it: Fortran-ordered in and out, of canonical matrices alone."""
    assert transb
    assert dense.flags.f_contiguous
    assert matrix.has_canonical_format
    return np.asfortranarray(matrix @ dense.T)


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    plans.SHELF.clear()
    for module in ("fourier", "gridding", "fold", "toeplitz"):
        monkeypatch.setattr(f"recon.spatial.{module}.on_gpu", lambda array: True)
    monkeypatch.setitem(sys.modules, "cupyx.cusparse", types.SimpleNamespace(spmm=spmm))
    yield
    plans.SHELF.clear()


PROBLEM = some_problem(24, 500, 3)
FACTOR = complex_normal(np.random.default_rng(1), (3, 24, 24))
ON_CPU = {
    "back-projection": back_project(PROBLEM),
    "coil images": time_averaged_coil_images(PROBLEM.kspace, line_fan(PROBLEM.trajectory, 24), 24),
    "normal": normal_operator(PROBLEM)(FACTOR),
    "circulant": Circulant(normal_operator(PROBLEM).density, 3)(FACTOR),
}


def close(found: np.ndarray, name: str) -> bool:
    assert found.dtype == np.complex64
    return bool(np.linalg.norm(found - ON_CPU[name]) < 3e-6 * np.linalg.norm(ON_CPU[name]))


@pytest.mark.usefixtures("as_on_a_gpu")
def test_results_are_those_of_the_cpu() -> None:
    assert close(back_project(PROBLEM), "back-projection")
    assert close(time_averaged_coil_images(PROBLEM.kspace, line_fan(PROBLEM.trajectory, 24), 24), "coil images")
    normal = normal_operator(PROBLEM)
    assert normal.whole_images
    assert close(normal(FACTOR), "normal")
    assert close(Circulant(normal.density, 3)(FACTOR), "circulant")


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("angle_deg", [FIBONACCI_DEG, 0.0])
def test_operators_are_adjoint(angle_deg: float) -> None:
    problem = some_problem(24, 300, 3, angle_deg)
    fan = line_fan(problem.trajectory, 24)
    fold = Fold(fan, problem.temporal_basis, 3)
    nufft = Nufft(SparsePlan(fan.trajectory, 24), (2,))
    operators: tuple[linop.Linop, ...] = (fold, nufft, normal_operator(problem))
    assert fold.batched
    for operator in operators:
        assert_adjoint(operator)
