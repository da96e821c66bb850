"""HighRes3DNet against Li 2017, in plain NumPy."""

import numpy as np
import torch

from nets.architectures.parcellation.highres3dnet import slice_channels
from nets.architectures.registry import build, outline, weight_count
from tests.support.plain_networks import Layer, Weights, answer, assert_close, conv, norm


def rectified(features: np.ndarray, layer: Layer) -> np.ndarray:
    """[BN, ReLU]."""
    return np.maximum(norm("batch", features, layer), 0)


def plain_highres3dnet(volume: np.ndarray, weights: Weights, width: int, wide: int, classes: int) -> list[np.ndarray]:
    """Its six levels: three residual units a stage; what is added to has channels of zeros where there are more."""
    first, first_norm = weights.layers("stem")
    levels = [rectified(conv(volume, first, width, bias=False), first_norm)]
    for level in range(3):
        features, outputs = levels[-1], width * 2**level
        units = weights.each(f"stages.{level}")
        assert len(units) == 3
        for one_norm, one, two_norm, two in units:
            seen = conv(rectified(features, one_norm), one, outputs, bias=False, dilation=2**level)
            seen = conv(rectified(seen, two_norm), two, outputs, bias=False, dilation=2**level)
            seen[:, : features.shape[1]] += features
            features = seen
        levels.append(features)
    last, last_norm = weights.layers("widen")
    levels.append(rectified(conv(levels[-1], last, wide, 1, bias=False), last_norm))
    (head,) = weights.layers("head")
    return [*levels, conv(levels[-1], head, classes, 1)]


def test_highres3dnet_and_its_six_levels() -> None:
    network = build("highres3dnet", {"width": 2, "wide": 5, "classes": 3})
    volume, weights, found = answer(network, 2, 1, 5, 6, 4)
    expected = plain_highres3dnet(volume, weights, 2, 5, 3)
    assert_close(found, expected[-1])
    features = torch.from_numpy(volume)
    with torch.no_grad():
        for layer, level in zip(network.layers, expected, strict=True):
            features = layer(features)
            assert_close(features.numpy(), level)


def test_weights_are_those_that_li_prints() -> None:
    """0.81 million: the convolutions; 1,440 of the norms and 160 biases come on top."""
    convolutions = 27 * (16 + 6 * 16**2 + 16 * 32 + 5 * 32**2 + 32 * 64 + 5 * 64**2) + 64 * 80 + 80 * 160
    norms = 2 * (16 + 6 * 16 + 16 + 5 * 32 + 32 + 5 * 64 + 80)
    assert weight_count(outline("highres3dnet")) == convolutions + norms + 160
    assert round(convolutions / 1e6, 2) == 0.82
    assert outline("highres3dnet").receptive_field == 87, "as Li 2017 prints it"


def test_slices_of_classes_go_back_to_where_they_came_from() -> None:
    """Slice s has class c in channel s · classes + c, as for networks of stacks."""
    scores = torch.arange(2 * 3 * 4, dtype=torch.float32).reshape(1, 3, 4, 1, 2)
    flat = slice_channels(scores)
    assert flat.shape == (1, 12, 1, 2)
    for s in range(4):
        for c in range(3):
            assert torch.equal(flat[:, 3 * s + c], scores[:, c, s])
