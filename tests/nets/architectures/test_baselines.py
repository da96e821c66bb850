"""FSRCNN, SRCNN, VDSR, SRResNet, SRDenseNet, DCDenseNet and DWAN against their papers, in plain NumPy."""

from collections.abc import Callable

import numpy as np
import pytest

from nets.architectures.registry import build
from tests.support.plain_networks import (
    Layer,
    Weights,
    answer,
    assert_close,
    conv,
    elu,
    join,
    norm,
    own_dense,
    prelu,
    relu,
)

Shape = tuple[int, int]


def plain(volume: np.ndarray, layers: list[Layer], shapes: list[Shape], bias: bool) -> np.ndarray:
    """Convolutions of these outputs and kernels, ReLU between them."""
    features = volume
    for number, (layer, (outputs, kernel)) in enumerate(zip(layers, shapes, strict=True)):
        features = conv(relu(features) if number else features, layer, outputs, kernel, bias=bias)
    return features


@pytest.mark.parametrize(
    ("name", "values", "shapes", "bias"),
    [
        ("fsrcnn", {"width": 5, "shrunk": 3}, [(5, 5), (3, 1), *[(3, 3)] * 4, (5, 1), (1, 9)], True),
        ("fsrcnn", {"width": 5, "shrunk": 3, "mappings": 1}, [(5, 5), (3, 1), (3, 3), (5, 1), (1, 9)], True),
        ("srcnn", {"first": 4, "second": 3}, [(4, 9), (3, 1), (1, 5)], False),
    ],
)
def test_plain_convolutions(name: str, values: dict, shapes: list[Shape], bias: bool) -> None:
    volume, weights, found = answer(build(name, values), 2, 1, 5, 6, 4)
    assert_close(found, plain(volume, weights.layers("layers"), shapes, bias))


@pytest.mark.parametrize("layers", [2, 5])
def test_vdsr_adds_its_input(layers: int) -> None:
    volume, weights, found = answer(build("vdsr", {"layers": layers, "width": 3}), 2, 1, 5, 6, 4)
    shapes = [*[(3, 3)] * (layers - 1), (1, 3)]
    assert_close(found, volume + plain(volume, weights.layers("layers"), shapes, bias=False))


def plain_srresnet(volume: np.ndarray, weights: Weights, width: int, blocks: int) -> np.ndarray:
    """Blocks [conv, BN, PReLU, conv, BN] plus their input; all of them, [conv, BN], plus what came."""
    stem, slope = weights.layers("stem")
    first = features = prelu(conv(volume, stem, width, 9), slope)
    within = weights.each("blocks")
    assert len(within) == blocks
    for one, one_norm, slope, two, two_norm in within:
        inner = prelu(norm("batch", conv(features, one, width), one_norm), slope)
        features = features + norm("batch", conv(inner, two, width), two_norm)
    last, last_norm = weights.layers("trunk")
    features = first + norm("batch", conv(features, last, width), last_norm)
    return conv(features, *weights.layers("head"), 1, 9)


@pytest.mark.parametrize("blocks", [1, 3])
def test_srresnet(blocks: int) -> None:
    volume, weights, found = answer(build("srresnet", {"blocks": blocks, "width": 3}), 2, 1, 5, 6, 4)
    assert_close(found, plain_srresnet(volume, weights, 3, blocks))


def plain_srdensenet(
    volume: np.ndarray, weights: Weights, k: int, blocks: int, units: int, width: int, same: int
) -> np.ndarray:
    """Blocks in a row, the first unit of each sees its input; all features → bottleneck → convolutions → 1."""

    def unit(layers: list[Layer]) -> Callable[[np.ndarray], np.ndarray]:
        [spread] = layers
        return lambda seen: elu(conv(seen, spread, k))

    everything = [elu(conv(volume, *weights.layers("stem"), k * units))]
    assert len(weights.each("blocks")) == blocks
    for number in range(blocks):
        within = weights.each(f"blocks.{number}.units")
        assert len(within) == units
        everything.append(own_dense(everything[-1], [unit(layers) for layers in within]))
    bottleneck, *middle, last = weights.layers("combine")
    assert len(middle) == same
    features = elu(conv(join(*everything), bottleneck, width, 1))
    for layer in middle:
        features = elu(conv(features, layer, width))
    return conv(features, last, 1)


