"""Commands about organs on the command line."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from gadgets.cli.main import app
from gadgets.errors import ParameterError
from nets.architectures.registry import build
from nets.weights import ModelCard, WeightsError, card_config, save_weights
from recon.simulation.abdomen.organ_labels import ORGANS

NETWORK = {"inputs": 4, "outputs": 44, "growth": 2, "units": 1, "levels": 2}


def weights(path: Path) -> Path:
    torch.manual_seed(1)
    known = {"organs": list(ORGANS), "spacing_mm": [10.0, 10.0, 10.0], "slices": 4}
    card = ModelCard("alamo", card_config("alamo", NETWORK), "tests", "none", 0, preprocessing=known)
    save_weights(path, build("alamo", NETWORK), card)
    return path


def run(*words: object) -> str:
    result = CliRunner(env={"COLUMNS": "120"}).invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_organs_are_evaluated_from_files_and_from_seeds(tmp_path: Path) -> None:
    grid = ("--shape", "20x24x36", "--spacing", "10x10x10")
    assert "2 abdomens are in" in run("prepare-abdomens", tmp_path / "v", "--count", 2, *grid)
    options = ("--weights", weights(tmp_path / "w.safetensors"))
    files = ("--json", tmp_path / "f.json", "--picture", tmp_path / "p.png")
    text = run("evaluate", "segmentation", *(tmp_path / "v/train").glob("*.h5"), *options, *files)
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"
    for word in ("one view", "three views", "liver", "vertebral bodies", "mean", "s per volume", "too few volumes"):
        assert word in text
    figures = json.loads((tmp_path / "f.json").read_text())
    assert len(figures["three views"]["volumes"]) == 2
    assert "pancreas" in run("evaluate", "segmentation", "--simulate", 1, *grid, *options)


def test_errors_are_told(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="give volumes, or --simulate"):
        run("evaluate", "segmentation")
    with pytest.raises(WeightsError, match="none"):
        run("evaluate", "segmentation", "--simulate", 1, "--weights", tmp_path / "none.safetensors")
