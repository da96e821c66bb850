"""The reading study's stand-in: thresholds, references, what is printed."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gadgets.cli.main import app
from gadgets.evaluation.image_tasks import reading_study
from gadgets.evaluation.image_tasks.reading_study import PRINTED, Study
from gadgets.super_resolution.parameters import SuperResolutionParameters
from recon.simulation.angiogram.coronary_segments import Segment, SegmentedHeart
from recon.simulation.angiogram.vessels import Stenosis, Vessel, coverage
from tests.support.replays import needs_torch


def study() -> Study:
    apparent = {"zero-filled": [0.2, 0.6, 0.7, 0.1], "original": [0.2, 0.45, 0.8, 0.6]}
    return Study([0.0, 0.2, 0.8, 0.55], ["LM", "pLAD", "mLAD", "dLAD"], apparent)


def test_against_the_truth_and_against_the_original() -> None:
    assert study().rows()["zero-filled"] == ["0.50", "0.50", "0.50", "0.50"]
    assert study().rows()["original"] == ["1.00", "1.00", "1.00", "1.00"]
    assert study().rows("original")["zero-filled"] == ["0.50", "0.50", "0.50", "0.50"]
    assert study().curve("original")[2] == 1
    assert study().curve("zero-filled")[2] == pytest.approx(0.5)
    grades = study().grades("zero-filled")
    assert (grades[0, 0], grades[0, 3], grades[3, 3], grades[2, 0]) == (1, 1, 1, 1)


def test_each_figure_stands_in_its_column() -> None:
    """One of three stenoses is found, and nothing else: F1 = 2/(2 + 2), accuracy 3/5."""
    reading = Study([0.8, 0.8, 0.8, 0.1, 0.2], [*"abcde"], {"blurred": [0.6, 0.1, 0.2, 0.1, 0.3]})
    assert reading.rows()["blurred"] == ["0.33", "1.00", "0.50", "0.60"]
    assert reading.grades("blurred").tolist() == [[2, 0, 0, 0], [0] * 4, [0] * 4, [2, 0, 0, 1]]


def test_depths_are_read_in_each_segment_within_its_own_lumen(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    along = np.arange(0, 60, 0.5)
    line = np.stack([along, np.full_like(along, 15.3), np.full_like(along, 14.8)], axis=1)
    vessel = Vessel(line, np.full(len(line), 3.0), (Stenosis(84, 0.6, 3.0),))
    heart = SegmentedHeart(
        coverage([vessel], (60, 30, 30)), [Segment("pRCA", vessel, 8, 56, 0.0), Segment("mRCA", vessel, 60, 108, 0.6)]
    )
    made = ({"original": heart.image, "half as bright": 0.5 * heart.image + 0.2}, {})
    monkeypatch.setattr(reading_study, "restorations", lambda *given: made)
    monkeypatch.setattr(reading_study, "simulate_segmented_heart", lambda shape, seed: heart)
    found = reading_study.read_hearts((60, 30, 30), range(1), (4.0, 4.0), SuperResolutionParameters())
    assert (found.names, found.true) == (["pRCA", "mRCA"], [0.0, 0.6])
    for depths in found.apparent.values():
        assert depths == pytest.approx([0.0, 0.6], abs=0.06)


def test_printed_figures_are_those_of_table_5_2() -> None:
    assert PRINTED == {"zero-filled": (0.73, 0.70, 0.71, 0.75), "L1 then GAN": (0.78, 0.80, 0.80, 0.82)}


@needs_torch
def test_command_reads_all_methods(tmp_path: Path) -> None:
    path = tmp_path / "reading.json"
    command = ["evaluate", "reading", "--simulate", "1", "--shape", "32x36x32", "--set", "stages=two"]
    result = CliRunner().invoke(app, [*command, "--json", str(path)])
    assert result.exit_code == 0, result.output
    found = json.loads(path.read_text())
    assert list(found["apparent"]) == [
        "nearest", "zero-filled", "bicubic", "L1", "L1 then GAN", "L1 then GAN, data consistent", "original",
    ]  # fmt: skip
    lengths = {len(depths) for depths in found["apparent"].values()}
    assert lengths == {len(found["true"])} == {len(found["segments"])}
    assert np.min([min(depths) for depths in found["apparent"].values()]) >= 0
    assert "0.78 0.80 0.80 0.82" in result.stdout
