"""Discriminators and patch critic against the dissertation's chapters 4 and 5 and Wang 2020, in plain NumPy."""

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from nets.architectures.discriminators import Discriminator, DiscriminatorConfig, PatchCriticConfig, reverse_gradient
from nets.architectures.registry import build
from tests.support.plain_networks import Layer, Weights, answer, assert_close, conv, leaky, norm, with_norms

PATCH = (16, 17, 33)
"""With 1, 2 and 3 places left after four halvings: 6 in all."""


def columns(features: np.ndarray, layers: list[Layer], kind: str, shapes: list[tuple[int, int]]) -> np.ndarray:
    """[conv 3³, norm, LeakyReLU] of these outputs and strides; what reads the image itself has no norm."""
    if features.shape[1] == 1:
        first, *layers = layers
        (outputs, stride), *shapes = shapes
        features = leaky(conv(features, first, outputs, stride=stride))
    for (normalisation, convolution), (outputs, stride) in zip(with_norms(kind, layers, True), shapes, strict=True):
        features = leaky(norm(kind, conv(features, convolution, outputs, stride=stride), normalisation))
    return features


def judged(features: np.ndarray, layers: list[Layer], hidden: int) -> np.ndarray:
    """Dense layer, LeakyReLU, dense layer to one value for each volume."""
    one, two = layers
    assert one["weight"].shape[0] == hidden
    seen = leaky(features.reshape(len(features), -1) @ one["weight"].T + one["bias"])
    assert two["weight"].shape == (1, hidden)
    return seen @ two["weight"][0] + two["bias"]


def pairs(width: int, start: int = 0, stop: int = 4) -> list[tuple[int, int]]:
    """1, 2, 4 and 8 times the width, twice each, the second time with stride 2."""
    return [(width * 2**level, stride) for level in range(start, stop) for stride in (1, 2)]


@pytest.mark.parametrize("kind", ["layer", "batch", "instance", "none"])
def test_discriminator(kind: str) -> None:
    values = {"patch": PATCH, "width": 2, "hidden": 5} | ({} if kind == "layer" else {"norm": kind})
    volumes, weights, found = answer(build("discriminator", values), 3, 1, *PATCH)
    *convolutions, one, two = weights.layers("layers")
    assert_close(found, judged(columns(volumes, convolutions, kind, pairs(2)), [one, two], 5))


def plain_dragan(volumes: np.ndarray, weights: Weights, branch: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """D's logit, and that of F, which has D's layout after the branch and its own weights."""
    shared = columns(volumes, weights.layers("shared"), kind, pairs(2, 0, branch))
    logits = []
    for place in ("image", "feature"):
        *convolutions, one, two = weights.layers(place)
        logits.append(judged(columns(shared, convolutions, kind, pairs(2, branch)), [one, two], 5))
    return logits[0], logits[1]


@pytest.mark.parametrize(("values", "branch", "kind"), [({}, 3, "batch"), ({"branch": 2, "norm": "layer"}, 2, "layer")])
def test_dragan_discriminator(values: dict, branch: int, kind: str) -> None:
    network = build("dragan_discriminator", {"patch": PATCH, "width": 2, "hidden": 5} | values)
    volumes, weights, found = answer(network, 3, 1, *PATCH)
    image, feature = plain_dragan(volumes, weights, branch, kind)
    assert_close(found, image)
    with torch.no_grad():
        both = network.judge(torch.from_numpy(volumes), 0.5)
    assert_close(both[0].numpy(), image)
    assert_close(both[1].numpy(), feature)


THIN = [(3, 2), (6, 2)]
"""Two strided convolutions, the second of twice the width."""
SRGAN = [(3, 1), (3, 2), (6, 1), (6, 2), (12, 1), (12, 1), (24, 1), (24, 1)]


@pytest.mark.parametrize(
    ("values", "shapes", "field"),
    [
        ({}, [*THIN, (6, 1), (6, 1)], 23),
        ({"layers": 0}, THIN, 7),
        ({"layers": 1}, [*THIN, (6, 1)], 15),
        ({"columns": "srgan"}, SRGAN, 45),
        ({"columns": "srgan", "layers": 5}, SRGAN, 45),
    ],
)
@pytest.mark.parametrize("kind", ["instance", "layer", "batch", "none"])
def test_patch_critic(values: dict, shapes: list[tuple[int, int]], field: int, kind: str) -> None:
    """[conv 3³, norm, LeakyReLU], then conv 1³ to one value for each place, and their mean."""
    network = build("patch_critic", {"width": 3} | values | ({} if kind == "instance" else {"norm": kind}))
    volumes, weights, found = answer(network, 3, 1, 9, 10, 13)
    *convolutions, last = weights.layers("layers")
    places = conv(columns(volumes, convolutions, kind, shapes), last, 1, 1)
    assert_close(found, places.mean(axis=(1, 2, 3, 4)))
    assert PatchCriticConfig(**({"width": 3} | values)).convolutions == shapes
    assert network.receptive_field == field


@pytest.mark.parametrize("name", ["discriminator", "dragan_discriminator"])
def test_discriminators_see_the_whole_patch(name: str) -> None:
    with torch.device("meta"):
        assert build(name).receptive_field is None


def test_the_smallest_patch() -> None:
    """Down to one place; a smaller one would leave the last convolutions with nothing but zeros around."""
    values = {"patch": (16, 16, 16), "width": 1, "hidden": 2}
    assert build("discriminator", values).layers[-4].in_features == 8
    for axis in range(3):
        patch = tuple(15 if number == axis else 40 for number in range(3))
        with pytest.raises(ValueError, match="at least 16 voxels"):
            Discriminator(DiscriminatorConfig(patch=patch))


def test_f_sits_on_256_channels() -> None:
    with torch.device("meta"):
        network = build("dragan_discriminator")
    assert network.feature[0][0].in_channels == 256


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_reversal_changes_d_by_minus_lambda_times_the_gradient_of_f(strength: float) -> None:
    """D's shared layers get the gradient of its own loss less λ times that of F's; F gets its own, unscaled."""
    torch.manual_seed(0)
    network = build("dragan_discriminator", {"patch": (16, 16, 16), "width": 2, "hidden": 4, "norm": "batch"}).double()
    volume, ones = torch.randn(2, 1, 16, 16, 16, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    shared, own = list(network.shared.parameters()), list(network.feature.parameters())

    judged = binary_cross_entropy_with_logits(network(volume), ones)
    of_d = torch.autograd.grad(judged, shared)
    domain = binary_cross_entropy_with_logits(network.feature(network.shared(volume)), ones)
    of_f = torch.autograd.grad(domain, shared, retain_graph=True)
    of_f_itself = torch.autograd.grad(domain, own)

    logit, domain_logit = network.judge(volume, strength)
    total = binary_cross_entropy_with_logits(logit, ones) + binary_cross_entropy_with_logits(domain_logit, ones)
    combined = torch.autograd.grad(total, shared, retain_graph=True)
    for both, d, f in zip(combined, of_d, of_f, strict=True):
        assert torch.allclose(both, d - strength * f, atol=1e-12)
    for found, expected in zip(torch.autograd.grad(total, own), of_f_itself, strict=True):
        assert torch.allclose(found, expected, atol=1e-12)


def test_reversal_hands_features_on() -> None:
    features = torch.randn(3, requires_grad=True)
    reversed_ = reverse_gradient(features, 2.0)
    assert torch.equal(reversed_, features)
    reversed_.sum().backward()
    assert torch.equal(features.grad, torch.full((3,), -2.0))
