import dataclasses

import numpy as np
import pytest
from sigpy import linop

from recon.errors import DataError
from recon.readouts.density import ramp_weights
from recon.readouts.trajectory import GOLDEN_ANGLE_DEG
from recon.spatial.back_projection import SubspaceProblem, normal_operator
from recon.spatial.encoding import SubspaceNufft, coil_encoding
from recon.spatial.fan import line_fan
from recon.spatial.nufft import plan_nufft
from recon.spatial.toeplitz import Circulant, ToeplitzNormal, kernel_bytes, pair_weights, toeplitz_kernel
from tests.support.linear import assert_adjoint, complex_normal
from tests.support.problems import FIBONACCI_DEG, some_problem
from tests.support.spokes import Spokes, problem_on


def exact_normal(problem: SubspaceProblem, weights: np.ndarray | None = None) -> linop.Linop:
    e_phi = coil_encoding(
        problem.coil_maps, SubspaceNufft(plan_nufft(problem.trajectory, problem.matrix), problem.temporal_basis)
    )
    return e_phi.H * e_phi if weights is None else e_phi.H * linop.Multiply(e_phi.oshape, weights) * e_phi


@pytest.mark.parametrize("matrix", [20, 21])
@pytest.mark.parametrize("rank", [1, 3, 6])
@pytest.mark.parametrize("angle_deg", [GOLDEN_ANGLE_DEG, FIBONACCI_DEG])
@pytest.mark.parametrize("ramp", [False, True])
def test_equals_the_exact_normal_operator(matrix: int, rank: int, angle_deg: float, ramp: bool) -> None:
    problem = some_problem(matrix, 500, rank, angle_deg)
    weights = ramp_weights(problem.trajectory) if ramp else None
    factor = complex_normal(np.random.default_rng(0), (rank, matrix, matrix))
    exact = exact_normal(problem, weights)(factor)
    fast = normal_operator(problem, weights=None if weights is None else weights[0])(factor)
    assert np.linalg.norm(fast - exact) < 1e-3 * np.linalg.norm(exact)


@pytest.mark.parametrize(
    ("spokes", "count"),
    [
        (Spokes(shift=0.5), 500),
        (Spokes(shift=0.2, delays=(0.5, -0.2, 0.1), bend=1.0), 500),
        (Spokes(shift=-0.4, samples=31, center=11), 60),
        (Spokes(scatter=0.5), 300),
    ],
)
def test_equals_the_exact_normal_operator_on_spokes_as_they_are(spokes: Spokes, count: int) -> None:
    problem = problem_on(spokes, 20, count, 3)
    factor = complex_normal(np.random.default_rng(6), (3, 20, 20))
    exact = exact_normal(problem)(factor)
    normal = normal_operator(problem)
    assert np.linalg.norm(normal(factor) - exact) < 1e-3 * np.linalg.norm(exact)
    assert_adjoint(normal)


@pytest.mark.parametrize("whole_images", [False, True])
@pytest.mark.parametrize("wanted", [1, 3])
def test_the_first_maps_alone_take_the_kernels_first_columns(wanted: int, whole_images: bool) -> None:
    problem = some_problem(20, 300, 5)
    whole = normal_operator(problem)
    columns = np.ascontiguousarray(whole.kernel.reshape(40, 40, 5, 5)[..., :wanted])
    first = ToeplitzNormal(columns, problem.coil_maps, whole_images=whole_images)
    factor = complex_normal(np.random.default_rng(2), (5, 20, 20))
    expected = whole(factor)[:wanted]
    assert first(factor).shape == (wanted, 20, 20)
    assert np.linalg.norm(first(factor) - expected) < 1e-6 * np.linalg.norm(expected)


