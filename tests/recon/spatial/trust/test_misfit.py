"""What a result leaves of the data, against explicit samples, and where it lies."""

from dataclasses import replace

import numpy as np
import pytest

from recon.spatial.back_projection import SubspaceProblem, encoding, normal_operator
from recon.spatial.trust.misfit import data_misfit
from tests.support.linear import complex_normal
from tests.support.problems import some_problem


def misfit_of(problem: SubspaceProblem, maps: np.ndarray):
    return data_misfit(normal_operator(problem), encoding(problem).H(problem.kspace), maps, problem.kspace)


def test_it_is_that_of_all_samples() -> None:
    problem = some_problem(12, 40, 2)
    maps = complex_normal(np.random.default_rng(0), (2, 12, 12))
    left = np.linalg.norm(problem.kspace - encoding(problem)(maps)) ** 2
    found = misfit_of(problem, maps)
    assert found.relative == pytest.approx(left / np.linalg.norm(problem.kspace) ** 2, rel=2e-3)
    assert found.over_noise == pytest.approx(left / problem.kspace.size, rel=2e-3)


def test_nothing_is_left_of_the_truth() -> None:
    problem = some_problem(12, 40, 2)
    maps = complex_normal(np.random.default_rng(1), (2, 12, 12))
    found = misfit_of(replace(problem, kspace=encoding(problem)(maps)), maps)
    assert found.relative < 1e-3
    assert found.by_region.max() < 1e-2 * misfit_of(problem, maps).by_region.max()


def test_noise_alone_is_one_everywhere() -> None:
    """White noise of unit variance, no object: 1 in each region, within what few regions' statistics allow."""
    problem = some_problem(48, 200, 8, samples=96)
    problem = replace(problem, kspace=problem.kspace / np.sqrt(np.mean(np.abs(problem.kspace) ** 2)))
    found = misfit_of(problem, np.zeros((8, 48, 48), np.complex64))
    assert np.median(found.by_region) == pytest.approx(1, abs=0.1)
    assert found.over_noise == pytest.approx(1, rel=1e-3)


def test_a_wrong_place_is_seen_where_it_is() -> None:
    problem = some_problem(48, 300, 1, samples=96)
    truth = np.zeros((1, 48, 48), np.complex64)
    truth[0, 10:38, 10:38] = 10
    wrong = truth.copy()
    wrong[0, 12:18, 30:36] = 30
    problem = replace(problem, kspace=encoding(problem)(truth) + 0.01 * problem.kspace)
    found = misfit_of(problem, wrong)
    assert np.hypot(*(np.unravel_index(found.by_region.argmax(), (48, 48)) - np.array([14.5, 32.5]))) < 3
    assert found.by_region[40, 8] < 0.2 * found.by_region.max()


def test_where_coils_are_blind_nothing_is_said() -> None:
    problem = some_problem(24, 100, 1)
    maps = problem.coil_maps.copy()
    maps[:, :, :6] = 0
    found = misfit_of(replace(problem, coil_maps=maps), np.zeros((1, 24, 24), np.complex64))
    assert (found.by_region[:, :6] == 0).all()
    assert (found.by_region[:, 6:] > 0).all()
