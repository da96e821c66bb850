"""ADMM against its textbook form in dense matrices, and its result against the minimum that duality certifies."""

import functools

import numpy as np
import pytest
from sigpy import linop

from recon.spatial.admm import AdmmSettings, admm, sparsifier
from recon.spatial.toeplitz import Circulant
from tests.support.linear import complex_normal

SHAPE = (1, 16, 16)
PIXELS = 256


class Dense(linop.Linop):
    """A Hermitian matrix as a normal operator."""

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = matrix.astype(np.complex64)
        self.density = np.linspace(0.7, 1.3, PIXELS).reshape(16, 16).astype(np.float32)
        super().__init__(SHAPE, SHAPE)

    def _apply(self, image: np.ndarray) -> np.ndarray:
        return (self.matrix @ image.ravel()).reshape(SHAPE)

    def _adjoint_linop(self) -> linop.Linop:
        return self


@functools.cache
def problem() -> tuple[np.ndarray, np.ndarray]:
    """A, with eigenvalues from 0.05 on, and b = A U + noise for a U of a few blocks."""
    rng = np.random.default_rng(11)
    encoding = complex_normal(rng, (160, PIXELS)).astype(np.complex128) / 25
    a = encoding.conj().T @ encoding + 0.05 * np.eye(PIXELS)
    blocks = np.kron(rng.integers(-1, 2, (4, 4)), np.ones((4, 4))).ravel() * (1 + 0.5j)
    return a, a @ blocks + 0.02 * complex_normal(rng, (PIXELS,))


@functools.cache
def psi(name: str) -> np.ndarray:
    """Ψ as a matrix, column by column."""
    operator = sparsifier(SHAPE, name)
    return np.stack(
        [operator(unit.reshape(SHAPE)).ravel() for unit in np.eye(PIXELS, dtype=np.complex64)], axis=1
    ).astype(np.complex128)


def shrunk(values: np.ndarray, threshold: float) -> np.ndarray:
    return np.exp(1j * np.angle(values)) * np.maximum(np.abs(values) - threshold, 0)


def objective(name: str, u: np.ndarray, lambda_: float) -> float:
    a, b = problem()
    return float((0.5 * np.vdot(u, a @ u) - np.vdot(b, u)).real + lambda_ * np.abs(psi(name) @ u).sum())


def textbook(name: str, start: np.ndarray, lambda_: float, rho: float, iterations: int) -> tuple:
    """Scaled ADMM (Boyd 2011, section 3.1.1) with exact solutions: U, costs and residuals."""
    a, b = problem()
    matrix = psi(name)
    penalty = np.eye(PIXELS) if name == "wavelet" else matrix.conj().T @ matrix
    u, z, dual = start, matrix @ start, 0 * (matrix @ start)
    costs, residuals = [], []
    for _ in range(iterations):
        u = np.linalg.solve(a + rho * penalty, b + rho * matrix.conj().T @ (z - dual))
        sparse, before = matrix @ u, z
        z = shrunk(sparse + dual, lambda_ / rho)
        dual = dual + sparse - z
        costs.append(objective(name, u, lambda_))
        change = max(np.linalg.norm(sparse - z), np.linalg.norm(z - before))
        residuals.append(change / max(np.linalg.norm(sparse), np.linalg.norm(z)))
    return u, costs, residuals


def least_cost(name: str, lambda_: float, steps: int = 1200) -> tuple[np.ndarray, float]:
    """Minimum by FISTA on the dual, ``max -½ (b - Ψᴴp)ᴴ A⁻¹ (b - Ψᴴp)`` over |p| <= λ, and its certified value."""
    a, b = problem()
    matrix, inverse = psi(name), np.linalg.inv(a)
    slope = matrix @ inverse @ matrix.conj().T
    constant, step = matrix @ inverse @ b, 1 / np.linalg.norm(slope, 2)
    p = ahead = np.zeros(len(matrix), complex)
    weight = 1.0
    for _ in range(steps):
        moved = ahead + step * (constant - slope @ ahead)
        new = moved / np.maximum(np.abs(moved) / lambda_, 1)
        next_weight = (1 + np.sqrt(1 + 4 * weight**2)) / 2
        p, ahead, weight = new, new + (weight - 1) / next_weight * (new - p), next_weight
    rest = b - matrix.conj().T @ p
    return inverse @ rest, float(-0.5 * np.vdot(rest, inverse @ rest).real)


