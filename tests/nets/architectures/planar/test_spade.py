"""SPADE: what its norm does by formula, where the map enters, sizes; and its critic's layers."""

import pytest
import torch
from torch import nn

from nets.architectures.planar.spade import SpadeConfig, SpadeNorm
from nets.architectures.registry import build, configure, outline, weight_count

SMALL = {"classes": 3, "width": 4, "blocks": (2, 2, 2, 1), "hidden": 5, "latent": 6, "start": (2, 3)}


def maps_of(*shape: int, seed: int = 1) -> torch.Tensor:
    labels = torch.randint(0, 3, shape, generator=torch.Generator().manual_seed(seed))
    return nn.functional.one_hot(labels, 3).movedim(-1, 1).float()


def randomised(name: str, config: dict, seed: int = 2) -> nn.Module:
    torch.manual_seed(seed)
    network = build(name, config)
    for weight in network.parameters():
        if weight.ndim > 1:
            nn.init.normal_(weight, std=0.3)
    return network


def test_the_norm_is_plain_and_the_map_gives_scale_and_shift() -> None:
    layer = SpadeNorm(4, SpadeConfig(classes=3, hidden=5))
    assert not list(layer.plain.parameters()), "the norm itself has no parameters"
    for each in (layer.shared, layer.scale, layer.shift):
        nn.init.normal_(each.weight, std=0.5)
    features, maps = 3 + 2 * torch.randn(2, 4, 6, 8), maps_of(2, 12, 16)
    mean, variance = features.mean((2, 3), keepdim=True), features.var((2, 3), keepdim=True, unbiased=False)
    shared = layer.shared(maps[:, :, ::2, ::2]).relu()  # the nearest pixel of twice as many is the first of two
    expected = (features - mean) / (variance + 1e-5).sqrt() * (1 + layer.scale(shared)) + layer.shift(shared)
    torch.testing.assert_close(layer(features, maps), expected, rtol=1e-4, atol=1e-5)


def test_the_smallest_matrix_comes_from_z_or_from_the_map() -> None:
    network, maps = randomised("spade", SMALL).eval(), maps_of(1, 16, 24)
    assert network.config.doublings == 2
    with torch.no_grad():
        first, second = (network(maps, torch.full((1, 6), value)) for value in (1.0, -1.0))
        assert torch.equal(network(maps), network(maps, torch.zeros(1, 6)))
        assert float((first - second).abs().max()) > 1e-3
        plain = randomised("spade", SMALL | {"latent": 0}).eval()
        assert plain.start.in_channels == 3
        assert float((plain(maps) - plain(maps_of(1, 16, 24, seed=4))).abs().max()) > 1e-3


@pytest.mark.parametrize("shape", [(13, 22), (4, 5), (16, 16)])
@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_any_matrix_comes_back_within_one(shape: tuple[int, int], norm: str) -> None:
    image = randomised("spade", SMALL | {"norm": norm})(maps_of(2, *shape))
    assert image.shape == (2, 1, *shape)
    assert 0.1 < float(image.detach().abs().max()) <= 1


def test_each_block_but_the_first_and_the_third_doubles_the_matrix() -> None:
    network, seen = randomised("spade", SMALL | {"blocks": (2, 2, 2, 1, 1)}), []
    for block in network.blocks:
        block.register_forward_hook(lambda module, inputs, output: seen.append(tuple(output.shape[1:])))
    network(maps_of(1, 16, 24))
    assert seen == [(8, 2, 3), (8, 4, 6), (8, 4, 6), (4, 8, 12), (4, 16, 24)]


def test_a_step_of_a_block_is_added_to_what_came() -> None:
    network = randomised("spade", SMALL)
    same, fewer = network.blocks[1], network.blocks[3]
    assert same.beside is None
    silent = nn.Conv2d(8, 8, 3, padding=1)
    nn.init.zeros_(silent.weight)
    nn.init.zeros_(silent.bias)
    same.convolutions[1] = silent
    features, maps = torch.randn(1, 8, 4, 4), maps_of(1, 4, 4)
    torch.testing.assert_close(same(features, maps), features)
    assert fewer(features, maps).shape == (1, 4, 4, 4)


def test_convolutions_of_blocks_have_a_spectral_norm_of_one() -> None:
    network = randomised("spade", SMALL)
    for _ in range(30):
        network(maps_of(1, 16, 16))
    for block in network.blocks:
        for convolution in block.convolutions:
            assert float(torch.linalg.matrix_norm(convolution.weight.flatten(1), 2)) == pytest.approx(1, abs=0.02)


def test_a_style_is_read_from_an_image() -> None:
    network = randomised("spade", SMALL | {"style": True})
    mean, log_variance = network.style_of(torch.rand(2, 1, 21, 34))
    assert mean.shape == log_variance.shape == (2, 6)
    assert float((mean[0] - mean[1]).abs().max().detach()) > 0
    with pytest.raises(ValueError, match="style is a z that an encoder makes; set latent"):
        configure("spade", {"style": True, "latent": 0})
    with pytest.raises(ValueError, match="of at least 3 blocks"):
        configure("spade", {"blocks": (1, 1)})


def test_the_critic_has_the_paper_s_layers_on_each_scale() -> None:
    network = build("spade_critic", {"classes": 2, "width": 4, "layers": 4, "scales": 2})
    found = network.features(torch.rand(1, 3, 64, 64))
    shapes = [[tuple(layer.shape[1:]) for layer in scale] for scale in found]
    # kernel 4, padding 2: a stride of 2 makes n // 2 + 1 of n, a stride of 1 makes n + 1
    assert shapes[0] == [(4, 33, 33), (8, 17, 17), (16, 9, 9), (32, 10, 10), (1, 11, 11)]
    assert shapes[1] == [(4, 17, 17), (8, 9, 9), (16, 5, 5), (32, 6, 6), (1, 7, 7)]
    pairs = torch.rand(3, 3, 32, 32)
    verdicts = [scale[-1].mean(dim=(1, 2, 3)) for scale in network.eval().features(pairs)]
    torch.testing.assert_close(network(pairs), (verdicts[0] + verdicts[1]) / 2)


def test_the_coarse_scale_sees_the_mean_of_neighbours() -> None:
    network = build("spade_critic", {"classes": 2, "width": 2, "layers": 1, "scales": 2}).eval()
    flat = torch.ones(1, 3, 9, 9)
    first = network.scales[1][0]
    torch.testing.assert_close(network.features(flat)[1][0], first(torch.ones(1, 3, 5, 5)))


@pytest.mark.parametrize(("classes", "millions"), [(36, 93.0), (151, 96.5)])
def test_weights_of_the_authors_generator(classes: int, millions: float) -> None:
    """As their program counts them for Cityscapes and ADE20K, in colour: two channels more."""
    count = weight_count(outline("spade", {"classes": classes, "latent": 0})) + 2 * (9 * 64 + 1)
    assert round(count / 1e6, 1) == millions
