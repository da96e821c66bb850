"""DCSRN and mDCSRN against the dissertation's chapters 3, 4 and 8.3.2, in plain NumPy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from nets.architectures.blocks import SelfAttention, use_statistics_of_patch
from nets.architectures.registry import build
from tests.support.plain_networks import (
    Layer,
    Weights,
    answer,
    assert_close,
    attention_map,
    conv,
    dense,
    elu,
    join,
    norm,
    self_attention,
    with_norms,
)


def plain_dcsrn(volume: np.ndarray, weights: Weights, growth: int) -> np.ndarray:
    """Conv 3³ → 2k; one dense block of [BN, ELU, conv 3³ → k]; conv 3³ → 1."""

    def unit(layers: list[Layer]) -> Callable[[np.ndarray], np.ndarray]:
        normalisation, spread = layers
        return lambda seen: conv(elu(norm("batch", seen, normalisation)), spread, growth)

    stem = conv(volume, *weights.layers("stem"), 2 * growth)
    features = dense(stem, [unit(layers) for layers in weights.each("block.units")])
    return conv(join(*features), *weights.layers("combine"), 1)


@pytest.mark.parametrize("dims", [2, 3])
def test_dcsrn(dims: int) -> None:
    network = build("dcsrn", {"growth": 3, "units": 3, "dims": dims})
    volume, weights, found = answer(network, 2, 1, *(5, 6, 7)[:dims])
    assert len(weights.each("block.units")) == 3
    assert_close(found, plain_dcsrn(volume, weights, 3))


def plain_mdcsrn(
    volume: np.ndarray,
    weights: Weights,
    *,
    k: int = 3,
    blocks: int = 2,
    units: int = 2,
    kind: str = "batch",
    kernel: int | tuple[int, ...] = 3,
    bottleneck: bool = True,
    attention: int | None = None,
) -> np.ndarray:
    """The stem's and all blocks' features (chapter 4), before the direct combination.

    Before each block but the first, a compressor [BN, ELU, conv 1³ → 2k] reads all features so far, and attention
    follows that before the block of this number, if any.
    """

    def unit(layers: list[Layer]) -> Callable[[np.ndarray], np.ndarray]:
        """[BN, ELU, conv 1³ → 4k, BN, ELU, conv 3³ → k]."""
        steps = with_norms(kind, layers)
        shapes = [(4 * k, 1), (k, kernel)] if bottleneck else [(k, kernel)]

        def apply(seen: np.ndarray) -> np.ndarray:
            for (normalisation, convolution), (outputs, size) in zip(steps, shapes, strict=True):
                seen = conv(elu(norm(kind, seen, normalisation)), convolution, outputs, size, bias=False)
            return seen

        return apply

    everything = [conv(volume, *weights.layers("stem"), 2 * k, bias=False)]
    assert len(weights.each("body.blocks")) == blocks
    for number in range(blocks):
        features = everything[0]
        if number > 0:
            layers = weights.layers(f"body.compressors.{number - 1}")
            own, looks = (layers[:-4], layers[-4:]) if number == attention else (layers, None)
            [(normalisation, squeeze)] = with_norms(kind, own)
            features = conv(elu(norm(kind, join(*everything), normalisation)), squeeze, 2 * k, 1, bias=False)
            features = self_attention(features, looks) if looks else features
        within = weights.each(f"body.blocks.{number}.units")
        assert len(within) == units
        everything += dense(features, [unit(layers) for layers in within])
    return join(*everything)


SMALL = {"growth": 3, "blocks": 2, "units": 2}


@pytest.mark.parametrize(
    ("values", "case"),
    [
        ({}, {}),
        ({"blocks": 3, "units": 1}, {"blocks": 3, "units": 1}),
        ({"blocks": 1, "units": 3}, {"blocks": 1, "units": 3}),
        ({"norm": "none"}, {"kind": "none"}),
        ({"bottleneck": False}, {"bottleneck": False}),
        ({"bottleneck": False, "norm": "none"}, {"bottleneck": False, "kind": "none"}),
        ({"kernel": (5, 3, 1)}, {"kernel": (5, 3, 1)}),
        ({"start": "random"}, {}),
        ({"dims": 2}, {}),
    ],
)
def test_mdcsrn(values: dict, case: dict) -> None:
    network = build("mdcsrn", SMALL | values)
    volume, weights, found = answer(network, 2, 1, *(5, 6, 7)[: values.get("dims", 3)])
    assert_close(found, conv(plain_mdcsrn(volume, weights, **case), *weights.layers("combine"), 1, 1))


def test_batch_norm_by_what_comes() -> None:
    network = build("mdcsrn", SMALL)
    use_statistics_of_patch(network)
    volume, weights, found = answer(network, 2, 1, 5, 6, 7)
    assert not [name for name in weights.tensors if "running" in name]
    assert_close(found, conv(plain_mdcsrn(volume, weights, kind="patch"), *weights.layers("combine"), 1, 1))


@pytest.mark.parametrize(("kind", "width"), [("batch", 8), ("none", 8), ("batch", 2)])
def test_reconstruction_layer(kind: str, width: int) -> None:
    """[conv 1³ → 8k, BN, ELU, conv 3³ → 1] in place of the direct combination (figure 4.5b)."""
    values = {"norm": kind, "reconstruction_layer": True} | ({"reconstruction_width": width} if width != 8 else {})
    volume, weights, found = answer(build("mdcsrn", SMALL | values), 2, 1, 4, 5, 6)
    squeeze, *between, last = weights.layers("combine")
    features = conv(plain_mdcsrn(volume, weights, kind=kind), squeeze, 3 * width, 1, bias=False)
    assert_close(found, conv(elu(norm(kind, features, between[0] if between else None)), last, 1))


def test_residual_adds_the_input() -> None:
    volume, weights, found = answer(build("mdcsrn", SMALL | {"residual": True}), 2, 1, 5, 6, 7)
    assert_close(found, volume + conv(plain_mdcsrn(volume, weights), *weights.layers("combine"), 1, 1))


@pytest.mark.parametrize(("name", "blocks", "before"), [("mdcsrn", 2, 1), ("mdcsrn", 5, 2), ("mdcsrn_attention", 4, 2)])
@pytest.mark.parametrize("dims", [2, 3])
def test_attention_in_the_middle(name: str, blocks: int, before: int, dims: int) -> None:
    """After the compressor before block number b // 2."""
    values = {"growth": 8, "units": 1, "blocks": blocks, "dims": dims}
    network = build(name, values | ({"attention": "middle"} if name == "mdcsrn" else {}))
    volume, weights, found = answer(network, 2, 1, *(6, 5, 8)[:dims])
    features = plain_mdcsrn(volume, weights, k=8, blocks=blocks, units=1, attention=before)
    assert_close(found, conv(features, *weights.layers("combine"), 1, 1))


