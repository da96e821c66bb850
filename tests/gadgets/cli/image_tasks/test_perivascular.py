"""Commands about perivascular spaces: pairs, and the table."""

import json
from pathlib import Path

import pytest
import torch

from nets.architectures.registry import build
from nets.data.masked_pairs import read_masked_pair
from nets.weights import ModelCard, card_config, save_weights
from tests.support.command import malibu


def test_pairs_are_made_once_and_hold_both_labels(tmp_path: Path) -> None:
    arguments = ("prepare-perivascular", tmp_path / "pairs", "--count", "1", "--shape", "32x48x48", "--seed", "7")
    assert "1 pairs are in" in malibu(*arguments)[0]
    path = tmp_path / "pairs/train/simulated-perivascular-000007.h5"
    before = path.stat().st_mtime_ns
    malibu(*arguments)
    assert path.stat().st_mtime_ns == before
    truth, recipe = read_masked_pair(path, "truth"), read_masked_pair(path, "recipe")
    outside = ~truth.mask
    for pair in (truth, recipe):
        (label,) = pair.labels.values()
        assert (label[outside] == pair.image[outside]).all()
        assert (label != pair.image)[pair.mask].mean() > 0.9
    assert 0.4 <= truth.attributes["voxel_mm"] <= 0.5


@pytest.mark.slow  # its figures have tests of their own
def test_evaluation_prints_its_tables(tmp_path: Path) -> None:
    torch.manual_seed(1)
    config = {"blocks": 1, "layers": 2, "growth": 2, "bottleneck": 2}
    card = ModelCard("dcdensenet", card_config("dcdensenet", config), "", "", 0, preprocessing={"label": "truth"})
    save_weights(tmp_path / "mine.safetensors", build("dcdensenet", config), card)
    shape = ("--simulate", "1", "--shape", "32x48x48")
    files = ("--json", tmp_path / "f.json", "--picture", tmp_path / "p.png")
    told = malibu("evaluate", "pvs", tmp_path / "mine.safetensors", *shape, *files)[0]
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"
    for word in ("against the truth", "against the recipe", "mine", "Haar gain", "per cm3 without PVS", "Wilcoxon"):
        assert word in told
    assert json.loads((tmp_path / "f.json").read_text())["networks"] == ["mine"]


@pytest.mark.parametrize(
    ("name", "message"), [("gone.safetensors", "gone.safetensors"), ("sr_brain_l1", "trained for another task")]
)
def test_weights_that_cannot_be_used_are_one_line(name: str, message: str) -> None:
    _, told = malibu("evaluate", "pvs", name, "--simulate", "1", "--shape", "32x48x48", code=1)
    assert message in told.replace("\n", " ")
    assert "defect" not in told
