import numpy as np
import pytest
from hypothesis import given, strategies as st

from recon.errors import DataError
from recon.readouts.timeline import Timeline
from recon.simulation.chest import SimulatedScan
from recon.temporal.navigator import (
    fix_phase,
    navigator_of_spokes,
    navigator_subspace,
    orthonormalise,
    readout_profiles,
)
from tests.support.linear import complex_normal


@pytest.mark.parametrize("shape", [(200, 3, 16), (20, 4, 32)])
def test_subspace_equals_the_svd(shape: tuple[int, ...]) -> None:
    navigators = complex_normal(np.random.default_rng(0), shape)
    subspace = navigator_subspace(navigators, rank=5)
    _, values, right = np.linalg.svd(navigators.reshape(shape[0], -1).T, full_matrices=False)
    assert np.allclose(subspace.singular_values[: len(values)], values, rtol=1e-4)
    assert np.allclose(np.abs(subspace.basis @ right[:5].conj().T), np.eye(5), atol=1e-3)
    assert np.allclose(subspace.basis @ subspace.basis.conj().T, np.eye(5), atol=1e-5)


def test_energy_chooses_the_rank() -> None:
    rng = np.random.default_rng(1)
    left, right = np.linalg.qr(rng.standard_normal((60, 6)))[0], np.linalg.qr(rng.standard_normal((80, 6)))[0]
    signal = right @ np.diag([10, 3, 1, 0.3, 0.1, 0.03]) @ left.T
    assert len(navigator_subspace(signal.reshape(80, 2, 30), rank=32, energy=0.99).basis) == 2
    assert len(navigator_subspace(signal.reshape(80, 2, 30), rank=4).basis) == 4


def test_rank_above_the_navigators_is_refused() -> None:
    with pytest.raises(DataError, match="rank 11 is above the 10 navigators"):
        navigator_subspace(complex_normal(np.random.default_rng(2), (10, 4, 16)), rank=11)


def test_silent_navigators_are_refused() -> None:
    with pytest.raises(DataError, match="no signal"):
        navigator_subspace(np.zeros((10, 2, 16), dtype=np.complex64), rank=2)


@pytest.mark.parametrize("samples", [64, 65])
def test_profile_of_a_point_lies_at_its_pixel(samples: int) -> None:
    k = np.arange(samples) - samples // 2
    line = np.exp(-2j * np.pi * k * 7 / samples).astype(np.complex64)
    profile = readout_profiles(line[None, None], matrix=32)
    assert profile.shape == (1, 1, 32)
    assert np.argmax(np.abs(profile)) == 16 + 7


def test_phase_is_fixed_whatever_it_was() -> None:
    rng = np.random.default_rng(3)
    basis = rng.standard_normal((4, 100)) + 0.1j * rng.standard_normal((4, 100))
    turned = basis * np.exp(2j * np.pi * rng.random((4, 1)))
    assert np.allclose(fix_phase(turned), fix_phase(basis), atol=1e-6)
    assert np.all(np.linalg.norm(fix_phase(turned).imag, axis=1) < 0.2 * np.linalg.norm(basis, axis=1))


def test_orthonormalise_keeps_the_space_and_refuses_dependent_rows() -> None:
    basis = complex_normal(np.random.default_rng(4), (4, 50))
    ortho = orthonormalise(basis)
    assert np.allclose(ortho @ ortho.conj().T, np.eye(4), atol=1e-8)
    assert np.allclose(basis @ ortho.conj().T @ ortho, basis, atol=1e-5)
    with pytest.raises(DataError, match="depend on each other"):
        orthonormalise(basis[[0, 1, 0]])


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40))
def test_navigator_of_each_readout(pattern: list[tuple[bool, bool]]) -> None:
    is_navigator = np.array([True, False] + [navigator for navigator, _ in pattern])
    repetition = np.cumsum([0, 0] + [starts for _, starts in pattern])
    index = [np.flatnonzero(kind) for kind in (is_navigator, ~is_navigator)]
    timelines = [Timeline(rows / 200, rows, repetition[rows]) for rows in index]
    found = navigator_of_spokes(index[0], timelines[0], index[1], timelines[1])
    navigators = list(index[0])
    for chosen, readout in zip(found, np.flatnonzero(~is_navigator), strict=True):
        before = [n for n in navigators if n < readout and repetition[n] == repetition[readout]]
        after = [n for n in navigators if n > readout and repetition[n] == repetition[readout]]
        expected = before[-1] if before else after[0] if after else [n for n in navigators if n < readout][-1]
        assert navigators[chosen] == expected


