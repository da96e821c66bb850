"""Cartesian volumes: exact zero-filling, coil combination, measured lines put back; and vessels as they were made."""

import itertools

import numpy as np
import pytest
from hypothesis import given, strategies as st

from recon.cartesian import (
    centre_mask,
    centre_region,
    coil_maps_from_centre,
    combine_coils,
    lines_in_image,
    lines_measured,
    put_back_measured,
    to_image,
    to_kspace,
    truncate,
    zero_fill,
)
from recon.simulation.angiogram.scan import volume_coil_maps
from recon.simulation.angiogram.volume import simulate_angiogram
from tests.support.linear import complex_normal

sizes = st.tuples(*[st.integers(1, 9)] * 3)


def slow_kspace(volume: np.ndarray) -> np.ndarray:
    """The unitary Fourier transform written out, with its centre at n // 2."""
    for axis, n in enumerate(volume.shape):
        k = np.arange(n) - n // 2
        matrix = np.exp(-2j * np.pi * np.outer(k, k) / n) / np.sqrt(n)
        volume = np.moveaxis(np.tensordot(matrix, volume, axes=(1, axis)), 0, axis)
    return volume


@given(sizes)
def test_transforms_are_the_written_out_ones_and_each_others_inverse(shape: tuple[int, int, int]) -> None:
    volume = complex_normal(np.random.default_rng(1), shape)
    assert np.allclose(to_kspace(volume), slow_kspace(volume), atol=1e-5)
    assert np.allclose(to_image(to_kspace(volume)), volume, atol=1e-5)


@given(sizes, sizes)
def test_zero_filling_keeps_the_lines_and_leaves_the_rest_zero(old: tuple, more: tuple) -> None:
    new = tuple(a + b - 1 for a, b in zip(old, more, strict=True))
    kspace = complex_normal(np.random.default_rng(2), old)
    filled = zero_fill(kspace, new)
    region = centre_region(new, old)
    gain = np.float32(np.sqrt(np.prod(new) / np.prod(old)))
    assert np.array_equal(filled[region], kspace * gain)
    filled[region] = 0
    assert not filled.any()