def test_hermitian_and_positive_semidefinite() -> None:
    problem = some_problem(20, 300, 4)
    normal = normal_operator(problem)
    assert_adjoint(normal)
    kernel = toeplitz_kernel(line_fan(problem.trajectory, 40), problem.temporal_basis, 20)
    scale = np.abs(kernel).max()
    assert np.abs(kernel - kernel.conj().swapaxes(-1, -2)).max() < 1e-5 * scale
    dense = np.stack([normal(unit.reshape(4, 20, 20)).ravel() for unit in np.eye(1600, dtype=np.complex64)[::7]])
    rng = np.random.default_rng(1)
    for _ in range(20):
        factor = complex_normal(rng, (4, 20, 20))
        energy = np.vdot(factor, normal(factor))
        assert energy.real > -1e-5 * np.linalg.norm(factor) ** 2 * np.abs(dense).max()
        assert abs(energy.imag) < 1e-4 * abs(energy.real)


def test_result_does_not_depend_on_the_coils_at_a_time() -> None:
    problem = some_problem(20, 200, 3)
    kernel = toeplitz_kernel(line_fan(problem.trajectory, 40), problem.temporal_basis, 20)
    factor = complex_normal(np.random.default_rng(2), (3, 20, 20))
    results = [ToeplitzNormal(kernel, problem.coil_maps, coils_at_a_time=count)(factor) for count in (1, 2, 3)]
    assert np.allclose(results[0], results[2], rtol=1e-4, atol=1e-6)
    assert np.allclose(results[1], results[2], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("matrix", [20, 21])
def test_whole_images_give_the_same_as_rows(matrix: int) -> None:
    """The way of a GPU, through NumPy, and that of the CPU."""
    problem = some_problem(matrix, 200, 3)
    kernel = toeplitz_kernel(line_fan(problem.trajectory, 2 * matrix), problem.temporal_basis, matrix)
    factor = complex_normal(np.random.default_rng(5), (3, matrix, matrix))
    expected = ToeplitzNormal(kernel, problem.coil_maps, whole_images=False)(factor)
    for coils in (1, 2, 3):
        normal = ToeplitzNormal(kernel, problem.coil_maps, coils, whole_images=True)
        assert_adjoint(normal)
        assert np.linalg.norm(normal(factor) - expected) < 2e-6 * np.linalg.norm(expected)


def test_pairs_at_a_time_do_not_change_the_kernel() -> None:
    problem = some_problem(20, 200, 4)
    fan = line_fan(problem.trajectory, 40)
    plenty = toeplitz_kernel(fan, problem.temporal_basis, 20)
    scarce = toeplitz_kernel(fan, problem.temporal_basis, 20, memory_bytes=plenty.nbytes + 2_000_000)
    assert np.allclose(plenty, scarce, atol=1e-6 * np.abs(plenty).max())


def test_memory_is_computed_before_it_is_taken() -> None:
    problem = some_problem(20, 200, 4)
    with pytest.raises(DataError, match=r"Toeplitz kernel of rank 4 and matrix 20 takes .* raise memory_gb"):
        normal_operator(problem, memory_bytes=100_000)
    kernel = toeplitz_kernel(line_fan(problem.trajectory, 40), problem.temporal_basis, 20)
    with pytest.raises(DataError, match="one coil of the normal operator takes"):
        ToeplitzNormal(kernel, problem.coil_maps, memory_bytes=1000)


def test_nan_in_the_basis_is_refused() -> None:
    problem = some_problem(20, 200, 2)
    problem.temporal_basis[0, 5] = np.nan
    with pytest.raises(DataError, match="temporal basis holds NaN"):
        normal_operator(problem)


def test_kernel_takes_the_back_end_asked_for() -> None:
    problem = some_problem(20, 200, 2)
    reference = normal_operator(dataclasses.replace(problem, backend="sigpy"))
    factor = complex_normal(np.random.default_rng(3), (2, 20, 20))
    expected = reference(factor)
    found = normal_operator(problem)(factor)
    assert 0 < np.linalg.norm(found - expected) < 1e-4 * np.linalg.norm(expected)


@pytest.mark.parametrize("matrix", [8, 9])
def test_density_is_the_nearest_circulant(matrix: int) -> None:
    """T. Chan: the eigenvalues are the diagonal of F A Fᴴ; the mean over the L blocks, at unit coil energy."""
    problem = some_problem(matrix, 60, 2)
    ones = np.ones((1, matrix, matrix), np.complex64)
    normal = normal_operator(dataclasses.replace(problem, coil_maps=ones))
    unit = np.eye(matrix**2, dtype=np.complex64).reshape(-1, matrix, matrix)
    diagonals = []
    for block in range(2):
        factor = np.zeros((len(unit), 2, matrix, matrix), np.complex64)
        factor[:, block] = np.fft.ifft2(unit, norm="ortho")
        spectra = np.stack([np.fft.fft2(normal(column)[block], norm="ortho") for column in factor])
        diagonals.append(np.einsum("kk->k", spectra.reshape(len(unit), -1)).real)
    expected = np.mean(diagonals, axis=0).reshape(matrix, matrix)
    assert np.abs(normal.density - expected).max() < 1e-3 * expected.max()
    brighter = normal_operator(dataclasses.replace(problem, coil_maps=np.concatenate([ones, 2j * ones])))
    assert np.allclose(brighter.density, 5 * normal.density, rtol=1e-4)


def test_pair_weights_are_sums_over_the_spokes_of_a_line() -> None:
    problem = some_problem(12, 150, 2, FIBONACCI_DEG)
    fan = line_fan(problem.trajectory, 24)
    pairs = pair_weights(fan, problem.temporal_basis)
    expected = np.einsum("lt,mt->lm", problem.temporal_basis.conj(), problem.temporal_basis)
    assert pairs.shape == (2, fan.lines, 2, 2)
    assert np.allclose(pairs.sum(axis=(0, 1)), expected, atol=2e-2)
    assert np.array_equal(pair_weights(fan, problem.temporal_basis, lines_at_a_time=7), pairs)
    for line in (0, 5, fan.lines - 1):
        for way in (0, 1):
            total = np.zeros((2, 2), complex)
            for number in range(fan.count[line]):
                entry = fan.first[line] + number
                if fan.against[entry] == bool(way):
                    phi = problem.temporal_basis[:, fan.near[entry]]
                    total += fan.taps[line, number] * np.outer(phi.conj(), phi)
            assert np.allclose(pairs[way, line], total, atol=1e-6)


def test_circulant_is_multiplication_in_k_space() -> None:
    rng = np.random.default_rng(4)
    spectrum = rng.uniform(0, 2, (6, 8)).astype(np.float32)
    images = complex_normal(rng, (3, 6, 8))
    assert np.allclose(Circulant(spectrum, 3)(images), np.fft.ifft2(np.fft.fft2(images) * spectrum), atol=1e-5)
    assert_adjoint(Circulant(spectrum, 3))


def test_memory_by_hand() -> None:
    """8 bytes for each of (2N)² L² numbers, and 24 L (2N)² for a coil at work."""
    assert kernel_bytes(4, 20) == 8 * 40 * 40 * 4 * 4
    problem = some_problem(20, 200, 4)
    fan = line_fan(problem.trajectory, 40)
    kernel = toeplitz_kernel(fan, problem.temporal_basis, 20)
    assert kernel.nbytes == kernel_bytes(4, 20)
    one = 3 * 8 * 4 * 40**2
    for coils in (1, 2, 3):
        assert ToeplitzNormal(kernel, problem.coil_maps, memory_bytes=coils * one).coils_at_a_time == coils
    assert ToeplitzNormal(kernel, problem.coil_maps, memory_bytes=9 * one).coils_at_a_time == 3
    with pytest.raises(DataError, match="one coil"):
        ToeplitzNormal(kernel, problem.coil_maps, memory_bytes=one - 1)
    least = kernel.nbytes + 8 * 2 * fan.lines * 16 + 8 * (3 * 1600 + 2 * fan.lines * fan.radii)
    assert np.allclose(toeplitz_kernel(fan, problem.temporal_basis, 20, memory_bytes=least), kernel, atol=1e-3)
    with pytest.raises(DataError, match="Toeplitz kernel of rank 4"):
        toeplitz_kernel(fan, problem.temporal_basis, 20, memory_bytes=least - 1)
