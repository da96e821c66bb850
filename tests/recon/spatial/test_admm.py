import dataclasses

import numpy as np
import pytest

from recon.errors import DataError
from recon.spatial.admm import AdmmSettings, admm, soft_threshold, sparsifier
from recon.spatial.back_projection import back_project_and_adjoint, normal_operator
from recon.spatial.toeplitz import Circulant
from tests.support.linear import assert_adjoint, complex_normal
from tests.support.problems import fully_sampled, some_problem


@pytest.mark.parametrize("name", ["wavelet", "differences"])
@pytest.mark.parametrize("matrix", [16, 21, 40])
def test_sparsifiers_are_adjoint(name: str, matrix: int) -> None:
    assert_adjoint(sparsifier((3, matrix, matrix), name))


@pytest.mark.parametrize("matrix", [16, 21, 40])
def test_wavelet_is_an_isometry(matrix: int) -> None:
    """ADMM replaces Ψᴴ Ψ by the identity."""
    psi = sparsifier((2, matrix, matrix), "wavelet")
    images = complex_normal(np.random.default_rng(0), (2, matrix, matrix))
    assert np.allclose(psi.H(psi(images)), images, atol=1e-4)


def test_soft_threshold_keeps_phase() -> None:
    values = np.array([3 + 4j, 0.1j, 0, -2], dtype=np.complex64)
    assert np.allclose(soft_threshold(values, 1.0), [2.4 + 3.2j, 0, 0, -1])


def test_preconditioner_is_the_inverse_on_a_single_ideal_coil() -> None:
    """Where the operator is a convolution that does not wrap, dividing by the density undoes it."""
    problem = some_problem(32, 400, 1)
    problem = dataclasses.replace(problem, coil_maps=np.ones((1, 32, 32), np.complex64))
    normal = normal_operator(problem)
    assert_adjoint(Circulant(normal.density, 1))
    y, x = np.mgrid[:32, :32] - 16
    blob = np.exp(-(x**2 + y**2) / 18)[None].astype(np.complex64)
    undone = Circulant(1 / (normal.density + 1e-6), 1)(normal(blob))
    assert np.linalg.norm(undone - blob) < 0.25 * np.linalg.norm(blob)


def test_without_penalty_it_meets_the_closed_form_solution() -> None:
    """Λ⁻¹ Vᴴ b on the eigenvectors that the data determine; the corners of k-space are never sampled."""
    problem, factor = fully_sampled()
    normal = normal_operator(problem)
    initial, data = back_project_and_adjoint(problem)
    dense = np.stack([normal(unit.reshape(factor.shape)).ravel() for unit in np.eye(factor.size, dtype=np.complex64)])
    values, vectors = np.linalg.eigh(dense.T.astype(np.complex128))
    determined = values > 0.03 * values[-1]
    assert 0.6 < np.mean(determined) < 0.9
    vectors = vectors[:, determined]
    closed = (vectors.conj().T @ data.ravel()) / values[determined]
    settings = AdmmSettings(
        relative_lambda=0, relative_rho=0.02, iterations=30, cg_iterations=30, tolerance=0, cg_tolerance=1e-7
    )
    found = admm(normal, data, initial, settings).spatial_factor
    assert np.linalg.norm(vectors.conj().T @ found.ravel() - closed) < 1e-3 * np.linalg.norm(closed)
    assert np.linalg.norm(found - factor) < 2e-2 * np.linalg.norm(factor)
    assert np.linalg.norm(initial - factor) > 3e-2 * np.linalg.norm(factor)


@pytest.mark.parametrize("sparsity", ["wavelet", "differences"])
def test_cost_falls_and_runs_are_reproducible(sparsity: str) -> None:
    problem, _ = fully_sampled()
    normal = normal_operator(problem)
    initial, data = back_project_and_adjoint(problem)
    settings = AdmmSettings(sparsity, relative_lambda=3e-3, iterations=15, tolerance=0)
    seen: list[int] = []
    first = admm(normal, data, initial, settings, lambda iteration, residual: seen.append(iteration))
    again = admm(normal, data, initial, settings)
    assert seen == list(range(1, 16))
    assert np.array_equal(first.spatial_factor, again.spatial_factor)
    assert first.cost[-1] < first.cost[0]
    assert first.residual[-1] < 0.2 * first.residual[0]
    assert max(first.cost[5:]) - min(first.cost[5:]) < 0.02 * abs(first.cost[-1])


def test_it_stops_when_it_has_converged() -> None:
    problem, _ = fully_sampled()
    initial, data = back_project_and_adjoint(problem)
    result = admm(normal_operator(problem), data, initial, AdmmSettings(iterations=50, tolerance=0.05))
    assert len(result.residual) < 50
    assert result.residual[-1] < 0.05


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"relative_lambda": -1.0}, "λ = -1 is negative"),
        ({"relative_lambda": float("nan")}, "λ = nan"),
        ({"relative_rho": 0.0}, "ρ = 0 must be above 0"),
        ({"iterations": 0}, "0 × 20 iterations"),
        ({"cg_iterations": 0}, "20 × 0 iterations"),
    ],
)
def test_impossible_settings_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        AdmmSettings(**settings)


def test_unknown_sparsity_is_refused() -> None:
    with pytest.raises(DataError, match="choose wavelet or differences"):
        sparsifier((1, 16, 16), "curvelet")


def test_data_with_nan_are_noticed() -> None:
    problem, _ = fully_sampled()
    initial, data = back_project_and_adjoint(problem)
    data[0, 3, 3] = np.nan
    with pytest.raises(DataError, match="finite"):
        admm(normal_operator(problem), data, initial, AdmmSettings(iterations=1))
