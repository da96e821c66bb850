"""Turns, mirrors and phases: undone exactly, all different, and the scan's operator turned with the image."""

from itertools import combinations

import numpy as np
import pytest

from recon.spatial.back_projection import normal_operator
from recon.spatial.trust.symmetries import MOST, Symmetry, TurnedNormal, symmetries
from tests.support.linear import complex_normal
from tests.support.problems import some_problem


@pytest.mark.parametrize("symmetry", symmetries(MOST), ids=str)
@pytest.mark.parametrize("matrix", [6, 7])
def test_what_is_done_is_undone(symmetry: Symmetry, matrix: int) -> None:
    maps = complex_normal(np.random.default_rng(0), (3, matrix, matrix))
    assert symmetry.apply(maps).dtype == np.complex64
    assert np.allclose(symmetry.undo(symmetry.apply(maps)), maps, atol=1e-6)
    assert not np.allclose(symmetry.apply(maps), maps, atol=0.1)


def test_a_pixel_goes_where_one_says() -> None:
    maps = np.zeros((1, 4, 4), np.complex64)
    maps[0, 0, 1] = 1
    assert Symmetry(0, True).apply(maps)[0, 0, 2] == 1
    assert Symmetry(1, False).apply(maps)[0, 2, 0] == 1  # against the clock
    assert Symmetry(1, True, np.pi / 2).apply(maps)[0, 1, 0] == pytest.approx(1j)


def test_all_are_different() -> None:
    maps = complex_normal(np.random.default_rng(1), (1, 4, 4))
    for one, other in combinations(symmetries(MOST), 2):
        assert not np.allclose(one.apply(maps), other.apply(maps), atol=0.1)


@pytest.mark.parametrize("symmetry", symmetries(MOST), ids=str)
@pytest.mark.parametrize("matrix", [6, 7])
def test_a_spectrum_turns_about_the_middle_of_k_space(symmetry: Symmetry, matrix: int) -> None:
    """Even and odd matrices: a circulant operator, turned as a function, has the turned spectrum."""
    rng = np.random.default_rng(2)
    maps, spectrum = complex_normal(rng, (1, matrix, matrix)), rng.random((matrix, matrix))
    filtered = np.fft.ifft2(spectrum * np.fft.fft2(symmetry.undo(maps)))
    turned = np.fft.ifft2(symmetry.of_spectrum(spectrum) * np.fft.fft2(maps))
    assert np.allclose(symmetry.apply(filtered), turned, atol=1e-5)


@pytest.mark.parametrize("symmetry", symmetries(MOST), ids=str)
def test_the_turned_operator_is_the_dense_one_turned(symmetry: Symmetry) -> None:
    """T N T⁻¹ as matrices, T from where it takes each pixel."""
    normal, pixels = normal_operator(some_problem(4, 11, 2)), 2 * 16
    unit = np.eye(pixels, dtype=np.complex64).reshape(pixels, 2, 4, 4)
    dense = np.stack([normal(one).ravel() for one in unit], axis=1)
    turn = np.stack([symmetry.apply(one).ravel() for one in unit], axis=1)
    turned = TurnedNormal(normal, symmetry)
    found = np.stack([turned(one).ravel() for one in unit], axis=1)
    expected = turn @ dense @ np.linalg.inv(turn)
    assert np.allclose(found, expected, atol=1e-4 * np.abs(dense).max())
    assert np.allclose(turned.density, symmetry.of_spectrum(normal.density))
    assert turned.kernel is normal.kernel
