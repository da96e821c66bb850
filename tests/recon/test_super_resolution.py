"""One answer to how many lines were measured, and data consistency that puts back those and no others."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from recon.cartesian import centre_mask, lines_in_image, lines_measured, put_back_measured, to_image, to_kspace
from recon.errors import DataError
from recon.super_resolution import CartesianVolume, Settings, measured_samples, restore


@given(st.integers(1, 600), st.floats(1, 12))
def test_lines_measured_are_even_where_cut_and_never_more_than_there_are(size: int, factor: float) -> None:
    lines = lines_measured(size, factor)
    assert 1 <= lines <= size
    assert lines == size if factor == 1 or size < 2 else lines % 2 == 0 or lines == size
    assert abs(lines - size / factor) <= 2


def volume_of(measured: np.ndarray | None, factors: tuple[float, float] | None) -> CartesianVolume:
    rng = np.random.default_rng(0)
    kspace = to_kspace(rng.random((52, 40, 8)).astype(np.float32))
    seen = kspace if measured is None else kspace * measured
    return CartesianVolume(to_image(seen), factors, measured)


def test_what_the_data_say_counts_more_than_the_given_acceleration() -> None:
    """52 lines of which 12 were measured: rounding 52/4 to 13 would put back a line that nobody measured."""
    measured = centre_mask((52, 40), (12, 10))[..., None]
    volume = volume_of(measured, (52 / 12, 4.0))
    assert np.array_equal(measured_samples(volume, (4.0, 4.0)), measured)
    assert np.array_equal(measured_samples(volume), measured)


def test_acceleration_tells_the_lines_of_volumes_that_were_filled_upstream() -> None:
    for volume in (volume_of(None, None), volume_of(np.ones((52, 40, 1), bool), (1.0, 1.0))):
        assert np.array_equal(measured_samples(volume, (4.0, 2.0))[..., 0], centre_mask((52, 40), (12, 20)))
    with pytest.raises(DataError, match="nothing tells which lines were measured; set acceleration"):
        measured_samples(volume_of(None, None))


def test_acceleration_never_puts_back_what_is_known_to_be_empty() -> None:
    """Filled upstream along both axes, and a partial echo that the data do tell of."""
    echo = np.ones((52, 40, 8), bool)
    echo[..., :3] = False
    found = measured_samples(volume_of(echo, (1.0, 1.0)), (4.0, 2.0))
    assert np.array_equal(found, echo & centre_mask((52, 40), (12, 20))[..., None])


def test_corners_of_an_ellipse_stay_as_the_network_made_them() -> None:
    z, y = np.meshgrid(np.arange(52) - 26, np.arange(40) - 20, indexing="ij")
    measured = ((z / 13) ** 2 + (y / 10) ** 2 < 1)[..., None]
    volume = volume_of(measured, (2.0, 2.0))
    guess = (1 + np.random.default_rng(1).random((52, 40, 8))).astype(np.float32)
    before = guess * (volume.zero_filled / np.abs(volume.zero_filled))
    # one round: the phase of the zero-filled image, the measured samples put back, the magnitude of that
    expected = np.where(measured, to_kspace(volume.zero_filled), to_kspace(before))
    found = put_back_measured(guess, volume.zero_filled, measured, rounds=1)
    assert np.allclose(found, np.abs(to_image(expected)), atol=1e-4)
    rectangle = centre_mask((52, 40), (26, 20))[..., None]
    assert not np.allclose(found, put_back_measured(guess, volume.zero_filled, rectangle, rounds=1), atol=1e-2)


@given(
    st.integers(2, 24), st.integers(2, 24), st.sampled_from([1.0, 1.25, 2.0, 1.6]), st.randoms(use_true_random=False)
)
@settings(max_examples=60, deadline=None)
def test_a_line_of_the_image_was_measured_if_both_its_neighbours_were(encoded, size, spacing, random) -> None:
    measured = np.array([random.random() < 0.7 for _ in range(encoded)])
    found = lines_in_image(measured, [spacing], [size])
    for line in range(size):
        place = round((line - size // 2) * spacing + encoded // 2, 6)
        sides = {int(np.floor(place)), int(np.ceil(place))}
        assert found[line] == all(0 <= side < encoded and measured[side] for side in sides)


def test_restored_volume_goes_through_network_and_data_consistency() -> None:
    measured = centre_mask((52, 40), (12, 10))[..., None]
    volume = volume_of(measured, (4.33, 4.0))
    plain = restore(volume, lambda image: [image + 1, 2 * image])
    assert np.allclose(plain.first_stage, plain.zero_filled + 1)
    assert np.allclose(plain.result, 2 * plain.zero_filled)
    consistent = restore(volume, lambda image: [2 * image], Settings(data_consistency=True))
    assert not np.allclose(consistent.result, 2 * plain.zero_filled)
    still = dataclasses.replace(volume, zero_filled=np.zeros_like(volume.zero_filled))
    assert not restore(still, lambda image: [image], Settings(data_consistency=True)).result.any()


def test_one_array_is_one_stage_and_another_shape_is_refused() -> None:
    volume = volume_of(None, None)
    assert np.allclose(restore(volume, lambda image: 2 * image).result, 2 * np.abs(volume.zero_filled))
    with pytest.raises(DataError, match=r"the network gave \(52, 40, 7\) float32; let it return a real NumPy array"):
        restore(volume, lambda image: [image, image[..., 1:]])
    with pytest.raises(DataError, match="the network gave NoneType; let it return a real NumPy array"):
        restore(volume, lambda image: None)
    with pytest.raises(DataError, match="the network gave nothing"):
        restore(volume, lambda image: [])


def test_a_result_that_is_not_finite_is_refused() -> None:
    with pytest.raises(DataError, match="not finite on its device; set precision=float32"):
        restore(volume_of(None, None), lambda image: [np.full_like(image, np.nan)])
