"""Losses, penalties and metrics against numbers by hand."""

import math

import pytest
import torch

from nets.architectures.registry import build
from nets.training.losses import (
    LOSSES,
    METRICS,
    curve_error,
    measured_error,
    named,
    thin_and_bright,
    vessel_error,
    weight_penalty,
)

ESTIMATE, LABEL = torch.tensor([[1.0, 2.0], [5.0, -2.0]]), torch.tensor([[1.0, 4.0], [2.0, -1.0]])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("l1", (0 + 2 + 3 + 1) / 4),
        ("l2", (0 + 4 + 9 + 1) / 4),
        ("nrmse", math.sqrt(14 / 22)),
        ("psnr", 10 * math.log10(4**2 / (14 / 4))),
    ],
)
def test_measures_by_hand(name: str, value: float) -> None:
    assert float(METRICS[name](ESTIMATE, LABEL)) == pytest.approx(value, rel=1e-6)
    assert name not in LOSSES or LOSSES[name] is METRICS[name]


def test_losses_fall_with_the_error_and_metrics_know_which_is_the_label() -> None:
    nearer = LABEL + 0.5 * (ESTIMATE - LABEL)
    for name, sign in (("l1", 1), ("l2", 1), ("nrmse", 1), ("psnr", -1)):
        assert sign * float(METRICS[name](nearer, LABEL)) < sign * float(METRICS[name](ESTIMATE, LABEL))
    assert float(METRICS["nrmse"](LABEL, ESTIMATE)) == pytest.approx(math.sqrt(14 / 34))
    assert float(METRICS["psnr"](LABEL, ESTIMATE)) == pytest.approx(10 * math.log10(25 / 3.5))


def test_weight_penalty_is_the_mean_over_all_weights_of_convolutions() -> None:
    network = build("srcnn", {"first": 2, "second": 2})
    for weight in network.parameters():
        torch.nn.init.constant_(weight, -2.0)
    assert float(weight_penalty(network, 1.0, 0.0)) == pytest.approx(2.0)
    assert float(weight_penalty(network, 0.0, 1.0)) == pytest.approx(4.0)
    assert float(weight_penalty(network, 0.1, 0.01)) == pytest.approx(0.24)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(1, 1, 1), torch.nn.BatchNorm2d(1), torch.nn.Conv2d(1, 3, 1, bias=False)
    )
    with torch.no_grad():
        layers[0].weight.fill_(4.0)
        layers[0].bias.fill_(100.0)
        layers[2].weight.zero_()
    assert float(weight_penalty(layers, 1.0, 0.0)) == pytest.approx(1.0), "one mean, without biases and norms"


def test_weight_penalty_pulls_towards_zero() -> None:
    network = torch.nn.Conv2d(1, 1, 1, bias=False)
    weight_penalty(network, 0.3, 0.5).backward()
    value = network.weight.detach()
    assert torch.allclose(network.weight.grad, 0.3 * torch.sign(value) + 0.5 * 2 * value)


def test_error_among_measured_lines_is_weighed_and_that_beside_them_is_not() -> None:
    waves = torch.cos(torch.pi * torch.outer(torch.tensor([0.25, 0.75]), torch.arange(16.0)))
    inside, outside = (wave.reshape(1, 1, 16, 1, 1).expand(1, 1, 16, 8, 4) for wave in waves)
    factors = torch.tensor([[2.0, 1.0, 1.0]])
    assert float(measured_error(inside, factors)) == pytest.approx(float(inside.abs().mean()), rel=1e-4)
    assert float(measured_error(outside, factors)) < 1e-6
    both = measured_error(torch.cat([inside, outside]), torch.tensor([[2.0, 1, 1], [1, 2, 1]]))
    assert float(both) == pytest.approx(float((inside.abs().mean() + outside.abs().mean()) / 2), rel=1e-4)


def test_vessels_stand_out_and_large_bodies_their_edges_and_dark_vessels_do_not() -> None:
    volume = torch.full((1, 1, 24, 24, 24), 0.25)
    volume[..., 3:12, 3:12, 3:12] = 0.75  # a body
    volume[..., 16:19, 16:20, :] = 1.0  # a vessel of 3 x 4 voxels
    volume[..., 6:8, 15:17, :] = 0.0  # a dark one
    found = thin_and_bright(volume)
    assert torch.equal(found[..., 16:19, 16:20, :], torch.full((1, 1, 3, 4, 24), 0.75))
    found[..., 16:19, 16:20, :] = 0
    assert torch.equal(found, torch.zeros_like(found))


def test_an_opening_is_the_greatest_of_the_least_in_boxes() -> None:
    volume = torch.rand(1, 1, 9, 9, 9)
    padded = torch.nn.functional.pad(volume, [4] * 6, value=float("inf"))
    boxes = padded.unfold(2, 5, 1).unfold(3, 5, 1).unfold(4, 5, 1)
    least = boxes.amin(dim=(-3, -2, -1))  # over all places of a box that touches the volume
    expected = volume - least.unfold(2, 5, 1).unfold(3, 5, 1).unfold(4, 5, 1).amax(dim=(-3, -2, -1))
    assert torch.allclose(thin_and_bright(volume)[..., 2:7, 2:7, 2:7], expected[..., 2:7, 2:7, 2:7])


def test_vessel_error_weighs_errors_by_the_contrast_of_the_vessel() -> None:
    label, estimate = torch.zeros(1, 1, 10, 10, 10), torch.zeros(1, 1, 10, 10, 10)
    label[..., 4, 4, :] = 0.8
    estimate[..., 4, 4, :] = 0.3
    estimate[..., 8, 8, :] = 0.7  # an error where there is no vessel
    assert float(vessel_error(estimate, label)) == pytest.approx(0.8 * 0.5 / 100)


def test_names_are_looked_up_and_unknown_ones_told() -> None:
    assert named(LOSSES, "loss", "l2") is LOSSES["l2"]
    with pytest.raises(ValueError, match="loss 'huber' is not known; known are l1, l2"):
        named(LOSSES, "loss", "huber")


def test_the_error_of_curves_is_in_their_coordinates() -> None:
    torch.manual_seed(0)
    label = torch.randn(3, 4, 5, dtype=torch.complex64)
    cells = torch.zeros(2, 3, 2)
    cells[0, 0, 0], cells[1, 1, 1] = 1.0, 2.0
    estimate = label.clone()
    estimate[2] += 9  # no curve sees the third map
    assert float(curve_error(estimate, label, cells)) == 0
    estimate[1] += 0.5j
    expected = 2 * 0.5 * 20**0.5 / (label[0].abs().square().sum() + 4 * label[1].abs().square().sum()).sqrt()
    assert float(curve_error(estimate, label, cells)) == pytest.approx(float(expected), rel=1e-5)
