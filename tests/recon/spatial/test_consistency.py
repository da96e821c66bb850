import numpy as np
import pytest

from recon.errors import DataError
from recon.spatial.back_projection import back_project_and_adjoint, normal_operator
from recon.spatial.consistency import enforce_data
from tests.support.linear import complex_normal
from tests.support.problems import fully_sampled


def test_it_meets_the_closed_form_solution() -> None:
    """(A + μ) U = b + μ U_prior, solved by an explicit matrix."""
    problem, _ = fully_sampled()
    normal = normal_operator(problem)
    _, adjoint_data = back_project_and_adjoint(problem)
    prior = complex_normal(np.random.default_rng(3), adjoint_data.shape)
    weight = 0.3 * float(normal.density.mean())
    unit = np.eye(prior.size, dtype=np.complex64).reshape(-1, *prior.shape)
    matrix = np.stack([normal(column).ravel() for column in unit], axis=1).astype(np.complex128)
    right = (adjoint_data + weight * prior).ravel()
    exact = np.linalg.solve(matrix + weight * np.eye(prior.size), right).reshape(prior.shape)
    ours = enforce_data(normal, adjoint_data, prior, 0.3, 40)
    assert np.linalg.norm(ours - exact) < 1e-3 * np.linalg.norm(exact)


def test_data_overrule_a_wrong_prior_and_a_heavy_prior_stays() -> None:
    problem, factor = fully_sampled()
    normal = normal_operator(problem)
    _, adjoint_data = back_project_and_adjoint(problem)
    prior = (1.3 * factor).astype(np.complex64)
    before = prior.copy()
    light = enforce_data(normal, adjoint_data, prior, 0.01, 10)
    heavy = enforce_data(normal, adjoint_data, prior, 1e4, 10)
    assert np.linalg.norm(light - factor) < 0.1 * np.linalg.norm(prior - factor)
    assert np.linalg.norm(heavy - prior) < 1e-3 * np.linalg.norm(prior)
    assert np.array_equal(prior, before)


def test_a_weight_of_zero_is_refused() -> None:
    problem, factor = fully_sampled()
    with pytest.raises(DataError, match="must be above 0"):
        enforce_data(normal_operator(problem), factor, factor, 0.0, 3)
