"""mDCN, DenseUNet and ALAMO against the dissertation's chapters 6 and 7, in plain NumPy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from nets.architectures.dense_unet import alamo_config
from nets.architectures.registry import build, configure
from tests.support.plain_networks import (
    Layer,
    Weights,
    answer,
    assert_close,
    average_of_two,
    conv,
    dense,
    doubled,
    elu,
    join,
    norm,
    with_norms,
)


def unit(layers: list[Layer], kind: str, k: int, bias: bool, dilation: int = 1) -> Callable[[np.ndarray], np.ndarray]:
    """[norm, ELU, conv 3² → k]."""
    [(normalisation, spread)] = with_norms(kind, layers)
    return lambda seen: conv(elu(norm(kind, seen, normalisation)), spread, k, bias=bias, dilation=dilation)


def plain_mdcn(
    maps: np.ndarray,
    weights: Weights,
    *,
    k: int = 3,
    blocks: int = 3,
    dilations: tuple[int, ...] = (1, 4, 8, 1),
    bias: bool = False,
    kind: str = "none",
) -> np.ndarray:
    """Stem 3² → 2k; blocks of dilated units, each after a compressor 1² of all features; all features → 2L."""
    everything = [conv(maps, *weights.layers("stem"), 2 * k, bias=bias)]
    assert len(weights.each("body.blocks")) == blocks
    for number in range(blocks):
        features = everything[0]
        if number > 0:  # a compressor has no activation here
            [squeeze] = weights.layers(f"body.compressors.{number - 1}")
            features = conv(join(*everything), squeeze, 2 * k, 1, bias=bias)
        within = zip(weights.each(f"body.blocks.{number}.units"), dilations, strict=True)
        everything += dense(features, [unit(layers, kind, k, bias, dilation) for layers, dilation in within])
    return conv(join(*everything), *weights.layers("combine"), maps.shape[1], 1, bias=bias)


@pytest.mark.parametrize(
    ("values", "case"),
    [
        ({}, {}),
        ({"dilations": (1, 2, 4, 1)}, {"dilations": (1, 2, 4, 1)}),
        ({"dilations": (3, 1), "blocks": 1}, {"dilations": (3, 1), "blocks": 1}),
        ({"bias": True}, {"bias": True}),
        ({"norm": "batch"}, {"kind": "batch"}),
        ({"start": "random", "bias": True, "norm": "batch"}, {"bias": True, "kind": "batch"}),
        ({"dims": 3}, {}),
    ],
)
def test_mdcn(values: dict, case: dict) -> None:
    dims = values.get("dims", 2)
    network = build("mdcn", {"rank": 2, "growth": 3, "blocks": 3} | values)
    maps, weights, found = answer(network, 2, 4, *(10, 13, 4)[:dims])
    assert_close(found, plain_mdcn(maps, weights, **case))


@pytest.mark.parametrize(
    ("values", "identity"),
    [
        ({}, True),
        ({"growth": 2}, True),
        ({"growth": 1}, False),
        ({"start": "random"}, False),
        ({"dims": 3}, True),
        ({"norm": "batch"}, True),
    ],
)
def test_at_first_mdcn_hands_on_its_input(values: dict, identity: bool) -> None:
    """2k channels hold 2L maps where k >= L."""
    torch.manual_seed(0)
    network = build("mdcn", {"rank": 2, "growth": 3, "blocks": 2} | values).eval()
    maps = torch.randn(1, 4, *[6] * values.get("dims", 2))
    with torch.no_grad():
        assert torch.allclose(network(maps), maps, atol=1e-6) == identity


def filled(features: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Pooling left out an odd last row or column: the one before it is repeated."""
    missing = [(0, wanted - got) for wanted, got in zip(like.shape[2:], features.shape[2:], strict=True)]
    return np.pad(features, [(0, 0), (0, 0), *missing], mode="edge")


