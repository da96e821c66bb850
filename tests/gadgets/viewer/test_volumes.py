"""Restored volumes for the page: which versions a file has, at which place, and what storing them loses."""

import json
import re
from pathlib import Path

import ismrmrd
import numpy as np
import pytest

from gadgets.errors import ScanFileError
from gadgets.viewer.volumes import write_volume_explorer
from gadgets.viewer.volumes_of_series import volume_scans
from gadgets.viewer.volumes_packed import LARGEST_BYTES, how_to_store, pack
from tests.support.volume_scans import one, random_weights, restore_here, slices_of, stacked, write_images

LEFT_HANDED = np.array([[0.0, 1.0, 0.0], [0.6, 0.0, 0.8], [-0.8, 0.0, 0.6]])
LEFT_HANDED[2] *= np.sign(np.linalg.det(LEFT_HANDED)) * -1


def with_meta(images: list[ismrmrd.Image], series: int, repetition: int = 0, **meta: str) -> list[ismrmrd.Image]:
    """The images as malibu would have sent them."""
    for image in images:
        head = image.getHead()
        head.image_series_index, head.repetition = series, repetition
        image.setHead(head)
        image.meta = meta
    return images


def restored(volume: np.ndarray, series: int = 101, repetition: int = 0, **meta: str) -> list[ismrmrd.Image]:
    own = {"MalibuReconstruction": "super-resolution", "SeriesDescription": "malibu super-resolved"}
    return with_meta(slices_of(volume), series, repetition, **(own | meta))


@pytest.mark.parametrize("directions", [np.eye(3), LEFT_HANDED], ids=["right-handed", "left-handed"])
def test_zero_filled_volumes_of_images_are_those_that_the_network_was_given(
    tmp_path: Path, directions: np.ndarray
) -> None:
    """The gadget's own difference tells: super-resolved minus zero-filled, whatever way the slices are stacked."""
    received = np.random.default_rng(1).uniform(10, 100, (4, 6, 20)).astype(np.float32)
    source = write_images(tmp_path / "source.h5", slices_of(received, directions), (16, 24, 20))
    settings = one(random_weights(tmp_path / "w.safetensors", 3), images="original super_resolved difference")
    series = restore_here(source, tmp_path / "images.h5", **settings)
    (scan,) = volume_scans(series)
    assert list(scan.volumes) == ["received", "zero_filled", "super_resolved"]
    assert scan.label == "series 1"
    after, before = scan.volumes["super_resolved"], scan.volumes["zero_filled"]
    assert np.array_equal(after.voxels, stacked(series[101]))
    assert np.allclose(after.voxels - before.voxels, stacked(series[301]), atol=1e-3)
    assert np.ptp(stacked(series[301])) > 1
    assert np.array_equal(scan.volumes["received"].voxels, received)
    assert after.spacing_mm == pytest.approx((1.0, 1.0, 0.5))
    assert scan.volumes["received"].spacing_mm == pytest.approx((1.0, 4.0, 2.0))
    assert np.allclose(after.axes, directions, atol=1e-6)
    del series[1]
    (without,) = volume_scans(series)
    assert np.allclose(without.volumes["zero_filled"].voxels, before.voxels, atol=1e-3), "from the difference"


def test_repetitions_are_volumes_of_their_own_beside_their_own_zero_filled_ones() -> None:
    volumes = np.random.default_rng(2).uniform(0, 9, (4, 3, 4, 5)).astype(np.float32)
    series = {
        1: [
            image
            for number in (0, 1)
            for image in with_meta(slices_of(volumes[number]), 1, number, SeriesDescription="malibu zero-filled")
        ],
        101: [image for number in (0, 1) for image in restored(volumes[2 + number], repetition=number)],
    }
    scans = volume_scans(series)
    assert [scan.label for scan in scans] == ["series 1, repetition 0", "series 1, repetition 1"]
    for number, scan in enumerate(scans):
        assert np.array_equal(scan.volumes["zero_filled"].voxels, volumes[number])
        assert np.array_equal(scan.volumes["super_resolved"].voxels, volumes[2 + number])
    assert np.allclose(scans[0].volumes["super_resolved"].first_voxel_mm, (5 - 2, -6 - 2 * 4, 7 - 2))


@pytest.mark.parametrize("missing", ["all", "slices", "one", "meta"])
def test_files_without_volumes_say_what_is_missing(missing: str) -> None:
    images = restored(np.ones((5, 4, 4), np.float32))
    series, message = {
        "all": ({1: slices_of(np.ones((5, 4, 4), np.float32))}, "no super-resolved volume; replay"),
        "slices": ({101: [*images[:2], *images[3:]]}, "series 101 is no even stack"),
        "one": ({101: images[:1]}, "series 101 is a single slice"),
        "meta": ({101: restored(np.ones((5, 4, 4), np.float32), SeriesDescription="mine")}, "no super-resolved"),
    }[missing]
    with pytest.raises(ScanFileError, match=message):
        volume_scans(series)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_stored_voxels_are_exact_to_half_a_quantum(dtype: type[np.unsignedinteger]) -> None:
    voxels = np.random.default_rng(3).normal(3, 50, (3, 4, 5)).astype(np.float32)
    stored = pack(voxels, dtype)
    assert stored.scale == pytest.approx(np.ptp(voxels) / np.iinfo(dtype).max)
    again = stored.scale * stored.stored + stored.offset
    assert np.abs(again - voxels).max() <= 0.5001 * stored.scale
    assert not stored.is_exact
    whole = pack((voxels[0] > 3).astype(np.int16) * 200 - 5, dtype)
    assert whole.is_exact
    assert set((whole.scale * whole.stored + whole.offset).ravel()) == {-5.0, 195.0}
    flat = pack(np.full((2, 2, 2), 7.5, np.float32), dtype)
    assert np.array_equal(flat.scale * flat.stored + flat.offset, np.full((2, 2, 2), 7.5))


def test_a_page_stays_below_20_mb_and_tells_how() -> None:
    half = LARGEST_BYTES // 4
    assert how_to_store([half, half]) == (np.uint16, 2)
    assert how_to_store([half, half, half]) == (np.uint8, 3)
    assert how_to_store([2 * half] * 3) == (np.uint8, 2)
    assert how_to_store([9 * half]) == (np.uint8, 1), "one volume is always shown"


def test_text_of_files_cannot_end_an_element(tmp_path: Path) -> None:
    series = {101: restored(np.random.default_rng(4).random((3, 4, 5), np.float32), MalibuNetwork="</script><b>")}
    page = write_volume_explorer(series, tmp_path / "page.html").read_text()
    assert "<b>" not in page
    told = json.loads(re.search(r'id="volumes">(.*?)</script>', page).group(1))
    assert told["scans"][0]["facts"]["Network"] == "</script><b>"
    assert "spread" not in told["scans"][0], "nothing to compare with"
