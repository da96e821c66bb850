"""What a masked training minimises and measures, and how its rate falls."""

from types import SimpleNamespace

import pytest
import torch

from nets.architectures.registry import build
from nets.training.image_tasks.masked_training import MaskedTraining

SMALL = {"blocks": 1, "layers": 2, "growth": 2, "bottleneck": 2}


@pytest.fixture
def batch() -> tuple[torch.Tensor, ...]:
    made = torch.Generator().manual_seed(2)
    shown, label = (torch.rand(2, 1, 6, 6, 6, generator=made) for _ in range(2))
    return shown, label, (torch.rand(2, 1, 6, 6, 6, generator=made) > 0.7).float()


def test_errors_count_in_the_patch_or_in_the_mask_alone(batch: tuple[torch.Tensor, ...]) -> None:
    shown, label, mask = batch
    squared = (shown - label).square()
    whole, inside = (MaskedTraining(network=SMALL, region=region) for region in ("patch", "mask"))
    assert float(whole.error(shown, batch)) == pytest.approx(float(squared.mean()))
    assert float(inside.error(shown, batch)) == pytest.approx(float((squared * mask).sum() / mask.sum()))


def test_metrics_are_of_the_mask(batch: tuple[torch.Tensor, ...]) -> None:
    shown, label, mask = batch
    training = MaskedTraining(network=SMALL, metrics=["l1", "psnr"])
    with torch.no_grad():
        found = training.judged(batch)
        estimate = training.network(shown)
    inside = mask > 0
    assert float(found["l1"]) == pytest.approx(float((estimate - label)[inside].abs().mean()))
    assert float(found["input_l1"]) == pytest.approx(float((shown - label)[inside].abs().mean()))
    peak = float(label[inside].max())
    squared = float((shown - label)[inside].square().mean())
    assert float(found["input_psnr"]) == pytest.approx(float(10 * torch.log10(torch.tensor(peak**2 / squared))))


def test_the_rate_falls_in_a_line_to_its_last() -> None:
    training = MaskedTraining(network=SMALL, schedule="linear", last_rate=0.5, learning_rate=0.1, steps=10)
    training.trainer = SimpleNamespace(global_step=0)  # type: ignore[assignment]
    made = training.configure_optimizers()
    rates = []
    for _ in range(11):
        rates.append(made["optimizer"].param_groups[0]["lr"])
        made["optimizer"].step()
        made["lr_scheduler"]["scheduler"].step()
    assert rates == pytest.approx([0.1 - 0.005 * step for step in range(11)])
    with pytest.raises(ValueError, match="last_rate is for the schedule linear, not for cosine"):
        MaskedTraining(network=SMALL, schedule="cosine", last_rate=0.5)


def test_dcdensenet_starts_as_he_2015() -> None:
    torch.manual_seed(1)
    network = build("dcdensenet")
    assert not [name for name, _ in network.named_parameters() if "bias" in name]
    for weight in map(torch.Tensor.detach, network.parameters()):
        if weight.numel() > 2000:
            inputs = weight[0].numel()
            assert float(weight.std()) == pytest.approx((2 / inputs) ** 0.5, rel=0.1)
            assert abs(float(weight.mean())) < 0.1 * float(weight.std())
