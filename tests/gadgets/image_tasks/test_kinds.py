"""Kinds of images: magnitudes are restored, all others pass as they came, with a warning."""

from pathlib import Path

import ismrmrd
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import malibu
from gadgets.image_tasks.kinds import other_kind, split_by_kind
from recon.errors import DataError
from tests.support.volume_scans import one, restore_here, slices_of, write_images

KINDS = {
    ismrmrd.IMTYPE_PHASE: "phase",
    ismrmrd.IMTYPE_REAL: "real-part",
    ismrmrd.IMTYPE_IMAG: "imaginary-part",
    ismrmrd.IMTYPE_COMPLEX: "complex",
    ismrmrd.IMTYPE_RGB: "colour",
    77: r"unknown \(image type 77\)",
}


def values(seed: int, low: float = 0.0, shape: tuple[int, int, int] = (4, 6, 12)) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, 900, shape).astype(np.float32)


def typed(voxels: np.ndarray, image_type: int, series: int = 2) -> list[ismrmrd.Image]:
    images = slices_of(voxels, series=series)
    for image in images:
        image.image_type = image_type
    return images


@pytest.mark.parametrize("sent", ["original super_resolved", "super_resolved"])
@pytest.mark.parametrize("image_type", KINDS)
def test_other_kinds_pass_as_they_came_beside_magnitudes(
    image_type: int, sent: str, identity_network: Path, tmp_path: Path, caplog
) -> None:
    """With their type, number and data, even where originals are not asked for: nothing else stands for them."""
    low = -900 if image_type in (ismrmrd.IMTYPE_PHASE, ismrmrd.IMTYPE_REAL) else 0
    magnitudes, others = slices_of(values(1)), typed(values(2, low), image_type)
    source = write_images(tmp_path / "in.h5", [*magnitudes, *others], (16, 24, 12))
    series = restore_here(source, tmp_path / "out.h5", **one(identity_network, images=sent))
    assert set(series) == ({1} if "original" in sent else set()) | {2, 101}
    for before, after in zip(others, series[2], strict=True):
        assert after.image_type == image_type
        assert after.data.dtype == before.data.dtype
        assert np.array_equal(before.data, after.data)
    assert len(caplog.records) == len({record.getMessage() for record in caplog.records})
    name = KINDS[image_type].replace("\\", "")
    assert f"series 2 holds {name} images, not magnitudes: the 4 images pass as they came" in caplog.text


@pytest.mark.parametrize(
    ("voxels", "image_type", "kind"),
    [
        (values(1), ismrmrd.IMTYPE_MAGNITUDE, ""),
        (values(1), 0, ""),
        (values(1).astype(np.uint16), ismrmrd.IMTYPE_MAGNITUDE, ""),
        (values(1).astype(np.int16), ismrmrd.IMTYPE_MAGNITUDE, ""),
        (values(1).astype(np.complex64), ismrmrd.IMTYPE_MAGNITUDE, ""),
        (values(1) * np.complex64(np.exp(0.1j)), ismrmrd.IMTYPE_MAGNITUDE, "complex"),
        (values(1) * np.complex64(1j), 0, "complex"),
        (values(1, -40), ismrmrd.IMTYPE_MAGNITUDE, "signed"),
        (values(1, -900).astype(np.int16), ismrmrd.IMTYPE_MAGNITUDE, "signed"),
        (values(1, -900), 0, "signed"),
        (-values(1).astype(np.complex64), ismrmrd.IMTYPE_MAGNITUDE, "signed"),
        (values(1) - np.float32(1e-3), ismrmrd.IMTYPE_MAGNITUDE, ""),
    ],
)
def test_values_decide_where_the_type_says_magnitude_or_nothing(voxels: np.ndarray, image_type: int, kind: str) -> None:
    assert other_kind(typed(voxels, image_type)) == kind


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from([0, 1, 2, 3, 4, 5])), min_size=1, max_size=12))
@settings(max_examples=25, deadline=None)
def test_every_image_goes_one_way(kinds: list[tuple[int, int]]) -> None:
    images = [typed(values(n, 0, (1, 2, 3)), kind, series)[0] for n, (series, kind) in enumerate(kinds)]
    magnitudes, others = split_by_kind(images)
    assert sorted(map(id, magnitudes + others)) == sorted(map(id, images))
    assert all(image.image_type in (0, 1) for image in magnitudes)
    assert all(image.image_type not in (0, 1) for image in others)


@pytest.mark.parametrize("counter", ["contrast", "phase", "repetition", "set", "average", "image_series_index"])
def test_images_of_another_counter_are_a_volume_of_their_own(counter: str) -> None:
    """One volume with values below zero passes; the other is restored."""
    images = [ismrmrd.Image.from_array(np.full((4, 4), value, np.float32)) for value in (1, -1, 1, 1)]
    for number, image in enumerate(images):
        setattr(image, counter, number // 2)
        image.slice = number % 2
    assert split_by_kind(images) == (images[2:], images[:2])


def test_phases_alone_pass(identity_network: Path, tmp_path: Path) -> None:
    source = write_images(tmp_path / "in.h5", typed(values(2, -3), ismrmrd.IMTYPE_PHASE), (16, 24, 12))
    series = restore_here(source, tmp_path / "out.h5", **one(identity_network, images="super_resolved"))
    assert {number: len(images) for number, images in series.items()} == {2: 4}
    with pytest.raises(DataError, match="none of the 4 images is a magnitude"):
        malibu.read_volume(source)


def test_differences_are_signed_real_images_and_all_else_magnitudes(identity_network: Path, tmp_path: Path) -> None:
    source = write_images(tmp_path / "in.h5", slices_of(values(1)), (16, 24, 12))
    sent = "original super_resolved difference"
    series = restore_here(source, tmp_path / "out.h5", **one(identity_network, images=sent))
    types = {number: {image.image_type for image in images} for number, images in series.items()}
    assert types == {1: {ismrmrd.IMTYPE_MAGNITUDE}, 101: {ismrmrd.IMTYPE_MAGNITUDE}, 301: {ismrmrd.IMTYPE_REAL}}
