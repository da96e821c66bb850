"""What the explorer takes of an image file, and what it says where it cannot."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import malibu
from gadgets.errors import ParameterError, ScanFileError
from gadgets.mrd.files import read_images
from gadgets.multitasking.series import SENT
from gadgets.viewer.explorer import PAGE_NAME, write_explorer, write_explorer_if_possible
from gadgets.viewer.explorer_packing import Packed
from gadgets.viewer.slice_factors import slices_of
from gadgets.viewer.volumes_of_series import is_restored
from recon.multitasking import RadialScan, Result
from tests.support.volume_scans import slices_of as volume_slices


def record_of(page: Path | str) -> dict[str, Any]:
    text = page if isinstance(page, str) else page.read_text()
    found = re.search(r'<script type="application/json" id="explored">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found[1])


@pytest.fixture(scope="module")
def scan(moving_file: Path) -> RadialScan:
    (scan,) = malibu.read_scan(moving_file)
    return scan


def without(path: Path, to: Path, *numbers: int) -> Path:
    """A copy of an image file without some of its series."""
    shutil.copy(path, to)
    with h5py.File(to, "r+") as file:
        for number in numbers:
            del file[f"dataset/image_{number}"]
    return to


def test_the_page_holds_the_factors_and_stays_small(explored: tuple[Result, Path], tmp_path: Path) -> None:
    result, images = explored
    page = write_explorer(images, tmp_path / "e.html")
    (one_slice,) = record_of(page)["slices"]
    assert [method["name"] for method in one_slice["methods"]] == ["admm", "backprojection"]
    assert len(one_slice["models"]) == 1
    assert one_slice["absent"] == {}
    assert one_slice["pixelMm"] == pytest.approx([270 / 64, 270 / 64])
    assert one_slice["models"][0]["tensor"]["core"]["shape"] == list(result.gated.tensor.core.shape)
    half = 2 * 2 * 2 * result.spatial_factor.size * 4 / 3  # two factors, two parts, two bytes, base64
    assert half < page.stat().st_size < half + 2e6
    text = page.read_text()
    assert "MalibuParameters" not in text  # it names files of the console


def test_half_precision_keeps_each_map_s_own_scale() -> None:
    values = np.random.default_rng(0).normal(size=(3, 8, 8)) * np.array([1e-9, 1.0, 1e9])[:, None, None]
    packed = Packed()
    record = packed.add_half(values)
    assert record["kind"] == "float16"
    assert np.array(record["scales"]) * 16384 == pytest.approx(np.abs(values).max(axis=(1, 2)))
    assert packed.add_half(np.zeros((1, 4)))["scales"] == [pytest.approx(1 / 16384)]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((3,), r"no basis maps \(series 3\).*replay the scan again with images="),
        ((4, 19), "neither tensor nor temporal_basis"),
    ],
)
def test_files_that_lack_factors_are_refused(
    numbers: tuple[int, ...], message: str, explored: tuple[Result, Path], tmp_path: Path, caplog: Any
) -> None:
    path = without(explored[1], tmp_path / "less.h5", *numbers)
    with pytest.raises(ScanFileError, match=message):
        write_explorer(path, tmp_path / "e.html")
    with caplog.at_level("INFO"):
        assert write_explorer_if_possible(path, tmp_path) is None
    assert len([line for line in caplog.messages if line.startswith("no explorer: ")]) == 1
    assert not (tmp_path / PAGE_NAME).exists()


def test_images_of_others_are_refused() -> None:
    volume = np.random.default_rng(0).random((4, 8, 8)).astype(np.float32)
    with pytest.raises(ScanFileError, match=r"in\.h5 holds images that malibu did not make"):
        slices_of({1: volume_slices(volume)}, "in.h5")


def test_super_resolved_volumes_have_a_page_of_their_own(explored: tuple[Result, Path]) -> None:
    images = volume_slices(np.ones((2, 8, 8), np.float32))
    assert not is_restored({1: images})
    for image in images:
        image.meta = {"MalibuVersion": "0", "MalibuReconstruction": "super-resolution"}
    assert is_restored({1: images, 101: images})
    assert not is_restored(read_images(explored[1]))


def test_without_a_tensor_there_is_only_time(explored: tuple[Result, Path], tmp_path: Path) -> None:
    older = record_of(write_explorer(without(explored[1], tmp_path / "old.h5", 19), tmp_path / "e.html"))["slices"][0]
    assert older["models"][0]["tensor"] is None
    assert older["models"][0]["timeS"]["shape"] == [int(explored[0].temporal.kept.sum())]
    assert "no tensor series (19)" in older["absent"]["cardiac"]


def test_a_realtime_model_and_a_static_one(scan: RadialScan) -> None:
    for model, columns in (("realtime", len(scan.imaging)), ("static", len(scan.imaging))):
        result = malibu.reconstruct(scan, device="cpu", reconstruction="backprojection", temporal_model=model)
        (one_slice,) = record_of(malibu.view(result, scan).html)["slices"]
        assert f"the temporal model is {model}" in one_slice["absent"]["recovery"]
        assert one_slice["models"][0]["basis"]["shape"][-1] == columns
        assert one_slice["gating"] is None


def test_axes_that_were_not_resolved_have_a_reason(tiny_file: Path, tiny_images: dict, tmp_path: Path) -> None:
    (one_slice,) = record_of(write_explorer(tiny_file.with_name("images.h5"), tmp_path / "e.html"))["slices"]
    assert one_slice["absent"] == {
        "cardiac": "no heartbeat was resolved",
        "respiratory": "no breathing was resolved",
    }


def test_slices_and_measurements_are_told_apart(explored: tuple[Result, Path], tmp_path: Path) -> None:
    series = read_images(explored[1])
    more = read_images(explored[1])
    for images in more.values():
        for image in images:
            head = image.getHead()
            head.slice = 1
            image.setHead(head)
    both = {number: images + more[number] for number, images in series.items()}
    assert [one_slice.label for one_slice in slices_of(both, "f")] == ["slice 1", "slice 2"]
    twice = series | {number + 20: images for number, images in read_images(explored[1]).items()}
    assert [one_slice.label for one_slice in slices_of(twice, "f")] == ["measurement 1", "measurement 2"]
    followed = series | {number + 1000: images for number, images in read_images(explored[1]).items()}
    (one_slice,) = slices_of(followed, "f")
    assert [method.name for method in one_slice.methods] == ["admm", "backprojection"]


def test_files_that_do_not_fit_cannot_stand_beside(
    explored: tuple[Result, Path], tiny_file: Path, tiny_images: dict, tmp_path: Path
) -> None:
    with pytest.raises(ScanFileError, match=r"has bins and pulses of .*replay one scan with equal settings"):
        write_explorer(explored[1], tmp_path / "e.html", beside=[tiny_file.with_name("images.h5")])


def test_a_result_is_viewed_with_its_scan(explored: tuple[Result, Path], scan: RadialScan, tmp_path: Path) -> None:
    result = explored[0]
    page = malibu.view(result, scan)
    assert page._repr_html_().startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    saved = page.save(tmp_path / "page.html")
    written = record_of(saved)["slices"][0]
    assert [method["name"] for method in written["methods"]] == ["admm", "backprojection"]
    assert written["meta"]["MalibuTemporalModel"] == "tensor"
    assert record_of(malibu.view(explored[1]).html)["slices"][0]["models"] == written["models"]
    with pytest.raises(ParameterError, match="give a result and its scan"):
        malibu.view(result)


def test_every_series_that_the_explorer_takes_is_sent_but_those_on_request() -> None:
    assert {"basis_maps", "temporal_basis", "tensor", "gating", "t1_map", "t1_uncertainty"} <= set(SENT)
