"""Every recipe does what its text says; a new task is a class and a recipe; errors name remedies."""

import re
from pathlib import Path

import pytest
import torch
import yaml

from nets.data.training_samples import Sample, Samples
from nets.training.adversarial import GanTraining
from nets.training.base import Training
from nets.training.image_tasks.guided_training import GuidedTraining
from nets.training.image_tasks.masked_training import MaskedTraining
from nets.training.recipes import complete
from nets.training.spatial_factor import SpatialFactorTraining
from nets.training.super_resolution import SuperResolutionTraining
from nets.weights import load_weights
from tests.support.recipes import (
    QUIET,
    RECIPES,
    exported,
    log_of,
    run_in,
    save_start,
    settings_of,
    shrunk,
    steps,
)

every_recipe = pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)


def objective(training: Training, network: torch.nn.Module, batch: tuple[torch.Tensor, ...]) -> float:
    """What the recipe says that the network minimises, of one batch."""
    with torch.no_grad():
        if isinstance(training, GanTraining):
            generated = network.eval()(batch[0])
            verdict = training.discriminator.eval()(torch.cat([batch[1], generated]))[len(generated) :]
            softplus = torch.nn.functional.softplus(-verdict).mean()
            adversarial = -verdict.mean() if training.gan == "wgan_gp" else softplus
            return float((generated - batch[1]).abs().mean() + training.adversarial_weight * adversarial)
        kept = isinstance(training, SuperResolutionTraining) and training.keep_statistics
        estimate = (network.eval() if kept else network.train())(batch[0])
        difference = estimate - batch[1]
        if isinstance(training, GuidedTraining):
            return float(training.error(estimate, batch) + training.penalty(estimate, batch))
        if isinstance(training, MaskedTraining) and training.region == "mask":
            difference = difference[batch[2] > 0]
        squared = training.hparams["loss"] == "l2"
        value = difference.square().mean() if squared else difference.abs().mean()
        if isinstance(training, SpatialFactorTraining):
            weights = torch.cat([weight.flatten() for weight in network.parameters() if weight.ndim > 1])
            value = value + training.l1_scale * weights.abs().mean() + training.l2_scale * weights.square().mean()
        return float(value)


@every_recipe
def test_every_recipe_learns_in_two_steps_and_exports_what_its_text_says(
    recipe: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "nets.training.export")
    settings, kept = settings_of(recipe), {}
    run = settings["run"]
    arguments = [*shrunk(recipe, tmp_path), *steps(recipe, 2)]
    keep = "--trainer.callbacks+=tests.support.kept_training.KeepTraining"
    run_in(tmp_path, [*arguments, keep])
    from tests.support.kept_training import KeepTraining

    kept = KeepTraining.last
    assert kept is not None
    before, after = load_weights(tmp_path / "start.safetensors"), load_weights(exported(tmp_path, recipe.stem))
    changed = [
        name
        for name, value in after.network.state_dict().items()
        if value.is_floating_point()
        and not torch.equal(value, before.network.state_dict()[name])
        and "running" not in name
    ]
    assert len(changed) > 1
    batch = kept.batch
    assert objective(kept.training, after.network, batch) < objective(kept.training, before.network, batch)
    chosen = after.card.chosen
    if run["best"]:
        extreme = "greatest" if run.get("mode") == "max" else "least"
        assert re.fullmatch(
            rf"the weights of the {extreme} {run['monitor']} \(\S+\) of \d validations, of step \d", chosen
        )
    else:
        assert chosen.startswith("the last weights")
    if run.get("start_share"):
        assert "with a share of 0.5 of those at the start" in chosen
    else:
        assert "share" not in chosen
    assert f"{recipe.stem}.safetensors with its log: {chosen}" in caplog.text
    assert after.card.seed == settings["data"]["init_args"]["seed"]
    assert all(torch.isfinite(torch.tensor(list(after.card.metrics.values()))))
    assert (tmp_path / f"runs/{recipe.stem}/checkpoints/last.ckpt").is_file()
    assert list((tmp_path / f"runs/{recipe.stem}").glob("tensorboard/*/events*"))
    stage = {"stage": 2 if settings["model"]["init_args"].get("first_stage") else 1}
    assert ("stage" in after.card.preprocessing) == isinstance(kept.training, GanTraining)
    assert after.card.preprocessing.get("stage", stage["stage"]) == stage["stage"]


