"""RRDG against Wang 2020, in plain NumPy; its checkpointing, and blending."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from nets.architectures.registry import build
from nets.architectures.rrdg import blend
from tests.support.plain_networks import Layer, Weights, answer, assert_close, conv, dense, join, leaky, norm

SMALL = {"blocks": 2, "width": 4, "growth": 3}


def normed(features: np.ndarray, layers: list[Layer], outputs: int) -> np.ndarray:
    """[conv 3³, BN]."""
    convolution, normalisation = layers
    return norm("batch", conv(features, convolution, outputs), normalisation)


def plain_rrdg(volume: np.ndarray, weights: Weights, blocks: int, width: int, growth: int) -> np.ndarray:
    """A fifth of each dense block is added to its input, and a fifth of three of them in a row to theirs."""

    def unit(layers: list[Layer], seen: np.ndarray) -> np.ndarray:
        return leaky(normed(seen, layers, growth))

    first = features = conv(volume, *weights.layers("stem"), width)
    for number in range(blocks):
        inner = features
        for third in range(3):
            place = f"trunk.{number}.inner.{third}"
            within = weights.each(f"{place}.dense.units")
            assert len(within) == 4
            seen = join(*dense(inner, [partial(unit, layers) for layers in within]))
            inner = inner + 0.2 * normed(seen, weights.layers(f"{place}.fuse"), width)
        assert len(weights.each(f"trunk.{number}.inner")) == 3
        features = features + 0.2 * inner
    trunk = [*weights.layers(f"trunk.{blocks}"), *weights.layers(f"trunk.{blocks + 1}")]
    features = first + normed(features, trunk, width)
    one, two = weights.layers("head")
    return conv(leaky(conv(features, one, width)), two, 1)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_rrdg(dims: int, checkpointing: bool) -> None:
    network = build("rrdg", SMALL | {"dims": dims, "checkpointing": checkpointing})
    volume, weights, found = answer(network, 2, 1, *(5, 6, 4)[:dims])
    assert_close(found, plain_rrdg(volume, weights, **SMALL))

    def with_gradients(images: Tensor) -> Tensor:
        with torch.enable_grad():
            return network(images).detach()

    volume, weights, found = answer(network, 1, 1, *(5, 6, 4)[:dims], seed=1, ask=with_gradients)
    assert_close(found, plain_rrdg(volume, weights, **SMALL))


@pytest.mark.parametrize(("checkpointing", "again"), [(False, 1), (True, 2)])
def test_checkpointing_computes_dense_blocks_again_where_there_are_gradients(checkpointing: bool, again: int) -> None:
    network = build("rrdg", SMALL | ({} if checkpointing else {"checkpointing": False}))
    calls = []
    for block in network.trunk[0].inner:
        block.dense.units[0].register_forward_hook(lambda *_: calls.append(1))
    network(torch.randn(1, 1, 4, 4, 4)).sum().backward()
    assert len(calls) == 3 * again
    calls.clear()
    with torch.no_grad():
        network(torch.randn(1, 1, 4, 4, 4))
    assert len(calls) == 3


def test_after_checkpointing_statistics_move_on() -> None:
    """What is kept still for the second computation moves again in the next step."""
    network = build("rrdg", SMALL)
    layer = network.trunk[0].inner[0].dense.units[0][1]
    for step in (1, 2):
        before = layer.running_mean.clone()
        network(torch.randn(1, 1, 4, 4, 4)).sum().backward()
        assert (layer.momentum, layer.num_batches_tracked.item()) == (0.1, step)
        assert not torch.equal(layer.running_mean, before)


@pytest.mark.parametrize("training", [False, True])
def test_checkpointing_changes_memory_not_gradients_nor_batch_statistics(training: bool) -> None:
    gradients, buffers = [], []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        network = build("rrdg", SMALL | {"checkpointing": checkpointing}).train(training)
        network(torch.randn(1, 1, 8, 8, 8)).square().mean().backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in network.parameters()]))
        buffers.append(torch.cat([buffer.float().flatten() for buffer in network.buffers()]))
    assert torch.allclose(*gradients, atol=1e-6)
    assert torch.equal(*buffers)


def test_blending() -> None:
    """θ = α · θ_psnr + (1 − α) · θ_gan; what counts batches is not blended."""
    psnr = {"weight": torch.tensor([1.0, 2.0]), "batches": torch.tensor(7)}
    gan = {"weight": torch.tensor([5.0, -2.0]), "batches": torch.tensor(9)}
    mixed = blend(psnr, gan, 0.25)
    assert mixed["weight"].tolist() == [4.0, -1.0]
    assert (mixed["batches"].item(), mixed["batches"].dtype) == (7, torch.int64)
    assert torch.equal(blend(psnr, gan, 1.0)["weight"], psnr["weight"])


@pytest.mark.parametrize("other", [{"bias": torch.zeros(2)}, {"weight": torch.zeros(1)}, {}])
def test_only_equal_networks_can_be_blended(other: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match="same architecture"):
        blend({"weight": torch.zeros(2)}, other, 0.5)
