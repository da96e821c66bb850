"""``malibu benchmark`` of several scans: a table of each, and one of all."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gadgets.cli.main import app
from gadgets.errors import ParameterError, ScanFileError
from gadgets.evaluation.multitasking import Benchmark, Row
from gadgets.evaluation.several_scans import pooled
from gadgets.reports.benchmark import HEADER, pooled_cells
from recon.quality.metrics import Quality, agreement
from tests.support.batches import short_scans


def benchmark_of(seconds: float, nrmse: float | None, pairs: np.ndarray) -> Benchmark:
    row = Row("admm", {"ADMM": seconds, "Toeplitz kernel": 1.0}, 2.0, nrmse)
    row.truth = None if nrmse is None else Quality(0.9, 30.0 + seconds, nrmse)
    return Benchmark("scan", "cpu", {}, {}, [row], t1={"admm": (["liver"] * len(pairs), pairs)})


def test_figures_are_means_over_the_scans_that_have_them_and_t1_is_over_all_regions() -> None:
    rng = np.random.default_rng(0)
    pairs = [rng.uniform(500, 1500, (count, 2)) for count in (3, 5, 4)]
    results = [benchmark_of(*one) for one in zip((1.0, 3.0, 5.0), (0.1, None, 0.3), pairs, strict=True)]
    (row,) = pooled(results)
    assert row.scans == 3
    assert row.figures["seconds"] == pytest.approx((4.0, np.std([2.0, 4.0, 6.0])))
    assert row.figures["spatial_factor_nrmse"] == pytest.approx((0.2, 0.1))
    assert row.figures["truth.psnr_db"] == pytest.approx((33.0, 2.0))
    assert "admm.ssim" not in row.figures
    everywhere = np.concatenate(pairs)
    assert row.t1 == agreement(everywhere[:, 0], everywhere[:, 1])
    cells = pooled_cells(row)
    assert len(cells) == len(HEADER)
    assert cells[:7] == ["admm", "4.00±1.63", "2.00±0.00", "0.200±0.100", "0.900±0.000", "33.0±2.0", "0.200±0.100"]
    assert cells[7:14] == ["-"] * 7
    assert cells[14] == f"{100 * row.t1.bias:+.1f}"


def test_command_prints_each_scan_and_all_and_goes_on_where_one_cannot_be_read(tmp_path: Path) -> None:
    scans = short_scans(tmp_path / "scans", 2)
    (tmp_path / "scans/A_broken.h5").write_bytes(b"none")
    page, figures = tmp_path / "benchmark.html", tmp_path / "figures.json"
    options = ["--methods", "backprojection,admm", "--set", "rank=3", "--set", "iterations=1", "--device", "cpu"]
    options += ["-o", str(page), "--json", str(figures)]
    result = CliRunner().invoke(app, ["benchmark", str(tmp_path / "scans/*.h5"), *options])
    assert result.exit_code == 1, "one failed"
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert f"scan 2: {scans[0]}" in lines
    for title, tables in {"scan 1": 0, "scan 2": 3, "scan 3": 3, "all 2 scans": 3}.items():
        assert lines.count(title) == tables
    told = json.loads(figures.read_text())
    assert [scan["scan"] for scan in told["scans"]] == ["scan 2", "scan 3"]
    (first, second), pooled_row = (scan["methods"][0] for scan in told["scans"]), told["pooled"][0]
    assert pooled_row["figures"]["truth.nrmse"][0] == pytest.approx(
        (first["truth"]["nrmse"] + second["truth"]["nrmse"]) / 2
    )
    text = page.read_text()
    assert text.count("data:image/png") == 2
    assert "Doe" not in re.sub(r'"data:[^"]*"', "", text)  # letters of a picture may spell anything
    assert "esearch use only" in text


def test_latency_is_of_one_scan_and_where_no_scan_can_be_read_the_reason_is_told(tmp_path: Path) -> None:
    for name in ("1.h5", "2.h5"):
        (tmp_path / name).write_bytes(b"none")
    both = [str(tmp_path / "1.h5"), str(tmp_path / "2.h5")]
    page = ["-o", str(tmp_path / "page.html")]
    refused = CliRunner().invoke(app, ["benchmark", *both, *page, "--latency"])
    assert isinstance(refused.exception, ParameterError)
    assert "--latency is of one scan, and 2 are named" in str(refused.exception)
    for measured in ((both[0], "--latency"), ("--operators",)):
        shared = CliRunner().invoke(app, ["benchmark", *measured, *page, "--workers", "2"])
        assert "measure this process: leave --cluster" in str(shared.exception)
    none = CliRunner().invoke(app, ["benchmark", *both, *page])
    assert isinstance(none.exception, ScanFileError)
    assert not (tmp_path / "page.html").exists()