@every_recipe
def test_comments_say_which_weights_are_kept_and_as_much_is_done(recipe: Path) -> None:
    comment = " ".join(line[1:].strip() for line in recipe.read_text().splitlines() if line.startswith("#"))
    settings = settings_of(recipe)
    run, model, data = settings["run"], settings["model"]["init_args"], settings["data"]["init_args"]
    says_last = "last weights are kept" in comment or "mean of both parts" in comment
    if says_last or "heckpoint of the least" in comment:
        assert run["best"] == (not says_last)
    assert run["name"] == recipe.stem
    length = model["turns"]["generator_steps"] if "turns" in model else model["steps"]
    assert "max_epochs" not in settings.get("trainer", {}), "the number of files would change the schedule"
    told = re.search(r"([\d,]+) steps(?: of the generator|,| of|\.|;|\))", comment)
    if told and "generator" not in comment[told.start() - 40 : told.start()] and "alone" not in comment[: told.start()]:
        assert int(told[1].replace(",", "")) == length
    if recipe.stem.endswith("_paper"):
        assert data["augmentations"] == []
        assert data.get("degradations", []) == []
        assert run["half"] is False
        assert not ("brain" in comment and "4x" in comment) or data["factors"] == [[2, 2, 1]]


@pytest.mark.parametrize(
    ("name", "folders", "factors"),
    [
        ("sr_dcsrn_paper", ["volumes/brain"], [[2, 2, 1]]),
        ("sr_mdcsrn_paper", ["volumes/brain"], [[2, 2, 1]]),
        ("sr_attention_paper", ["volumes/brain"], [[2, 2, 1]]),
        ("gan_wgan_gp_paper", ["volumes/brain"], [[2, 2, 1]]),
        ("sr_rrdg_paper", ["volumes/brain"], [[2, 2, 1]]),
        ("gan_rrdg_paper", ["volumes/brain"], [[2, 2, 1]]),
        ("sr_mdcsrn_joint_paper", ["volumes/coronary", "volumes/brain"], [[4, 4, 1]]),
        ("gan_vanilla_paper", ["volumes/coronary", "volumes/brain"], [[4, 4, 1]]),
        ("gan_dragan_paper", ["volumes/coronary", "volumes/brain"], [[4, 4, 1]]),
    ],
)
def test_papers_are_trained_on_their_own_domain_and_acceleration(name: str, folders: list, factors: list) -> None:
    (recipe,) = (path for path in RECIPES if path.stem == name)
    data = settings_of(recipe)["data"]["init_args"]
    assert (data["folders"], data["factors"]) == (folders, factors)


def test_numbers_of_the_papers_stand_in_their_recipes() -> None:
    """Dissertation 3.3.2, 4.4.1, 5.2.3 and 6.3.2; the places stand in docs/differences.md."""
    model = {path.stem: settings_of(path)["model"]["init_args"] for path in RECIPES}
    data = {path.stem: settings_of(path)["data"]["init_args"] for path in RECIPES}
    dcsrn, mdcsrn, joint = (model[f"sr_{name}_paper"] for name in ("dcsrn", "mdcsrn", "mdcsrn_joint"))
    assert (dcsrn["loss"], dcsrn["learning_rate"]) == ("l2", 1e-5)
    assert [(each["learning_rate"], each["steps"]) for each in (mdcsrn, joint)] == [(1e-4, 800_000)] * 2
    assert (data["sr_dcsrn_paper"]["patch"], data["sr_dcsrn_paper"]["batch_size"]) == ([64, 64, 64], 2)
    assert (data["sr_mdcsrn_paper"]["patch"], data["sr_mdcsrn_paper"]["batch_size"]) == ([40, 40, 40], 6)
    wgan, vanilla, dragan = (model[f"gan_{name}_paper"] for name in ("wgan_gp", "vanilla", "dragan"))
    assert (wgan["adversarial_weight"], wgan["generator_rate"]) == (0.001, 5e-6)
    turns = {"warm_up": 10_000, "per_generator": 5, "extra_every": 500, "extra": 200, "generator_steps": 200_000}
    assert wgan["turns"] == turns
    for name, each in (("gan_vanilla_paper", vanilla), ("gan_dragan_paper", dragan)):
        assert each["turns"] == {"warm_up": 10_000, "generator_steps": 300_000}
        assert data[name]["patch"] == each["discriminator_config"]["patch"] == [64, 80, 80]
        training = GanTraining(
            each["gan"],
            discriminator=each.get("discriminator", "dragan_discriminator"),
            discriminator_config={"patch": [16, 16, 16], "width": 1, "hidden": 1},
        )
        assert training.adversarial_weight == 0.1
        assert training.rates == {"generator": 1e-4, "discriminator": 1e-5, "feature": 1e-4}
    mdcn = model["multitasking_mdcn_paper"]
    assert (mdcn["learning_rate"], mdcn["l1_scale"], mdcn["l2_scale"], mdcn["steps"]) == (1e-4, 1e-2, 1e-2, 300_000)