def plain_dense_unet(
    maps: np.ndarray,
    weights: Weights,
    *,
    outputs: int = 3,
    k: int = 2,
    units: int = 4,
    levels: int = 4,
    kind: str = "none",
    bias: bool = False,
    keep_input: bool = True,
    compress: bool = False,
    heads: int = 0,
) -> list[np.ndarray]:
    """Predictions of all levels with a head, the coarsest first, the finest last (figures 6.1b and 7.1)."""

    def block(features: np.ndarray, place: str) -> np.ndarray:
        within = weights.each(f"{place}.units")
        assert len(within) == units
        found = dense(features, [unit(layers, kind, k, bias) for layers in within])
        return join(*(found if keep_input else found[1:]))

    features, skips = conv(maps, *weights.layers("stem"), 2 * k, bias=bias), []
    assert len(weights.each("encoder")) == levels
    for level in range(levels):
        if level > 0:
            skips.append(features)
            squeeze = weights.layers(f"down.{level - 1}")
            assert len(squeeze) == compress
            features = average_of_two(conv(features, squeeze[0], 2 * k, 1, bias=bias) if compress else features)
        features = block(features, f"encoder.{level}")
    seen = [features]
    for number, skip in enumerate(reversed(skips)):
        fewer = k if compress else features.shape[1] // 2
        risen = doubled(features, *weights.layers(f"up.{number}"), fewer, bias=bias)
        features = block(join(filled(risen, skip), skip), f"decoder.{number}")
        seen.append(features)
    sides = weights.layers("side_heads")
    assert len(sides) == heads
    ends = zip([*seen[:heads], features], [*sides, *weights.layers("head")], strict=True)
    return [conv(at_level, head, outputs, 1, bias=bias) for at_level, head in ends]


UNETS = [
    ({}, {}, (16, 8)),
    ({}, {}, (11, 13)),
    ({"keep_input": False}, {"keep_input": False}, (9, 8)),
    ({"compress": True}, {"compress": True}, (8, 9)),
    ({"keep_input": False, "compress": True}, {"keep_input": False, "compress": True}, (11, 15)),
    ({"bias": True}, {"bias": True}, (8, 8)),
    ({"bias": True, "compress": True}, {"bias": True, "compress": True}, (8, 8)),
    *(({"norm": kind, "levels": 2}, {"kind": kind, "levels": 2}, (6, 7)) for kind in ("batch", "instance", "layer")),
    ({"levels": 1, "units": 1}, {"levels": 1, "units": 1}, (5, 3)),
    ({"levels": 3, "units": 2, "dims": 3, "bias": True}, {"levels": 3, "units": 2, "bias": True}, (5, 7, 4)),
]


@pytest.mark.parametrize(("values", "case", "matrix"), UNETS)
def test_dense_unet(values: dict, case: dict, matrix: tuple[int, ...]) -> None:
    network = build("dense_unet", {"inputs": 2, "outputs": 3, "growth": 2} | values)
    maps, weights, found = answer(network, 2, 2, *matrix)
    assert_close(found, plain_dense_unet(maps, weights, **case)[-1])


@pytest.mark.parametrize("level", range(4))
def test_every_level_of_the_decoder_has_its_head(level: int) -> None:
    network = build("dense_unet", {"inputs": 2, "outputs": 3, "growth": 2, "deep_supervision": True})
    maps, weights, found = answer(network, 1, 2, 17, 14, ask=lambda maps: network.levels(maps)[level])
    expected = plain_dense_unet(maps, weights, heads=3)
    assert_close(found, expected[level])
    assert len(network.levels(torch.from_numpy(maps))) == len(expected) == 4


@pytest.mark.parametrize(("extra", "heads"), [({}, 0), ({"deep_supervision": True}, 3)])
def test_alamo(extra: dict, heads: int) -> None:
    """Six units a block, whose input stays behind; 1² to 2k before pooling, up to k; no norm, no bias."""
    network = build("alamo", {"inputs": 3, "outputs": 4, "growth": 2} | extra)
    maps, weights, found = answer(network, 1, 3, 13, 8)
    expected = plain_dense_unet(maps, weights, outputs=4, units=6, keep_input=False, compress=True, heads=heads)
    assert_close(found, expected[-1])


def test_alamo_has_one_set_of_classes_for_each_slice() -> None:
    assert configure("alamo") == alamo_config()
    assert (alamo_config().inputs, alamo_config().outputs, alamo_config().growth) == (20, 220, 48)
    other = alamo_config(slices=3, classes=5, growth=7)
    assert (other.inputs, other.outputs, other.growth) == (3, 15, 7)


@pytest.mark.parametrize(("levels", "units", "field"), [(1, 4, 11), (2, 2, 21), (4, 4, 193)])
def test_receptive_field_of_dense_unet(levels: int, units: int, field: int) -> None:
    """Stem 3; each unit 2 steps of its level, in encoder and decoder; each mean and each rise a step more."""
    with torch.device("meta"):
        assert build("dense_unet", {"levels": levels, "units": units}).receptive_field == field
