"""Sums over knots against the matrices that they take the place of."""

import numpy as np
import pytest

from recon.temporal.fitting.knots import interpolation, knot_sums, knots_beside, phase_costs
from recon.temporal.fitting.template import TemplateModel

TIMES = 150


def numbers(knots: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features, known terms of which the first is constant, recovery, and phases of which some lie on knots."""
    rng = np.random.default_rng(seed)
    phase = np.cumsum(rng.uniform(0, 0.1, TIMES)) - 2
    phase[::10] = np.round(phase[::10] * knots) / knots
    known = np.concatenate([np.ones((TIMES, 1)), rng.standard_normal((TIMES, 2))], axis=1)
    return rng.standard_normal((TIMES, 4)), known, rng.standard_normal((TIMES, 3)), phase


def design(*columns: np.ndarray) -> np.ndarray:
    """Every column of the first matrix times every one of the second, one by one."""
    return np.stack([left * right for left in columns[0].T for right in columns[1].T], axis=1)


@pytest.mark.parametrize("knots", [1, 2, 3, 7])
def test_sums_over_knots_are_products_with_all_of_them(knots: int) -> None:
    features, known, recovery, phase = numbers(knots)
    low, share = knots_beside(phase, knots)
    own, between, beside, right = knot_sums(low, share, knots, known, recovery, features)
    weights = interpolation(phase, knots)
    assert np.allclose(right, np.einsum("tq,tl,tk->qlk", weights, recovery, features))
    assert np.allclose(beside, np.einsum("tq,tl,tj->qlj", weights, recovery, known))
    if knots > 2:  # else the same knot lies on both sides
        pairs = np.einsum("tq,tp,tl,tm->qplm", weights, weights, recovery, recovery)
        here = np.arange(knots)
        assert np.allclose(own, pairs[here, here])
        assert np.allclose(between, pairs[here, (here + 1) % knots])


@pytest.mark.parametrize("knots", [1, 2, 3, 7])
def test_fit_is_the_penalised_regression_on_the_whole_design(knots: int) -> None:
    """Neighbouring knots differ little, 2 for each square of a difference, and none is large: 1e-3 for each square."""
    features, known, recovery, phase = numbers(knots)
    rest, template = TemplateModel.of(features, known, recovery, knots).fit(phase)
    whole = design(np.concatenate([known, interpolation(phase, knots)], axis=1), recovery)
    difference = np.eye(knots) - np.roll(np.eye(knots), 1, axis=0)
    rough = 2 * difference.T @ difference + 1e-3 * np.eye(knots)
    gram = whole.T @ whole
    gram[-3 * knots :, -3 * knots :] += np.kron(rough, np.diag(np.sum(recovery**2, axis=0)) / knots)
    patterns = np.linalg.solve(gram, whole.T @ features)
    assert np.allclose(template, patterns[-3 * knots :].reshape(knots, 3, 4), atol=1e-8)
    assert np.allclose(rest, features - design(known, recovery) @ patterns[: -3 * knots], atol=1e-8)


@pytest.mark.parametrize("knots", [2, 7])
def test_explained_energy_is_that_of_a_regression(knots: int) -> None:
    features, known, recovery, phase = numbers(knots)
    whole = design(np.concatenate([known, interpolation(phase, knots)[:, 1:]], axis=1), recovery)
    rest = features - whole @ np.linalg.lstsq(whole, features, rcond=None)[0]
    found = TemplateModel.of(features, known, recovery, knots).explained(phase)
    assert found == pytest.approx(np.sum(features**2) - np.sum(rest**2), rel=1e-6)


@pytest.mark.parametrize(("knots", "steps", "block"), [(1, 4, 3), (2, 5, 4), (5, 15, 4), (7, 10, 200)])
def test_cost_is_the_misfit_at_every_phase(knots: int, steps: int, block: int) -> None:
    rest, _, recovery, _ = numbers(knots)
    template = np.random.default_rng(1).standard_normal((knots, 3, 4))
    at = np.einsum("pq,qlk->plk", interpolation(np.arange(steps) / steps, knots), template)
    left = np.sum((rest[:, None] - np.einsum("tl,plk->tpk", recovery, at)) ** 2, axis=2)
    noise = np.median(left.min(axis=1)) / 4
    blocks = TIMES // block
    misfit = (left - np.sum(rest**2, axis=1)[:, None])[: blocks * block].reshape(blocks, block, steps).sum(axis=1)
    found = TemplateModel.of(rest, recovery, recovery, knots).cost(rest, template, steps, block)
    assert found.shape == (blocks, steps)
    assert np.allclose(found, misfit / (2 * noise))


def test_least_of_each_navigator_counts_the_last_incomplete_block_too() -> None:
    own, linear = np.array([[1.0, 4.0], [2.0, 0.5], [3.0, 0.2]]), np.zeros((3, 2))
    cost, least = phase_costs(own, own, linear, 2, 2)
    assert np.allclose(cost, [[3.0, 4.5]])
    assert np.allclose(least, [1.0, 0.5, 0.2])
