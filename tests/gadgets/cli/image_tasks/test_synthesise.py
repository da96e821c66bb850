"""The command that makes images of label maps."""

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from gadgets.cli.main import app
from gadgets.errors import ParameterError, ScanFileError
from nets.architectures.registry import build
from nets.data.organs.labelled_files import LabelledVolume, read_labelled, write_labelled
from nets.inference.organs.synthesis import SliceSynthesis
from nets.weights import ModelCard, WeightsError, card_config, save_weights

ORGANS = ("background", "liver", "spleen")
CONFIG = {"classes": 3, "width": 2, "blocks": [2, 2, 1], "hidden": 4, "latent": 4, "start": [2, 2]}
KNOWN = {"organs": list(ORGANS), "ceiling": 510, "least_labelled_share": 0.1, "spacing_mm": [3.0, 2.0, 2.0]}


def run(*words: object) -> str:
    result = CliRunner(env={"COLUMNS": "240"}).invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0
    return " ".join(result.output.split())  # the width of the console is fixed when its module is imported


def weights(path: Path, **known: object) -> Path:
    torch.manual_seed(1)
    network = build("spade", CONFIG)
    torch.nn.init.normal_(network.image.weight, std=0.5)
    card = ModelCard("spade", card_config("spade", CONFIG), "tests", "none", 0, preprocessing=KNOWN | known)
    save_weights(path, network, card)
    return path


def labels() -> torch.Tensor:
    made = torch.zeros(5, 14, 11, dtype=torch.uint8)
    made[1, :, 4:], made[2, 3:9, :], made[3, 0, 0] = 1, 2, 1
    return made


def source(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    write_labelled(path, LabelledVolume(torch.rand(5, 14, 11), labels(), ORGANS, (3.0, 2.0, 2.0), {"seed": 9}))
    return path


def test_volumes_say_that_they_are_synthetic_and_where_nothing_led(tmp_path: Path) -> None:
    network, first, second = (
        weights(tmp_path / "w.safetensors"),
        source(tmp_path / "a/1.h5"),
        source(tmp_path / "a/2.h5"),
    )
    text = run(
        "synthesise", first, second, "-o", tmp_path / "out", "--weights", network, "--device", "cpu", "--seed", 3
    )
    assert "3 of its slices (0, 3, 4) are nearly empty of labels, below 10.00% of their pixels" in text
    assert "vessels, fat, muscle and arms have none and are invented" in text
    made = [read_labelled(tmp_path / f"out/synthetic-{number}.h5") for number in (1, 2)]
    for number, volume in enumerate(made):
        assert torch.equal(volume.labels, labels())
        assert (volume.organs, volume.spacing_mm) == (ORGANS, (3.0, 2.0, 2.0))
        attributes = volume.attributes
        assert attributes["synthetic"] is True
        assert (attributes["seed"], attributes["nearly_empty_slices"]) == (3 + number, 3)
        assert attributes["weights_sha256"] == SliceSynthesis(network).sha256
        assert "esearch" in attributes["use"]
        assert 0 <= float(volume.voxels.min()) < float(volume.voxels.max()) <= 510
    assert not torch.equal(made[0].voxels, made[1].voxels), "another seed is another style"


def test_slices_are_those_of_the_network_on_the_scale_of_the_training(tmp_path: Path) -> None:
    synthesis = SliceSynthesis(weights(tmp_path / "w.safetensors"))
    found = synthesis(labels(), ORGANS, seed=5)
    assert torch.equal(synthesis(labels(), ORGANS, seed=5).voxels, found.voxels)
    torch.manual_seed(1)
    network = build("spade", CONFIG)
    torch.nn.init.normal_(network.image.weight, std=0.5)
    z = torch.randn(1, 4, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        maps = torch.nn.functional.one_hot(labels()[1].long(), 3).permute(2, 0, 1)[None].float()
        expected = network.eval()(maps, z)[0, 0]
    torch.testing.assert_close(found.voxels[1], 255 * (expected + 1), rtol=1e-4, atol=1e-2)
    own = SliceSynthesis(weights(tmp_path / "own.safetensors", ceiling="99.9th percentile"))
    torch.testing.assert_close(own(labels(), ORGANS, seed=5).voxels, found.voxels / 510)


def test_errors_are_told(tmp_path: Path) -> None:
    network, good = weights(tmp_path / "w.safetensors"), source(tmp_path / "a/1.h5")
    (tmp_path / "bad.h5").write_text("nothing")
    with pytest.raises(ScanFileError, match="bad"):
        run("synthesise", tmp_path / "bad.h5", "-o", tmp_path / "out", "--weights", network)
    with pytest.raises(ParameterError, match="two of the files have one name"):
        run("synthesise", good, source(tmp_path / "b/1.h5"), "-o", tmp_path / "out", "--weights", network)
    other = weights(tmp_path / "o.safetensors", organs=["background", "liver", "stomach"])
    with pytest.raises(WeightsError, match="was trained on background, liver, stomach"):
        run("synthesise", good, "-o", tmp_path / "out", "--weights", other)
    few = weights(tmp_path / "f.safetensors", organs=["background", "liver"])
    with pytest.raises(WeightsError, match="names 2 classes, the network has 3"):
        run("synthesise", good, "-o", tmp_path / "out", "--weights", few)
    assert not (tmp_path / "out").exists()