class Doubled(Samples):
    """The new task of the test: images of which the label is twice the image."""

    def read(self, path: Path, number: int) -> Sample:
        image = torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(int(path.stem)))
        return Sample(torch.stack([image, 2 * image]))


NEW_TASK = """
run: {name: doubled, monitor: val_nrmse}
seed_everything: 3
model:
  class_path: nets.training.base.Training
  init_args:
    architecture: dwan
    network: {width: 2, wide: 4, dilations: [1]}
    loss: l2
    learning_rate: 0.02
    schedule: cosine
    steps: 150
    metrics: [nrmse, psnr]
    intended_input: images of the test
data:
  class_path: tests.nets.training.test_recipes.Doubled
  init_args: {folders: [images], patch: [12, 12], patches_per_file: 5}
"""


def test_a_new_task_is_one_class_and_one_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "images").mkdir()
    for number in range(10):
        (tmp_path / f"images/{number}.h5").touch()
    (tmp_path / "task.yaml").write_text(NEW_TASK)
    run_in(tmp_path, ["--config=task.yaml", *QUIET])
    loaded, log = load_weights(exported(tmp_path, "doubled"), "dwan"), log_of(tmp_path, "doubled")
    assert loaded.card.intended_input == "images of the test"
    assert (
        loaded.card.training_data
        == "8 files of 8 subjects (0 simulated) of 1 domains, validation 1 files of 1 subjects (0 simulated)"
    )
    assert log["val_input_nrmse"] == [pytest.approx(0.5)] * 4
    assert log["val_nrmse"][-1] < 0.2
    assert {"val_psnr", "val_input_psnr", "train_loss"} <= set(log)
    assert log["step"][-1] == 150
    for command, split in (("validate", "val"), ("test", "test")):
        capsys.readouterr()
        run_in(tmp_path, ["--config=task.yaml", *QUIET, f"--model.weights={exported(tmp_path, 'doubled')}"], command)
        printed = re.search(rf"{split}_nrmse\W+([\d.]+)", capsys.readouterr().out)
        assert printed
        assert float(printed[1]) < 0.5


OLD = """
task: {task}
run: {{name: old, monitor: {monitor}}}
seed_everything: 1
model: {model}
data: {data}
trainer: {{max_epochs: 1}}
"""


