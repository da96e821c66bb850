"""``malibu calibrate`` on a course that takes seconds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="it is about networks")

from gadgets.cli import networks
from gadgets.datasets import contents, courses
from gadgets.errors import ParameterError
from nets.architectures.registry import build
from nets.weights import ModelCard, card_config, load_weights, save_weights
from recon.simulation.pairs.course import Course

CONFIG = {"growth": 32, "blocks": 1, "dilations": (1,)}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    save_weights(path, build("mdcn", CONFIG), ModelCard("mdcn", card_config("mdcn", CONFIG), "U0", "nothing", 0))
    return path


def test_without_courses_nothing_is_written(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="holds no courses; make some by malibu prepare-courses"):
        networks.calibrate(weights, tmp_path / "out.safetensors", tmp_path, 1, 1, 0, 1)
    assert not (tmp_path / "out.safetensors").exists()


def test_error_bars_go_into_the_card(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = courses.single_image_course

    def small(seed: int) -> Course:
        whole = made(seed)
        step, middle = whole.matrix // 32, whole.trajectory.shape[1] // 2
        near = slice(middle - middle // step, middle + middle // step)
        maps = np.ascontiguousarray(whole.coil_maps[:, ::step, ::step][:, :32, :32])
        return replace(whole, trajectory=np.ascontiguousarray(whole.trajectory[:, near]), coil_maps=maps)

    monkeypatch.setattr(courses, "single_image_course", small)
    monkeypatch.setattr(contents, "TRAINED_ON", ("shapes", "texture"))
    monkeypatch.setattr(contents, "HELD_OUT", ("photograph",))
    networks.calibrate(weights, tmp_path / "out.safetensors", tmp_path, 5, 1, 2, 7000)
    card = load_weights(tmp_path / "out.safetensors").card
    assert set(card.preprocessing["error_model"]) == {"still.spread", "still.change"}
    assert card.preprocessing["training_statistics"]["still"]["pairs"] == 20
