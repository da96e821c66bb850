"""What every linear operator must pass."""

import numpy as np
from sigpy.linop import Linop


def complex_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


def assert_adjoint(operator: Linop, tolerance: float = 1e-4, seed: int = 0) -> None:
    """<A x, y> = <x, Aᴴ y> for random complex x and y, and the shapes and dtype that the operator declares."""
    rng = np.random.default_rng(seed)
    x = complex_normal(rng, tuple(operator.ishape))
    y = complex_normal(rng, tuple(operator.oshape))
    forward, backward = operator(x), operator.H(y)
    assert forward.shape == tuple(operator.oshape)
    assert backward.shape == tuple(operator.ishape)
    assert forward.dtype == backward.dtype == np.complex64
    left, right = np.vdot(y, forward), np.vdot(backward, x)
    assert abs(left - right) <= tolerance * np.linalg.norm(forward) * np.linalg.norm(y)
    assert abs(left) > 0


def slow_dft(images: np.ndarray, trajectory: np.ndarray) -> np.ndarray:
    """d(k) = 1/N Σ u(x, y) exp(-2πi (kx x + ky y) / N) as written, one exponential per pixel and sample."""
    matrix = images.shape[-1]
    y, x = np.mgrid[:matrix, :matrix] - matrix // 2
    k = trajectory.astype(np.float64)
    kernel = np.exp(-2j * np.pi * (k[..., 0, None, None] * x + k[..., 1, None, None] * y) / matrix) / matrix
    return np.einsum("tsyx,byx->bts", kernel, images)
