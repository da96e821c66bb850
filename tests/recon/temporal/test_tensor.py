import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from recon.errors import DataError
from recon.relaxometry.inversion_recovery import recovery_basis
from recon.temporal.bins import cardiac_weights, displacement_scale, mark_ectopic, nearest_bin
from recon.temporal.tensor import BinWeights, complete, hosvd, temporal_tensor


def low_rank_tensor(shape: tuple[int, ...], ranks: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    tensor = rng.standard_normal(ranks)
    for axis, (size, rank) in enumerate(zip(shape, ranks, strict=True)):
        factor = np.linalg.qr(rng.standard_normal((size, rank)))[0]
        tensor = np.moveaxis(np.tensordot(factor, tensor, axes=(1, axis)), 0, axis)
    return tensor


def whole_cells(
    cardiac: np.ndarray, respiratory: np.ndarray, recovery: np.ndarray, bins: tuple[int, int]
) -> BinWeights:
    return BinWeights(np.eye(bins[0])[cardiac], np.eye(bins[1])[respiratory], recovery)


def test_hosvd_recovers_a_low_rank_tensor() -> None:
    tensor = low_rank_tensor((12, 9, 7, 5), (3, 2, 4, 2), np.random.default_rng(0))
    core, factors = hosvd(tensor, (3, 2, 4, 2))
    assert core.shape == (3, 2, 4, 2)
    again = core
    for axis, factor in enumerate(factors):
        assert np.allclose(factor.T @ factor, np.eye(factor.shape[1]), atol=1e-12)
        again = np.moveaxis(np.tensordot(factor, again, axes=(1, axis)), 0, axis)
    assert np.allclose(again, tensor, atol=1e-12)


def test_completion_recovers_a_low_rank_tensor_from_five_per_cent_of_its_cells() -> None:
    rng = np.random.default_rng(1)
    pulses, bins = 100, (20, 6)
    recovery = recovery_basis(3.6, 5.0, pulses, 5)
    true = low_rank_tensor((30, *bins, 5), (8, 3, 2, 5), rng)
    cells = rng.choice(bins[0] * bins[1] * pulses, size=bins[0] * bins[1] * pulses // 20, replace=False)
    c, r, n = np.unravel_index(cells, (*bins, pulses))
    seen = np.einsum("knt,nt->nk", true[:, c, r], recovery[n])
    found = complete(seen, whole_cells(c, r, recovery[n], bins), (3, 2), smoothness=1e-9)
    assert np.linalg.norm(found - true) < 1e-3 * np.linalg.norm(true)
    hosvd_ranks = [
        np.linalg.matrix_rank(np.moveaxis(found, axis, 0).reshape(found.shape[axis], -1), tol=1e-3) for axis in range(4)
    ]
    assert hosvd_ranks == [8, 3, 2, 5]


def test_empty_cells_are_filled_from_their_neighbours() -> None:
    recovery = recovery_basis(3.6, 5.0, 50, 3)
    c, n = (axis.ravel() for axis in np.meshgrid(np.r_[0:7, 8:20], np.arange(50), indexing="ij"))
    wave = np.cos(2 * np.pi * np.arange(20) / 20)
    seen = (wave[c] * recovery[n, 0])[:, None]
    found = complete(seen, whole_cells(c, np.zeros_like(c), recovery[n], (20, 1)), (20, 1))
    assert found[0, 7, 0, 0] == pytest.approx((wave[6] + wave[8]) / 2, abs=0.05)


def model(rank: int = 6) -> tuple:
    rng = np.random.default_rng(2)
    recovery = recovery_basis(3.6, 5.0, 40, 4)
    times = 900
    pulse = np.arange(times) % 40
    places = BinWeights(
        cardiac_weights(rng.random(times), 8),
        displacement_scale(np.arange(9.0), 3).weights(rng.uniform(0, 8, times)),
        recovery[pulse],
    )
    completed = rng.standard_normal((10, 8, 3, 4)) * np.geomspace(1, 1e-2, 10)[:, None, None, None]
    return (*temporal_tensor(completed, places, recovery, rank), places, completed)


def test_rows_are_orthonormal_and_ordered() -> None:
    tensor, singular_values, places, completed = model()
    basis = tensor.at(places)
    assert np.allclose(basis @ basis.T, np.eye(6), atol=1e-8)
    assert np.all(np.diff(singular_values) <= 0)
    series = completed.reshape(10, -1) @ places.products().T
    assert np.allclose(singular_values, np.linalg.svd(series, compute_uv=False), rtol=1e-6)
    projected = series @ basis.T @ basis
    best = np.sqrt(np.sum(singular_values[6:] ** 2))
    assert np.linalg.norm(series - projected) == pytest.approx(best, rel=1e-6)
    assert np.all(basis[np.arange(6), np.argmax(np.abs(basis), axis=1)] > 0)


def test_order_of_the_cells_is_that_of_an_explicit_loop() -> None:
    tensor, *_ = model()
    c, r, n = (axis.ravel() for axis in np.indices((8, 3, 40)))
    phi = tensor.cells(c, r, n).reshape(6, 8, 3, 40)
    for row, cardiac, respiratory, pulse in [(0, 1, 2, 3), (5, 7, 0, 39), (2, 3, 1, 0)]:
        total = 0.0
        for a in range(tensor.core.shape[1]):
            for b in range(tensor.core.shape[2]):
                for t in range(tensor.core.shape[3]):
                    total += (
                        tensor.core[row, a, b, t]
                        * tensor.cardiac[cardiac, a]
                        * tensor.respiratory[respiratory, b]
                        * tensor.recovery[pulse, t]
                    )
        assert phi[row, cardiac, respiratory, pulse] == pytest.approx(total, abs=1e-12)
        one_state = tensor.recovery_of(cardiac, respiratory)[row] @ tensor.recovery[pulse]
        assert phi[row, cardiac, respiratory, pulse] == pytest.approx(one_state, abs=1e-12)


def test_a_readout_in_the_middle_of_a_bin_sees_that_cell() -> None:
    tensor, *_ = model()
    places = BinWeights(
        cardiac_weights(np.array([3 / 8]), 8),
        displacement_scale(np.array([0.0, 1.0]), 3).weights(np.array([0.5])),
        tensor.recovery[[17]],
    )
    assert np.allclose(tensor.at(places)[:, 0], tensor.cells(np.array([3]), np.array([1]), np.array([17]))[:, 0])


def test_rank_by_energy_and_no_signal() -> None:
    tensor, values, places, completed = model(rank=10)
    held = np.cumsum(values**2) / np.sum(values**2)
    fewer, _ = temporal_tensor(completed, places, tensor.recovery, 10, energy=0.99)
    assert fewer.rank == np.searchsorted(held, 0.99) + 1
    with pytest.raises(DataError, match="no signal"):
        temporal_tensor(0 * completed, places, tensor.recovery, 10)


@given(st.integers(2, 30), st.integers(2, 12), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_bins_partition_the_readouts(cardiac_bins: int, respiratory_bins: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    phase, signal = rng.random(500), rng.normal(size=500)
    cardiac = cardiac_weights(phase, cardiac_bins)
    respiratory = displacement_scale(signal, respiratory_bins).weights(signal)
    for weights, count in ((cardiac, cardiac_bins), (respiratory, respiratory_bins)):
        assert weights.shape == (500, count)
        assert np.allclose(weights.sum(axis=1), 1)
        assert np.all((weights >= 0) & (weights <= 1))
        bins = nearest_bin(weights)
        assert sum(np.count_nonzero(bins == number) for number in range(count)) == 500
    order = np.argsort(signal)
    assert np.all(np.diff(nearest_bin(respiratory)[order]) >= 0)
    assert np.array_equal(nearest_bin(cardiac), np.round(phase * cardiac_bins).astype(int) % cardiac_bins)


def test_phase_between_beats_and_ectopic_marking() -> None:
    triggers = np.cumsum([1.0, 1.0, 1.0, 1.0, 0.65, 1.35, 1.0, 1.0])
    beats = mark_ectopic(triggers)
    assert beats.is_ectopic.tolist() == [False, False, False, False, True, False, False, False]
    assert beats.rate_per_minute == pytest.approx(60)
    time_s = np.array([0.25, 1.5, 4.325, 4.9, 5.9, 6.5, 8.75])
    assert beats.phase(time_s) == pytest.approx([0.25, 0.5, 0.5, 0.25 / 1.35, 1.25 / 1.35, 0.5, 0.75])
    assert beats.phase(time_s, origin=0.25)[:2] == pytest.approx([0.0, 0.25])
    assert beats.disturbed(time_s).tolist() == [False, False, True, True, True, False, False]
    late_trigger = beats.disturbed(np.array([3.2, 3.6, 4.3, 5.1, 5.6]), origin=0.5)  # cycles start between triggers
    assert late_trigger.tolist() == [False, True, True, True, False]


def test_features_that_repeat_each_other_add_no_rank() -> None:
    tensor, _, places, completed = model()
    twice, values = temporal_tensor(np.concatenate([completed[:3]] * 2), places, tensor.recovery, 6)
    assert twice.rank == 3
    assert np.isfinite(values).all()
    series = completed[:3].reshape(3, -1) @ places.products().T
    assert np.allclose(values[:3], np.sqrt(2) * np.linalg.svd(series, compute_uv=False), rtol=1e-6)
    basis = twice.at(places)
    assert np.allclose(series @ basis.T @ basis, series, atol=1e-6 * np.abs(series).max())


def test_hosvd_leaves_an_axis_alone_that_is_not_to_be_cut() -> None:
    tensor = np.random.default_rng(5).standard_normal((4, 5, 3))
    core, factors = hosvd(tensor, (None, 2, None))
    assert core.shape == (4, 2, 3)
    assert np.array_equal(factors[0], np.eye(4))
    unfolded = np.moveaxis(tensor, 1, 0).reshape(5, -1)
    best = np.linalg.svd(unfolded, full_matrices=False)[0][:, :2]
    assert np.allclose(np.abs(factors[1].T @ best), np.eye(2), atol=1e-10)
    assert np.allclose(core, np.einsum("kcr,ca->kar", tensor, factors[1]))


def test_many_respiratory_bins_and_few_recovery_functions() -> None:
    """All cells keep their values: more bins than columns of U_τ."""
    rng = np.random.default_rng(8)
    recovery = recovery_basis(3.6, 5.0, 40, 2)
    completed = rng.standard_normal((3, 4, 6, 2))
    c, r, n = (axis.ravel() for axis in np.indices((4, 6, 40)))
    tensor, _ = temporal_tensor(completed, whole_cells(c, r, recovery[n], (4, 6)), recovery, 3)
    series = np.einsum("knt,nt->kn", completed[:, c, r], recovery[n])
    basis = tensor.cells(c, r, n)
    assert np.allclose(basis @ basis.T, np.eye(3), atol=1e-8)
    assert np.allclose(series @ basis.T @ basis, series, atol=1e-8)
