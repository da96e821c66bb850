"""Sparse answers against explicit steps in dense matrices, their minimum, and what they may and may not add."""

import numpy as np
import pytest
import pywt

from recon.spatial.admm import WAVELET, coefficient_noise
from recon.spatial.back_projection import back_project_and_adjoint, normal_operator
from recon.spatial.trust.sparse_answer import of_pixel_shape, sparse_answer, without_pixel_shape
from tests.support.linear import complex_normal
from tests.support.problems import some_problem

N, L = 16, 2
FREQUENCY = np.fft.fftfreq(N)
PIXEL = np.sinc(FREQUENCY)[:, None] * np.sinc(FREQUENCY)
NORMAL = normal_operator(some_problem(N, 200, L))
DENSITY = NORMAL.density.astype(np.float64)
RNG_SEED = 5


def dense(operator) -> np.ndarray:
    """The matrix of an operator on (L, N, N)."""
    unit = np.eye(L * N * N, dtype=np.complex64).reshape(-1, L, N, N)
    return np.stack([operator(one).ravel() for one in unit], axis=1).astype(np.complex128)


def wavelets(maps: np.ndarray) -> np.ndarray:
    """Coefficients of maps, periodic as the FFT and without SigPy."""
    level = pywt.dwt_max_level(N, WAVELET)
    parts = pywt.wavedecn(maps, WAVELET, "zero", level=min(level, 3), axes=(-2, -1))
    return pywt.coeffs_to_array(parts, axes=(-2, -1))[0]


A, PSI = dense(NORMAL), dense(wavelets)


