"""What a guided training minimises: errors of healthy tissue, by their noise, and shifts of each tissue."""

import pytest
import torch

from nets.training.image_tasks.guided_training import GuidedTraining

SMALL = {"width": 2, "wide": 3, "dilations": [1]}


@pytest.fixture
def batch() -> tuple[torch.Tensor, ...]:
    made = torch.Generator().manual_seed(2)
    shown, places = torch.rand(2, 3, 6, 5, generator=made), torch.zeros(2, 3, 6, 5)
    shown[:, 2] = 0.1
    shown[:, 2, :, 0] = 0
    places[:, 0, :, 1:3], places[:, 1, :, 3:] = 1, 1
    places[0, 2, 2:4, 2:4] = 1
    return shown, torch.rand(2, 1, 6, 5, generator=made), places


def test_errors_count_in_the_healthy_brain_alone(batch: tuple[torch.Tensor, ...]) -> None:
    _, label, places = batch
    training = GuidedTraining(network=SMALL)
    estimate = label.clone()
    estimate[:, :, :, 0] += 7  # outside
    estimate[0, 0, 2, 2] -= 5
    assert places[0, 2, 2, 2] == 1
    assert float(training.error(estimate, batch)) == 0
    estimate[1, 0, 0, 3] += 0.5
    voxels = 2 * 6 * 4 - 4  # of the brain, without those of the lesion
    assert float(training.error(estimate, batch)) == pytest.approx(0.25 / voxels, rel=1e-5)


def test_noisy_voxels_count_less(batch: tuple[torch.Tensor, ...]) -> None:
    shown, label, _ = batch
    shown[:, 2, :, 1:] = 1e-6
    shown[0, 2, 0, 1] = 0.3
    training = GuidedTraining(network=SMALL)
    found = []
    for x in (1, 2):
        estimate = label.clone()
        estimate[0, 0, 0, x] += 1
        found.append(float(training.error(estimate, batch)))
    assert found[0] / found[1] == pytest.approx(1 / 10, rel=1e-4)


def test_a_shift_of_a_tissue_costs_its_square_and_noise_costs_nothing(batch: tuple[torch.Tensor, ...]) -> None:
    _, label, places = batch
    training = GuidedTraining(network=SMALL, tissue_weight=2.0)
    assert GuidedTraining(network=SMALL).penalty(label + 1, batch) == 0.0
    shifted = label - 0.2 * places[:, :1] + 0.1 * places[:, 1:2]
    assert float(training.penalty(shifted, batch)) == pytest.approx(2 * (0.04 + 0.01) / 2, rel=1e-4)
    assert float(training.penalty(label + 0.1, batch)) == pytest.approx(2 * 0.01, rel=1e-4)
    ill = label + 3 * places[:, 2:3]
    assert float(training.penalty(ill, batch)) == pytest.approx(0, abs=1e-10)
    alternating = label + 0.3 * torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])[:, None]
    assert float(training.penalty(alternating, batch)) == pytest.approx(0, abs=1e-10)


def test_a_step_goes_down_both_terms(batch: tuple[torch.Tensor, ...]) -> None:
    torch.manual_seed(1)
    training = GuidedTraining(network=SMALL, tissue_weight=1.0)
    optimizer = torch.optim.SGD(training.parameters(), lr=0.02)
    values = []
    for _ in range(3):
        estimate = training.network(batch[0])
        error, penalty = training.error(estimate, batch), training.penalty(estimate, batch)
        values.append((error.item(), penalty.item()))
        optimizer.zero_grad()
        (error + penalty).backward()
        optimizer.step()
    assert values[2][0] < values[0][0]
    assert values[2][1] < values[0][1]


def test_metrics_are_of_the_brain_and_of_the_measured_blood_flow(batch: tuple[torch.Tensor, ...]) -> None:
    shown, label, _ = batch
    training = GuidedTraining(network=SMALL, metrics=["l1"])
    with torch.no_grad():
        found = training.judged(batch)
        estimate = training.network(shown)
    inside = slice(1, None)
    assert float(found["l1"]) == pytest.approx(float((estimate - label)[..., inside].abs().mean()), rel=1e-5)
    assert float(found["input_l1"]) == pytest.approx(float((shown[:, :1] - label)[..., inside].abs().mean()), rel=1e-5)
