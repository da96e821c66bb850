"""Profiles of navigators and their Gram matrix, summed over blocks."""

import numpy as np
import pytest

from recon.temporal.fitting.profiles import BLOCK, NavigatorProfiles, ProfileSums
from recon.temporal.motion import principal_features
from recon.temporal.navigator import readout_profiles

MIXING = np.array([[1, 0, 0.5j], [0.25, -2, 0]], np.complex64)


def navigators(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((count, 3, 20)) + 1j * rng.standard_normal((count, 3, 20))).astype(np.complex64)


def parts(values: np.ndarray) -> np.ndarray:
    flat = values.reshape(len(values), -1).astype(np.complex128)
    return np.concatenate([flat.real, flat.imag], axis=1)


@pytest.mark.parametrize("count", [5, BLOCK, 2 * BLOCK + 7])
def test_the_gram_matrix_is_that_of_all_parts(count: int) -> None:
    kspace = navigators(count)
    found = NavigatorProfiles.of(kspace, 8, MIXING)
    assert np.array_equal(found.values, readout_profiles(MIXING @ kspace, 8))
    expected = parts(found.values).T @ parts(found.values)
    np.testing.assert_allclose(found.gram, np.tril(expected), atol=1e-10 * np.abs(expected).max())


def test_blocks_give_the_same_bits_whenever_they_were_added() -> None:
    kspace, sums = navigators(3 * BLOCK + 11), ProfileSums(8, MIXING)
    for start in range(0, len(kspace), BLOCK):
        sums.add(kspace[start : start + BLOCK])
    at_once = NavigatorProfiles.of(kspace, 8, MIXING)
    assert np.array_equal(sums.profiles().gram, at_once.gram)
    assert np.array_equal(sums.profiles().values, at_once.values)


def test_nothing_added_is_an_error() -> None:
    with pytest.raises(ValueError, match="no navigator"):
        ProfileSums(8, MIXING).profiles()


def test_features_are_those_of_the_plain_product_to_rounding() -> None:
    kspace = navigators(2 * BLOCK + 7) * (2.0 ** np.arange(3)[:, None]).astype(np.float32)
    found = NavigatorProfiles.of(kspace, 4, MIXING)
    given, plain = principal_features(found.values, 3, found.gram), principal_features(found.values, 3)
    turned = np.sign(np.sum(given * plain, axis=0))
    np.testing.assert_allclose(given * turned, plain, atol=2e-3 * np.abs(plain).max())
