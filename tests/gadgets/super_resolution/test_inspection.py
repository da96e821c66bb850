"""What malibu info says of files of images, and of raw Cartesian data."""

from pathlib import Path

import ismrmrd
import numpy as np
import pytest
from typer.testing import CliRunner

from gadgets.cli.main import app
from gadgets.errors import ScanFileError
from gadgets.mrd.files import open_source
from gadgets.registry import gadget_for
from gadgets.simulated.cartesian import VolumeProtocol, write_volume_scan
from gadgets.super_resolution.inspection import VolumeInfo, inspect_volumes
from gadgets.super_resolution.parameters import parse_super_resolution
from tests.support.replays import SHIPPED_XML
from tests.support.volume_scans import one, slices_of, write_images

LOW = np.random.default_rng(3).uniform(1, 9, (4, 6, 12)).astype(np.float32)


def inspected(path: Path, weights: Path, **settings: str) -> VolumeInfo:
    with open_source(path) as source:
        return inspect_volumes(source, parse_super_resolution(None, one(weights, **settings)))


def of_two_kinds(path: Path) -> Path:
    phases = slices_of(LOW, series=4)
    for image in phases:
        image.image_type, image.contrast = ismrmrd.IMTYPE_PHASE, 2
    return write_images(path, [*slices_of((100 * LOW).astype(np.uint16), series=3), *phases], (16, 24, 12))


def test_images_are_told_by_volume_with_what_would_be_done(identity_network: Path, tmp_path: Path) -> None:
    info = inspected(of_two_kinds(tmp_path / "in.h5"), identity_network)
    assert info.properties == {
        "images": "8 in 2 series",
        "matrix by the header": "16×24×12 (z, y, x)",
        "field of view": "16×24×12 mm",
        "series 3": "4 magnitude images of 6×12 uint16",
        "series 3, cut by": "4x4 (slice x phase)",
        "series 4, contrast 2": "4 phase images of 6×12 float32",
    }
    assert not info.problems
    assert info.plan == (
        "restore series 3 to 16×24×12 by mdcsrn; images (series): original (3), super_resolved (103); "
        "pass series 4, contrast 2 unrestored"
    )


@pytest.mark.parametrize(
    ("images", "settings", "problem"),
    [
        (slices_of(LOW), {"matrix": "8x12x12"}, "cut by 2x2"),
        (slices_of(LOW), {"matrix": "4x4x12"}, "more than the full matrix"),
        (slices_of(LOW), {"first_stage": "none.safetensors"}, "none.safetensors does not exist"),
        (slices_of(LOW)[:2] + slices_of(LOW)[3:], {}, "lacks slices"),
        ([*slices_of(LOW), slices_of(LOW)[0]], {}, "two slices at"),
    ],
)
def test_what_would_be_refused_is_told(images, settings, problem: str, identity_network: Path, tmp_path: Path) -> None:
    info = inspected(write_images(tmp_path / "in.h5", images, (16, 24, 12)), identity_network, **settings)
    assert info.plan == "refused as it is"
    assert any(problem in text for text in info.problems)


def test_raw_cartesian_data_are_told_as_volumes(identity_network: Path, tmp_path: Path) -> None:
    write_volume_scan(VolumeProtocol("coronary", (16, 32, 24), (4, 4), 2, 50.0), 1, tmp_path / "scan.h5", False)
    with open_source(tmp_path / "scan.h5") as scan:
        assert gadget_for(None, scan) == "SuperResolutionGadget"
    info = inspected(tmp_path / "scan.h5", identity_network)
    assert not info.problems
    assert info.properties["volume 1, cut by"] == "4x4 (slice x phase)"
    assert info.plan.startswith("restore volume 1 to 16×32×24 by mdcsrn")


def test_gadget_is_that_of_the_file_unless_one_is_given(short_file: Path, tmp_path: Path) -> None:
    with open_source(of_two_kinds(tmp_path / "in.h5")) as images, open_source(short_file) as scan:
        assert gadget_for(None, images) == "SuperResolutionGadget"
        assert gadget_for(None, scan) == gadget_for(SHIPPED_XML, scan) == "MultitaskingGadget"
        with pytest.raises(ScanFileError, match="holds images, but the configuration is of MultitaskingGadget"):
            gadget_for(SHIPPED_XML, images)


def test_info_and_report_take_the_only_group_of_an_image_file(identity_network: Path, tmp_path: Path) -> None:
    path = tmp_path / "client.h5"
    with ismrmrd.Dataset(str(path), "2026-11-26 16:00:31") as file:
        for image in slices_of(LOW):
            file.append_image("image_1", image)
    settings = [f"--set={name}={value}" for name, value in one(identity_network, matrix="16x24x12").items()]
    for group in ([], ["--group", "2026-11-26 16:00:31"]):
        shown = CliRunner().invoke(app, ["info", str(path), *settings, *group])
        assert shown.exit_code == 0, shown.output
        assert "4 magnitude images" in shown.output
        assert "matrix by the header" not in shown.output
        assert CliRunner().invoke(app, ["report", str(path), str(tmp_path / "report"), *group]).exit_code == 0
    refused = CliRunner().invoke(app, ["report", str(path), str(tmp_path / "report"), "--group", "other"])
    assert "it holds '2026-11-26 16:00:31': use --group" in str(refused.exception)