def test_attention_in_the_last_part() -> None:
    """On all features, before the direct combination; its map is shown on request."""
    network = build("mdcsrn", SMALL | {"attention": "last"})
    volume, weights, found = answer(network, 2, 1, 6, 5, 8)
    features, layers = plain_mdcsrn(volume, weights), weights.layers("attention")
    assert_close(found, conv(self_attention(features, layers), *weights.layers("combine"), 1, 1))
    shown = network.attention_map(torch.from_numpy(volume)).numpy()
    np.testing.assert_allclose(shown, attention_map(features, layers), rtol=1e-9)
    assert all(not module._forward_hooks for module in network.modules() if isinstance(module, SelfAttention))


def in_boxes(volume: np.ndarray, factors: tuple[int, int, int]) -> np.ndarray:
    """Voxel (i, j, l) of each box, the last fastest, as a channel."""
    corners = np.ndindex(*factors)
    every = [tuple(slice(start, None, step) for start, step in zip(at, factors, strict=True)) for at in corners]
    return join(*(volume[(..., *places)] for places in every))


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize(
    ("factors", "sizes", "missing"),
    [((2, 3, 1), (4, 6, 5), (0, 0, 0)), ((2, 3, 1), (3, 7, 4), (1, 2, 0)), ((2, 1, 3), (5, 4, 7), (1, 0, 2))],
)
def test_boxes_of_voxels_are_channels_inside(residual: bool, factors: tuple, sizes: tuple, missing: tuple) -> None:
    """What does not fill a box repeats the last voxels, and is cut away again."""
    network = build("mdcsrn", SMALL | {"fold": factors, "kernel": (3, 1, 5), "residual": residual})
    volume, weights, found = answer(network, 2, 1, *sizes)
    padded = np.pad(volume, [(0, 0), (0, 0), *((0, amount) for amount in missing)], mode="edge")
    features = plain_mdcsrn(in_boxes(padded, factors), weights, kernel=(3, 1, 5))
    inside = conv(features, *weights.layers("combine"), 6, 1)
    restored = np.zeros_like(padded)
    for channel, corner in enumerate(np.ndindex(*factors)):
        places = tuple(slice(start, None, step) for start, step in zip(corner, factors, strict=True))
        restored[:, 0][(..., *places)] = inside[:, channel]
    restored = restored[:, :, : sizes[0], : sizes[1], : sizes[2]]
    assert_close(found, volume + restored if residual else restored)


