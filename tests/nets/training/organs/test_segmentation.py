"""What ALAMO's training minimises, and that its recipes do what they say."""

from pathlib import Path

import pytest
import torch
import yaml

from nets.data.organs.labelled_files import LabelledVolume, write_labelled
from nets.inference.organs.segmentation import OrganNetwork
from nets.training.organs.label_losses import class_error, mean_dice, overlap_error, pooled_class_error
from nets.training.organs.segmentation import SegmentationTraining
from nets.training.schedules import tenths
from nets.weights import WeightsError, load_weights
from tests.support.recipes import QUIET, exported, log_of, run_in
from tests.support.replays import ROOT

RECIPES = sorted((ROOT / "configs/train").glob("alamo*.yaml"))
SMALL = {"inputs": 4, "outputs": 12, "growth": 4, "units": 2, "levels": 3, "deep_supervision": True}
ORGANS = ("background", "left kidney", "right kidney")


def scores_of(labels: torch.Tensor, classes: int, sure: float) -> torch.Tensor:
    """(batch, slices, y, x) → (batch, slices · classes, y, x): ``sure`` for the label's class, 0 for others."""
    return sure * torch.nn.functional.one_hot(labels, classes).movedim(-1, 2).flatten(1, 2).float()


def random_labels(classes: int = 3, shape: tuple[int, ...] = (2, 4, 8, 8)) -> torch.Tensor:
    return torch.randint(0, classes, shape, generator=torch.Generator().manual_seed(3))


def test_cross_entropy_slice_by_slice() -> None:
    labels = random_labels()
    scores = torch.randn(2, 12, 8, 8, generator=torch.Generator().manual_seed(4))
    total = 0.0
    for s in range(4):
        logarithms = scores[:, 3 * s : 3 * s + 3].log_softmax(dim=1)
        total -= float(logarithms.gather(1, labels[:, s : s + 1]).mean()) / 4
    assert float(class_error(scores, labels)) == pytest.approx(total, rel=1e-5)
    assert float(class_error(scores_of(labels, 3, 50.0), labels)) == pytest.approx(0, abs=1e-6)


def test_coarser_levels_are_compared_with_shares_of_pixels() -> None:
    labels = torch.zeros(1, 1, 4, 4, dtype=torch.int64)
    labels[..., :1, :1] = 1  # a quarter of the first of four coarse pixels
    shares = torch.tensor([[0.75, 0.25], [1, 0], [1, 0], [1, 0]])
    scores = torch.log(shares.clamp(min=1e-9)).T.reshape(1, 2, 2, 2)
    entropy = -(0.75 * torch.log(torch.tensor(0.75)) + 0.25 * torch.log(torch.tensor(0.25)))
    assert float(pooled_class_error(scores, labels)) == pytest.approx(float(entropy) / 4, abs=1e-5)
    assert pooled_class_error(torch.randn(1, 2, 1, 2), torch.zeros(1, 1, 3, 5, dtype=torch.int64)) > 0, "odd sizes"


def test_overlap_counts_small_organs_as_large_ones_and_no_background() -> None:
    labels = torch.zeros(1, 1, 8, 8, dtype=torch.int64)
    labels[0, 0, :4], labels[0, 0, 7, 7] = 1, 2
    assert float(overlap_error(scores_of(labels, 3, 60.0), labels)) == pytest.approx(0, abs=1e-5)
    missed = torch.where(labels == 2, 0, labels)
    assert float(overlap_error(scores_of(missed, 3, 60.0), labels)) == pytest.approx(0.5, abs=1e-5)
    assert float(mean_dice(scores_of(missed, 3, 1.0), labels)) == pytest.approx(0.5)
    empty = torch.zeros_like(labels)
    assert float(overlap_error(scores_of(empty, 3, 60.0), empty)) == pytest.approx(0, abs=1e-6)
    assert float(mean_dice(scores_of(empty, 3, 1.0), empty)) == 1


def test_dice_of_half_an_organ() -> None:
    labels = torch.zeros(1, 1, 4, 4, dtype=torch.int64)
    labels[0, 0, :2] = 1
    half = labels.clone()
    half[0, 0, 1] = 0
    assert float(mean_dice(scores_of(half, 2, 1.0), labels)) == pytest.approx(2 * 4 / (4 + 8))


