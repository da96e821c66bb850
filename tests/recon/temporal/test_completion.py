"""Completion of the tensor against its least squares problem, written out cell by cell."""

import numpy as np
import pytest

from recon.temporal.tensor import BinWeights, complete

CARDIAC, RESPIRATORY, ORDERS = 5, 4, 2


def readings(times: int, noise: float, seed: int = 3) -> tuple[np.ndarray, BinWeights, np.ndarray]:
    """Noisy features of readings anywhere between the bins, and the cells that they come from."""
    rng = np.random.default_rng(seed)
    cells = rng.standard_normal((3, CARDIAC, RESPIRATORY, ORDERS))
    recovery = rng.standard_normal((times, ORDERS)) * [1.0, 0.4]
    shares = [rng.dirichlet(0.3 * np.ones(bins), times) for bins in (CARDIAC, RESPIRATORY)]
    features = np.einsum("kcrt,nc,nr,nt->nk", cells, *shares, recovery)
    return features + noise * rng.standard_normal(features.shape), BinWeights(*shares, recovery), cells


def neighbours() -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Pairs of neighbouring cells: the cardiac axis is a circle, the respiratory axis a line."""
    pairs = [((c, r), ((c + 1) % CARDIAC, r)) for c in range(CARDIAC) for r in range(RESPIRATORY)]
    return pairs + [((c, r), (c, r + 1)) for c in range(CARDIAC) for r in range(RESPIRATORY - 1)]


@pytest.mark.parametrize("smoothness", [0.03, 3.0])
def test_full_ranks_solve_the_penalised_least_squares(smoothness: float) -> None:
    """‖y - Σ w x‖² + s Σ_τ E_τ Σ (x - x')² over neighbours; E_τ: the recovery's energy in a cell, at the mean."""
    features, weights, _ = readings(60, 0.1)
    shape = (CARDIAC, RESPIRATORY, ORDERS)
    rows = [
        np.multiply.outer(np.multiply.outer(c, r), t).ravel()
        for c, r, t in zip(weights.cardiac, weights.respiratory, weights.recovery, strict=True)
    ]
    energy = np.sum(weights.recovery**2, axis=0) / (CARDIAC * RESPIRATORY)
    for here, there in neighbours():
        for order in range(ORDERS):
            row = np.zeros(shape)
            row[(*here, order)] += np.sqrt(smoothness * energy[order])
            row[(*there, order)] -= np.sqrt(smoothness * energy[order])
            rows.append(row.ravel())
    right = np.zeros((len(rows), 3))
    right[:60] = features
    expected = np.linalg.lstsq(np.stack(rows), right, rcond=None)[0].T.reshape(3, *shape)
    found = complete(features, weights, (CARDIAC, RESPIRATORY), smoothness)
    assert np.linalg.norm(found - expected) < 1e-5 * np.linalg.norm(expected)


def test_a_bin_beyond_the_last_breath_is_like_its_only_neighbour() -> None:
    """The deepest inspiration, never seen, follows the bin before it; end-expiration lies at the other end."""
    c, r, _ = (axis.ravel() for axis in np.indices((6, 4, 8)))
    recovery = np.ones((len(c), 1))
    course = np.array([0.0, 1.0, 4.0, 9.0])
    places = BinWeights(np.eye(6)[c], np.eye(5)[r], recovery)
    found = complete(course[r][:, None], places, (6, 5), 1e-3)[0, :, :, 0]
    assert np.allclose(found[:, :4], course, atol=0.05)
    assert np.allclose(found[:, 4], 9.0, atol=0.1)


def test_a_cardiac_bin_without_readings_lies_between_both_neighbours() -> None:
    c, r, _ = (axis.ravel() for axis in np.indices((5, 3, 8)))
    course = np.array([1.0, 2.0, 3.0, 5.0, 7.0])
    places = BinWeights(np.eye(6)[c], np.eye(3)[r], np.ones((len(c), 1)))
    found = complete(course[c][:, None], places, (6, 3), 1e-3)[0, :, :, 0]
    assert np.allclose(found[5], (7.0 + 1.0) / 2, atol=0.1)


@pytest.mark.parametrize("ranks", [(2, 4), (5, 2), (2, 2), (9, 1)])
def test_low_ranks_are_kept_and_fit_as_well_as_the_truth(ranks: tuple[int, int]) -> None:
    features, weights, cells = readings(900, 0.0)
    kept = []
    for axis, rank in zip((1, 2), ranks, strict=True):
        unfolded = np.moveaxis(cells, axis, 0).reshape(cells.shape[axis], -1)
        left, values, right = np.linalg.svd(unfolded, full_matrices=False)
        kept.append(min(rank, len(values)))
        values[rank:] = 0
        rest = [size for place, size in enumerate(cells.shape) if place != axis]
        cells = np.moveaxis(((left * values) @ right).reshape(cells.shape[axis], *rest), 0, axis)
    features = np.einsum("kcrt,nc,nr,nt->nk", cells, weights.cardiac, weights.respiratory, weights.recovery)
    found = complete(features, weights, ranks, 1e-9)
    assert np.linalg.norm(found - cells) < 1e-3 * np.linalg.norm(cells)
    for axis, rank in zip((1, 2), kept, strict=True):
        unfolded = np.moveaxis(found, axis, 0).reshape(found.shape[axis], -1)
        assert np.linalg.matrix_rank(unfolded, tol=1e-6) <= rank


def test_smoothing_of_low_ranks_pulls_neighbours_together_and_not_the_ends_of_a_breath() -> None:
    """Bins that rise along the breath: under a strong penalty the rise gets flatter, and stays a rise."""
    rng = np.random.default_rng(4)
    times = 400
    course, beat = np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0, 2.0, 1.5])
    shares = [rng.dirichlet(0.2 * np.ones(bins), times) for bins in (5, 4)]
    places = BinWeights(*shares, np.ones((times, 1)))
    features = ((shares[0] @ beat) * (shares[1] @ course))[:, None]
    rises = []
    for smoothness in (1e-6, 0.3):
        found = complete(features, places, (1, 1), smoothness)[0, :, :, 0]
        found = found / found.mean()
        assert np.all(np.diff(found.mean(axis=0)) > 0)
        rises.append(np.ptp(found.mean(axis=0)))
    assert rises[0] == pytest.approx(3 / 1.5, rel=1e-3)
    assert 0.5 * rises[0] < rises[1] < 0.97 * rises[0]