@pytest.mark.parametrize(("blocks", "units", "layers"), [(2, 3, 2), (3, 1, 0), (1, 2, 1)])
def test_srdensenet(blocks: int, units: int, layers: int) -> None:
    values = {"blocks": blocks, "units": units, "growth": 2, "width": 3}
    network = build("srdensenet", values | ({"layers": layers} if layers != 2 else {}))
    volume, weights, found = answer(network, 2, 1, 5, 6, 4)
    assert_close(found, plain_srdensenet(volume, weights, 2, blocks, units, 3, layers))


def plain_dcdensenet(
    volume: np.ndarray, weights: Weights, k: int, blocks: int, layers: int, bottleneck: int
) -> np.ndarray:
    """The last k maps of a block go on to the next; all maps → 1³ → 3³, no activation in between; no biases."""

    def unit(found: list[Layer]) -> Callable[[np.ndarray], np.ndarray]:
        [spread] = found
        return lambda seen: relu(conv(seen, spread, k, bias=False))

    goes_on = relu(conv(volume, *weights.layers("stem"), k, bias=False))
    everything = [goes_on]
    assert len(weights.each("blocks")) == blocks
    for number in range(blocks):
        within = weights.each(f"blocks.{number}.units")
        assert len(within) == layers
        everything.append(own_dense(goes_on, [unit(found) for found in within]))
        goes_on = everything[-1][:, k * (layers - 1) :]
    squeeze, last = weights.layers("combine")
    return conv(conv(join(*everything), squeeze, bottleneck, 1, bias=False), last, 1, bias=False)


@pytest.mark.parametrize(("blocks", "layers", "bottleneck"), [(3, 4, 5), (1, 2, 16)])
def test_dcdensenet(blocks: int, layers: int, bottleneck: int) -> None:
    values = {"blocks": blocks, "layers": layers, "growth": 3}
    network = build("dcdensenet", values | ({"bottleneck": bottleneck} if bottleneck != 16 else {}))
    volume, weights, found = answer(network, 2, 1, 5, 6, 4)
    assert_close(found, plain_dcdensenet(volume, weights, 3, blocks, layers, bottleneck))


def plain_dwan(
    image: np.ndarray, weights: Weights, width: int, wide: int, dilations: tuple[int, ...] = (2, 4, 8, 16)
) -> np.ndarray:
    """Blocks [conv 3² → wide, ReLU, conv 3² → width] plus their input; the global path's first ones are dilated."""

    def path(features: np.ndarray, place: str, steps: tuple[int, ...]) -> np.ndarray:
        for (widen, narrow), step in zip(weights.each(place), steps, strict=True):
            features = features + conv(relu(conv(features, widen, wide, dilation=step)), narrow, width)
        return features

    first = conv(image, *weights.layers("stem"), width)
    near = path(first, "local_path", (1,) * len(dilations))
    far = path(first, "global_path", dilations)
    return conv(join(near, far), *weights.layers("combine"), 1) + conv(image, *weights.layers("skip"), 1)


@pytest.mark.parametrize(("values", "channels"), [({}, 1), ({"dilations": (3, 1)}, 1), ({}, 3)])
def test_dwan(values: dict, channels: int) -> None:
    network = build("dwan", {"width": 3, "wide": 5, "channels": channels} | values)
    image, weights, found = answer(network, 2, channels, 21, 18)
    assert_close(found, plain_dwan(image, weights, 3, 5, **values))


@pytest.mark.parametrize(
    ("name", "values", "field"),
    [
        ("fsrcnn", {}, 21),
        ("fsrcnn", {"mappings": 1}, 15),
        ("srcnn", {}, 13),
        ("vdsr", {}, 41),
        ("vdsr", {"layers": 3}, 7),
        ("srresnet", {"blocks": 2}, 27),
        ("srdensenet", {"blocks": 2, "units": 3, "layers": 1}, 19),
        ("dcdensenet", {"blocks": 2, "layers": 3}, 17),
        ("dwan", {}, 73),
        ("dwan_guided", {}, 39),
        ("dcsrn", {"units": 3}, 11),
        ("rrdg", {"blocks": 1}, 39),
        ("rrdg", {"blocks": 3}, 99),
    ],
)
def test_receptive_fields_add_up(name: str, values: dict, field: int) -> None:
    """1, and a kernel less 1, times its dilation, for each layer in the longest way through."""
    assert build(name, values).receptive_field == field
