"""U-Net and DilatedNet: sizes, receptive fields by gradient, no batch norm, and the identity when they are empty."""

import pytest
import torch
from torch import nn

from nets.architectures.registry import build, receptive_field

SMALL = {"unet": {"width": 2, "levels": 3}, "dilated_net": {"width": 2, "dilations": [1, 2, 4]}}


@pytest.mark.parametrize("name", SMALL)
def test_any_size_comes_back_and_no_layer_is_a_batch_norm(name: str) -> None:
    network = build(name, SMALL[name])
    for shape in ((2, 1, 13, 22), (1, 1, 16, 16)):
        assert network(torch.rand(shape)).shape == shape
    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())


@pytest.mark.parametrize("name", SMALL)
def test_without_weights_the_image_comes_back(name: str) -> None:
    network = build(name, SMALL[name])
    for weight in network.parameters():
        nn.init.zeros_(weight)
    image = torch.rand(1, 1, 9, 10)
    torch.testing.assert_close(network(image), image)


def test_the_unet_sees_coarse_and_fine() -> None:
    """Its skip connections carry each pixel; its bottom level carries what lies far away."""
    torch.manual_seed(1)
    network = build("unet", {"width": 8, "levels": 3})
    image = torch.rand(1, 1, 64, 64)
    moved = image.clone()
    moved[0, 0, 32, 32] += 3
    with torch.no_grad():
        change = (network(moved) - network(image)).abs()[0, 0]
    assert change[32, 32] > 0.1
    assert change[32, 40] > 0  # no chain of its convolutions at full size reaches further than five pixels
    assert receptive_field(network) < 2 * 31
    assert not change[32, 63]
