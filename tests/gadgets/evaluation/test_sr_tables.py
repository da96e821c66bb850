"""The papers' tables by one command: trained, resumed, measured, and where their order differs."""

import json
from pathlib import Path

import pytest

from tests.benchmarks.sr_tables import BEST, TABLES, Row, main, ordering, significance
from tests.support.replays import needs_torch

TINY = ["--patch=16x16x16", "--volumes=10", "--simulate=1", "--shape=32x32x24", "--accelerator=cpu"]


def test_rows_are_the_printed_ones_in_the_printed_order() -> None:
    psnr = [row.printed["PSNR"] for row in TABLES["5-1"].rows if "PSNR" in row.printed]
    assert psnr == [25.92, 26.90, 29.27, 34.08, 34.22, 29.30, 28.74, 30.40, 31.42, 31.44]
    fidelity = [row.printed["M_h"] for row in TABLES["1"].rows if "M_h" in row.printed]
    assert fidelity == [7.3847, 6.3489, 5.4446, 4.8217]
    natural = [row.printed["NIQE"] for row in TABLES["5-1"].rows if "NIQE" in row.printed]
    assert natural == [7.05, 6.26, 6.91, 6.16, 5.19, 5.34, 4.71, 5.56]
    for table in TABLES.values():
        keys = [row.key for row in table.rows]
        assert len(set(keys)) == len(keys)
        for number, row in enumerate(table.rows):
            assert {row.start, row.first} - {""} <= set(keys[:number]), "what a row starts from is trained before"
            assert set(row.printed) <= set(BEST)


def test_pairs_that_stand_in_another_order_are_named() -> None:
    rows = [Row("a", "A", {"NRMSE": 0.1}), Row("b", "B", {"NRMSE": 0.2}), Row("c", "C", {"NRMSE": 0.3}), Row("d", "D")]
    assert ordering(rows, "NRMSE", {"a": 0.4, "b": 0.5, "c": 0.6, "d": 0.1}) == (3, [])
    same, other = ordering(rows, "NRMSE", {"a": 0.55, "b": 0.5, "c": 0.6, "d": 0.1})
    assert same == 2
    assert other == ["NRMSE: A is printed as better than B, and is worse here"]
    rows = [Row("a", "A", {"PSNR": 30}), Row("b", "B", {"PSNR": 20})]
    assert ordering(rows, "PSNR", {"a": 3.0, "b": 2.0}) == (1, [])
    assert ordering(rows, "PSNR", {"a": 2.0, "b": float("nan")}) == (0, [])


def test_the_best_row_is_tested_against_the_others_in_pairs() -> None:
    rows = [Row("a", "A", {"SSIM": 0.9}), Row("b", "B", {"SSIM": 0.8}), Row("c", "C", {"SSIM": 0.7})]
    values = {"a": [0.5, 0.7, 0.6], "b": [0.4, 0.6, 0.51], "c": [0.1, 0.2, 0.1]}
    figures = {key: [{"SSIM": value} for value in found] for key, found in values.items()}
    (line,) = significance(rows, "SSIM", figures)
    assert line == "SSIM: A against the others, paired t-test: p ≤ 0.0051"
    assert significance(rows, "SSIM", {key: found[:2] for key, found in figures.items()}) == []
    assert significance(rows[:1], "SSIM", figures) == []


@needs_torch
@pytest.mark.slow  # a benchmark
def test_rows_are_trained_once_and_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["5-1", f"--folder={tmp_path}", "--rows=bicubic,coronary_l1,original", "--steps=2", *TINY]
    found = main([*command, f"--json={tmp_path / 'f.json'}"])
    assert list(found) == ["bicubic", "coronary_l1", "original"]
    assert json.loads((tmp_path / "f.json").read_text())["bicubic"][0]["PSNR"] == found["bicubic"][0]["PSNR"]
    told = capsys.readouterr().out
    assert "Coronary Only mDCSRN is trained" in told
    lines = [line for line in told.splitlines() if line.startswith("Bicubic") and "(26.90)" in line]
    assert len(lines) == 1
    assert f"{found['bicubic'][0]['PSNR']:.2f} (26.90)" in lines[0]
    assert "pairs of rows are in the printed order" in told
    weights = tmp_path / "coronary_l1/coronary_l1.safetensors"
    before = weights.stat().st_mtime_ns
    assert (
        main([*command, f"--weights=coronary_l1={weights}"])["coronary_l1"][0]["PSNR"]
        == found["coronary_l1"][0]["PSNR"]
    )
    assert weights.stat().st_mtime_ns == before


@needs_torch
@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_all_rows(table: str, tmp_path: Path) -> None:
    found = main([table, f"--folder={tmp_path}", "--steps=2", *TINY])
    assert list(found) == [row.key for row in TABLES[table].rows]
    for key, rows in found.items():
        assert ("PSNR" in rows[0]) == (key != "original")
