import numpy as np
import pytest

from recon.errors import DataError
from recon.readouts.coils import (
    coil_covariance,
    compression_matrix,
    espirit_maps,
    estimate_maps,
    over_coils,
    walsh_maps,
)
from recon.readouts.noise import apply_to_coils, prewhitening_matrix, rim_variance
from tests.support.linear import complex_normal
from tests.support.problems import smooth_maps, some_problem


def coloured(rng: np.random.Generator, coils: int, samples: int) -> np.ndarray:
    mixing = np.eye(coils) + 0.4 * complex_normal(rng, (coils, coils))
    return 3e-4 * mixing @ complex_normal(rng, (coils, samples))


def test_noise_is_white_with_unit_variance_after_prewhitening() -> None:
    noise = coloured(np.random.default_rng(0), 6, 40000)
    white = prewhitening_matrix(noise[:, ::2]) @ noise[:, 1::2]
    covariance = white @ white.conj().T / white.shape[1]
    assert np.abs(covariance - np.eye(6)).max() < 0.05


def test_dwell_time_scales_the_noise() -> None:
    """Imaging at half the noise scan's dwell time has twice its bandwidth, so √2 times its noise."""
    noise = coloured(np.random.default_rng(1), 4, 20000)
    white = prewhitening_matrix(noise, dwell_ratio=0.5) @ (np.sqrt(2) * noise)
    assert np.mean(np.abs(white) ** 2) == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda noise: noise[:, :8], "at least 16"),
        (lambda noise: noise * np.array([[1], [1], [0], [1]]), "coil 2 is silent"),
        (lambda noise: noise[[0, 1, 2, 0]], "singular"),
    ],
)
def test_bad_noise_scans_are_refused(spoil, message: str) -> None:
    with pytest.raises(DataError, match=message):
        prewhitening_matrix(spoil(coloured(np.random.default_rng(2), 4, 1000)))


def test_compression_keeps_the_signal_of_fewer_sources() -> None:
    rng = np.random.default_rng(3)
    kspace = complex_normal(rng, (8, 3)) @ complex_normal(rng, (50, 3, 32))
    matrix = compression_matrix(coil_covariance(kspace), 3)
    assert np.allclose(matrix @ matrix.conj().T, np.eye(3), atol=1e-5)
    restored = apply_to_coils(matrix.conj().T, apply_to_coils(matrix, kspace))
    assert np.linalg.norm(restored - kspace) < 1e-4 * np.linalg.norm(kspace)


@pytest.mark.parametrize("method", [espirit_maps, walsh_maps])
def test_maps_of_a_phantom(method) -> None:
    true = smooth_maps(5, 48)
    true /= np.sqrt(np.sum(np.abs(true) ** 2, axis=0))
    true *= np.exp(-1j * np.angle(true[0]))
    y, x = np.mgrid[:48, :48] - 24
    body = (x / 20) ** 2 + (y / 16) ** 2 < 1
    image = body * (1 + 0.5 * ((x - 5) ** 2 + y**2 < 30))
    maps = method((true * image).astype(np.complex64))
    assert np.allclose(np.sum(np.abs(maps) ** 2, axis=0)[body], 1, atol=1e-3)
    assert np.linalg.norm((maps - true)[:, body]) < 0.06 * np.linalg.norm(true[:, body])


def test_single_coil_needs_no_map() -> None:
    image = complex_normal(np.random.default_rng(4), (1, 16, 16))
    assert np.all(estimate_maps(image, "espirit") == 1)


def test_virtual_coils_come_by_energy_and_turned_to_one_phase() -> None:
    """Rows are eigenvectors of the coils' covariance; the largest entry of each is real and positive."""
    rng = np.random.default_rng(5)
    kspace = complex_normal(rng, (40, 4, 16)) * np.array([1, 4, 2, 0.5])[:, None]
    kspace = np.linalg.qr(complex_normal(rng, (4, 4)))[0] @ kspace
    matrix = compression_matrix(coil_covariance(kspace), 3)
    assert matrix.shape == (3, 4)
    energy = np.sum(np.abs(apply_to_coils(matrix, kspace)) ** 2, axis=(0, 2))
    flat = np.moveaxis(kspace, 1, 0).reshape(4, -1)
    assert np.allclose(energy, np.linalg.eigvalsh(flat @ flat.conj().T)[::-1][:3], rtol=1e-4)
    largest = matrix[np.arange(3), np.argmax(np.abs(matrix), axis=1)]
    assert np.allclose(largest.imag, 0, atol=1e-6)
    assert np.all(largest.real > 0)
    assert compression_matrix(coil_covariance(kspace), 9).shape == (4, 4)


