import pytest
import torch
from torch import nn

from nets.architectures.registry import ARCHITECTURES, build, receptive_field, weight_count
from nets.architectures.rrdg import blend

COUNTS = [
    ("mdcsrn", {}, 625_969),
    ("mdcsrn", {"blocks": 4}, 298_033),
    ("mdcsrn", {"blocks": 6}, 458_257),
    ("rrdg", {}, 2_650_129),
    ("fsrcnn", {}, 64_893),
    ("dcdensenet", {}, 171_272),
    ("dcdensenet", {"blocks": 1}, 29_192),
    ("vdsr", {}, 499_392),
    ("srcnn", {}, 52_704),
    ("mdcn", {}, 23_035_904),
    ("mdcn", {"bias": True, "norm": "batch"}, 23_070_784),
]
SMALL = {
    "mdcn": {"rank": 2, "growth": 4, "blocks": 2},
    "dense_unet": {"inputs": 4, "outputs": 4, "growth": 4},
    "dcsrn": {"growth": 3},
    "mdcsrn": {"blocks": 2, "units": 2, "growth": 3, "start": "random"},
    "mdcsrn_attention": {"blocks": 2, "units": 2, "growth": 3},
    "rrdg": {"blocks": 1, "width": 6, "growth": 3},
    "fsrcnn": {"width": 6, "shrunk": 3},
    "srresnet": {"blocks": 2, "width": 4},
    "srdensenet": {"blocks": 2, "units": 2, "growth": 3},
    "srcnn": {"first": 4, "second": 3},
    "vdsr": {"layers": 4, "width": 4},
    "discriminator": {"patch": (16, 17, 18), "width": 2, "hidden": 4},
    "patch_critic": {"width": 4},
    "dragan_discriminator": {"patch": (16, 17, 18), "width": 2, "hidden": 4},
    "dcdensenet": {"blocks": 2, "layers": 3, "growth": 3},
    "dwan": {"width": 3, "wide": 6},
    "alamo": {"inputs": 3, "outputs": 6, "growth": 3},
}
IMAGE_TO_IMAGE = [name for name in ARCHITECTURES if "critic" not in name and "discriminator" not in name]


@pytest.mark.parametrize(("name", "config", "count"), COUNTS)
def test_weight_counts_of_the_papers(name: str, config: dict, count: int) -> None:
    with torch.device("meta"):
        assert weight_count(build(name, config)) == count


@pytest.mark.parametrize(("growth", "millions"), [(24, 1.55), (32, 2.74), (48, 6.11), (64, 10.83)])
def test_weight_counts_of_alamo_to_their_rounding(growth: int, millions: float) -> None:
    with torch.device("meta"):
        assert round(weight_count(build("alamo", {"growth": growth})) / 1e6, 2) == millions


def channels_in(name: str) -> int:
    return {"mdcn": 4, "dense_unet": 4, "alamo": 3}.get(name, 1)


@pytest.mark.parametrize("name", IMAGE_TO_IMAGE)
@pytest.mark.parametrize("odd", [False, True])
def test_matrix_is_kept(name: str, odd: bool) -> None:
    network = build(name, SMALL[name]).eval()
    matrix = ((17, 13) if odd else (16, 16)) if ARCHITECTURES[name].dims == 2 else ((9, 8, 11) if odd else (8, 8, 8))
    with torch.no_grad():
        result = network(torch.randn(2, channels_in(name), *matrix))
    assert result.shape == (2, {"mdcn": 4, "dense_unet": 4, "alamo": 6}.get(name, 1), *matrix)
    assert torch.isfinite(result).all()


@pytest.mark.parametrize("name", ["discriminator", "dragan_discriminator", "patch_critic"])
def test_one_value_per_volume(name: str) -> None:
    assert build(name, SMALL[name])(torch.randn(3, 1, 16, 17, 18)).shape == (3,)


