"""A marker in the patient is where it must be in DICOM, NIfTI and MRD, by dcm2niix and not by a reader of malibu's."""

from pathlib import Path

import ismrmrd
import nibabel
import numpy as np
import pytest

from gadgets.exchange.dicom_output import DicomOptions, write_dicom
from gadgets.exchange.nifti_output import write_nifti
from gadgets.mrd.files import read_images
from tests.support.marker import PLANES, dcm2niix, marker, marker_images, needs, positions_mm, with_meta, world_lps
from tests.support.volume_scans import header_of, write_images

HEADER = header_of((1, 32, 27))
STACKS = {
    "slices": {},
    "slices from above": {"turned": True},
    "a volume": {"as_volume": True},
    "a volume from above": {"as_volume": True, "turned": True},
    "even columns, odd rows": {"matrix": (4, 31, 28), "fov_mm": (56.0, 46.5, 20.0)},
    "one slice": {"matrix": (1, 32, 27), "fov_mm": (54.0, 48.0, 5.0)},
}


def right_share(image: nibabel.Nifti1Image, axes: np.ndarray) -> float:
    """Share of voxels that are as bright as the marker is at their place in the world; the marker must be seen."""
    expected, values = marker(world_lps(image), axes), np.asarray(image.dataobj, dtype=float).reshape(image.shape[:3])
    assert 0.05 < (expected > 0).mean() < 0.6
    return float((np.abs(values - expected) < 1).mean())


@needs("dcm2niix")
@pytest.mark.parametrize("scan", ["2-D", "3-D"])
@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("plane", PLANES)
def test_marker_is_the_right_way_round_and_affines_agree(plane: str, stack: str, scan: str, tmp_path: Path) -> None:
    """dcm2niix keeps the order of the slices of a 2-D scan, and turns a 3-D scan to the nearest RAS order."""
    header = header_of((5 if scan == "3-D" else 1, 32, 27))
    axes = np.asarray(PLANES[plane], dtype=float)
    images = marker_images(axes, **STACKS[stack])
    write_dicom(header, images[::-1], tmp_path / "dicom")
    (own,) = write_nifti(header, images, tmp_path / "nifti")
    ours, (theirs,) = nibabel.load(own), dcm2niix(tmp_path / "dicom", tmp_path / "converted").values()
    for image in (ours, theirs):
        assert right_share(image, axes) == 1.0
    assert np.abs(ours.affine - theirs.affine).max() < 1e-4
    assert ours.shape == theirs.shape
    assert np.abs(ours.get_fdata() - theirs.get_fdata()).max() < 1500 / 65535


@pytest.mark.parametrize("flip", ["read", "phase", "slice", "transposed", "shifted"])
def test_marker_tells_every_wrong_way_round(flip: str) -> None:
    """The check of the test above fails where a sign, an axis or half a field of view is wrong."""
    axes = np.asarray(PLANES["axial, turned"], dtype=float)
    voxels = np.concatenate([image.data[0] for image in marker_images(axes, (6, 32, 32), (48.0, 48.0, 30.0))])
    wrong = {
        "read": voxels[:, :, ::-1],
        "phase": voxels[:, ::-1],
        "slice": voxels[::-1],
        "transposed": voxels.transpose(0, 2, 1),
        "shifted": np.roll(voxels, 1, axis=2),
    }[flip]
    assert (wrong == voxels).mean() < 0.97


@pytest.mark.parametrize("plane", PLANES)
def test_marker_is_the_right_way_round_in_mrd(plane: str, tmp_path: Path) -> None:
    axes = np.asarray(PLANES[plane], dtype=float)
    path = write_images(tmp_path / "images.h5", marker_images(axes), (5, 32, 27))
    for image in read_images(path)[1]:
        expected = marker(positions_mm(image.getHead(), (1, 32, 27)), axes)
        assert np.array_equal(image.data[0], expected)


@needs("dcm2niix")
@pytest.mark.parametrize("slices", [1, 3])
def test_cine_is_four_dimensional_with_the_frames_in_their_order(slices: int, tmp_path: Path) -> None:
    axes, images = np.asarray(PLANES["coronal, tilted"], dtype=float), []
    for frame in range(4):
        stack = marker_images(axes, (slices, 32, 27), (54.0, 48.0, 8.0 * slices))
        for image in with_meta(stack, CardiacPhaseMs=f"{200.0 * frame}", InversionTime=f"{10 * frame + 5}"):
            image.image_index = int(image.slice) * 4 + frame + 1
            image.data[0] += frame
            images.append(image)
    write_dicom(HEADER, images, tmp_path / "dicom")
    (own,) = write_nifti(HEADER, images, tmp_path / "nifti")
    ours, (theirs,) = nibabel.load(own), dcm2niix(tmp_path / "dicom", tmp_path / "converted").values()
    assert ours.shape == theirs.shape == (27, 32, slices, 4)
    assert np.abs(ours.affine - theirs.affine).max() < 1e-4
    assert np.abs(ours.get_fdata() - theirs.get_fdata()).max() < 1500 / 65535
    assert np.allclose(ours.get_fdata()[0, 0, 0], [0, 1, 2, 3])
    assert ours.header.get_xyzt_units() == ("mm", "msec")
    assert ours.header["pixdim"][4] == 200


@needs("dcm2niix")
@pytest.mark.parametrize("slices", [1, 5])
def test_parametric_map_lies_where_the_integer_map_does(slices: int, tmp_path: Path) -> None:
    axes = np.asarray(PLANES["sagittal, tilted"], dtype=float)
    images = marker_images(axes, (slices, 32, 27), (54.0, 48.0, 5.0 * slices), dtype=np.uint16, number=9)
    images = with_meta(images, DataRole=["Quantitative", "T1MAP"])
    write_dicom(HEADER, images, tmp_path / "dicom", DicomOptions(parametric_map=True))
    converted = dcm2niix(tmp_path / "dicom", tmp_path / "converted")
    assert set(converted) == {"9", "509"}
    assert right_share(converted["9"], axes) == 1.0
    assert right_share(converted["509"], axes) == 1.0
    assert np.abs(converted["509"].affine - converted["9"].affine).max() < 1e-4
    (own,) = write_nifti(HEADER, images, tmp_path / "nifti")
    assert nibabel.load(own).get_data_dtype() == np.uint16
    assert nibabel.load(own).header.get_intent()[2] == "T1 (ms)"


def test_real_images_and_dcm2niix_have_one_affine(tiny_images: dict[int, list[ismrmrd.Image]], tmp_path: Path) -> None:
    images = [image for series in tiny_images.values() for image in series]
    names = [path.name for path in write_nifti(HEADER, images, tmp_path / "nifti")]
    assert "series009.nii.gz" in names
    assert not {"series003.nii.gz", "series004.nii.gz", "series011.nii.gz"} & set(names)


def test_slices_that_are_no_even_stack_get_a_file_each(tmp_path: Path) -> None:
    images = marker_images(np.eye(3))
    del images[3]
    names = [path.name for path in write_nifti(HEADER, images, tmp_path)]
    assert names == [f"series001_slice{number:02d}.nii.gz" for number in range(1, 5)]
