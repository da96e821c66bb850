import numpy as np
import pytest

from recon.errors import DataError
from recon.readouts.coils import compression_matrix, espirit_maps, estimate_maps, walsh_maps
from recon.readouts.noise import apply_to_coils, prewhitening_matrix
from tests.support.linear import complex_normal
from tests.support.problems import smooth_maps


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
    matrix = compression_matrix(kspace, 3)
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
