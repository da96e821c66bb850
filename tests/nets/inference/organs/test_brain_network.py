"""The judge of anatomical fidelity: nothing between equal heads, more with blur and with noise."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from nets.architectures.registry import build
from nets.inference.organs.brain_network import BrainNetwork
from nets.weights import ModelCard, WeightsError, card_config, load_weights, save_weights
from recon.quality.anatomical_fidelity import fidelity_distance, level_weights
from recon.simulation.labelled_brain.labelled_head import simulate_labelled_head

CONFIG = {"classes": 4, "width": 2, "wide": 5}


def saved(path: Path, parts: int = 4) -> Path:
    torch.manual_seed(3)
    network = build("highres3dnet", CONFIG)
    torch.nn.init.normal_(network.head.weight, std=3.0)  # so that all parts are found
    told = {"parts": [f"part {number}" for number in range(parts)], "spacing_mm": [2.5] * 3}
    save_weights(
        path, network, ModelCard("highres3dnet", card_config("highres3dnet", CONFIG), "t", "t", 0, preprocessing=told)
    )
    return path


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> BrainNetwork:
    return BrainNetwork(saved(tmp_path_factory.mktemp("weights") / "w.safetensors"))


HEAD = simulate_labelled_head(1, (14, 18, 14)).image


def distance(network: BrainNetwork, restored: np.ndarray) -> float:
    found = network.compare(restored.astype(np.float32), HEAD)
    return fidelity_distance(found.differences, level_weights(found.magnitudes[None]))


def test_equal_heads_have_no_distance_and_the_same_parts(network: BrainNetwork) -> None:
    found = network.compare(HEAD, HEAD)
    assert not found.differences.any()
    assert np.array_equal(found.found, found.true)
    assert found.differences.shape == found.magnitudes.shape == (6,)
    assert level_weights(found.magnitudes[None]) * found.magnitudes == pytest.approx(np.ones(6))


def test_distance_grows_with_blur_and_with_noise(network: BrainNetwork) -> None:
    noise = np.random.default_rng(2).standard_normal(HEAD.shape)
    blurred = [distance(network, gaussian_filter(HEAD, width)) for width in (0.4, 0.7, 1.2)]
    noisy = [distance(network, HEAD + level * noise) for level in (0.01, 0.05, 0.2)]
    for found in (blurred, noisy):
        assert found[0] > 0
        assert (np.diff(found) > 0).all()


def test_levels_are_those_of_the_network_on_the_scale_of_the_original(tmp_path: Path) -> None:
    """Each volume alone, through the layers; and what is found lies in the restored one."""
    path = saved(tmp_path / "w.safetensors")
    network, layers = BrainNetwork(path), load_weights(path).network
    restored = HEAD[::-1].copy()
    found = network.compare(restored, HEAD)
    mean, deviation = HEAD.mean(dtype=np.float64), HEAD.std(dtype=np.float64)
    one, other = (
        torch.from_numpy(((volume - mean) / deviation).astype(np.float32))[None, None] for volume in (restored, HEAD)
    )
    for level, layer in enumerate(layers.layers):
        with torch.no_grad():
            one, other = layer(one), layer(other)
        assert found.differences[level] == pytest.approx(float((one - other).abs().mean()), rel=1e-4)
        assert found.magnitudes[level] == pytest.approx(float(other.abs().mean()), rel=1e-4)
    assert not np.array_equal(one, other)
    assert np.array_equal(found.true, other.argmax(dim=1)[0].numpy())
    assert np.array_equal(found.found, one.argmax(dim=1)[0].numpy())


def test_weights_of_other_networks_and_cards_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    config = {"blocks": 1, "units": 1, "growth": 2}
    other = tmp_path / "sr.safetensors"
    save_weights(other, build("mdcsrn", config), ModelCard("mdcsrn", card_config("mdcsrn", config), "t", "t", 0))
    with pytest.raises(WeightsError, match="mdcsrn divides no brain into parts; give weights of highres3dnet"):
        BrainNetwork(other)
    with pytest.raises(WeightsError, match="names 3 parts, the network has 4"):
        BrainNetwork(saved(tmp_path / "w.safetensors", parts=3))