IDENTITY = [
    ({}, True),
    ({"norm": "none", "bottleneck": False}, True),
    ({"attention": "middle"}, True),
    ({"attention": "last"}, False),
    ({"attention": "last", "residual": True}, True),
    ({"start": "random"}, False),
    ({"start": "random", "residual": True}, False),
    ({"reconstruction_layer": True}, False),
    ({"fold": (1, 2, 3)}, True),
    ({"fold": (1, 7, 1)}, False),
    ({"fold": (1, 7, 1), "residual": True}, True),
    ({"dims": 2}, True),
]


@pytest.mark.parametrize(("values", "identity"), IDENTITY)
def test_at_first_mdcsrn_hands_on_its_input(values: dict, identity: bool) -> None:
    """Where it can: a stem of 6 channels holds a box of 6 voxels, not one of 7."""
    torch.manual_seed(0)
    network = build("mdcsrn", SMALL | values).eval()
    volume = torch.randn(1, 1, *(4, 7, 6)[: values.get("dims", 3)])
    with torch.no_grad():
        assert torch.allclose(network(volume), volume, atol=1e-6) == identity
    voxels = 0 if values.get("residual") or not identity else int(np.prod(values.get("fold", 1)))
    free = network.stem.weight[voxels:]  # what does not carry the input is free to learn
    assert free.count_nonzero() == free.numel()
    if not identity:
        last = network.combine[-1] if values.get("reconstruction_layer") else network.combine
        assert last.weight.count_nonzero() == last.weight.numel()


@pytest.mark.parametrize(
    ("values", "margins"),
    [
        ({}, (33, 33, 33)),
        ({"blocks": 2, "units": 3}, (7, 7, 7)),
        ({"blocks": 2, "units": 3, "reconstruction_layer": True}, (8, 8, 8)),
        ({"blocks": 2, "units": 3, "kernel": (5, 3, 1), "fold": (2, 1, 4)}, (26, 7, 4)),
        ({"attention": "middle"}, None),
        ({"attention": "last"}, None),
    ],
)
def test_margins(values: dict, margins: tuple[int, ...] | None) -> None:
    with torch.device("meta"):
        network = build("mdcsrn", values)
    assert network.margins == margins
    assert network.receptive_field == (None if margins is None else 2 * max(margins) + 1)


def test_margins_by_gradient() -> None:
    """A box in the middle depends on what lies within the margins, and on the outermost of it."""
    torch.manual_seed(0)
    values = {"fold": (1, 2, 1), "kernel": (1, 3, 5), "start": "random", "blocks": 2, "units": 1}
    network = build("mdcsrn", values | {"growth": 2}).double().eval()
    reach, at = network.margins, (3, 12, 8)
    volume = torch.randn(1, 1, 7, 26, 17, dtype=torch.float64, requires_grad=True)
    network(volume)[(0, 0, *at)].backward()
    touched = torch.nonzero(volume.grad[0, 0]).numpy()
    low, high = np.array(at) - reach, np.array(at) + reach + (0, 1, 0)  # the box holds rows 12 and 13
    assert touched.min(axis=0).tolist() == low.tolist()
    assert touched.max(axis=0).tolist() == high.tolist()
