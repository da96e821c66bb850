"""A network of planes sees each slice alone, on its own scale, whatever the number of slices."""

from pathlib import Path

import pytest
import torch

from nets.architectures.registry import build
from nets.inference.plane_networks import PlaneNetwork
from nets.weights import ModelCard, WeightsError, card_config, save_weights

CONFIG = {"width": 2, "wide": 3, "dilations": [1, 2]}


def weights(path: Path, preprocessing: dict) -> Path:
    torch.manual_seed(2)
    card = ModelCard("dwan", card_config("dwan", CONFIG), "tests", "none", 0, preprocessing=preprocessing)
    save_weights(path, build("dwan", CONFIG), card)
    return path


def test_planes_are_scaled_one_by_one_and_scaled_back(tmp_path: Path) -> None:
    network = PlaneNetwork(weights(tmp_path / "w.safetensors", {"scale": 50.0}), "ASL denoising")
    torch.manual_seed(2)
    plain = build("dwan", CONFIG).eval()
    volume = 100 * torch.rand(19, 12, 10)
    found = network(volume)
    assert found.shape == volume.shape
    for z in (0, 7, 16, 18):
        with torch.no_grad():
            torch.testing.assert_close(found[z], 50 * plain(volume[z][None, None] / 50)[0, 0])


def test_channels_have_scales_of_their_own_and_an_order(tmp_path: Path) -> None:
    config = CONFIG | {"channels": 3}
    torch.manual_seed(2)
    plain = build("dwan_guided", config).eval()
    cards = {
        name: ModelCard("dwan_guided", card_config("dwan_guided", config), "t", "none", 0, preprocessing=preprocessing)
        for name, preprocessing in {
            "right": {"scale": 50.0, "scales": [50.0, 2.0, 10.0]},
            "few": {"scale": 50.0, "scales": [50.0, 2.0]},
        }.items()
    }
    for name, card in cards.items():
        save_weights(tmp_path / f"{name}.safetensors", plain, card)
    network = PlaneNetwork(tmp_path / "right.safetensors", "ASL denoising")
    assert network.channels == 3
    images = 100 * torch.rand(3, 5, 12, 10)
    found = network(images)
    with torch.no_grad():
        expected = 50 * plain(torch.stack([images[0] / 50, images[1] / 2, images[2] / 10], dim=1))[:, 0]
    torch.testing.assert_close(found, expected)
    assert (network(images[[0, 2, 1]]) - expected).abs().max() > 1e-2
    with pytest.raises(WeightsError, match="has 3 channels and the scales"):
        PlaneNetwork(tmp_path / "few.safetensors", "ASL denoising")


def test_weights_without_a_scale_or_of_another_task_are_refused(tmp_path: Path) -> None:
    bare = weights(tmp_path / "bare.safetensors", {})
    with pytest.raises(WeightsError, match="does not say by which scale"):
        PlaneNetwork(bare, "ASL denoising")
    with pytest.raises(WeightsError, match="holds weights for ASL denoising, not for segmentation"):
        PlaneNetwork(bare, "segmentation")
