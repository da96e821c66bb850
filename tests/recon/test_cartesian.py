"""Cartesian volumes: exact zero-filling, coil combination, measured lines put back; and vessels as they were made."""

import numpy as np
from hypothesis import given, strategies as st

from recon.cartesian import (
    centre_mask,
    centre_region,
    coil_maps_from_centre,
    combine_coils,
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
