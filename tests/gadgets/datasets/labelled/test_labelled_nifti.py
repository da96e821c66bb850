"""Own images and outlines come to a network's grid as they lie in the patient."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from gadgets.datasets.labelled.labelled_nifti import import_labelled
from gadgets.errors import ScanFileError
from nets.data.organs.labelled_files import read_labelled

# (x, y, z) voxels of 2, 2, 4 mm: x to the right, y to the front, z to the feet, where NIfTI points left, back and up.
AFFINE = np.array([[2.0, 0, 0, -40], [0, 2.0, 0, -30], [0, 0, -4.0, 50], [0, 0, 0, 1]])
SHAPE = (40, 30, 20)


def pair(folder: Path, **changes: object) -> tuple[Path, Path]:
    """A body whose liver lies at the patient's right, front and head; the kidney is at the left, back and feet."""
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[24:36, 18:28, 2:8] = 1  # high x is right (RAS), high y front, low z head
    labels[4:12, 2:10, 12:18] = 4
    image = labels.astype(np.float32) * 10 + 1
    paths = folder / "image.nii.gz", folder / "labels.nii.gz"
    nibabel.save(nibabel.Nifti1Image(image, AFFINE), paths[0])
    values = changes.get("labels", labels)
    nibabel.save(nibabel.Nifti1Image(values, changes.get("affine", AFFINE)), paths[1])
    return paths


def test_axes_point_to_head_back_and_left(tmp_path: Path) -> None:
    grid = import_labelled(*pair(tmp_path), tmp_path / "v.h5", (4.0, 2.0, 2.0))
    read = read_labelled(tmp_path / "v.h5")
    assert grid.shape == tuple(read.labels.shape) == (20, 30, 40)
    liver, kidney = (np.argwhere(read.labels.numpy() == label).mean(axis=0) for label in (1, 4))
    assert liver[0] > kidney[0], "head"
    assert liver[1] < kidney[1], "back"
    assert liver[2] < kidney[2], "left"
    for label in (1, 4):
        assert int((read.labels == label).sum()) == {1: 12 * 10 * 6, 4: 8 * 8 * 6}[label]
        assert float(read.voxels[read.labels == label].mean()) == pytest.approx(10 * label + 1, rel=1e-3)
    assert set(read.attributes) == {"domain", "version"}
    import_labelled(*pair(tmp_path), tmp_path / "coarse.h5", (4.0, 4.0, 4.0))
    coarse = read_labelled(tmp_path / "coarse.h5")
    assert float((coarse.labels == 1).sum()) * 64 == pytest.approx(720 * 16, rel=0.1)


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    shifted = AFFINE + np.array([[0, 0, 0, 5.0]] + [[0] * 4] * 3)
    with pytest.raises(ScanFileError, match="does not lie on the voxels"):
        import_labelled(*pair(tmp_path, affine=shifted), tmp_path / "v.h5", (3.0, 3.0, 3.0))
    with pytest.raises(ScanFileError, match="holds 0 to 13; labels are 0 background, 1 liver"):
        import_labelled(
            *pair(tmp_path, labels=np.full(SHAPE, 13, np.uint8) * (np.indices(SHAPE)[0] > 3)),
            tmp_path / "v.h5",
            (3.0, 3.0, 3.0),
        )
    paths = pair(tmp_path)
    nowhere = nibabel.Nifti1Image(np.ones(SHAPE, np.float32), None)
    nowhere.header["sform_code"] = nowhere.header["qform_code"] = 0
    nibabel.save(nowhere, paths[0])
    with pytest.raises(ScanFileError, match="does not say where it lies"):
        import_labelled(*paths, tmp_path / "v.h5", (3.0, 3.0, 3.0))
    assert not (tmp_path / "v.h5").exists()