def test_zero_filling_keeps_intensity_and_place() -> None:
    """A plane wave stays what it is, sampled more finely; the voxel at n // 2 stays where it is."""
    z, y, x = np.meshgrid(*[np.arange(n) - n // 2 for n in (4, 6, 5)], indexing="ij")
    coarse = np.exp(2j * np.pi * (z / 4 - y / 6 + 2 * x / 5))
    z, y, x = np.meshgrid(*[(np.arange(n) - n // 2) / s for n, s in ((8, 2), (18, 3), (5, 1))], indexing="ij")
    fine = np.exp(2j * np.pi * (z / 4 - y / 6 + 2 * x / 5))
    assert np.allclose(to_image(zero_fill(to_kspace(coarse), (8, 18, 5))), fine, atol=1e-5)


def test_truncation_is_what_zero_filling_undoes() -> None:
    kspace = complex_normal(np.random.default_rng(3), (8, 9, 10))
    cut = truncate(kspace, (2, 4, 10))
    region = centre_region(kspace.shape, (2, 4, 10))
    assert np.array_equal(cut[region], kspace[region])
    assert np.count_nonzero(cut) == 80


def test_coils_combine_to_the_object() -> None:
    image = simulate_angiogram("coronary", (24, 32, 28), 2).image
    maps = volume_coil_maps(5, image.shape, np.random.default_rng(4))
    kspace = to_kspace(maps * image)
    found = combine_coils(kspace, "maps")
    assert np.linalg.norm(np.abs(found) - image) < 0.03 * np.linalg.norm(image)
    assert np.allclose(combine_coils(kspace, "sum_of_squares"), image, atol=1e-4)
    estimated = coil_maps_from_centre(kspace)
    assert np.allclose((np.abs(estimated) ** 2).sum(axis=0), 1, atol=1e-4)


def test_measured_lines_overrule_the_network() -> None:
    rng = np.random.default_rng(5)
    image = simulate_angiogram("coronary", (16, 24, 20), 3).image + 0.2
    kept = (4, 6, 20)
    measured = to_image(truncate(to_kspace(image), kept))
    phase = measured / np.abs(measured)
    guess = np.abs(image + 0.1 * rng.standard_normal(image.shape)).astype(np.float32)
    kspace = to_kspace(guess * phase)
    region = centre_region(image.shape, kept)
    kspace[region] = to_kspace(measured)[region]
    assert np.allclose(
        put_back_measured(guess, measured, centre_mask(image.shape, kept), rounds=1),
        np.abs(to_image(kspace)),
        atol=1e-5,
    )
    whole = put_back_measured(guess, image.astype(np.complex64), np.ones(image.shape, bool))
    assert np.allclose(whole, image, atol=1e-5)


def test_data_consistency_finds_the_phase_and_does_not_harm_a_perfect_volume() -> None:
    image = simulate_angiogram("coronary", (32, 40, 24), 3).image
    z, y = np.meshgrid(np.linspace(-1, 1, 32), np.linspace(-1, 1, 40), indexing="ij")
    kept = (16, 20, 24)
    measured = to_image(truncate(to_kspace(image * np.exp(1j * (z + 2 * y**2))[..., None]), kept))
    mask = centre_mask(image.shape, kept)
    once, found = (np.linalg.norm(put_back_measured(image, measured, mask, rounds) - image) for rounds in (1, 10))
    zero_filled = np.linalg.norm(np.abs(measured) - image)
    assert found < 0.5 * once
    assert found < 0.2 * zero_filled


@pytest.mark.parametrize(
    ("size", "factor", "lines"),
    [(161, 1, 161), (160, 2, 80), (160, 3, 54), (7, 1.05, 6), (6, 1.05, 6), (3, 1.2, 2), (10, 100, 2), (1, 2, 1)],
)
def test_lines_of_a_shorter_scan_are_even(size: int, factor: float, lines: int) -> None:
    assert lines_measured(size, factor) == lines


@pytest.mark.parametrize("encoded", [(14, 9), (10, 12)])
@pytest.mark.parametrize("matrix", [(10, 9), (13, 6)])
def test_lines_count_as_measured_if_the_encoded_ones_around_them_were(encoded: tuple, matrix: tuple) -> None:
    """Along each axis the lines at floor and ceil of ``(i - n // 2) · spacing + encoded // 2``, line by line."""
    spacing = (1.0, 1.6)
    measured = np.random.default_rng(6).random(encoded) < 0.8
    found = lines_in_image(measured, spacing, matrix)
    for place in np.ndindex(*matrix):
        sides = []
        for i, size, step, lines in zip(place, matrix, spacing, encoded, strict=True):
            at = round((i - size // 2) * step + lines // 2, 6)
            sides.append({int(np.floor(at)), int(np.ceil(at))})
        known = [
            all(0 <= line < lines for line, lines in zip(around, encoded, strict=True)) and measured[around]
            for around in itertools.product(*sides)
        ]
        assert found[place] == all(known), place


@pytest.mark.parametrize("shape", [(30, 25, 1), (8, 24, 26)])
def test_maps_come_from_the_24_central_lines_alone(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(7)
    kspace = complex_normal(rng, (3, *shape))
    width = tuple(min(size, 24) for size in shape)
    maps = coil_maps_from_centre(kspace)
    assert np.allclose(maps, coil_maps_from_centre(truncate(kspace, width)), atol=1e-5)
    for axis, lines in enumerate(width):
        for edge in (0, lines - 1):  # the outermost of them still counts
            changed = kspace.copy()
            middle = [size // 2 for size in shape]
            middle[axis] += edge - lines // 2
            changed[(1, *middle)] += 300
            assert np.abs(coil_maps_from_centre(changed) - maps).max() > 0.05
    # Hann's window over n lines: zero one line beyond the outermost
    hann = np.ones(())
    for size, lines in zip(shape, width, strict=True):
        place = np.arange(size) - size // 2 + lines // 2 + 1
        inside = (place > 0) & (place < lines + 1)
        hann = np.multiply.outer(hann, np.where(inside, np.sin(np.pi * place / (lines + 1)) ** 2, 0))
    smooth = to_image(kspace * hann)
    assert np.allclose(maps, smooth / np.linalg.norm(smooth, axis=0), atol=1e-4)


def test_coils_are_axes_of_their_own() -> None:
    kspace = complex_normal(np.random.default_rng(8), (2, 5, 4, 6))
    assert np.array_equal(truncate(kspace, (3, 2, 6))[1], truncate(kspace[1], (3, 2, 6)))
    assert np.array_equal(zero_fill(kspace, (7, 4, 9))[1], zero_fill(kspace[1], (7, 4, 9)))
    assert not coil_maps_from_centre(0 * kspace).any()
    magnitude = combine_coils(kspace, "sum_of_squares")
    assert np.allclose(magnitude, np.linalg.norm(to_image(kspace), axis=0), atol=1e-5)
    combined = combine_coils(kspace, "maps")
    assert np.allclose(combined, np.sum(coil_maps_from_centre(kspace).conj() * to_image(kspace), axis=0), atol=1e-5)


@pytest.mark.parametrize(("size", "lines", "first"), [(8, 4, 2), (8, 3, 3), (9, 4, 2), (9, 5, 2), (7, 7, 0), (5, 1, 2)])
def test_the_centre_of_few_lines_is_that_of_the_matrix(size: int, lines: int, first: int) -> None:
    """k = 0 at n // 2 of both: line 4 of 8 is line 1 of 3."""
    assert centre_region((size, 6), (lines, 2)) == (slice(first, first + lines), slice(2, 4))
    assert first + lines // 2 == size // 2
    mask = centre_mask((size,), (lines,))
    assert np.flatnonzero(mask).tolist() == list(range(first, first + lines))