def test_basis_spans_the_true_temporal_signals(tiny: SimulatedScan) -> None:
    """Project the true image series on the navigators' basis: the error falls with rank, to 2 % at rank 16."""
    kspace = np.concatenate([data for _, data in tiny.kspace()])
    truth = tiny.truth_images(np.arange(1, tiny.protocol.readouts, 2)).reshape(tiny.protocol.readouts // 2, -1)
    profiles = readout_profiles(kspace[::2], tiny.protocol.matrix)
    errors = []
    for rank in (1, 2, 4, 8, 16):
        basis = navigator_subspace(profiles, rank).basis
        residual = truth.T - (truth.T @ basis.conj().T) @ basis
        errors.append(np.linalg.norm(residual) / np.linalg.norm(truth))
    print("projection error at rank 1, 2, 4, 8, 16:", np.round(errors, 4))
    assert np.all(np.diff(errors) < 0)
    assert errors[0] > 0.1
    assert errors[-1] < 0.05


@pytest.mark.parametrize(
    ("samples", "matrix", "first"), [(64, 64, 0), (64, 32, 16), (65, 32, 16), (64, 33, 16), (24, 32, 0)]
)
def test_profiles_are_unitary_transforms_cut_about_the_centre(samples: int, matrix: int, first: int) -> None:
    """One exponential at a time; the noise of a profile is that of its samples."""
    lines = complex_normal(np.random.default_rng(5), (3, 2, samples))
    k = np.arange(samples) - samples // 2
    slow = lines @ np.exp(2j * np.pi * np.outer(k, k) / samples) / np.sqrt(samples)
    found = readout_profiles(lines, matrix)
    assert np.allclose(found, slow[..., first : first + matrix], atol=1e-4)


def test_rows_come_by_singular_value_each_turned_to_be_real_and_peak_above_zero() -> None:
    rng = np.random.default_rng(6)
    courses = np.linalg.qr(rng.standard_normal((60, 3)))[0].T
    patterns = np.linalg.qr(complex_normal(rng, (80, 3)))[0]
    for shape in ((60, 80), (60, 20)):  # more samples than navigators, and fewer
        left = np.linalg.qr(patterns[: shape[1]])[0]
        found = navigator_subspace((left * [5.0, 2.0, 1.0] @ courses).T.reshape(60, 1, -1), 3)
        peaks = courses[np.arange(3), np.argmax(np.abs(courses), axis=1)]
        assert np.allclose(found.basis, courses * np.sign(peaks)[:, None], atol=1e-3)
        assert np.allclose(found.singular_values[:3], [5, 2, 1], rtol=1e-4)
    weak = (patterns * [5.0, 2.0, 1e-9] @ courses).T.reshape(60, 1, -1)
    assert len(navigator_subspace(weak, 3).basis) == 2  # what is rounding is no basis function
    held = [25 / 30, 29 / 30, 1.0]
    for energy, rank in ((held[0] - 1e-3, 1), (held[0] + 1e-3, 2), (held[1] + 1e-3, 3)):
        signal = (patterns * [5.0, 2.0, 1.0] @ courses).T.reshape(60, 1, -1)
        assert len(navigator_subspace(signal, 3, energy).basis) == rank


def test_lowdin_is_the_nearest_orthonormal_basis() -> None:
    """(Φ Φᴴ)^(-1/2) Φ of rows of unit norm is the polar factor: U Vᴴ of their SVD."""
    rows = complex_normal(np.random.default_rng(7), (3, 40)) * np.array([[1.0], [50.0], [0.01]])
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    left, _, right = np.linalg.svd(unit, full_matrices=False)
    assert np.allclose(orthonormalise(rows), left @ right, atol=1e-6)
    with pytest.raises(DataError, match="zero at every"):
        orthonormalise(rows * np.array([[1], [0], [1]]))


def test_navigators_of_the_neighbouring_period_are_the_last_resort() -> None:
    """Readout 3 follows an inversion that no navigator saw before it; readout 9 one that none saw at all."""
    navigators = Timeline(np.zeros(3), np.zeros(3, int), np.array([0, 0, 1]))
    imaging = Timeline(np.zeros(5), np.zeros(5, int), np.array([0, 0, 1, 1, 2]))
    found = navigator_of_spokes(np.array([1, 2, 5]), navigators, np.array([0, 2, 3, 7, 9]), imaging)
    assert found.tolist() == [0, 0, 2, 2, 2]