def body(rng: np.random.Generator, maps: int = L, size: int = N) -> np.ndarray:
    """Blocks of even signal: few wavelets."""
    image = np.zeros((maps, size, size))
    image[:, size // 4 : size // 2, size // 4 : -size // 8] = 1
    return (image * np.exp(1j * rng.uniform(0, 6, (maps, 1, 1)))).astype(np.complex64)


def lost(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a network showed, what it lost, and E_Φᴴ d without noise."""
    true = body(rng)
    missing = np.zeros_like(true)
    missing[0, 5:9, 6:10] = 0.5j
    shown = (true - missing).astype(np.complex64)
    return shown, missing, NORMAL(true)


def test_it_is_what_explicit_steps_give() -> None:
    rng = np.random.default_rng(RNG_SEED)
    shown, missing, adjoint = lost(rng)
    points = shown + np.float32(0.8) * missing
    shown = np.fft.ifft2(np.fft.fft2(points) * PIXEL).astype(np.complex64)  # means over pixels
    adjoint = adjoint + 0.03 * NORMAL(complex_normal(rng, shown.shape))
    variance = 0.01
    given = adjoint - NORMAL(shown)
    assert np.linalg.norm(without_pixel_shape(given, shown, NORMAL.density) - given) > 0.05 * np.linalg.norm(given)
    left = without_pixel_shape(given, shown, NORMAL.density).astype(np.complex128).ravel()
    rho = DENSITY.mean()
    threshold = np.sqrt(variance * DENSITY.mean()) / rho

    def precondition(maps: np.ndarray) -> np.ndarray:
        images = maps.reshape(L, N, N)
        return np.fft.ifft2(np.fft.fft2(images) / (DENSITY + rho)).ravel()

    v = np.zeros(L * N * N, complex)
    sparse = dual = np.zeros(len(PSI), complex)
    for _ in range(6):
        slope = left - A @ v + rho * (PSI.conj().T @ (sparse - dual) - v)
        direction = precondition(slope)
        curved = (A + rho * np.eye(len(A))) @ direction
        v = v + direction * np.vdot(direction, slope).real / np.vdot(direction, curved).real
        whole = PSI @ v + dual
        size = np.abs(whole)
        sparse = np.where(size > threshold, whole * (1 - threshold / np.maximum(size, 1e-30)), 0)
        dual = whole - sparse
    expected = (PSI.conj().T @ sparse).reshape(L, N, N)
    found = sparse_answer(NORMAL, given, shown, variance)
    assert np.linalg.norm(expected) > 0.02 * np.linalg.norm(shown)
    assert found.dtype == np.complex64
    assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)


def test_most_of_the_way_to_the_minimum_is_gone() -> None:
    """Against hundreds of proximal gradient steps on the same objective."""
    rng = np.random.default_rng(RNG_SEED + 1)
    shown, _, adjoint = lost(rng)
    left = without_pixel_shape(adjoint - NORMAL(shown), shown, NORMAL.density).astype(np.complex128).ravel()
    penalty = coefficient_noise(NORMAL, 0.02)

    def objective(v: np.ndarray) -> float:
        return 0.5 * np.vdot(v, A @ v).real - np.vdot(left, v).real + penalty * np.abs(PSI @ v).sum()

    step = 1 / np.linalg.norm(A, 2)
    best = np.zeros(L * N * N, complex)
    for _ in range(600):
        coefficients = PSI @ (best + step * (left - A @ best))
        size = np.abs(coefficients)
        best = PSI.conj().T @ (coefficients * np.maximum(1 - penalty * step / np.maximum(size, 1e-30), 0))
    ours = sparse_answer(NORMAL, adjoint - NORMAL(shown), shown, 0.02).ravel().astype(np.complex128)
    assert objective(best) < 0
    assert objective(ours) < 0.9 * objective(best)


def test_what_was_lost_comes_back_and_noise_does_not() -> None:
    rng = np.random.default_rng(RNG_SEED + 2)
    shown, missing, adjoint = lost(rng)
    variance = 1e-3
    problem = some_problem(N, 200, L)
    noise = np.sqrt(variance / 2) * back_project_and_adjoint(problem)[1]  # its data have a variance of 2
    left = adjoint - NORMAL(shown)
    told = sparse_answer(NORMAL, left + noise, shown, variance)
    assert np.linalg.norm(told - missing) < 0.35 * np.linalg.norm(missing)
    of_noise = sparse_answer(NORMAL, noise, shown + missing, variance)
    unpenalised = sparse_answer(NORMAL, noise, shown + missing, 0.0)
    assert np.linalg.norm(of_noise) < 0.5 * np.linalg.norm(unpenalised)
    assert not sparse_answer(NORMAL, left, shown, 1e9).any()


def test_scale_and_phase_do_not_matter_and_nothing_is_overwritten() -> None:
    rng = np.random.default_rng(RNG_SEED + 3)
    shown, _, adjoint = lost(rng)
    left = adjoint - NORMAL(shown)
    before = shown.copy(), left.copy()
    found = sparse_answer(NORMAL, left, shown, 0.01)
    factor = np.complex64(3e-4j)
    other = sparse_answer(NORMAL, factor * left, factor * shown, 0.01 * abs(factor) ** 2)
    assert np.allclose(other, factor * found, rtol=1e-3, atol=1e-3 * abs(factor) * np.abs(found).max())
    assert np.array_equal(shown, before[0])
    assert np.array_equal(left, before[1])
    assert not sparse_answer(NORMAL, 0 * left, 0 * shown, 0.01).any()


def test_means_over_pixels_leave_their_shape() -> None:
    """Of a normal operator that is diagonal in k-space, where the circulant form is exact."""
    rng = np.random.default_rng(RNG_SEED + 4)
    points = complex_normal(rng, (L, N, N))
    means = np.fft.ifft2(np.fft.fft2(points) * PIXEL)
    left = DENSITY * np.fft.fft2(points - means)
    shape = of_pixel_shape(means.astype(np.complex64), NORMAL.density)
    assert np.allclose(shape, left * PIXEL, atol=1e-4 * np.abs(left).max())


@pytest.mark.parametrize(("share", "left"), [(0.0, 0.0), (0.4, 0.0), (1.0, 0.0), (1.5, 0.5), (-0.5, -0.5)])
def test_as_much_of_that_shape_is_taken_out_as_there_is(share: float, left: float) -> None:
    maps = body(np.random.default_rng(RNG_SEED + 6))
    shape = np.fft.ifft2(of_pixel_shape(maps, NORMAL.density))
    found = without_pixel_shape((share * shape).astype(np.complex64), maps, NORMAL.density)
    assert np.allclose(found, left * shape, atol=1e-4 * np.abs(shape).max())


def test_the_share_is_that_of_least_squares_where_spokes_run() -> None:
    rng = np.random.default_rng(RNG_SEED + 7)
    maps, density = body(rng), NORMAL.density.copy()
    density[np.hypot(FREQUENCY[:, None], FREQUENCY) > 0.4] = 0
    shape = of_pixel_shape(maps, density).astype(np.complex128)
    disturbed = complex_normal(rng, maps.shape)
    left = np.fft.ifft2(0.5 * shape + np.fft.fft2(disturbed) * np.abs(shape).mean() / N)
    at = density > 0.1 * density.mean()
    weights = 1 / np.sqrt(density[at])
    columns, wanted = (shape[:, at] * weights).ravel(), (np.fft.fft2(left)[:, at] * weights).ravel()
    share = np.linalg.lstsq(np.r_[columns.real, columns.imag][:, None], np.r_[wanted.real, wanted.imag], rcond=None)[0]
    assert 0 < share[0] < 1
    found = without_pixel_shape(left.astype(np.complex64), maps, density)
    taken = np.fft.fft2(left - found)
    assert np.vdot(shape, taken).real / np.vdot(shape, shape).real == pytest.approx(share[0], rel=1e-3)
    assert np.allclose(found, left - share[0] * np.fft.ifft2(shape), atol=1e-3 * np.abs(left).max())
