from pathlib import Path

import pytest
import torch
from hypothesis import given, settings, strategies as st

from nets.architectures.registry import build
from nets.architectures.unrolled import DataTerm
from nets.inference.patches import apply_in_patches
from nets.inference.spatial_factor import SpatialFactorNetwork
from nets.scaling import normalisation_of, to_channels, to_maps
from nets.weights import ModelCard, WeightsError, card_config, save_weights

SMALL = {"rank": 4, "growth": 4, "blocks": 2, "dilations": (1, 2)}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    network = build("mdcn", SMALL | {"start": "random"})
    save_weights(path, network, ModelCard("mdcn", card_config("mdcn", SMALL), "U0", "none", 0))
    return path


def maps_of(rank: int, *matrix: int) -> torch.Tensor:
    return torch.randn(rank, *matrix, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))


def test_channels_are_real_parts_then_imaginary_parts() -> None:
    maps = maps_of(3, 5, 4)
    channels = to_channels(maps)
    assert torch.equal(channels[:3], maps.real)
    assert torch.equal(channels[3:], maps.imag)
    assert torch.equal(to_maps(channels), maps)


def test_network_is_equivariant_to_scale(weights: Path) -> None:
    """Instance-wise normalisation: what is twice as bright comes back twice as bright."""
    network, maps = SpatialFactorNetwork(weights), maps_of(4, 20, 21)
    assert torch.allclose(network(1000 * maps), 1000 * network(maps), rtol=1e-3, atol=1e-1)


def test_network_gives_what_the_module_gives(weights: Path) -> None:
    network, maps = SpatialFactorNetwork(weights), maps_of(4, 17, 19)
    channels = to_channels(maps)
    scaled = (channels - channels.mean()) / channels.std(correction=0)
    with torch.no_grad():
        expected = network.module(scaled[None])[0] * channels.std(correction=0) + channels.mean()
    assert torch.allclose(network(maps), to_maps(expected), atol=1e-5)


def test_fewer_maps_count_as_zero_and_more_are_refused(weights: Path) -> None:
    network, maps = SpatialFactorNetwork(weights), maps_of(4, 16, 16)
    maps[3] = 0
    assert torch.allclose(network(maps)[:3], network(maps[:3]), atol=1e-6)
    with pytest.raises(WeightsError, match="takes 4 basis maps, the scan has 5: set rank to 4"):
        network(maps_of(5, 16, 16))


def test_constant_slice_is_not_divided_by_zero(weights: Path) -> None:
    network = SpatialFactorNetwork(weights)
    network.warm_up(16)
    assert torch.isfinite(network(torch.zeros(4, 16, 16, dtype=torch.complex64))).all()
    assert normalisation_of(torch.ones(2, 3, 3)).deviation == 1.0


def test_bfloat16_is_near_float32(weights: Path) -> None:
    maps = maps_of(4, 24, 24)
    exact, rough = (SpatialFactorNetwork(weights, precision=p)(maps) for p in ("float32", "bfloat16"))
    error = torch.linalg.vector_norm(rough - exact) / torch.linalg.vector_norm(exact)
    assert 0 < error < 0.02


def test_a_gpu_without_memory_hands_over_to_the_cpu(
    weights: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = SpatialFactorNetwork(weights)(maps_of(4, 16, 16))
    network, runs = SpatialFactorNetwork(weights), []
    original = network.module.forward

    def full(images: torch.Tensor) -> torch.Tensor:
        runs.append(1)
        if len(runs) == 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return original(images)

    monkeypatch.setattr(network.module, "forward", full)
    assert torch.equal(network(maps_of(4, 16, 16)), expected)
    assert "runs on the CPU" in caplog.text
    assert network.device == "cpu"


def unrolled(folder: Path) -> Path:
    path, values = folder / "unrolled.safetensors", {"rank": 4, "growth": 4, "blocks": 1, "rounds": 1}
    card = ModelCard("mdcn_unrolled", card_config("mdcn_unrolled", values), "U0", "nothing", 0)
    save_weights(path, build("mdcn_unrolled", values), card)
    return path


def test_so_does_one_with_a_network_that_sees_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, maps = unrolled(tmp_path), maps_of(4, 16, 16)
    data = DataTerm(lambda given: 2 * given, maps, torch.full((16, 16), 2.0), 1.0)
    expected, network, runs = SpatialFactorNetwork(path)(maps, data), SpatialFactorNetwork(path), []
    original = network.module.forward

    def full(*given: object) -> torch.Tensor:
        runs.append(1)
        if len(runs) == 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return original(*given)

    monkeypatch.setattr(network.module, "forward", full)
    assert torch.equal(network(maps, data), expected)
    assert len(runs) == 2
    assert network.device == "cpu"
    with pytest.raises(WeightsError, match="goes back to the data"):
        network(maps)


@pytest.mark.parametrize(("noise", "told"), [(0.03, "count 3.0 times less"), (0.009, "")])
def test_noisy_data_are_told(tmp_path: Path, noise: float, told: str, caplog: pytest.LogCaptureFixture) -> None:
    network, maps = SpatialFactorNetwork(unrolled(tmp_path)), maps_of(4, 16, 16)
    variance = noise * 2 * float(maps.abs().square().mean())
    with caplog.at_level("INFO"):
        network(maps, DataTerm(lambda given: 2 * given, maps, torch.full((16, 16), 2.0), variance))
    assert ("the data are noisy" in caplog.text) == bool(told)
    assert told in caplog.text


@given(st.tuples(*[st.integers(5, 30)] * 3), st.integers(11, 16), st.integers(0, 2))
@settings(max_examples=25, deadline=None)
def test_patches_with_margins_give_the_whole(sizes: tuple[int, int, int], extent: int, extra: int) -> None:
    torch.manual_seed(0)
    network = build("mdcsrn", {"blocks": 1, "units": 2, "growth": 2, "start": "random"}).eval()
    volume = torch.randn(1, *sizes)
    with torch.no_grad():
        whole = network(volume[None])[0]
        patched = apply_in_patches(network, volume, (extent + extra,) * 3)
    assert torch.allclose(patched, whole, atol=1e-5)


def test_too_small_a_margin_shows_at_the_seams() -> None:
    torch.manual_seed(0)
    network = build("mdcsrn", {"blocks": 1, "units": 3, "growth": 2, "start": "random"}).eval()
    volume = torch.randn(1, 24, 24, 24)
    with torch.no_grad():
        whole = network(volume[None])[0]
        assert not torch.allclose(apply_in_patches(network, volume, (12, 12, 12), margin=0), whole, atol=1e-4)


def test_margins_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="leave nothing inside margins of 6"):
        apply_in_patches(lambda x: x, torch.zeros(1, 30, 30, 30), (12, 12, 12), margin=6)
    with pytest.raises(ValueError, match="give a margin"):
        apply_in_patches(lambda x: x, torch.zeros(1, 30, 30, 30), (12, 12, 12))


