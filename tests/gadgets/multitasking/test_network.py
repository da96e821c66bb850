"""The network inside the Multitasking gadget."""

import importlib.util
import json
import logging
from pathlib import Path

import ismrmrd
import numpy as np
import pytest
import sigpy

from gadgets.errors import ParameterError, RemoteError
from gadgets.multitasking.network import load_network
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.series import SERIES

pytest.importorskip("torch", reason="every test here runs a network")

from nets.architectures.registry import build
from nets.weights import MULTITASKING, UNROLLED, ModelCard, card_config, load_weights, save_weights, shipped
from tests.support.replays import replay_here

CONFIG = {"growth": 32, "blocks": 1, "dilations": (1,)}


@pytest.fixture(scope="module")
def identity_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that hands its input through: what must not change on the way becomes visible."""
    path = tmp_path_factory.mktemp("weights") / "identity.safetensors"
    card = ModelCard("mdcn", card_config("mdcn", CONFIG), "U0", "nothing", 0, version="9.9")
    save_weights(path, build("mdcn", CONFIG), card)
    return path


def arrays(images: dict[int, list[ismrmrd.Image]], kind: str) -> np.ndarray:
    return np.stack([image.data[0, 0] for image in images[SERIES[kind].number]])


@pytest.fixture(scope="module")
def by_network(tiny_file: Path, identity_weights: Path) -> dict[int, list[ismrmrd.Image]]:
    output = identity_weights.with_name("images.h5")
    return replay_here(tiny_file, output, reconstruction="mdcn", weights=str(identity_weights))


def test_an_identity_network_changes_nothing(by_network: dict, tiny_images: dict) -> None:
    for kind in ("basis_maps", "time_average", "realtime"):
        ours, plain = arrays(by_network, kind), arrays(tiny_images, kind)
        assert np.linalg.norm(ours - plain) < 1e-5 * np.linalg.norm(plain)


def test_back_projection_is_sent_for_comparison(by_network: dict, tiny_images: dict) -> None:
    assert SERIES["back_projection"].number not in tiny_images
    before = by_network[SERIES["back_projection"].number]
    shown = "cine_bright" if "CardiacBin" in before[0].meta else "realtime"
    assert np.allclose(arrays(by_network, "back_projection"), arrays(by_network, shown), rtol=1e-3, atol=1e-3)
    assert before[0].meta["MalibuReconstruction"] == "backprojection"
    assert "backprojection, research use only" in before[0].meta["ImageComments"]


def test_meta_says_which_network_made_the_images(by_network: dict, identity_weights: Path) -> None:
    meta = by_network[SERIES["time_average"].number][0].meta
    assert meta["MalibuReconstruction"] == meta["MalibuNetwork"] == "mdcn"
    assert meta["MalibuWeightsSha256"] == load_weights(identity_weights).sha256
    assert meta["MalibuWeightsVersion"] == "9.9"
    assert meta["MalibuNetworkDevice"] == "cpu"
    assert "mdcn, research use only" in meta["ImageComments"]
    assert "network" in json.loads(by_network[1][0].meta["MalibuStageSeconds"])


def test_network_is_ready_before_the_first_readout_and_kept(
    tiny_file: Path, identity_weights: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    wanted = {"reconstruction": "mdcn", "weights": str(identity_weights), "images": "time_average"}
    replay_here(tiny_file, tmp_path / "a.h5", **wanted)
    lines = [record.getMessage() for record in caplog.records]
    loaded = next(number for number, line in enumerate(lines) if line.startswith("mdcn is loaded on cpu"))
    received = next(number for number, line in enumerate(lines) if line.startswith("received"))
    assert loaded < received
    parameters = MultitaskingParameters(weights=str(identity_weights))
    import sigpy

    assert load_network(parameters, sigpy.cpu_device, 16) is load_network(parameters, sigpy.cpu_device, 32)


def test_lower_rank_goes_through_the_same_network(tiny_file: Path, identity_weights: Path, tmp_path: Path) -> None:
    wanted = {"rank": "5", "images": "basis_maps"}
    plain = replay_here(tiny_file, tmp_path / "a.h5", **wanted)
    ours = replay_here(tiny_file, tmp_path / "b.h5", reconstruction="mdcn", weights=str(identity_weights), **wanted)
    assert np.allclose(arrays(ours, "basis_maps"), arrays(plain, "basis_maps"), rtol=1e-3, atol=1e-2)


def test_without_usable_weights_the_scan_is_refused_by_name(short_file: Path, tmp_path: Path) -> None:
    wanted = {"reconstruction": "mdcn", "weights": str(tmp_path / "none.safetensors"), "rank": "3"}
    with pytest.raises(RemoteError, match=r"weights: .*none.safetensors does not exist"):
        replay_here(short_file, tmp_path / "a.h5", **wanted)


def test_or_the_back_projection_is_shown_and_marked(
    short_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spoiled = tmp_path / "weights.safetensors"
    spoiled.write_bytes(b"\x80\x02weights")
    wanted = {"rank": "3", "images": "time_average", "temporal_model": "realtime"}
    plain = replay_here(short_file, tmp_path / "a.h5", **wanted)
    shown = replay_here(
        short_file,
        tmp_path / "b.h5",
        reconstruction="mdcn",
        weights=str(spoiled),
        without_weights="backprojection",
        **wanted,
    )
    assert np.array_equal(arrays(shown, "time_average"), arrays(plain, "time_average"))
    assert shown[1][0].meta["MalibuReconstruction"] == "backprojection (no usable weights)"
    assert "pickle" in caplog.text
    assert "back-projection is shown instead" in caplog.text


def test_rank_above_the_network_is_refused_before_the_scan(identity_weights: Path) -> None:
    import sigpy

    parameters = MultitaskingParameters(rank=33, weights=str(identity_weights))
    with pytest.raises(ParameterError, match="rank 33 is above the 32 basis maps"):
        load_network(parameters, sigpy.cpu_device, 16)


def test_torch_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sigpy

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    parameters = MultitaskingParameters(weights=str(tmp_path / "any.safetensors"))
    with pytest.raises(ParameterError, match="needs torch, which is not installed"):
        load_network(parameters, sigpy.cpu_device, 16)


def test_data_consistency_follows_the_network(tiny_file: Path, identity_weights: Path, tmp_path: Path) -> None:
    wanted = {"reconstruction": "mdcn", "weights": str(identity_weights), "images": "basis_maps", "rank": "8"}
    without = replay_here(tiny_file, tmp_path / "a.h5", **wanted)
    consistent = replay_here(tiny_file, tmp_path / "b.h5", consistency_steps="3", **wanted)
    assert consistent[SERIES["basis_maps"].number][0].meta["MalibuReconstruction"] == "mdcn with data consistency"
    assert not np.allclose(arrays(consistent, "basis_maps"), arrays(without, "basis_maps"), rtol=1e-2)


def test_an_unrolled_network_goes_back_to_the_data(tiny_file: Path, tmp_path: Path) -> None:
    """Untrained, it adds nothing: what is left is data consistency, as after an identity network."""
    values = {"rank": 8, "rounds": 1, "cg_steps": 5, "growth": 8, "blocks": 1}
    weights = tmp_path / "unrolled.safetensors"
    network = build("mdcn_unrolled", values)
    save_weights(weights, network, ModelCard("mdcn_unrolled", card_config("mdcn_unrolled", values), "U0", "nothing", 0))
    identity = tmp_path / "identity.safetensors"
    save_weights(identity, build("mdcn", CONFIG), ModelCard("mdcn", card_config("mdcn", CONFIG), "U0", "nothing", 0))
    wanted = {"reconstruction": "mdcn", "images": "basis_maps", "rank": "8"}
    unrolled = replay_here(tiny_file, tmp_path / "a.h5", weights=str(weights), **wanted)
    by_steps = replay_here(tiny_file, tmp_path / "b.h5", weights=str(identity), consistency_steps="5", **wanted)
    assert unrolled[SERIES["basis_maps"].number][0].meta["MalibuReconstruction"] == "mdcn_unrolled"
    ours, reference = arrays(unrolled, "basis_maps"), arrays(by_steps, "basis_maps")
    assert np.linalg.norm(ours - reference) < 1e-2 * np.linalg.norm(reference)
    with pytest.raises(RemoteError, match="gridding=folded"):
        replay_here(tiny_file, tmp_path / "c.h5", weights=str(weights), gridding="exact", **wanted)


@pytest.mark.parametrize(("name", "architecture"), [(MULTITASKING, "mdcn"), (UNROLLED, "mdcn_unrolled")])
def test_shipped_weights_are_small_and_say_what_they_are(name: str, architecture: str) -> None:
    path = shipped(name)
    loaded = load_weights(path, architecture, {"rank": 32})
    assert path.stat().st_size < 12e6
    assert "simulated" in loaded.card.training_data
    assert loaded.card.licence == "MIT"
    metrics = loaded.card.metrics
    assert 0 < metrics["standard_seed_1_nrmse"] < 0.4 * metrics["standard_seed_1_input_nrmse"]
    for kind in ("long_axis", "legs", "photograph"):
        assert kind in loaded.card.training_data.split("never the kinds")[1]
        assert 0 < metrics[f"gated_{kind}_ratio"] < 1
        assert 0 < metrics[f"single_{kind}_ratio"] < 1


def test_the_default_does_without_the_data_where_it_must() -> None:
    """The normal operator needs the fold, and memory; who asks for it by name is told so instead."""

    def loaded(**given: object) -> str:
        network = load_network(MultitaskingParameters(rank=8, **given), sigpy.cpu_device, 16)
        assert network is not None
        return network.name

    assert loaded() == "mdcn_unrolled"
    assert loaded(gridding="exact") == "mdcn"
    assert loaded(memory_gb=0.0005) == "mdcn"
    assert loaded(reconstruction="mdcn") == "mdcn"
    assert loaded(reconstruction="unrolled", memory_gb=0.0005) == "mdcn_unrolled"
    with pytest.raises(ParameterError, match="gridding=folded"):
        loaded(reconstruction="unrolled", gridding="exact")


@pytest.mark.parametrize("fault", ["unreadable", "flipped"])
def test_weights_that_cannot_be_read_or_trusted_are_unusable_ones(
    fault: str, identity_weights: Path, tmp_path: Path, monkeypatch
) -> None:
    """The back-projection is shown, or the scan is received and kept: as for weights that are missing."""
    import sigpy

    from gadgets.mrd.rescue import loaded_early

    path = tmp_path / "w.safetensors"
    whole = bytearray(identity_weights.read_bytes())
    whole[-5] ^= 0x10
    path.write_bytes(whole)
    if fault == "unreadable":

        def refuse(path: Path, mode: str = "r") -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "open", refuse)
    shown = MultitaskingParameters(weights=str(path), without_weights="backprojection")
    assert load_network(shown, sigpy.cpu_device, 16) is None
    needed = MultitaskingParameters(weights=str(path))
    reason = r"cannot be read \(Permission denied\)" if fault == "unreadable" else "is damaged"
    kept = loaded_early(lambda: load_network(needed, sigpy.cpu_device, 16), keep_error=True)
    with pytest.raises(ParameterError, match=f"weights: .*{reason}"):
        kept()
