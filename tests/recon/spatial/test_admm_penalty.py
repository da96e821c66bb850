"""ADMM's penalty by the noise of the data: what noise has in E_Φᴴ d, and how it is told."""

from dataclasses import replace

import numpy as np
import pytest
import pywt

from recon.multitasking import Settings, estimate
from recon.readouts.noise import rim_variance
from recon.spatial.admm import NOISE_FACTOR, admm, noise_lambda
from recon.spatial.back_projection import back_project_and_adjoint, normal_operator
from recon.stages import StageClock
from tests.support.linear import complex_normal
from tests.support.problems import some_problem


def test_penalty_is_twice_the_noise_of_a_wavelet_coefficient() -> None:
    problem = some_problem(32, 400, 3)
    rng, normal = np.random.default_rng(1), normal_operator(problem)
    powers = []
    for _ in range(6):
        noise = np.sqrt(np.float32(2.5)) * complex_normal(rng, problem.kspace.shape)  # of the variance 2 · 2.5
        adjoint = back_project_and_adjoint(replace(problem, kspace=noise))[1]
        levels = [pywt.wavedec2(part, "sym4", "periodization") for part in (adjoint.real, adjoint.imag)]
        powers.append(sum(np.sum(pywt.coeffs_to_array(one, axes=(-2, -1))[0] ** 2) for one in levels) / adjoint.size)
    expected = NOISE_FACTOR * np.sqrt(np.mean(powers)) / np.abs(adjoint).max()
    assert noise_lambda(normal, adjoint, 5.0) == pytest.approx(expected, rel=0.1)
    assert noise_lambda(normal, 3 * adjoint, 45.0) == pytest.approx(noise_lambda(normal, adjoint, 5.0), rel=1e-5)


@pytest.mark.parametrize("known", [1.7, None])
def test_noise_that_is_known_counts_and_what_is_set_wins(known: float | None) -> None:
    problem = replace(some_problem(16, 200, 2), noise_variance=known)
    normal = normal_operator(problem)
    initial, adjoint = back_project_and_adjoint(problem)
    variance = rim_variance(problem.kspace, problem.trajectory) if known is None else known
    wanted = Settings(reconstruction="admm", iterations=3, cg_iterations=3)
    told = replace(wanted.admm, relative_lambda=noise_lambda(normal, adjoint, variance))
    found = estimate(problem, wanted, StageClock())
    expected = admm(normal, adjoint, initial, told).spatial_factor
    assert np.allclose(found.maps, expected, atol=1e-4 * np.abs(expected).max())
    assert float(found.provenance["MalibuAdmmLambda"]) == pytest.approx(told.relative_lambda, rel=1e-3)
    other = estimate(problem, replace(wanted, relative_lambda=0.3), StageClock())
    assert float(other.provenance["MalibuAdmmLambda"]) == 0.3
    assert np.linalg.norm(other.maps - expected) > 0.01 * np.linalg.norm(expected)
