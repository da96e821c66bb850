"""LAPACK called past SciPy: the same vectors, of the lower triangle, with nothing changed and no lock held."""

import threading
import time

import numpy as np
import pytest
import scipy.linalg

from recon.temporal.fitting.eigenvectors import leading_eigenvectors


@pytest.mark.parametrize(("size", "count"), [(1, 1), (5, 5), (60, 7)])
def test_vectors_are_scipys_to_the_bit(size: int, count: int) -> None:
    rng = np.random.default_rng(size)
    half = rng.standard_normal((size, 2 * size))
    matrix = half @ half.T
    _, expected = scipy.linalg.eigh(matrix, subset_by_index=(size - count, size - 1))
    found = leading_eigenvectors(np.tril(matrix), count)
    assert np.array_equal(found, expected[:, ::-1])
    values = np.sum(found * (matrix @ found), axis=0)
    assert np.all(np.diff(values) <= 0)
    np.testing.assert_allclose(matrix @ found, found * values, atol=1e-9 * values[0])


def test_the_matrix_is_left_as_it_was() -> None:
    half = np.random.default_rng(1).standard_normal((20, 30))
    matrix = np.asfortranarray(half @ half.T)
    before = matrix.copy()
    leading_eigenvectors(matrix, 3)
    assert np.array_equal(matrix, before)


def test_nan_is_an_error() -> None:
    with pytest.raises(ValueError, match="NaN or Inf"):
        leading_eigenvectors(np.full((9, 9), np.nan), 2)


def test_other_threads_go_on_meanwhile() -> None:
    half = np.random.default_rng(2).standard_normal((900, 1000))
    matrix, steps, done = half @ half.T, [], threading.Event()

    def count() -> None:
        while not done.is_set():
            steps.append(time.perf_counter())
            time.sleep(0.0005)

    counter = threading.Thread(target=count)
    counter.start()
    start = time.perf_counter()
    leading_eigenvectors(matrix, 40)
    stop = time.perf_counter()
    done.set()
    counter.join()
    assert sum(start < step < stop for step in steps) >= 3  # with the lock held there would be none
