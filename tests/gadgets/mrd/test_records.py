"""Files with odd or damaged records: each is named, in one clear error."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from gadgets.errors import ScanFileError
from gadgets.mrd.files import ScanFile, read_images, write_scan
from gadgets.mrd.image_files import ImageFile
from tests.support.command import malibu
from tests.support.peer import scan_messages
from tests.support.replays import needs_torch, rewrite_readouts


def replaced(name: str, value: object) -> Callable[[h5py.Group], None]:
    def change(group: h5py.Group) -> None:
        del group[name]
        if value is not None:
            group[name] = value

    return change


ODD = {
    "readouts are numbers": (replaced("data", np.ones(7)), "is no list of readouts"),
    "readouts are one number": (replaced("data", 2.5), "is no list of readouts"),
    "readouts are a group": (
        lambda group: (replaced("data", None)(group), group.create_group("data"))[0],
        "no readouts",
    ),
    "heads of other fields": (
        replaced("data", np.zeros(3, [("head", "<u2"), ("traj", "f4"), ("data", "f4")])),
        "heads",
    ),
    "readouts without trajectory": (replaced("data", np.zeros(3, [("head", "<u2"), ("data", "<f4")])), "is no list"),
    "header is a number": (replaced("xml", 4.0), "is no text of an ISMRMRD header"),
    "header is empty": (replaced("xml", np.zeros(0)), "cannot be read"),
    "no header": (replaced("xml", None), "holds no ISMRMRD header"),
    "waveforms are numbers": (replaced("waveforms", np.ones(3)), "is no list of waveforms"),
    "a link to nowhere": (replaced("data", h5py.SoftLink("/gone")), "holds no ISMRMRD readouts"),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_datasets_are_named(editable_copy: Path, case: str) -> None:
    change, text = ODD[case]
    with h5py.File(editable_copy, "r+") as file:
        change(file["dataset"])
    with pytest.raises(ScanFileError, match=text):
        ScanFile(editable_copy)


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("number_of_samples", 0, "its head says 0 samples of 2 coils"),
        ("active_channels", 0, "its head says 128 samples of 0 coils"),
        ("active_channels", 3, "128 samples of 3 coils, its data hold 512 numbers"),
        ("trajectory_dimensions", 3, "a trajectory of 128×3 numbers, but there are 256"),
    ],
)
def test_a_head_that_does_not_fit_names_its_readout(editable_copy: Path, field: str, value: int, text: str) -> None:
    def change(number: int, record: object) -> None:
        if number == 57:
            record["head"][field] = value

    rewrite_readouts(editable_copy, change)
    with (
        ScanFile(editable_copy) as scan,
        pytest.raises(ScanFileError, match=rf"readout 58 of 164 \(row 57\): .*{text}"),
    ):
        scan.check()


@needs_torch
def test_info_and_replay_name_the_readout_in_one_line(editable_copy: Path, tmp_path: Path) -> None:
    def change(number: int, record: object) -> None:
        if number == 23:
            record["head"]["number_of_samples"] = record["head"]["active_channels"] = 0

    rewrite_readouts(editable_copy, change)
    for command in (["info", editable_copy], ["replay", editable_copy, "-o", tmp_path / "images.h5"]):
        _, stderr = malibu(*command, code=1)
        assert "readout 24 of 164 (row 23): its head says 0 samples of 0 coils" in stderr.splitlines()[-1]
        assert "defect of malibu" not in stderr
    assert not (tmp_path / "images.h5").exists()


def test_an_unreadable_readout_is_named(editable_copy: Path) -> None:
    """The heap address of one readout's data points beyond the file."""
    with h5py.File(editable_copy) as file:
        data = file["dataset/data"]
        start, rows = data.id.get_chunk_info(1).byte_offset, data.chunks[0]
        size = data.id.get_chunk_info(1).size // rows
    content = bytearray(editable_copy.read_bytes())
    place = start + 2 * size + size - 16 + 4
    content[place : place + 8] = (2**41).to_bytes(8, "little")
    editable_copy.write_bytes(content)
    with ScanFile(editable_copy) as scan, pytest.raises(ScanFileError, match=rf"row {rows + 2}\): OSError"):
        scan.check()


def test_a_series_of_two_sizes_is_refused_and_the_images_before_are_kept(tmp_path: Path) -> None:
    import ismrmrd

    def image(shape: tuple[int, int], dtype: type = np.float32) -> ismrmrd.Image:
        return ismrmrd.Image.from_array(np.full(shape, 3, dtype), transpose=False, image_series_index=4)

    for other in (image((5, 6)), image((4, 6), np.uint16)):

        def write(last: ismrmrd.Image = other) -> None:
            with ImageFile(tmp_path / "images.h5", b"<x/>") as file:
                file.append(image((4, 6)))
                file.append(last)

        with pytest.raises(ScanFileError, match="series 4 came with images of different sizes or pixel types"):
            write()
    assert [path.name for path in tmp_path.iterdir()] == ["images.incomplete.h5"]
    kept = read_images(tmp_path / "images.incomplete.h5")
    assert [item.data.shape for item in kept[4]] == [(1, 1, 4, 6)]


def test_readouts_come_back_byte_for_byte(short_file: Path, tmp_path: Path) -> None:
    with ScanFile(short_file) as scan:
        write_scan(tmp_path / "again.h5", scan.header, scan.acquisitions(), scan.waveforms())
    assert scan_messages(tmp_path / "again.h5")[2:] == scan_messages(short_file)[2:]
