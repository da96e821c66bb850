import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from nets.architectures.discriminators import reverse_gradient
from nets.architectures.registry import build


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


def test_f_sits_on_256_channels() -> None:
    with torch.device("meta"):
        network = build("dragan_discriminator")
    assert network.feature[0][0].in_channels == 256
