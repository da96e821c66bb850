"""The latency of a scan that is sent through the wire: what is measured, and that all images are counted."""

import json
from pathlib import Path

import pytest

from gadgets.errors import RemoteError
from gadgets.evaluation.latency import measure_latency
from gadgets.mrd.files import ScanFile
from gadgets.reports.latency_page import HEADER, cells, stage_rows, write_latency_page
from tests.support.command import malibu
from tests.support.replays import replay_here

CONFIGURATION = (
    b"<configuration><temporal_model>realtime</temporal_model><rank>4</rank><images>time_average basis_maps</images>"
    b"<reconstruction>backprojection</reconstruction></configuration>"
)


def test_a_cold_and_a_warm_scan_are_sent_and_all_images_counted(short_file: Path, tmp_path: Path) -> None:
    expected = replay_here(
        short_file, tmp_path / "i.h5", temporal_model="realtime", rank="4", images="time_average basis_maps"
    )
    with ScanFile(short_file) as scan:
        runs = measure_latency(scan, CONFIGURATION, speed=4.0, warm_runs=2)
    assert [run.name for run in runs] == ["cold", "warm", "warm"]
    assert {run.images for run in runs} == {sum(map(len, expected.values()))}
    assert runs[0].accepted_s is not None
    assert runs[0].taken_s is not None
    assert 0 < runs[0].accepted_s < runs[0].taken_s
    for run in runs:
        assert run.sending_s == pytest.approx(0.8 / 4.0, rel=0.5)  # 0.8 s of scan at four times its rate
        assert 0 < run.first_image_s <= run.last_image_s
        assert {"receive", "temporal basis", "back-projection"} <= set(run.stages)
        assert run.device == "cpu"
    assert all(run.accepted_s is None for run in runs[1:])
    assert len(cells(runs[1])) == len(HEADER)
    assert cells(runs[1])[2:4] == ["-", "-"]
    assert all(len(row) == 4 for row in stage_rows(runs))
    page = write_latency_page(runs, "scan.h5", "a machine", tmp_path / "latency.html").read_text()
    assert page.count("<img") == 1
    assert "temporal basis" in page


def test_an_error_of_the_gadget_is_told(short_file: Path) -> None:
    with ScanFile(short_file) as scan, pytest.raises(RemoteError, match="did you mean 'rank'"):
        measure_latency(scan, b"<configuration><rnak>4</rnak></configuration>", speed=20.0)


@pytest.mark.slow  # what it prints has tests of its own
def test_the_command_prints_a_table_and_writes_page_and_figures(short_file: Path, tmp_path: Path) -> None:
    page, figures = tmp_path / "latency.html", tmp_path / "latency.json"
    chosen = ["temporal_model=realtime", "rank=4", "images=time_average", "reconstruction=backprojection"]
    settings = [word for setting in chosen for word in ("--set", setting)]
    options = ["--latency", "--speed", "10", "-o", page, "--json", figures, "--device", "cpu"]
    shown, _ = malibu("benchmark", short_file, *options, *settings)
    assert "first image" in shown
    assert page.is_file()
    assert [run["name"] for run in json.loads(figures.read_text())["runs"]] == ["cold", "warm"]