def test_recipes_of_older_versions_are_read(tmp_path: Path) -> None:
    recipe = next(path for path in RECIPES if path.stem == "sr_brain_l1")
    shrunk(recipe, tmp_path)
    model = "{network: {blocks: 1, units: 1, growth: 2}}"
    data = "{folders: [volumes/brain], patch: [8, 8, 8], texture: 0.2, batch_size: 1}"
    (tmp_path / "old.yaml").write_text(OLD.format(task="super_resolution", monitor="val_l1", model=model, data=data))
    run_in(tmp_path, ["--config", "old.yaml", *QUIET])
    assert load_weights(exported(tmp_path, "old"), "mdcsrn").card.preprocessing["factors"] == [[4, 4, 1]]
    (tmp_path / "pairs.yaml").write_text(
        OLD.format(
            task="spatial_factor", monitor="val_l1", model="{}", data="{folder: p, augmentation: {flips: false}}"
        )
    )
    odd = tmp_path / "a=b.yaml"
    (tmp_path / "pairs.yaml").rename(odd)
    (text,) = complete([f"--config={odd}", "--model.steps=3"])[1:2]
    translated = yaml.safe_load(text)
    assert translated["run"] == {"name": "old", "monitor": "val_l1"}
    assert translated["data"]["class_path"] == "nets.data.pairs.PairsData"
    found = {
        each["class_path"].rsplit(".", 1)[1]: each["init_args"]
        for each in translated["data"]["init_args"]["augmentations"]
    }
    assert found == {"QuarterTurns": {}, "MapPhase": {"of": "all"}, "MapSigns": {}, "FewerMaps": {"share": 0.1}}
    assert translated["model"]["class_path"].endswith("SpatialFactorTraining")
    (text,) = complete(["--config", str(tmp_path / "old.yaml")])[1:]
    phase, texture = yaml.safe_load(text)["data"]["init_args"]["degradations"]
    assert phase["class_path"].endswith("RandomPhase")
    assert texture["init_args"] == {"largest": 0.2}


def test_switches_of_older_versions_become_a_list_in_their_order(tmp_path: Path) -> None:
    switches = "{order: 2, phase: each, sign: false, coil_noise: 0.3, fewer_maps: 0.0}"
    data = f"{{folder: p, augmentation: {switches}}}"
    (tmp_path / "o.yaml").write_text(OLD.format(task="spatial_factor", monitor="val_l1", model="{}", data=data))
    (text,) = complete(["-c", str(tmp_path / "o.yaml")])[1:]
    listed = yaml.safe_load(text)["data"]["init_args"]["augmentations"]
    assert [(each["class_path"].rsplit(".", 1)[1], each["init_args"]) for each in listed] == [
        ("QuarterTurns", {}),
        ("Flips", {"axes": 2}),
        ("MapOrder", {"places": 2}),
        ("MapPhase", {"of": "each"}),
        ("CoilNoise", {"deviation": 0.3}),
    ]


def test_a_recipe_may_come_in_parts_and_write_elsewhere(tmp_path: Path) -> None:
    (recipe,) = (path for path in RECIPES if path.stem == "sr_brain_l1")
    arguments = [*shrunk(recipe, tmp_path), *steps(recipe, 1)]
    (tmp_path / "more.yaml").write_text("seed_everything: 3\n")
    run_in(tmp_path, [arguments[0], "--config=more.yaml", *arguments[1:], "--trainer.default_root_dir=elsewhere"])
    assert (tmp_path / "elsewhere/sr_brain_l1.safetensors").is_file()
    assert (tmp_path / "elsewhere/checkpoints/last.ckpt").is_file()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (None, "the recipe gone.yaml does not exist"),
        ("task: segmentation", "task 'segmentation'; known are spatial_factor"),
        (NEW_TASK, "images/train holds no samples"),
        (NEW_TASK.replace("intended_input: images of the test", "weights: none.safetensors"), "none.safetensors"),
        (NEW_TASK.replace("    steps: 150\n", ""), r"does not say when training ends; set model\.steps"),
    ],
)
def test_errors_are_one_line_with_a_remedy(tmp_path: Path, recipe: str | None, message: str) -> None:
    if recipe is not None:
        (tmp_path / "gone.yaml").write_text(recipe)
    with pytest.raises(SystemExit, match=message):
        run_in(tmp_path, ["--config=gone.yaml", *QUIET])


@pytest.mark.parametrize(
    ("name", "kind"), [("loss", "loss 'huber'"), ("schedule", "schedule 'huber'"), ("metrics", "metric 'h'")]
)
def test_unknown_names_are_told_with_those_that_there_are(name: str, kind: str) -> None:
    with pytest.raises(ValueError, match=f"{kind} is not known; known are"):
        SuperResolutionTraining("srcnn", {"first": 1, "second": 1}, **{name: "huber"})


def test_starts_of_tests_are_no_identity(tmp_path: Path) -> None:
    """Else a network that was never trained would pass for one that was."""
    network = load_weights(save_start(tmp_path / "s.safetensors", "mdcsrn")).network
    volume = torch.rand(1, 1, 8, 8, 8)
    assert not torch.allclose(network(volume), volume, atol=0.1)