def test_what_is_minimised_is_the_mean_over_levels_and_the_overlap() -> None:
    torch.manual_seed(2)
    training = SegmentationTraining(network=SMALL, dice_weight=0.5, metrics=["dice"])
    training.log = lambda *_, **__: None  # type: ignore[method-assign,assignment]
    image, labels = torch.randn(1, 4, 16, 16), random_labels(3, (1, 4, 16, 16))
    levels = training.network.levels(image)
    assert [level.shape[-1] for level in levels] == [4, 8, 16]
    expected = sum(pooled_class_error(level, labels) for level in levels) / 3 + 0.5 * overlap_error(levels[-1], labels)
    assert float(training.training_step((image, labels), 0)) == pytest.approx(float(expected), rel=1e-5)
    before = training.training_step((image, labels), 0)
    before.backward()
    torch.optim.SGD(training.parameters(), lr=1e-2).step()
    assert training.training_step((image, labels), 0) < before


def test_side_heads_change_training_alone() -> None:
    plain = SegmentationTraining(network=SMALL | {"deep_supervision": False}).network.eval()
    helped = SegmentationTraining(network=SMALL).network.eval()
    state = {name: value for name, value in helped.state_dict().items() if "side_heads" not in name}
    plain.load_state_dict(state)
    image = torch.randn(1, 4, 16, 16)
    torch.testing.assert_close(plain(image), helped(image), atol=0, rtol=0)


def test_the_learning_rate_falls_by_a_tenth_as_printed() -> None:
    factor = tenths(1_000_000)
    assert [factor(step) for step in (0, 49_999, 50_000, 149_999)] == pytest.approx([1, 1, 0.9, 0.81])


def fill(folder: Path) -> None:
    for number, split in enumerate(("train", "validation", "test")):
        (folder / split).mkdir(parents=True)
        generator = torch.Generator().manual_seed(number)
        labels = torch.randint(0, 3, (20, 20, 20), generator=generator).to(torch.uint8)
        voxels = labels.float() + 0.1 * torch.randn(20, 20, 20, generator=generator)
        volume = LabelledVolume(voxels, labels, ORGANS, (3.0, 3.0, 3.0), {"seed": number})
        write_labelled(folder / split / f"simulated-abdomen-{number:06d}.h5", volume)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipes_learn_in_two_steps_resume_and_export(recipe: Path, tmp_path: Path) -> None:
    fill(tmp_path / "volumes")
    arguments = [
        f"--config={recipe}", *QUIET, f"--model.network={SMALL}", "--data.slices=4", "--data.patch=[16,16]",
        f"--data.folders=[{tmp_path / 'volumes'}]",
    ]  # fmt: skip
    run_in(tmp_path, [*arguments, "--model.steps=2"])
    weights = exported(tmp_path, recipe.stem)
    first = load_weights(weights).network.state_dict()
    card = load_weights(weights).card
    assert card.chosen.startswith("the last weights, of step 2")
    assert card.preprocessing["organs"] == list(ORGANS)
    assert "val_dice" in log_of(tmp_path, recipe.stem)
    last = tmp_path / f"runs/{recipe.stem}/checkpoints/last.ckpt"
    run_in(tmp_path, [*arguments, "--model.steps=4", f"--ckpt_path={last}"])
    after = load_weights(weights)
    assert after.card.metrics["step"] == 4
    assert any(not torch.equal(value, first[name]) for name, value in after.network.state_dict().items())
    for views in ("one", "three"):
        found = OrganNetwork(weights, views=views)(torch.rand(9, 11, 13))  # type: ignore[arg-type]
        assert found.labels.shape == found.disagreement.shape == (9, 11, 13)
        assert torch.equal(found.probabilities.argmax(dim=0).byte(), found.labels)
        assert 0 <= float(found.disagreement.min()) <= float(found.disagreement.max()) <= 1


def test_numbers_of_the_dissertation_stand_in_its_recipe() -> None:
    (recipe,) = (path for path in RECIPES if path.stem == "alamo_paper")
    settings = yaml.safe_load(recipe.read_text())
    model, data = settings["model"]["init_args"], settings["data"]["init_args"]
    assert (model["learning_rate"], model["schedule"], model["steps"]) == (1e-4, "tenths", 1_000_000)
    assert (data["slices"], data["patch"], data["views"], data["batch_size"]) == (20, [160, 256], [4, 1, 1], 1)
    assert data["augmentations"][0]["init_args"] == {"share": 0.5, "rotation_rad": 0.05, "shear": 0.3, "tilt": 0.003}
    assert data["mirrors"] is True
    assert settings["run"]["best"] is False


def test_only_networks_for_organs_are_taken(tmp_path: Path) -> None:
    from nets.weights import shipped

    with pytest.raises(WeightsError, match="is no network that outlines organs"):
        OrganNetwork(shipped("multitasking_mdcn"))
