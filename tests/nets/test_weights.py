import hashlib
import json
import logging
import pickle
import random
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from nets import RESEARCH_USE
from nets.architectures.registry import build
from nets.catalogue import weight_rows
from nets.tensor_files import digest_of
from nets.weights import (
    ModelCard,
    WeightsError,
    add_digest,
    all_shipped,
    card_config,
    load_weights,
    read_card,
    save_weights,
)

SMALL = {"rank": 2, "growth": 4, "blocks": 2}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    card = ModelCard("mdcn", card_config("mdcn", SMALL), "U0", "none", seed=3, metrics={"val_nrmse": 0.5})
    save_weights(path, build("mdcn", SMALL | {"start": "random"}), card)
    return path


def contents(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors and metadata of a file."""
    with safe_open(path, "pt") as file:
        return load_file(path), file.metadata()


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
    tensors, metadata = contents(weights)
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


def test_digest_is_over_names_precisions_shapes_and_bytes_in_order_of_names(weights: Path) -> None:
    tensors, _ = contents(weights)
    expected = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name].numpy()
        expected.update(json.dumps([name, str(array.dtype), list(array.shape)]).encode() + b"\n" + array.tobytes())
    assert read_card(weights).tensors_sha256 == digest_of(tensors) == expected.hexdigest()
    (name, value), *_ = tensors.items()
    others = {"renamed": value}, {name: value.reshape(-1)}, {name: value.double()}, {name: -value}
    assert len({digest_of(other) for other in ({name: value}, *others)}) == 5


def test_each_flipped_bit_of_the_tensors_is_noticed(weights: Path) -> None:
    whole, rng = weights.read_bytes(), random.Random(7)
    start = 8 + int.from_bytes(whole[:8], "little")
    for _ in range(40):
        flipped = bytearray(whole)
        flipped[rng.randrange(start, len(whole))] ^= 1 << rng.randrange(8)
        weights.write_bytes(flipped)
        with pytest.raises(WeightsError, match=r"small.safetensors .*(damaged|not finite)"):
            load_weights(weights)


def test_weights_without_a_digest_are_taken_with_a_warning_and_can_get_one(weights: Path, caplog) -> None:
    tensors, metadata = contents(weights)
    card = json.loads(metadata["malibu_model_card"])
    del card["tensors_sha256"]
    save_file(tensors, weights, {"malibu_model_card": json.dumps(card)})
    with caplog.at_level(logging.WARNING):
        before = load_weights(weights)
    assert "no digest of its tensors" in caplog.text
    assert "--add-digest" in caplog.text
    add_digest(weights)
    caplog.clear()
    after = load_weights(weights)
    assert not caplog.text
    assert after.card.tensors_sha256 == digest_of(tensors)
    assert {**vars(after.card), "tensors_sha256": ""} == vars(before.card)
    assert all(torch.equal(value, tensors[name]) for name, value in contents(weights)[0].items())


@pytest.mark.parametrize("path", all_shipped(), ids=lambda path: path.stem)
def test_shipped_weights_carry_their_digest(path: Path) -> None:
    assert read_card(path).tensors_sha256 == digest_of(load_file(path))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda value: (50 * value).to(torch.int8), "stored as I8, not as F64 or F32 or F16 or BF16"),
        (lambda value: value > 0, "stored as BOOL"),
        (lambda value: value.to(torch.float8_e5m2), "stored as F8_E5M2"),
        (lambda value: 1e300 * value.double() + 1e300, "not finite as torch.float32"),
        (lambda value: value + float("inf"), "not finite"),
    ],
)
def test_weights_must_be_floats_that_single_precision_holds(weights: Path, change, text: str) -> None:
    tensors, metadata = contents(weights)
    save_file({name: change(value) for name, value in tensors.items()}, weights, metadata)
    with pytest.raises(WeightsError, match=text):
        load_weights(weights)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_weights_of_other_precisions_are_read_into_single(weights: Path, dtype: torch.dtype) -> None:
    tensors, metadata = contents(weights)
    stored = {name: value.to(dtype) for name, value in tensors.items()}
    card = json.loads(metadata["malibu_model_card"]) | {"tensors_sha256": digest_of(stored)}
    save_file(stored, weights, {"malibu_model_card": json.dumps(card)})
    for name, value in load_weights(weights).network.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, stored[name].float())


def test_a_file_of_more_than_its_card_needs_is_refused_before_it_is_read(weights: Path, monkeypatch) -> None:
    tensors, metadata = contents(weights)
    card = json.loads(metadata["malibu_model_card"])
    card["config"]["growth"] = 10**7  # weights of petabytes, if they were made
    save_file(tensors, weights, {"malibu_model_card": json.dumps(card)})
    monkeypatch.setattr("nets.tensor_files.TensorFile.tensors", lambda file: pytest.fail("tensors were read"))
    with pytest.raises(WeightsError, match="has shape"):
        load_weights(weights)


@pytest.mark.parametrize(
    ("start", "text"),
    [
        (b"", "only 0 bytes"),
        (b"\x10\0\0", "only 3 bytes"),
        ((2**63).to_bytes(8, "little"), "a header of 9223372036854775808 bytes"),
        ((5 * 2**20).to_bytes(8, "little") + bytes(6 * 2**20), "a header of 5242880 bytes"),
        ((8).to_bytes(8, "little") + b"not json", "JSON|[Hh]eader"),
    ],
)
def test_impossible_headers_are_refused(start: bytes, text: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(start)
    with pytest.raises(WeightsError, match=f"damaged or no safetensors file .*{text}"):
        load_weights(path)


def test_weights_whose_reading_fails(weights: Path, monkeypatch) -> None:
    """The user root may read everything, so the refusal is made here."""

    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(WeightsError, match=r"cannot be read \(Permission denied\); check its permissions"):
        load_weights(weights)


@pytest.mark.parametrize("config", [{"blocks": 10**9}, {"units": 10**9}, {"growth": -1}, {"growth": "much"}, {"no": 1}])
def test_a_card_that_names_no_possible_network_is_refused_at_once(weights: Path, config: dict) -> None:
    tensors, metadata = contents(weights)
    card = json.loads(metadata["malibu_model_card"])
    card["config"] |= config
    save_file(tensors, weights, {"malibu_model_card": json.dumps(card)})
    for read in (load_weights, lambda path: weight_rows([path])):
        with pytest.raises(WeightsError, match=r"small.safetensors: .*; it may come from another version"):
            read(weights)