def test_weights_of_a_volume_network_are_refused(tmp_path: Path) -> None:
    path, config = tmp_path / "sr.safetensors", {"first": 2, "second": 2}
    save_weights(path, build("srcnn", config), ModelCard("srcnn", config, "", "", 0))
    with pytest.raises(WeightsError, match="srcnn is no network for spatial factors"):
        SpatialFactorNetwork(path)


@pytest.mark.parametrize(
    ("architecture", "config"),
    [
        ("dense_unet", {"inputs": 8, "outputs": 6, "growth": 2, "units": 1, "levels": 2}),
        ("dense_unet", {"inputs": 7, "outputs": 7, "growth": 2, "units": 1, "levels": 2}),
        ("alamo", {"inputs": 8, "outputs": 8, "growth": 2, "units": 1, "levels": 2}),
    ],
)
def test_networks_that_are_not_for_spatial_factors_are_refused(architecture: str, config: dict, tmp_path: Path) -> None:
    card = ModelCard(architecture, card_config(architecture, config), "images", "none", 0)
    save_weights(tmp_path / "n.safetensors", build(architecture, config), card)
    with pytest.raises(WeightsError, match=f"{architecture} is no network for spatial factors"):
        SpatialFactorNetwork(tmp_path / "n.safetensors")


def test_dense_unet_takes_half_as_many_maps_as_it_has_channels(tmp_path: Path) -> None:
    config = {"inputs": 8, "outputs": 8, "growth": 2, "units": 1, "levels": 2}
    card = ModelCard("dense_unet", card_config("dense_unet", config), "U0", "none", 0)
    save_weights(tmp_path / "n.safetensors", build("dense_unet", config), card)
    network = SpatialFactorNetwork(tmp_path / "n.safetensors")
    assert network.rank == 4
    assert network(maps_of(4, 8, 8)).shape == (4, 8, 8)


@pytest.mark.parametrize("given", [{"gain": 1.0}, {"deviation_ratio": "much"}, [1.0]])
def test_label_statistics_that_cannot_be_used_are_told(given: object, tmp_path: Path) -> None:
    card = ModelCard("mdcn", card_config("mdcn", SMALL), "U0", "none", 0, preprocessing={"label_statistics": given})
    save_weights(tmp_path / "n.safetensors", build("mdcn", SMALL), card)
    with pytest.raises(WeightsError, match="label_statistics cannot be used"):
        SpatialFactorNetwork(tmp_path / "n.safetensors")


def test_label_statistics_of_the_card_scale_the_output(weights: Path, tmp_path: Path) -> None:
    plain, maps = SpatialFactorNetwork(weights), maps_of(4, 16, 16)
    statistics = {"deviation_ratio": 3.0, "mean_shift": 0.5}
    card = ModelCard(
        "mdcn", card_config("mdcn", SMALL), "U0", "none", 0, preprocessing={"label_statistics": statistics}
    )
    save_weights(tmp_path / "n.safetensors", plain.module, card)
    scale = normalisation_of(to_channels(maps))
    of_plain, found = to_channels(plain(maps)), to_channels(SpatialFactorNetwork(tmp_path / "n.safetensors")(maps))
    assert torch.allclose(found, 3 * (of_plain - scale.mean) + scale.mean + 0.5 * scale.deviation, atol=1e-4)
