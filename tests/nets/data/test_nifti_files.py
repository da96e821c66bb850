"""NIfTI files: both versions, scales, types and axes; what is refused by name."""

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from nets.data.formats.errors import VolumeError
from nets.data.formats.nifti_files import read_nifti
from nets.data.volume_files import read_volume, volumes_in

nibabel = pytest.importorskip("nibabel")

KINDS = {"1": nibabel.Nifti1Image, "2": nibabel.Nifti2Image}


def saved(path: Path, voxels: np.ndarray, kind: str = "1", affine: np.ndarray | None = None, **header: float) -> Path:
    image = KINDS[kind](voxels, np.eye(4) if affine is None else affine, dtype=voxels.dtype)
    image.header.set_slope_inter(header.get("slope", 1), header.get("inter", 0))
    nibabel.save(image, path)
    return path


@given(
    kind=st.sampled_from(sorted(KINDS)),
    suffix=st.sampled_from([".nii", ".nii.gz"]),
    shape=st.tuples(st.integers(1, 6), st.integers(1, 7), st.integers(1, 8)),
    further=st.sampled_from([(), (1,), (1, 1)]),
    dtype=st.sampled_from(["u1", "i2", "u2", "i4", "f4", "f8", ">i2", ">f4"]),
)
@settings(max_examples=30, deadline=None)
def test_voxels_come_with_the_last_axis_first(kind, suffix, shape, further, dtype, tmp_path_factory) -> None:
    voxels = np.random.default_rng(5).integers(0, 200, (*shape, *further)).astype(dtype)
    path = saved(tmp_path_factory.mktemp("n") / f"v{suffix}", voxels, kind)
    found = read_nifti(path)
    assert found.dtype == np.float32
    assert np.array_equal(found, voxels.reshape(shape).T)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_scaled_file_is_read_in_its_unit(kind: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "v.nii", np.arange(60, dtype=np.int16).reshape(3, 4, 5), kind)
    whole, header = bytearray(path.read_bytes()), nibabel.load(path).header.copy()
    header["scl_slope"], header["scl_inter"], header["vox_offset"] = 2.5, -3, 352 if kind == "1" else 544
    whole[: len(header.binaryblock)] = header.binaryblock
    path.write_bytes(whole)
    assert np.allclose(read_nifti(path), 2.5 * np.arange(60).reshape(3, 4, 5).T - 3)


def test_pair_of_header_and_voxels_is_read_and_listed(tmp_path: Path) -> None:
    voxels = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    (tmp_path / "train").mkdir()
    nibabel.save(nibabel.Nifti1Pair(voxels, np.eye(4)), tmp_path / "train/v.hdr")
    (path,) = volumes_in(tmp_path / "train")
    assert np.array_equal(read_volume(path).voxels.numpy(), voxels.T)


@pytest.mark.parametrize(
    ("affine", "directions"),
    [
        (np.diag([1, 1, 1, 1]), "(towards R), y the second (A), z the third (S); voxels of 1x1x1 mm"),
        (np.diag([-2, 1, 0.5, 1]), "(towards L), y the second (A), z the third (S); voxels of 2x1x0.5 mm"),
        (np.eye(4)[[2, 0, 1, 3]], "(towards A), y the second (S), z the third (R)"),
        (np.eye(4)[[0, 2, 1, 3]] * [1, 1, -3, 1], "(towards R), y the second (S), z the third (P); voxels of 1x1x3 mm"),
    ],
)
def test_axes_stay_as_they_are_stored_and_the_log_says_where_they_point(
    affine, directions: str, tmp_path: Path, caplog
) -> None:
    voxels = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    with caplog.at_level(logging.INFO):
        assert np.array_equal(read_nifti(saved(tmp_path / "v.nii", voxels, affine=affine)), voxels.T)
    assert directions in caplog.text


def test_readout_of_the_header_that_is_another_axis_is_told(tmp_path: Path, caplog) -> None:
    image = nibabel.Nifti1Image(np.ones((2, 3, 4), np.float32), np.eye(4))
    image.header.set_dim_info(freq=1, phase=0, slice=2)
    nibabel.save(image, tmp_path / "v.nii")
    read_nifti(tmp_path / "v.nii")
    assert "the readout is axis 2" in caplog.text


@pytest.mark.parametrize(
    ("voxels", "message"),
    [
        (np.ones((4, 4, 4, 3), np.float32), r"4 axes \(4 x 4 x 4 x 3\): give one volume for each file"),
        (np.ones((4, 4, 4, 1, 2), np.float32), r"5 axes"),
        (np.ones((4, 4), np.float32), r"shape \(4, 4\)"),
        (np.ones((4, 4, 4), np.complex64), "complex64 voxels; give one real number"),
        (np.zeros((4, 4, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")]), "voxels; give one real number"),
    ],
)
def test_what_is_no_volume_of_magnitudes_is_refused(voxels: np.ndarray, message: str, tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match=message):
        read_volume(saved(tmp_path / "v.nii", voxels))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_cut_file_gets_one_line(suffix: str, share: float, tmp_path: Path) -> None:
    voxels = np.random.default_rng(1).uniform(0, 1000, (12, 12, 12)).astype(np.float32)
    path = saved(tmp_path / f"v{suffix}", voxels)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(VolumeError, match=r"v.nii.* is not a NIfTI file, or damaged") as caught:
        read_volume(path)
    assert "\n" not in str(caught.value)


def test_a_promise_that_the_file_cannot_keep_is_refused_before_memory_is_asked_for(tmp_path: Path) -> None:
    path = saved(tmp_path / "v.nii", np.ones((4, 4, 4), np.float32))
    header, whole = nibabel.load(path).header.copy(), bytearray(path.read_bytes())
    header["dim"][1:4] = 30_000
    whole[: len(header.binaryblock)] = header.binaryblock
    path.write_bytes(whole)
    with pytest.raises(VolumeError, match=r"promises 1.08e\+05 GB of voxels"):
        read_volume(path)


def test_other_formats_of_nibabel_are_refused(tmp_path: Path) -> None:
    nibabel.save(nibabel.Spm2AnalyzeImage(np.ones((4, 4, 4), np.float32), np.eye(4)), tmp_path / "v.img")
    with pytest.raises(VolumeError, match="not NIfTI; convert it"):
        read_volume(tmp_path / "v.hdr")


def test_missing_file_gets_one_line(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match=r"none.nii is not a NIfTI file"):
        read_volume(tmp_path / "none.nii")
