"""NIfTI files: values in their unit, the same bytes again, nothing of anybody in them."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from gadgets.exchange.nifti_output import write_nifti
from recon.errors import DataError
from tests.support.marker import marker_images, with_meta
from tests.support.volume_scans import header_of

HEADER = header_of((1, 32, 27))
EYE = np.eye(3)


def test_values_are_those_that_came_in_their_type(tmp_path: Path) -> None:
    floats, integers = marker_images(EYE), marker_images(EYE, dtype=np.uint16, number=2)
    first, second = map(nibabel.load, write_nifti(HEADER, floats + integers, tmp_path))
    assert (first.get_data_dtype(), second.get_data_dtype()) == (np.float32, np.uint16)
    for file, images in ((first, floats), (second, integers)):
        voxels = np.stack([image.data[0, 0] for image in images])
        assert np.array_equal(file.get_fdata(), voxels[:, ::-1].transpose(2, 1, 0))


def test_stated_rescale_is_applied(tmp_path: Path) -> None:
    images = with_meta(marker_images(EYE, dtype=np.uint16), RescaleSlope="0.25", RescaleIntercept="-3")
    (path,) = write_nifti(HEADER, images, tmp_path)
    assert nibabel.load(path).get_fdata().max() == 1500 * 0.25 - 3


def test_second_run_writes_the_same_bytes_without_texts_of_others(tmp_path: Path) -> None:
    images = marker_images(EYE)
    for image in images:
        image.meta = dict.fromkeys(("SeriesDescription", "ImageComments", "PatientName", "IceMiniHead"), "HIDDEN77")
    (first,), (second,) = (write_nifti(HEADER, images, tmp_path / name) for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    content = gzip.decompress(first.read_bytes())
    assert b"HIDDEN77" not in content
    assert b"series 1, research use only" in content


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    images = marker_images(EYE, dtype=np.complex64)
    with pytest.raises(DataError, match="none of the images is a picture"):
        write_nifti(HEADER, images, tmp_path)