def test_walsh_maps_are_first_eigenvectors_of_the_local_covariance() -> None:
    rng = np.random.default_rng(6)
    images = smooth_maps(3, 20) + 0.3 * complex_normal(rng, (3, 20, 20))
    found = walsh_maps(images, window=5, iterations=60)
    for y, x in [(2, 2), (9, 12), (17, 5)]:
        patch = images[:, y - 2 : y + 3, x - 2 : x + 3].reshape(3, -1)
        first = np.linalg.eigh(patch @ patch.conj().T)[1][:, -1]
        first *= np.abs(first[0]) / first[0]
        assert np.allclose(found[:, y, x], first, atol=1e-3)
    images[:, :8] = 0
    blind = walsh_maps(images)
    assert not blind[:, :4].any()
    assert np.isfinite(blind).all()
    assert np.array_equal(estimate_maps(images, "walsh"), blind)


def test_espirit_calibrates_on_what_a_small_image_has() -> None:
    true = smooth_maps(3, 20)
    maps = estimate_maps(true, "espirit")
    assert np.allclose(np.sum(np.abs(maps) ** 2, axis=0), 1, atol=1e-3)
    assert np.allclose(maps[0].imag, 0, atol=1e-3)
    inside = np.hypot(*(np.mgrid[:20, :20] - 9.5)) < 8
    wanted = true / np.linalg.norm(true, axis=0) * np.exp(-1j * np.angle(true[0]))
    assert np.abs(maps - wanted)[:, inside].max() < 0.15
    narrow = espirit_maps(smooth_maps(3, 40), 12)
    assert not np.allclose(narrow, espirit_maps(smooth_maps(3, 40), 24), atol=1e-4)


def test_whitening_is_the_inverse_of_the_lower_cholesky_factor() -> None:
    noise = coloured(np.random.default_rng(7), 3, 500)
    covariance = noise @ noise.conj().T / 499
    assert np.allclose(
        prewhitening_matrix(noise, 0.3) @ np.linalg.cholesky(covariance), np.sqrt(0.3) * np.eye(3), atol=1e-3
    )
    quiet = noise * np.array([[1], [2e-5], [1e-6]])
    with pytest.raises(DataError, match="coil 2 is silent"):
        prewhitening_matrix(quiet)
    assert prewhitening_matrix(noise[:, :12]).shape == (3, 3)
    with pytest.raises(DataError, match="at least 12"):
        prewhitening_matrix(noise[:, :11])


@pytest.mark.parametrize("readouts", [3, 256, 700])
def test_covariance_and_product_over_coils_are_those_of_all_readouts_at_once(readouts: int) -> None:
    rng = np.random.default_rng(readouts)
    kspace = (rng.standard_normal((readouts, 4, 22)) + 1j * rng.standard_normal((readouts, 4, 22))).astype(np.complex64)
    matrix = (rng.standard_normal((3, 4)) + 1j * rng.standard_normal((3, 4))).astype(np.complex64)
    wide = kspace.astype(np.complex128)
    expected = np.einsum("rcs,rds->cd", wide, wide.conj())
    np.testing.assert_allclose(coil_covariance(kspace), expected, atol=1e-6 * np.abs(expected).max())
    product = over_coils(matrix, kspace, slice(2, -3))
    np.testing.assert_allclose(product, np.einsum("vc,rcs->vrs", matrix, wide[..., 2:-3]), atol=1e-5)
    assert product.flags.c_contiguous


def test_ends_of_spokes_tell_the_noise() -> None:
    problem = some_problem(32, 400, 3)
    radius = np.hypot(*np.moveaxis(problem.trajectory, -1, 0))
    rng = np.random.default_rng(2)
    body = (300 * np.exp(-radius / 2)).astype(np.complex64)
    noisy = body + np.float32(2) * complex_normal(rng, problem.kspace.shape)
    assert rim_variance(noisy, problem.trajectory) == pytest.approx(8, rel=0.05)
