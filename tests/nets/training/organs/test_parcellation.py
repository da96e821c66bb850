"""Training of HighRes3DNet: patches of all three axes, cross-entropy and overlap, the recipe in two steps."""

from pathlib import Path

import pytest
import torch

from nets.data.organs.labelled_files import LabelledVolume, write_labelled
from nets.data.organs.labelled_patches import LabelledPatchesData
from nets.inference.organs.brain_network import BrainNetwork
from nets.training.organs.parcellation import ParcellationTraining
from tests.support.recipes import QUIET, exported, log_of, run_in
from tests.support.replays import ROOT

PARTS = ("background", "white matter", "ventricles")
SMALL = {"classes": 3, "width": 2, "wide": 4}
RECIPE = ROOT / "configs/train/highres3dnet.yaml"


def fill(folder: Path) -> Path:
    for number, split in enumerate(("train", "validation", "test")):
        (folder / split).mkdir(parents=True)
        generator = torch.Generator().manual_seed(number)
        labels = torch.randint(0, 3, (9, 10, 11), generator=generator).to(torch.uint8)
        voxels = labels.float() + 0.1 * torch.randn(9, 10, 11, generator=generator)
        volume = LabelledVolume(voxels, labels, PARTS, (2.5, 2.5, 2.5), {"seed": number})
        write_labelled(folder / split / f"simulated-parts-{number:06d}.h5", volume)
    return folder


def test_batches_are_cubes_with_a_label_for_each_voxel(tmp_path: Path) -> None:
    data = LabelledPatchesData([str(fill(tmp_path / "v"))], patch=(4, 5, 6), patches_per_volume=3, batch_size=3)
    image, labels = next(iter(data.train_dataloader()))
    assert (image.shape, labels.shape) == ((3, 1, 4, 5, 6), (3, 4, 5, 6))
    assert (image.dtype, labels.dtype) == (torch.float32, torch.int64)
    level = torch.stack([image[:, 0][labels == part].mean() for part in range(3)])
    assert (level.diff() > 0.5).all(), "labels lie where their signal lies"
    told = data.preprocessing()
    assert (told["parts"], told["spacing_mm"]) == (list(PARTS), [2.5, 2.5, 2.5])
    assert "slices" not in told
    assert data.describe().endswith("voxels of 2.5x2.5x2.5 mm")


@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_what_is_minimised_is_cross_entropy_and_overlap_of_each_class(weight: float) -> None:
    torch.manual_seed(2)
    training = ParcellationTraining(network=SMALL, dice_weight=weight)
    training.log = lambda *_, **__: None  # type: ignore[method-assign,assignment]
    image, labels = torch.randn(2, 1, 4, 5, 6), torch.randint(0, 3, (2, 4, 5, 6))
    scores = training.network(image)
    entropy = torch.nn.functional.cross_entropy(scores, labels)
    shares = scores.softmax(dim=1)
    dice = []
    for part in (1, 2):
        true = (labels == part).float()
        dice.append(2 * (shares[:, part] * true).sum() / (shares[:, part] + true).sum())
    expected = entropy + weight * (1 - torch.stack(dice).mean())
    assert training.training_step((image, labels), 0).item() == pytest.approx(expected.item(), rel=1e-4)
    figures = training.eval().judged((image, labels))
    assert set(figures) == {"cross_entropy", "dice"}


def test_recipe_learns_in_two_steps_resumes_and_exports(tmp_path: Path) -> None:
    arguments = [
        f"--config={RECIPE}", *QUIET, f"--model.network={SMALL}", "--data.patch=[8,8,8]", "--data.patches_per_volume=1",
        f"--data.folders=[{fill(tmp_path / 'volumes')}]",
    ]  # fmt: skip
    run_in(tmp_path, [*arguments, "--model.steps=2"])
    weights = exported(tmp_path, "highres3dnet")
    network = BrainNetwork(weights)
    assert network.parts == PARTS
    assert network.card.chosen.startswith("the last weights, of step 2")
    assert "val_dice" in log_of(tmp_path, "highres3dnet")
    last = tmp_path / "runs/highres3dnet/checkpoints/last.ckpt"
    run_in(tmp_path, [*arguments, "--model.steps=3", f"--ckpt_path={last}"])
    assert BrainNetwork(weights).card.metrics["step"] == 3
