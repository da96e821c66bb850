"""The super-resolution gadget on images: geometry, order, types, and what is refused."""

from pathlib import Path

import ismrmrd
import numpy as np
import pytest
from gadgetron.types.image_array import ImageArray
from hypothesis import given, settings, strategies as st

from gadgets.errors import RemoteError
from gadgets.mrd.intake.image_arrays import unpacked
from gadgets.super_resolution.slices import volumes_of_images
from recon.cartesian import to_image, to_kspace, zero_fill
from recon.errors import DataError
from tests.support.volume_scans import (
    header_of,
    one,
    random_weights,
    restore_here,
    slices_of,
    stacked,
    write_images,
)


def blob(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Something smooth that has no symmetry."""
    rng = np.random.default_rng(seed)
    kspace = np.zeros(shape, dtype=complex)
    middle = tuple(slice(n // 2 - 1, n // 2 + 2) for n in shape)
    kspace[middle] = rng.standard_normal(kspace[middle].shape)
    return (np.abs(to_image(kspace)) + 0.1).astype(np.float32)


def test_images_come_back_unchanged_and_refined(identity_network: Path, tmp_path: Path) -> None:
    low = blob((4, 6, 12))
    source = write_images(tmp_path / "in.h5", slices_of(low), (16, 24, 12))
    series = restore_here(source, tmp_path / "out.h5", **one(identity_network))
    sent, restored = slices_of(low), series[101]
    for before, after in zip(sent, series[1], strict=True):
        assert bytes(before.getHead())[:-4] == bytes(after.getHead())[:-4]
        assert np.array_equal(before.data, after.data)
    expected = to_image(zero_fill(to_kspace(low), (16, 24, 12)))
    assert np.allclose(stacked(restored), np.abs(expected), rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    assert expected.mean() == pytest.approx(low.mean(), rel=1e-4)
    step = np.diff([image.position[2] for image in restored])
    assert np.allclose(step, 0.5)
    assert restored[8].position[2] == pytest.approx(sent[2].getHead().position[2])
    assert restored[0].field_of_view[:] == pytest.approx((12, 24, 0.5))


@given(st.permutations(range(6)), st.integers(0, 5))
@settings(max_examples=15, deadline=None)
def test_order_of_slices_does_not_matter(order: list[int], turned: int) -> None:
    """Also for turned and mirrored directions: voxels and places stay together."""
    directions = np.eye(3)[list(([0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 2, 1], [2, 1, 0], [1, 0, 2])[turned])]
    directions[2] *= -1 if turned % 2 else 1
    low = blob((6, 8, 8))
    images = slices_of(low, directions)
    header = header_of((6, 8, 8))
    (measured,) = volumes_of_images([images[index] for index in order], header)
    volume = measured.volume
    assert np.array_equal(volume.zero_filled.real, low)
    assert np.allclose(measured.head.position[:], images[3].getHead().position[:])
    assert np.allclose(np.array(measured.head.slice_dir[:]), directions[2])


def test_mirrored_directions_go_out_as_they_came(identity_network: Path, tmp_path: Path) -> None:
    directions = np.array([[0, -1, 0], [0, 0, 1], [-1, 0, 0]], dtype=float)
    source = write_images(tmp_path / "in.h5", slices_of(blob((4, 6, 12)), directions), (16, 24, 12))
    restored = restore_here(source, tmp_path / "out.h5", **one(identity_network))[101]
    head = restored[0].getHead()
    assert np.array_equal([head.read_dir[:], head.phase_dir[:], head.slice_dir[:]], directions)
    place = np.array([image.position[:] for image in restored])
    assert np.allclose(np.diff(place, axis=0), 0.5 * directions[2])


def test_image_array_is_unpacked_in_place() -> None:
    volume = blob((3, 4, 5))
    heads = np.empty((1, 1, 3), dtype=object)
    for index, image in enumerate(slices_of(volume)):
        heads[0, 0, index] = image.getHead()
    data = volume.transpose(2, 1, 0)[:, :, None, None, None, None].astype(np.complex64)
    images = unpacked(ImageArray(data=data, headers=heads, meta=[""] * 3))
    assert np.array_equal(stacked(images).real, volume)
    assert [image.position[2] for image in images] == [5.0, 7.0, 9.0]


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_volume_without_contrast_comes_back_unchanged(value: float, tmp_path: Path) -> None:
    network = random_weights(tmp_path / "random.safetensors", 4)
    source = write_images(tmp_path / "in.h5", slices_of(np.full((4, 6, 12), value, np.float32)), (16, 24, 12))
    restored = stacked(restore_here(source, tmp_path / "out.h5", **one(network))[101])
    assert restored.shape == (16, 24, 12)
    assert np.allclose(restored, value, rtol=1e-5)


def test_uint16_images_stay_uint16_and_differences_are_signed(tmp_path: Path) -> None:
    network = random_weights(tmp_path / "random.safetensors", 5)
    low = (1000 * blob((4, 6, 12))).astype(np.uint16)
    source = write_images(tmp_path / "in.h5", slices_of(low), (16, 24, 12))
    series = restore_here(source, tmp_path / "out.h5", **one(network, images="original super_resolved difference"))
    assert series[1][0].data.dtype == series[101][0].data.dtype == np.uint16
    assert series[301][0].data.dtype == np.float32
    assert stacked(series[301]).min() < 0


def spoiled(tmp_path: Path, change) -> Path:
    images = slices_of(blob((4, 6, 12)))
    return write_images(tmp_path / "in.h5", change(images) or images, (16, 24, 12))


def nan_voxel(images: list[ismrmrd.Image]) -> None:
    images[1].data[0, 0, 2, 3] = np.nan


def test_mixed_matrix_sizes_are_refused() -> None:
    images = slices_of(blob((4, 6, 12)))[:3] + slices_of(blob((4, 8, 12)))[3:]
    with pytest.raises(DataError, match="series 1 mixes matrix sizes"):
        volumes_of_images(images, header_of((16, 24, 12)))


def test_no_images_are_refused() -> None:
    with pytest.raises(DataError, match="the stream is empty"):
        volumes_of_images([], header_of((16, 24, 12)))


@pytest.mark.parametrize(
    ("change", "settings_", "message"),
    [
        (lambda images: images[:2] + images[3:], {}, "lacks slices"),
        (lambda images: [*images, images[2]], {}, "two slices at"),
        (nan_voxel, {}, "1 voxels that are NaN"),
        (lambda images: images, {"matrix": "4x6x12"}, "neither header nor data tell"),
        (lambda images: images, {"matrix": "4x6x8"}, "more than the full matrix"),
        (lambda images: images, {"matrix": "8x12x12"}, "cut by 2x2"),
        (lambda images: images, {"acceleration": "2x2"}, "acceleration=2x2, but header and data say 4x4"),
    ],
)
def test_images_that_do_not_make_a_volume_are_refused(
    change, settings_: dict[str, str], message: str, identity_network: Path, tmp_path: Path
) -> None:
    with pytest.raises(RemoteError, match=message):
        restore_here(spoiled(tmp_path, change), tmp_path / "out.h5", **one(identity_network, **settings_))
    assert not (tmp_path / "out.h5").exists()
    kept = tmp_path / "out.incomplete.h5"
    assert kept.exists(), "the images that came went back before the restoration failed"


def test_mismatch_can_be_a_warning(identity_network: Path, tmp_path: Path) -> None:
    settings_ = one(identity_network, matrix="8x12x12", mismatch="warn")
    series = restore_here(spoiled(tmp_path, lambda images: images), tmp_path / "out.h5", **settings_)
    assert stacked(series[101]).shape == (8, 12, 12)