def settings(name: str, **changes: float) -> AdmmSettings:
    return AdmmSettings(name, **({"relative_lambda": 0.05, "tolerance": 0, "cg_iterations": 60} | changes))


@pytest.mark.parametrize("name", ["wavelet", "differences"])
@pytest.mark.parametrize("relative_rho", [0.2, 3.0])
def test_every_iteration_is_that_of_the_textbook(name: str, relative_rho: float) -> None:
    a, b = problem()
    start = 0.5 * b
    lambda_ = 0.05 * np.abs(b).max()
    expected, costs, residuals = textbook(name, start, lambda_, relative_rho * 1.0, 6)  # the mean density is 1
    found = admm(
        Dense(a),
        b.reshape(SHAPE).astype(np.complex64),
        start.reshape(SHAPE).astype(np.complex64),
        settings(name, relative_rho=relative_rho, iterations=6, cg_tolerance=1e-6),
    )
    assert np.linalg.norm(found.spatial_factor.ravel() - expected) < 1e-3 * np.linalg.norm(expected)
    assert np.allclose(found.cost, costs, rtol=1e-3)
    assert np.allclose(found.residual, residuals, rtol=1e-2)


@pytest.mark.parametrize("name", ["wavelet", "differences"])
@pytest.mark.parametrize("relative_rho", [0.3, 1.5])
def test_it_finds_the_minimum_whatever_rho(name: str, relative_rho: float) -> None:
    a, b = problem()
    lambda_ = 0.05 * np.abs(b).max()
    best, certified = least_cost(name, lambda_)
    assert objective(name, best, lambda_) == pytest.approx(certified, rel=1e-4)  # no duality gap
    start = np.zeros(SHAPE, np.complex64)
    found = admm(
        Dense(a),
        b.reshape(SHAPE).astype(np.complex64),
        start,
        settings(name, relative_rho=relative_rho, iterations=150, cg_iterations=20),
    )
    assert objective(name, found.spatial_factor.ravel(), lambda_) == pytest.approx(certified, rel=3e-4)
    assert np.linalg.norm(found.spatial_factor.ravel() - best) < 0.02 * np.linalg.norm(best)
    assert np.mean(np.abs(psi(name) @ best) < 1e-6 * np.abs(best).max()) > 0.05  # λ matters


def test_the_preconditioner_solves_a_convolution_in_one_step() -> None:
    """Where the operator is its own density, one step of CG is as good as many."""
    rng = np.random.default_rng(12)
    normal = Circulant(rng.uniform(0.01, 3, (16, 16)).astype(np.float32), 2)
    normal.density = normal.spectrum
    data = complex_normal(rng, (2, 16, 16))
    one, many = (
        admm(normal, data, 0 * data, settings("wavelet", iterations=4, cg_iterations=count)).spatial_factor
        for count in (1, 50)
    )
    assert np.linalg.norm(one - many) < 1e-4 * np.linalg.norm(many)


def test_levels_of_the_wavelet_and_axes_of_the_differences() -> None:
    """A wave of three levels where the image is large enough; differences along y and x, never from map to map."""
    assert sparsifier((1, 64, 64), "wavelet").oshape != sparsifier((1, 32, 32), "wavelet").oshape
    maps = np.arange(3 * 8 * 8, dtype=np.complex64).reshape(3, 8, 8) ** 2
    found = sparsifier((3, 8, 8), "differences")(maps)
    assert found.shape == (2, 3, 8, 8)
    assert np.allclose(found[0], maps - np.roll(maps, 1, axis=1))
    assert np.allclose(found[1], maps - np.roll(maps, 1, axis=2))
