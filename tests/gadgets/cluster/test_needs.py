"""What tasks need, before they are begun."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from gadgets.cluster.needs import PROCESS_BYTES, need_of_scan, need_of_voxels, voxels_of_file

SHAPE = (5, 6, 7)


def test_needs_grow_with_what_is_worked_on() -> None:
    assert need_of_scan(1000, 1).memory_bytes - need_of_scan(0).memory_bytes == 8 * 1000
    assert (need_of_scan(1000, 1).gpus, need_of_scan(1000).gpus) == (1, 0)
    assert need_of_voxels(SHAPE, 100).memory_bytes == PROCESS_BYTES + 100 * 5 * 6 * 7


def test_voxels_are_counted_by_the_head_of_a_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "volume.h5", "w") as file:
        file.create_dataset("volume", data=np.zeros(SHAPE, np.float16), compression="gzip")
        file.create_dataset("inner/spacing", data=np.ones(3))
    assert voxels_of_file(tmp_path / "volume.h5") == 210
    nibabel = pytest.importorskip("nibabel")
    nibabel.save(nibabel.Nifti1Image(np.zeros(SHAPE, np.float32), np.eye(4)), tmp_path / "volume.nii.gz")
    assert voxels_of_file(tmp_path / "volume.nii.gz") == 210
    (tmp_path / "dicom/series").mkdir(parents=True)
    (tmp_path / "dicom/series/1.dcm").write_bytes(bytes(420))
    assert voxels_of_file(tmp_path / "dicom") == 210


@pytest.mark.parametrize("name", ["none.h5", "none.nii", "text.h5", "text.nii.gz", "text.txt"])
def test_what_cannot_be_read_is_told_by_who_reads_it(name: str, tmp_path: Path) -> None:
    if name.startswith("text"):
        (tmp_path / name).write_text("no volume")
    assert voxels_of_file(tmp_path / name) == 0
