"""Files as other programs write them: groups of other names, images without a header."""

import logging
from pathlib import Path

import h5py
import ismrmrd
import numpy as np
import pytest

from gadgets.errors import RemoteError, ScanFileError
from gadgets.mrd.files import ImageSource, ScanFile, open_source, read_images
from gadgets.mrd.foreign_files import data_group
from tests.support.volume_scans import HEADER, one, restore_here, slices_of

DATED = "2026-11-26 16:00:31"


def write_client_file(path: Path, groups: dict[str, list[ismrmrd.Image]], header: bytes = b"") -> Path:
    """As Gadgetron's client does: a group named by the time, ``image_<number>`` in it, no header."""
    for group, images in groups.items():
        with ismrmrd.Dataset(str(path), group) as file:
            if header:
                file.write_xml_header(header)
            for number, image in enumerate(images):
                file.append_image(f"image_{number // 1000}", image)
    return path


def volume(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(1, 2, (4, 6, 12)).astype(np.float32)


@pytest.mark.parametrize("group", [DATED, "dataset", "scan 7"])
def test_only_group_is_taken_and_told(group: str, tmp_path: Path, caplog) -> None:
    path = write_client_file(tmp_path / "in.h5", {group: slices_of(volume())})
    with caplog.at_level(logging.INFO):
        assert data_group(path) == group
        assert data_group(path, group) == group
    assert (f"the only one that holds data, {group!r}, is read" in caplog.text) == (group != "dataset")
    with open_source(path) as source:
        assert isinstance(source, ImageSource)
        assert source.item_count == 4
    assert [len(images) for images in read_images(path).values()] == [4]


def test_group_with_a_header_alone_holds_no_data(tmp_path: Path) -> None:
    path = write_client_file(tmp_path / "in.h5", {DATED: slices_of(volume())})
    with ismrmrd.Dataset(str(path), "dataset") as file:
        file.write_xml_header(b"<ismrmrdHeader/>")
    assert data_group(path) == DATED


def test_several_groups_are_listed_and_one_is_to_be_chosen(tmp_path: Path) -> None:
    path = write_client_file(tmp_path / "in.h5", {DATED: slices_of(volume(1)), "later": slices_of(volume(2))})
    for read in (open_source, read_images, ScanFile, ImageSource):
        with pytest.raises(ScanFileError, match=rf"2 groups, '{DATED}', 'later': choose one by --group"):
            read(path)
        with pytest.raises(ScanFileError, match=r"no data in a group 'none'; it holds .*use --group"):
            read(path, "none")
    (images,) = read_images(path, "later").values()
    assert np.array_equal(images[1].data[0, 0], volume(2)[1])


def test_dataset_is_taken_before_others(tmp_path: Path) -> None:
    path = write_client_file(tmp_path / "in.h5", {"other": slices_of(volume(1)), "dataset": slices_of(volume(2))})
    assert data_group(path) == "dataset"


def test_readouts_in_a_group_of_another_name(short_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "scan.h5"
    with h5py.File(short_file) as source, h5py.File(path, "w") as file:
        source.copy("dataset", file, "measurement 3")
        file["broken"] = h5py.SoftLink("/nowhere")
    with open_source(path) as scan, ScanFile(short_file) as original:
        assert isinstance(scan, ScanFile)
        assert len(scan) == len(original) > 0


@pytest.mark.parametrize("content", [b"", b"no HDF5", None])
def test_unreadable_file_is_left_to_its_reader(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "in.h5"
    if content is not None:
        path.write_bytes(content)
    assert data_group(path) == "dataset"
    with pytest.raises(ScanFileError, match=r"not a readable HDF5 file|does not exist"):
        open_source(path)


@pytest.mark.parametrize("read", [open_source, ScanFile, read_images, ImageSource])
def test_heap_from_which_the_library_would_not_come_back_is_refused(read, short_file: Path, tmp_path: Path) -> None:
    """HDF5 2.0.0 stays for ever at an entry without a size; the XML header lies behind the first entry here."""
    whole, path = bytearray(short_file.read_bytes()), tmp_path / "scan.h5"
    entry = whole.index(b"GCOL") + 16
    behind = entry + 16 + -(-int.from_bytes(whole[entry + 8 : entry + 16], "little") // 8) * 8
    whole[behind : behind + 2], whole[behind + 8 : behind + 16] = bytes(2), bytes(8)
    path.write_bytes(whole)
    with pytest.raises(ScanFileError, match=r"scan.h5 is damaged .the heap at byte"):
        read(path)


def test_images_of_one_series_in_several_groups_are_all_read(tmp_path: Path) -> None:
    path = tmp_path / "in.h5"
    with ismrmrd.Dataset(str(path), "dataset") as file:
        for number, image in enumerate(slices_of(volume())):
            file.append_image(f"image_{number % 2}", image)
    assert sorted(image.slice for image in read_images(path)[1]) == [0, 1, 2, 3]


def test_images_without_a_header_are_restored_to_the_matrix_that_is_set(
    identity_network: Path, tmp_path: Path, caplog
) -> None:
    bare = write_client_file(tmp_path / "bare.h5", {DATED: slices_of(volume())})
    with_header = write_client_file(
        tmp_path / "with.h5", {"dataset": slices_of(volume())}, HEADER.format(x=12, y=24, z=16).encode()
    )
    expected = restore_here(with_header, tmp_path / "a.h5", **one(identity_network))[101]
    found = restore_here(bare, tmp_path / "b.h5", **one(identity_network, matrix="16x24x12"))[101]
    assert "bare.h5 has no XML header" in caplog.text
    assert np.array_equal([image.data for image in found], [image.data for image in expected])
    with ImageSource(bare) as source:
        space = source.header.encoding[0].reconSpace
        assert (space.matrixSize.x, space.matrixSize.y, space.matrixSize.z) == (12, 6, 4)
        assert (space.fieldOfView_mm.x, space.fieldOfView_mm.y, space.fieldOfView_mm.z) == (12, 24, 8)


def test_images_without_a_header_say_what_lacks(identity_network: Path, tmp_path: Path) -> None:
    path = write_client_file(tmp_path / "in.h5", {DATED: slices_of(volume())})
    with pytest.raises(RemoteError, match=r"neither header nor data tell how much was cut; set matrix, the full one"):
        restore_here(path, tmp_path / "out.h5", **one(identity_network))
