"""What several networks share: attention of many places, boxes as channels, norms, odd kernels."""

import numpy as np
import pytest
import torch
from torch import nn

from nets.architectures.blocks import (
    MOST_PLACES,
    DenseBlock,
    MultiLevel,
    OwnDenseBlock,
    SelfAttention,
    batch_norms,
    boxes_to_channels,
    channels_to_boxes,
    conv,
    norm,
    use_statistics_of_patch,
)
from nets.architectures.registry import build
from tests.support.plain_networks import answer, assert_close, attention_map, self_attention


class Placed(nn.Module):
    """A module at a place with a name."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.it = module

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.it(features)


@pytest.mark.parametrize(("channels", "fewer"), [(16, 2), (25, 3), (4, 1)])
@pytest.mark.parametrize("matrix", [(6, 9), (5, 4, 7)])
def test_self_attention(channels: int, fewer: int, matrix: tuple[int, ...]) -> None:
    network = Placed(SelfAttention(len(matrix), channels))
    assert network.it.query.out_channels == network.it.key.out_channels == fewer
    assert network.it.gamma.item() == 0.0
    features, weights, found = answer(network, 2, channels, *matrix)
    assert_close(found, self_attention(features, weights.layers("it")))
    with torch.no_grad():
        shown = network.it.attention(torch.from_numpy(features)).numpy()
    assert_close(shown, attention_map(features, weights.layers("it")))


def test_channels_of_query_and_key_can_be_fewer_by_another_factor() -> None:
    assert SelfAttention(2, 12, reduction=3).key.out_channels == 4


def test_attention_of_many_places_is_the_same_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here, 5,852 places: their whole map has more values than are computed at a time."""
    rows = spy_on_softmax(monkeypatch)
    features, weights, found = answer(Placed(SelfAttention(2, 1)), 1, 1, 154, 152)
    assert rows == [(1, 5733, 5852), (1, 119, 5852)]
    assert_close(found, self_attention(features, weights.layers("it")))


def spy_on_softmax(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes of what softmax is computed of."""
    shapes, real = [], torch.softmax

    def spy(scores: torch.Tensor, dim: int) -> torch.Tensor:
        shapes.append(tuple(scores.shape))
        return real(scores, dim=dim)

    monkeypatch.setattr(torch, "softmax", spy)
    return shapes


def test_attention_compares_65536_places_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_PLACES == 256 * 256
    rows = spy_on_softmax(monkeypatch)
    with torch.device("meta"):
        attention = SelfAttention(2, 1)
        assert attention(torch.empty(1, 1, 512, 512)).shape == (1, 1, 512, 512)
        assert rows == [(1, 512, 65536)] * 128  # 128 MB in float32
        with pytest.raises(ValueError, match=r"65537 places at half size are too many \(at most 65536\); take patches"):
            attention(torch.empty(1, 1, 2, 2 * 65537))


def test_boxes_are_channels_one_after_the_other() -> None:
    """All voxels of a box for each channel, x the fastest."""
    volume = torch.arange(2 * 2 * 4 * 3 * 6.0).reshape(2, 2, 4, 3, 6)
    features = boxes_to_channels(volume, (2, 1, 3))
    assert features.shape == (2, 2 * 6, 2, 3, 2)
    for channel in range(2):
        for number, (i, j, m) in enumerate(np.ndindex(2, 1, 3)):
            assert torch.equal(features[:, 6 * channel + number], volume[:, channel, i::2, j::1, m::3])
    assert torch.equal(channels_to_boxes(features, (2, 1, 3)), volume)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(("kind", "module"), [("batch", "BatchNorm"), ("instance", "InstanceNorm"), ("layer", "Group")])
def test_norms_learn_scale_and_shift(dims: int, kind: str, module: str) -> None:
    [layer] = norm(kind, dims, 5)
    assert type(layer).__name__.startswith(module)
    assert layer.weight.shape == layer.bias.shape == (5,)
    assert norm("none", dims, 5) == []


@pytest.mark.parametrize("dims", [2, 3])
def test_batch_norms_are_found_and_lose_what_they_stored(dims: int) -> None:
    network = build("dcsrn", {"growth": 2, "units": 3, "dims": dims}).eval()
    assert [layer.num_features for layer in batch_norms(network)] == [4, 6, 8]
    use_statistics_of_patch(network)
    assert all(layer.running_mean is None and layer.running_var is None for layer in batch_norms(network))
    volume = torch.randn(1, 1, *[6] * dims)
    with torch.no_grad():
        outputs = network.block.units[0][0](network.stem(volume))
    assert torch.allclose(outputs.mean(dim=tuple(range(2, 2 + dims))), torch.zeros(1, 4), atol=1e-5)


def test_a_convolution_is_of_three_pixels_with_bias() -> None:
    layer = conv(2, 1, 1)
    assert (layer.kernel_size, layer.padding, layer.stride, layer.dilation) == ((3, 3), (1, 1), (1, 1), (1, 1))
    assert layer.bias is not None
    assert conv(3, 1, 1, kernel=(1, 3, 5), dilation=2).padding == (0, 2, 4)


class Sum(nn.Module):
    """Gives ``growth`` channels, each the sum of all that come in."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.inputs, self.growth = inputs, growth

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        assert features.shape[1] == self.inputs
        return features.sum(dim=1, keepdim=True).repeat(1, self.growth)


def units(growth: int, number: int = 3) -> list:
    return [lambda inputs: Sum(inputs, growth)] * number


def test_dense_wirings() -> None:
    """Each sum sees what its wiring lets it see."""
    ones = torch.ones(1, 2)
    block = DenseBlock(2, units(2), 2)
    assert block(ones).tolist() == [[1, 1, 2, 2, 6, 6, 18, 18]]
    bare = DenseBlock(2, units(2), 2, keep_input=False)
    assert bare(ones).tolist() == [[2, 2, 6, 6, 18, 18]]
    own = OwnDenseBlock(2, units(2), 2)
    assert own(ones).tolist() == [[2, 2, 4, 4, 12, 12]]
    assert (block.outputs, bare.outputs, own.outputs) == (8, 6, 6)


def test_multi_level_wiring() -> None:
    """The first block reads the stem, the others a compressor of the stem and of all blocks' outputs."""
    levels = MultiLevel(1, 3, lambda inputs: DenseBlock(inputs, units(1, 1), 1), lambda inputs: Sum(inputs, 1))
    assert [compressor.inputs for compressor in levels.compressors] == [3, 5]
    assert levels(torch.ones(1, 1)).tolist() == [[1, 1, 1, 3, 3, 9, 9]]
    assert levels.outputs == 7