def seen(network: nn.Module, channels: int, dims: int, size: int) -> int:
    """Extent along x of the input pixels that the middle output pixel depends on."""
    image = torch.randn(1, channels, *[size] * dims, dtype=torch.float64, requires_grad=True)
    network.double()(image)[(0, 0, *[size // 2] * dims)].backward()
    touched = torch.nonzero(image.grad.abs().amax(dim=tuple(range(dims + 1))))[:, 0]
    return int(touched.max() - touched.min()) + 1


@pytest.mark.parametrize("dilations", [(1, 1, 1, 1), (1, 2, 4, 1), (1, 4, 8, 1)])
def test_receptive_field_of_mdcn(dilations: tuple[int, ...]) -> None:
    full = {(1, 1, 1, 1): 67, (1, 2, 4, 1): 131, (1, 4, 8, 1): 227}
    with torch.device("meta"):
        assert receptive_field(build("mdcn", {"dilations": dilations})) == full[dilations]
    network = build("mdcn", {"rank": 1, "growth": 2, "blocks": 2, "dilations": dilations, "start": "random"}).eval()
    assert seen(network, 2, 2, 71) == receptive_field(network)


@pytest.mark.parametrize("name", [name for name in IMAGE_TO_IMAGE if name not in {"mdcn", "mdcsrn_attention"}])
def test_receptive_field_by_gradient(name: str) -> None:
    torch.manual_seed(0)
    config = SMALL[name] | ({"levels": 2, "units": 2} if name in {"dense_unet", "alamo"} else {})
    config |= {"checkpointing": False} if name == "rrdg" else {}
    network = build(name, config).eval()
    dims = ARCHITECTURES[name].dims
    field = receptive_field(network)
    assert field is not None
    found = seen(network, channels_in(name), dims, field + 4)
    if name in {"dense_unet", "alamo"}:
        assert field - 2 <= found <= field  # pooling makes it depend on the place
    else:
        assert found == field


def test_mdcn_starts_as_the_identity() -> None:
    maps = torch.randn(1, 4, 20, 20)
    with torch.no_grad():
        assert torch.allclose(build("mdcn", SMALL["mdcn"])(maps), maps, atol=1e-6)


def test_attention_starts_without_effect_and_gives_its_map() -> None:
    torch.manual_seed(1)
    network = build("mdcsrn", SMALL["mdcsrn"] | {"attention": "last"}).eval()
    volume = torch.randn(1, 1, 6, 8, 10)
    places = 3 * 4 * 5
    with torch.no_grad():
        before = network(volume)
        network.attention.gamma.fill_(1.0)
        after = network(volume)
    attention = network.attention_map(volume)
    assert attention.shape == (1, places, places)
    assert torch.allclose(attention.sum(dim=-1), torch.ones(1, places))
    plain = build("mdcsrn", SMALL["mdcsrn"])
    plain.load_state_dict({name: value for name, value in network.state_dict().items() if "attention" not in name})
    with torch.no_grad():
        assert torch.allclose(plain.eval()(volume), before)
    assert not torch.allclose(before, after)
    with pytest.raises(ValueError, match="no attention"):
        plain.attention_map(volume)


@pytest.mark.parametrize("training", [False, True])
def test_checkpointing_changes_memory_not_gradients_nor_batch_statistics(training: bool) -> None:
    gradients, buffers = [], []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        network = build("rrdg", SMALL["rrdg"] | {"checkpointing": checkpointing}).train(training)
        network(torch.randn(1, 1, 8, 8, 8)).square().mean().backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in network.parameters()]))
        buffers.append(torch.cat([buffer.float().flatten() for buffer in network.buffers()]))
    assert torch.allclose(*gradients, atol=1e-6)
    assert torch.equal(*buffers)


def test_blending_interpolates_weights() -> None:
    first, second = (build("srcnn", SMALL["srcnn"]).state_dict() for _ in range(2))
    name = next(iter(first))
    mixed = blend(first, second, 0.25)
    assert torch.allclose(mixed[name], 0.25 * first[name] + 0.75 * second[name])
    with pytest.raises(ValueError, match="same architecture"):
        blend(first, build("vdsr", SMALL["vdsr"]).state_dict(), 0.5)


def test_deep_supervision_predicts_at_every_level_of_the_decoder() -> None:
    network = build("alamo", SMALL["alamo"] | {"deep_supervision": True})
    levels = network.levels(torch.randn(1, 3, 32, 32))
    assert [tuple(level.shape[2:]) for level in levels] == [(4, 4), (8, 8), (16, 16), (32, 32)]


@pytest.mark.parametrize(
    ("name", "config", "text"),
    [
        ("unet9", {}, "unet9.*known are mdcn"),
        ("mdcn", {"grwth": 3}, "no hyper-parameter grwth; it has rank, growth"),
        ("mdcn", {"growth": 0}, "growth = 0"),
        ("mdcn", {"dilations": ()}, "at least one unit"),
        ("mdcsrn", {"attention": "middle", "blocks": 1}, "at least 2 blocks"),
        ("discriminator", {"patch": (8, 40, 40)}, "at least 16 voxels"),
    ],
)
def test_impossible_configurations_are_named(name: str, config: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        build(name, config)
