"""The commands that speak the formats of hospitals, from a file to files."""

import hashlib
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from gadgets.cli.main import app
from gadgets.exchange.dicom_output import write_dicom
from tests.support.marker import (
    PLANES,
    blobs,
    dciodvfy_errors,
    dcm2niix,
    found,
    free_port,
    listening,
    marker_images,
    needs,
    world_lps,
)
from tests.support.volume_scans import header_of, identity_weights


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def error_of(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code != 0
    return str(result.exception)


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_replay_writes_what_the_commands_write(tiny_file: Path, tmp_path: Path) -> None:
    images, chosen = tmp_path / "images.h5", "--set=images=time_average t1_map"
    folders = ["--dicom", tmp_path / "dicom", "--nifti", tmp_path / "nifti"]
    run("replay", tiny_file, "-o", images, "--set=reconstruction=backprojection", chosen, *folders)
    run("dicom", images, "-o", tmp_path / "dicom_again")
    run("nifti", images, "-o", tmp_path / "nifti_again")
    assert list(digests(tmp_path / "dicom")) == ["series001/00001.dcm", "series009/00001.dcm"]
    assert list(digests(tmp_path / "nifti")) == ["series001.nii.gz", "series009.nii.gz"]
    for kind in ("dicom", "nifti"):
        assert digests(tmp_path / kind) == digests(tmp_path / f"{kind}_again")


def test_folder_is_checked_before_the_reconstruction(tiny_file: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written" in error_of(
        "replay", tiny_file, "-o", tmp_path / "images.h5", "--dicom", tmp_path / "file"
    )
    assert not (tmp_path / "images.h5").exists()


@needs("dcm2niix")
def test_real_images_have_the_affine_of_dcm2niix(tiny_file: Path, tiny_images: object, tmp_path: Path) -> None:
    images = tiny_file.with_name("images.h5")
    run("dicom", images, "-o", tmp_path / "dicom")
    run("nifti", images, "-o", tmp_path / "nifti")
    converted = dcm2niix(tmp_path / "dicom", tmp_path / "converted")
    names = {int(path.name[6:9]): path for path in (tmp_path / "nifti").iterdir()}
    assert set(map(int, converted)) == set(names)
    for number, path in names.items():
        ours, theirs = nibabel.load(path), converted[str(number)]
        assert np.abs(ours.affine - theirs.affine).max() < 1e-4
        assert ours.shape == theirs.shape
        values = ours.get_fdata()
        assert np.abs(values - theirs.get_fdata()).max() <= values.max() / 65535


@needs("storescp")
def test_images_are_sent(tiny_file: Path, tiny_images: object, tmp_path: Path) -> None:
    port, received = free_port(), tmp_path / "received"
    received.mkdir()
    with listening([str(found("storescp")), "-od", str(received), str(port)], port):
        said = run(
            "dicom",
            tiny_file.with_name("images.h5"),
            "-o",
            tmp_path / "dicom",
            "--send",
            f"127.0.0.1:{port}",
            "--aet",
            "ME",
        )
    assert f"took {len(digests(received))} objects" in said
    assert len(digests(received)) == len(digests(tmp_path / "dicom"))


def test_impossible_address_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    assert "give host:port" in error_of("dicom", "missing.h5", "-o", tmp_path / "dicom", "--send", "pacs")
    assert not (tmp_path / "dicom").exists()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A network that hands on its input: what is restored is the zero-filled volume."""
    weights = identity_weights(tmp_path_factory.mktemp("weights") / "identity.safetensors")
    return [f"--set={each}" for each in ("stages=one", f"first_stage={weights}", "matrix=48x64x27")]


@needs("dcm2niix", "dciodvfy")
@pytest.mark.parametrize("plane", PLANES)
def test_restored_volume_lies_where_it_lay(plane: str, settings: list[str], tmp_path: Path) -> None:
    """The matrix grows fourfold along slice and phase direction; the marker stays where it is in the patient."""
    axes = np.asarray(PLANES[plane], dtype=float)
    images = marker_images(axes, (12, 16, 27), (54.0, 48.0, 60.0), turned=True, shown=blobs)
    write_dicom(header_of((12, 16, 27)), images, tmp_path / "in")
    before = digests(tmp_path / "in")
    run("restore", tmp_path / "in", "-o", tmp_path / "out", *settings)
    assert digests(tmp_path / "in") == before
    paths = sorted((tmp_path / "out").rglob("*.dcm"))
    assert len(paths) == 48
    assert not dciodvfy_errors(paths[0])
    (image,) = dcm2niix(tmp_path / "out", tmp_path / "converted").values()
    assert sorted(image.shape) == [27, 48, 64]
    expected, values = blobs(world_lps(image), axes), image.get_fdata()
    scale = np.vdot(values, expected) / np.vdot(values, values)
    assert scale == pytest.approx(1, abs=0.02)
    assert np.abs(values - expected).max() < 0.04 * expected.max()


def test_restored_series_belongs_to_the_study_and_says_what_it_is(settings: list[str], tmp_path: Path) -> None:
    images = marker_images(np.eye(3), (12, 16, 27), (54.0, 48.0, 60.0))
    for path in write_dicom(header_of((12, 16, 27)), images, tmp_path / "in"):
        data = pydicom.dcmread(path)
        data.PatientName, data.PatientID, data.EchoTime, data.RepetitionTime = "Doe^Jane", "ID7", 1.7, 3.9
        del data.PatientIdentityRemoved, data.DeidentificationMethod
        data.save_as(path)
    run("restore", tmp_path / "in", "-o", tmp_path / "out", *settings)
    restored = pydicom.dcmread(min((tmp_path / "out").rglob("*.dcm")))
    for name in ("PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID", "EchoTime", "RepetitionTime"):
        assert restored[name].value == data[name].value
    assert restored.SeriesInstanceUID != data.SeriesInstanceUID
    assert restored.ImageType[:2] == ["DERIVED", "SECONDARY"]
    assert "generated by a network" in restored.DerivationDescription
    assert restored.SeriesDescription == "RESEARCH malibu super-resolved"
    assert "PatientIdentityRemoved" not in restored


@needs("dciodvfy")
def test_restored_object_is_valid_whatever_the_source_lacks(settings: list[str], tmp_path: Path) -> None:
    for path in write_dicom(header_of((12, 16, 27)), marker_images(np.eye(3), (12, 16, 27)), tmp_path / "in"):
        data = pydicom.dcmread(path)
        data.TriggerTime, data.ScanOptions, data.BodyPartExamined = 300, "PFP", "HEART"
        del data.SequenceVariant, data.ScanningSequence, data.MRAcquisitionType, data.EchoTrainLength, data.Laterality
        data.save_as(path)
    run("restore", tmp_path / "in", "-o", tmp_path / "out", *settings)
    assert not dciodvfy_errors(min((tmp_path / "out").rglob("*.dcm")))


def test_restore_says_what_lacks(settings: list[str], tmp_path: Path) -> None:
    write_dicom(header_of((12, 16, 27)), marker_images(np.eye(3), (12, 16, 27), (54.0, 48.0, 60.0)), tmp_path / "in")
    said = error_of("restore", tmp_path / "in", "-o", tmp_path / "out", *settings[:2])
    assert "neither header nor data tell how much was cut" in said
    assert "kept in" not in said
    assert "would write nothing" in error_of(
        "restore", tmp_path / "in", "-o", tmp_path / "out", *settings, "--set=images=original"
    )
    shipped = Path(__file__).parents[3] / "configs/xml/multitasking.xml"
    assert "is of MultitaskingGadget" in error_of(
        "restore", tmp_path / "in", "-o", tmp_path / "out", "--config", shipped
    )
    assert not digests(tmp_path / "out")
