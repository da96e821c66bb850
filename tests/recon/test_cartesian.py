"""Cartesian volumes: exact zero-filling, coil combination, measured lines put back; and vessels as they were made."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recon.cartesian import (
    centre_region,
    coil_maps_from_centre,
    combine_coils,
    put_back_measured,
    to_image,
    to_kspace,
    truncate,
    zero_fill,
)
from recon.quality.stenosis import apparent_depth
from recon.simulation.angiogram.scan import scan_angiogram, volume_coil_maps
from recon.simulation.angiogram.vessels import Habit, Stenosis, Tree, Vessel, coverage
from recon.simulation.angiogram.volume import DOMAINS, simulate_angiogram
from tests.linear import complex_normal

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
    assert np.allclose(put_back_measured(guess, measured, kept, rounds=1), np.abs(to_image(kspace)), atol=1e-5)
    whole = put_back_measured(guess, image.astype(np.complex64), image.shape)
    assert np.allclose(whole, image, atol=1e-5)


def test_data_consistency_finds_the_phase_and_does_not_harm_a_perfect_volume() -> None:
    image = simulate_angiogram("coronary", (32, 40, 24), 3).image
    z, y = np.meshgrid(np.linspace(-1, 1, 32), np.linspace(-1, 1, 40), indexing="ij")
    kept = (16, 20, 24)
    measured = to_image(truncate(to_kspace(image * np.exp(1j * (z + 2 * y**2))[..., None]), kept))
    once, found = (np.linalg.norm(put_back_measured(image, measured, kept, rounds) - image) for rounds in (1, 10))
    zero_filled = np.linalg.norm(np.abs(measured) - image)
    assert found < 0.5 * once
    assert found < 0.2 * zero_filled


@pytest.mark.parametrize("domain", DOMAINS)
def test_angiograms_are_reproducible_and_differ_between_subjects(domain: str) -> None:
    first, again, other = (simulate_angiogram(domain, (32, 40, 36), seed) for seed in (5, 5, 6))
    assert np.array_equal(first.image, again.image)
    assert not np.allclose(first.image, other.image)
    assert first.image.min() >= 0
    assert 0.5 < np.percentile(first.image, 99.9) < 1.6
    assert first.vessels


def test_vessels_taper_branch_and_narrow() -> None:
    tree = Tree(Habit(stenosis_share=1.0, branches=3.0, generations=2), np.random.default_rng(7))
    tree.grow(np.array([20.0, 20.0, 20.0]), np.array([1.0, 0.0, 0.0]), 2.0)
    root, *children = tree.vessels
    assert children
    assert root.healthy_radius[0] == 2.0
    assert root.healthy_radius[-1] < 1.6
    assert np.allclose(np.linalg.norm(np.diff(root.centreline, axis=0), axis=1), 0.5)
    (stenosis,) = root.stenoses
    assert root.radius[stenosis.point] == pytest.approx(root.healthy_radius[stenosis.point] * (1 - stenosis.depth))
    assert all(child.healthy_radius[0] < 2.0 for child in children)


def straight(radius: float, stenoses: tuple[Stenosis, ...] = ()) -> Vessel:
    along = np.arange(0, 60, 0.5)
    line = np.stack([along, np.full_like(along, 15.3), np.full_like(along, 14.8)], axis=1)
    return Vessel(line, np.full(len(line), radius), stenoses)


@pytest.mark.parametrize("radius", [0.4, 1.0, 2.3, 5.0])
def test_vessel_of_any_width_holds_its_volume_of_blood(radius: float) -> None:
    share = coverage([straight(radius)], (60, 30, 30))
    assert share[10:50].sum() / 40 == pytest.approx(np.pi * radius**2, rel=0.3)


@pytest.mark.parametrize("depth", [0.2, 0.5, 0.8])
def test_stenosis_is_as_deep_as_it_was_made_whatever_the_blur(depth: float) -> None:
    vessel = straight(3.0, (Stenosis(60, depth, 6.0),))
    volume = 0.1 + 0.9 * coverage([vessel], (60, 30, 30))
    blurred = np.abs(to_image(truncate(to_kspace(volume), (60, 14, 14)))).astype(np.float32)
    for image, tolerance in ((volume, 0.06), (blurred, 0.12)):
        assert apparent_depth(image, vessel.centreline, 60, 20, 6.0) == pytest.approx(depth, abs=tolerance)


def test_scan_holds_the_centre_lines_and_its_noise() -> None:
    angiogram = simulate_angiogram("brain", (16, 24, 20), 8)
    scan = scan_angiogram(angiogram, (2, 3), 3, 1e9, 8)
    assert scan.kspace.shape == (3, 8, 8, 40)
    wide = np.zeros((3, 16, 24, 40), dtype=np.complex64)
    wide[..., 10:30] = scan.coil_maps * angiogram.image
    assert np.allclose(scan.kspace, to_kspace(wide)[:, 4:12, 8:16], atol=1e-4)
    noisy = scan_angiogram(angiogram, (2, 3), 3, 10.0, 8)
    assert np.std(noisy.kspace - scan.kspace) == pytest.approx(0.1, rel=0.05)
    assert np.std(noisy.noise) == pytest.approx(0.1, rel=0.05)
