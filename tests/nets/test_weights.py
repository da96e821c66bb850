import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from nets import RESEARCH_USE
from nets.architectures.registry import build
from nets.weights import ModelCard, WeightsError, card_config, load_weights, read_card, save_weights

SMALL = {"rank": 2, "growth": 4, "blocks": 2}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    card = ModelCard("mdcn", card_config("mdcn", SMALL), "U0", "none", seed=3, metrics={"val_nrmse": 0.5})
    save_weights(path, build("mdcn", SMALL | {"start": "random"}), card)
    return path


def test_weights_come_back_with_their_card(weights: Path) -> None:
    loaded = load_weights(weights, "mdcn", {"rank": 2})
    for name, value in load_file(weights).items():
        assert torch.equal(loaded.network.state_dict()[name], value)
    assert loaded.card.metrics == {"val_nrmse": 0.5}
    assert read_card(weights).use == RESEARCH_USE
    assert not loaded.network.training


def test_half_precision_halves_the_file(weights: Path, tmp_path: Path) -> None:
    loaded = load_weights(weights)
    save_weights(tmp_path / "half.safetensors", loaded.network, loaded.card, half=True)
    half = load_weights(tmp_path / "half.safetensors")
    assert (tmp_path / "half.safetensors").stat().st_size < 0.7 * weights.stat().st_size
    for name, value in loaded.network.state_dict().items():
        assert half.network.state_dict()[name].dtype == torch.float32
        assert torch.allclose(half.network.state_dict()[name], value, rtol=1e-3, atol=1e-4)


def test_other_architecture_or_shape_is_named(weights: Path) -> None:
    with pytest.raises(WeightsError, match="weights of mdcn, not of rrdg"):
        load_weights(weights, "rrdg")
    with pytest.raises(WeightsError, match="rank is 2, not 32"):
        load_weights(weights, "mdcn", {"rank": 32})


def test_truncated_file(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(WeightsError, match=r"damaged.*copy it again"):
        load_weights(weights)


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    for name, protocol in (("a.safetensors", 2), ("b.ckpt", 4)):
        (tmp_path / name).write_bytes(pickle.dumps({"weight": 1}, protocol=protocol))
        with pytest.raises(WeightsError, match=r"pickle.*can run code"):
            load_weights(tmp_path / name)
    torch.save({"weight": torch.ones(1)}, tmp_path / "c.pt")
    with pytest.raises(WeightsError, match="pickle or a torch checkpoint"):
        load_weights(tmp_path / "c.pt")


@pytest.mark.parametrize("spoil", ["missing", "unknown", "shape", "nan"])
def test_weights_that_belie_their_card(weights: Path, spoil: str) -> None:
    from safetensors import safe_open

    with safe_open(weights, "pt") as file:
        metadata = file.metadata()
    tensors = load_file(weights)
    if spoil == "missing":
        del tensors["stem.weight"]
    elif spoil == "unknown":
        tensors["other"] = torch.ones(1)
    elif spoil == "shape":
        tensors["stem.weight"] = tensors["stem.weight"][:3].contiguous()
    else:
        tensors["stem.weight"][0, 0, 0, 0] = float("nan")
    save_file(tensors, weights, metadata)
    text = {
        "missing": "is missing",
        "unknown": "is not known",
        "shape": r"\(3, 4, 3, 3\), not \(8",
        "nan": "not finite",
    }
    with pytest.raises(WeightsError, match=f"does not fit its own model card: .*{text[spoil]}"):
        load_weights(weights)


def test_missing_file_or_card(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not exist"):
        load_weights(tmp_path / "none.safetensors")
    save_file({"weight": torch.ones(1)}, tmp_path / "bare.safetensors")
    with pytest.raises(WeightsError, match="no model card"):
        load_weights(tmp_path / "bare.safetensors")


def test_a_header_whose_length_looks_like_a_pickle_is_read(tmp_path: Path) -> None:
    """The first byte of a safetensors file is the low byte of its header's length: 0x80 for some."""
    network, path = build("mdcn", SMALL), tmp_path / "weights.safetensors"
    for length in range(0, 256, 8):
        save_weights(path, network, ModelCard("mdcn", card_config("mdcn", SMALL), "U0", "x" * length, 0))
        if path.read_bytes()[:1] == b"\x80":
            break
    else:
        pytest.fail("no length gave 0x80")
    assert load_weights(path).card.training_data == "x" * length
