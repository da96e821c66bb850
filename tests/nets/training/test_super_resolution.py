"""What the trainings of super-resolution minimise, and DRAGAN's picture."""

from pathlib import Path

import pytest
import torch

from nets.training.losses import measured_error, vessel_error
from nets.training.super_resolution import SuperResolutionTraining
from tests.support.recipes import RECIPES, run_in, shrunk, steps

SMALL = {"blocks": 1, "units": 1, "growth": 2, "start": "random"}


def small(**options: object) -> SuperResolutionTraining:
    torch.manual_seed(3)
    training = SuperResolutionTraining(network=SMALL, **options)  # type: ignore[arg-type]
    training.log = lambda *_, **__: None  # type: ignore[method-assign,assignment]
    return training


def test_what_is_minimised_is_the_loss_and_the_weighed_error_among_measured_lines() -> None:
    shown, label = torch.rand(2, 1, 1, 8, 8, 8)
    factors = torch.tensor([[2.0, 2.0, 1.0]])
    for loss, power in (("l1", 1), ("l2", 2)):
        training = small(loss=loss, measured_weight=4.0)
        found = training.training_step((shown, label, factors), 0)
        difference = training.network(shown) - label
        expected = difference.abs().pow(power).mean() + 4 * measured_error(difference, factors)
        assert float(found) == pytest.approx(float(expected), rel=1e-5)
    both = small(measured_weight=4.0, vessel_weight=3.0)
    estimate = both.network(shown)
    expected = (estimate - label).abs().mean() + 4 * measured_error(estimate - label, factors)
    expected += 3 * vessel_error(estimate, label)
    assert float(both.training_step((shown, label, factors), 0)) == pytest.approx(float(expected), rel=1e-5)
    plain = small()
    found = plain.training_step((shown, label, factors), 0)
    assert float(found) == pytest.approx(float((plain.network(shown) - label).abs().mean()), rel=1e-5)


def test_one_step_goes_down() -> None:
    shown, label = torch.rand(2, 1, 1, 8, 8, 8)
    training = small(measured_weight=1.0)
    batch = (shown, label, torch.tensor([[2.0, 2.0, 1.0]]))
    optimizer = torch.optim.SGD(training.parameters(), lr=1e-3)
    before = training.training_step(batch, 0)
    before.backward()
    optimizer.step()
    assert float(training.training_step(batch, 0)) < float(before)


def test_kept_statistics_stay_those_of_the_start_through_training_and_validation() -> None:
    training = small(keep_statistics=True)
    norms = [layer for layer in training.network.modules() if isinstance(layer, torch.nn.BatchNorm3d)]
    training.on_validation_model_eval()
    training.on_validation_model_train()
    training.training_step((*torch.rand(2, 1, 1, 8, 8, 8), torch.tensor([[2.0, 2.0, 1.0]])), 0)
    training.finish()
    assert norms
    assert all(torch.equal(layer.running_mean, torch.zeros_like(layer.running_mean)) for layer in norms)


def test_judged_with_the_statistics_that_inference_will_use() -> None:
    for statistics, by_patch in (("stored", False), ("patch", True)):
        training = small(batch_statistics=statistics)
        for judge in (training.on_validation_model_eval, training.on_test_model_eval):
            training.train()
            judge()
        norms = [module for module in training.modules() if isinstance(module, torch.nn.BatchNorm3d)]
        assert {module.training for module in norms} == {by_patch}
        assert not training.network.training
        before = [module.running_mean.clone() for module in norms]
        training.judged((torch.rand(1, 1, 8, 8, 8) + 3, torch.rand(1, 1, 8, 8, 8)))
        assert all(torch.equal(module.running_mean, mean) for module, mean in zip(norms, before, strict=True))
        training.on_validation_model_train()
        training.network(torch.rand(1, 1, 8, 8, 8) + 3)
        assert not torch.equal(norms[0].running_mean, before[0]), "they follow again"
        assert {(module.training, module.momentum) for module in norms} == {(True, 0.1)}


def test_domains_are_drawn_for_dragan_alone(tmp_path: Path) -> None:
    for name in ("gan_coronary_dragan", "gan_vanilla_paper"):
        (recipe,) = (path for path in RECIPES if path.stem == name)
        folder = tmp_path / name
        folder.mkdir()
        run_in(folder, [*shrunk(recipe, folder), *steps(recipe, 1)])
        header = (folder / f"runs/{name}/{name}.csv").read_text().splitlines()[0]
        assert ("train_f_accuracy" in header) == ("dragan" in name)
        assert (folder / f"runs/{name}/domains.png").is_file() == ("dragan" in name)
