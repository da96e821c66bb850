"""Figures of denoised blood flow: known by construction for a denoiser that halves, and one that knows nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
import skimage.io
from typer.testing import CliRunner

from gadgets.cli.main import app
from gadgets.evaluation.image_tasks.perfusion import COLUMNS, FIRST, PRINTED, REFERENCE, TRUTH, evaluate_perfusion
from gadgets.simulated.asl_subjects import measured_subject
from tests.support.perfusion_scans import mixing_weights

SHAPE = (3, 48, 48)


def test_bias_and_lesions_tell_of_a_denoiser_what_it_does() -> None:
    denoisers = {
        "half": lambda maps, first, last: 0.5 * maps.mean_of(first, last),
        "same": lambda maps, first, last: maps.mean_of(first, last),
        "flat": lambda maps, first, last: np.full_like(maps.cbf, 30.0),
    }
    found = evaluate_perfusion(SHAPE, 2, 1, lambda: denoisers)
    row = {method: rows[0] for method, rows in found.figures.items()}
    assert row["same"] == row[FIRST]
    assert row["half"]["SNR"] == pytest.approx(row[FIRST]["SNR"], rel=1e-5)
    assert row["half"]["lesion kept %"] == pytest.approx(row[FIRST]["lesion kept %"] / 2, rel=1e-4)
    assert row["flat"]["lesion kept %"] == 0
    assert row["flat"]["GM/WM"] == pytest.approx(1)
    assert row["half"]["GM bias %"] == pytest.approx((100 + row[FIRST]["GM bias %"]) / 2 - 100, rel=1e-4)
    assert row[TRUTH]["GM bias %"] == row[TRUTH]["NRMSE"] == 0
    assert "lesion kept %" not in row[TRUTH]
    assert row[REFERENCE]["SNR"] > 1.5 * row[FIRST]["SNR"]
    assert row[FIRST]["lesion kept %"] == pytest.approx(100, abs=25)
    summary = found.summary()
    assert list(summary)[-len(PRINTED) :] == list(PRINTED)
    assert summary["printed: DWAN from noise"]["SNR"] == "8.06"
    assert set(summary["half"]) == set(COLUMNS)


def test_equal_seeds_give_equal_noise_whatever_the_lesions() -> None:
    healthy, ill = (measured_subject(SHAPE, 2, lesions) for lesions in (0, 2))
    away = np.ones(SHAPE, dtype=bool)
    for lesion in ill.brain.lesions:
        z, y, x = lesion.centre
        away[max(0, z - 1) : z + 2, max(0, y - 4) : y + 6, max(0, x - 4) : x + 6] = False
    assert ill.brain.lesions
    spread = healthy.maps.cbf[away].std()
    assert np.abs(ill.maps.cbf - healthy.maps.cbf)[away].mean() < 0.05 * spread


def test_the_command_prints_the_table_beside_the_printed_figures(tmp_path: Path) -> None:
    picture = tmp_path / "maps.png"
    weights = mixing_weights(tmp_path / "mix.safetensors")
    arguments = ["--simulate", "1", "--shape", "3x48x48", "--weights", "none", "--weights", str(weights)]
    arguments += ["--keep-beyond", "0.5", "--keep-beyond", "0"]
    arguments += ["--json", str(tmp_path / "figures.json"), "--picture", str(picture)]
    shown = CliRunner().invoke(app, ["evaluate", "asl", *arguments])
    assert shown.exit_code == 0, shown.output
    assert "printed: DWAN from noise" in shown.output
    assert "GM bias %" in shown.output
    assert skimage.io.imread(picture).std() > 10
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert set(figures) == {TRUTH, FIRST, REFERENCE, "mix, 0.5", "mix, 0"}
    kept, alone = (figures[name][0] for name in ("mix, 0.5", "mix, 0"))
    assert abs(kept["lesion kept %"] - 100) < abs(alone["lesion kept %"] - 100)
    assert abs(alone["GM bias %"] - figures[FIRST][0]["GM bias %"]) < 8  # halved, but tissues have their means back
    assert all(isinstance(value, float) for row in figures[FIRST] for value in row.values())
