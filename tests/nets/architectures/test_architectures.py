import pytest
import torch
from torch import nn

from nets.architectures.registry import ARCHITECTURES, build, receptive_field, weight_count

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
    "dwan_guided": {"width": 3, "wide": 6},
    "unet": {"width": 4, "levels": 2},
    "dilated_net": {"width": 4, "dilations": (1, 2, 4)},
    "alamo": {"inputs": 3, "outputs": 6, "growth": 3},
    "highres3dnet": {"classes": 5, "width": 2, "wide": 4},
    "spade": {"classes": 3, "width": 2, "blocks": (2, 2, 1), "hidden": 4, "latent": 5},
    "spade_critic": {"classes": 3, "width": 2, "layers": 2},
}
IMAGE_TO_IMAGE = [
    name for name in ARCHITECTURES if not any(word in name for word in ("critic", "discriminator", "unrolled"))
]


@pytest.mark.parametrize(("name", "config", "count"), COUNTS)
def test_weight_counts_of_the_papers(name: str, config: dict, count: int) -> None:
    with torch.device("meta"):
        assert weight_count(build(name, config)) == count


@pytest.mark.parametrize(("growth", "millions"), [(24, 1.55), (32, 2.74), (48, 6.11), (64, 10.83)])
def test_weight_counts_of_alamo_to_their_rounding(growth: int, millions: float) -> None:
    with torch.device("meta"):
        assert round(weight_count(build("alamo", {"growth": growth})) / 1e6, 2) == millions


def channels_in(name: str) -> int:
    return {"mdcn": 4, "dense_unet": 4, "alamo": 3, "spade": 3, "dwan_guided": 3}.get(name, 1)


@pytest.mark.parametrize("name", IMAGE_TO_IMAGE)
@pytest.mark.parametrize("odd", [False, True])
def test_matrix_is_kept(name: str, odd: bool) -> None:
    network = build(name, SMALL[name]).eval()
    matrix = ((17, 13) if odd else (16, 16)) if ARCHITECTURES[name].dims == 2 else ((9, 8, 11) if odd else (8, 8, 8))
    with torch.no_grad():
        result = network(torch.randn(2, channels_in(name), *matrix))
    assert result.shape == (2, {"mdcn": 4, "dense_unet": 4, "alamo": 6, "highres3dnet": 5}.get(name, 1), *matrix)
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


NOT_BY_GRADIENT = {"mdcn", "mdcsrn_attention", "spade", "highres3dnet"}  # tested otherwise; the last one takes 27 s


@pytest.mark.parametrize("name", [name for name in IMAGE_TO_IMAGE if name not in NOT_BY_GRADIENT])
def test_receptive_field_by_gradient(name: str) -> None:
    torch.manual_seed(0)
    config = SMALL[name] | ({"levels": 2, "units": 2} if name in {"dense_unet", "alamo"} else {})
    config |= {"checkpointing": False, "dims": 2} if name == "rrdg" else {}
    network = build(name, config).eval()
    dims = config.get("dims", ARCHITECTURES[name].dims)
    field = receptive_field(network)
    assert field is not None
    found = seen(network, channels_in(name), dims, field + 4)
    if name in {"dense_unet", "alamo", "unet"}:
        assert field - 2 <= found <= field  # pooling makes it depend on the place
    else:
        assert found == field
