"""Profiles of navigators, and their components while they come and afterwards."""

import threading

import numpy as np
import pytest

from recon.temporal.fitting.profiles import BLOCK, LONG, SPAN, NavigatorProfiles, ProfileSums
from recon.temporal.motion import principal_features
from recon.temporal.navigator import readout_profiles

MIXING = np.array([[1, 0, 0.5j], [0.25, -2, 0]], np.complex64)


def navigators(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((count, 3, 20)) + 1j * rng.standard_normal((count, 3, 20))).astype(np.complex64)


def parts(values: np.ndarray) -> np.ndarray:
    flat = values.reshape(len(values), -1).astype(np.complex128)
    return np.concatenate([flat.real, flat.imag], axis=1)


@pytest.mark.parametrize(("count", "summed"), [(5, 5), (BLOCK, BLOCK), (LONG - 1, LONG - 1), (LONG + 7, LONG)])
def test_components_are_those_of_a_long_scans_whole_spans(count: int, summed: int) -> None:
    kspace = navigators(count)
    found = NavigatorProfiles.of(kspace, 8, MIXING)
    assert np.array_equal(found.values, readout_profiles(MIXING @ kspace, 8))
    total = parts(found.values[:summed]).T @ parts(found.values[:summed])
    values = np.sum(found.components * (total @ found.components), axis=0)
    np.testing.assert_allclose(total @ found.components, found.components * values, atol=1e-9 * values[0])
    np.testing.assert_allclose(values, np.linalg.eigvalsh(total)[::-1][: len(values)], atol=1e-9 * values[0])
    assert found.components.shape == (2 * 2 * 8, 2 * 2 * 8)


@pytest.mark.parametrize("count", [SPAN, LONG - 300, LONG, LONG + SPAN + 411])
def test_the_bits_are_the_same_while_they_come_and_afterwards(count: int) -> None:
    kspace, sums = navigators(count), ProfileSums(8, MIXING)
    for start in range(0, len(kspace), BLOCK):
        sums.add(kspace[start : start + BLOCK])
    on_the_way, afterwards = sums.profiles(), NavigatorProfiles.of(kspace, 8, MIXING)
    assert np.array_equal(on_the_way.components, afterwards.components)
    assert np.array_equal(on_the_way.values, afterwards.values)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("malibu-components")]


def test_nothing_added_is_an_error() -> None:
    with pytest.raises(ValueError, match="no navigator"):
        ProfileSums(8, MIXING).profiles()


def test_features_are_those_of_the_plain_product_to_rounding() -> None:
    kspace = navigators(2 * SPAN) * (2.0 ** np.arange(3)[:, None]).astype(np.float32)
    found = NavigatorProfiles.of(kspace, 4, MIXING)
    given, plain = principal_features(found.values, 3, found.components), principal_features(found.values, 3)
    turned = np.sign(np.sum(given * plain, axis=0))
    np.testing.assert_allclose(given * turned, plain, atol=2e-3 * np.abs(plain).max())
