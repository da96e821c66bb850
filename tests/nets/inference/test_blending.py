"""One network between two: its ends are the two, its middle lies between, and other layouts are refused."""

from pathlib import Path

import pytest
import torch

from nets.architectures.registry import build
from nets.inference.super_resolution import SuperResolution
from nets.weights import ModelCard, WeightsError, card_config, load_weights, save_weights

CONFIG = {"blocks": 1, "units": 1, "growth": 2, "start": "random"}


def saved(path: Path, seed: int, config: dict = CONFIG, statistics: str = "stored") -> Path:
    torch.manual_seed(seed)
    network = build("mdcsrn", config)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm3d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    preprocessing = {"factors": [(4, 4, 1)]} | ({"batch_statistics": statistics} if statistics else {})
    card = ModelCard("mdcsrn", card_config("mdcsrn", config), "tests", f"data {seed}", 0, preprocessing=preprocessing)
    save_weights(path, network, card)
    return path


def test_ends_are_the_two_networks_bit_for_bit(tmp_path: Path) -> None:
    paths = [saved(tmp_path / f"{seed}.safetensors", seed) for seed in (1, 2)]
    volume = torch.rand(8, 10, 12)
    for alpha, path in ((1.0, paths[0]), (0.0, paths[1])):
        (found,) = SuperResolution(paths, blending=alpha)(volume)
        (alone,) = SuperResolution([path])(volume)
        assert torch.equal(found, alone)


def test_a_second_stage_whose_card_names_no_batch_statistics_has_stored_ones(tmp_path: Path) -> None:
    """As trained by the GAN recipes."""
    first, second = saved(tmp_path / "1.safetensors", 1), saved(tmp_path / "2.safetensors", 2, statistics="")
    (stage,) = SuperResolution([first, second], blending=0.5).stages
    assert stage.card.training_data == "0.5 of: data 1; 0.5 of: data 2"
    patch = saved(tmp_path / "3.safetensors", 3, statistics="patch")
    with pytest.raises(WeightsError, match="differ in batch statistics"):
        SuperResolution([patch, second], blending=0.5)


def test_weights_and_statistics_between_are_their_mean_by_share(tmp_path: Path) -> None:
    paths = [saved(tmp_path / f"{seed}.safetensors", seed) for seed in (1, 2)]
    first, second = (SuperResolution([path]).stages[0].network.state_dict() for path in paths)
    (stage,) = SuperResolution(paths, blending=0.25).stages
    for name, value in stage.network.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(value, 0.25 * first[name] + 0.75 * second[name], atol=1e-6), name
    assert stage.card.training_data == "0.25 of: data 1; 0.75 of: data 2"
    assert len(stage.sha256.split("+")) == 2


def test_two_of_one_layout_are_needed(tmp_path: Path) -> None:
    one = saved(tmp_path / "1.safetensors", 1)
    with pytest.raises(WeightsError, match=r"these differ in growth 2 and 3"):
        SuperResolution([one, saved(tmp_path / "2.safetensors", 2, {**CONFIG, "growth": 3})], blending=0.5)
    with pytest.raises(WeightsError, match="differ in batch statistics"):
        SuperResolution([one, saved(tmp_path / "3.safetensors", 2, statistics="patch")], blending=0.5)
    with pytest.raises(WeightsError, match="weights of two networks, not of 1"):
        SuperResolution([one], blending=0.5)


def test_from_one_end_to_the_other_the_output_goes_its_way_without_turning(tmp_path: Path) -> None:
    """In steps of 0.1, of a second stage near its first, as fine-tuning leaves it: one forward pass for each."""
    first = saved(tmp_path / "1.safetensors", 1)
    network = load_weights(first).network
    torch.manual_seed(4)
    for weight in network.parameters():
        weight.data += 0.1 * weight.data.std() * torch.randn_like(weight) if weight.numel() > 1 else 0.0
    second = tmp_path / "2.safetensors"
    save_weights(second, network, load_weights(first).card)
    volume = torch.rand(8, 10, 12)
    found = [SuperResolution([first, second], blending=tenth / 10)(volume) for tenth in range(11)]
    assert {len(stages) for stages in found} == {1}
    outputs = torch.stack([stages[0] for stages in found]).flatten(1)
    way = outputs[-1] - outputs[0]
    assert float(way.norm()) > 1e-3
    gone = (outputs - outputs[0]) @ way / way.norm() ** 2
    assert (gone.diff() > 0).all()
    for end in (0, -1):
        away = (outputs - outputs[end]).norm(dim=1)
        assert (away.diff() > 0).all() or (away.diff() < 0).all()
