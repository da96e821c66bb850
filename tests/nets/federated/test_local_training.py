"""Rounds at sites are the ordinary training: bit for bit where nothing differs, and told where something does."""

import logging
from pathlib import Path

import pytest
import torch

pytest.importorskip("flwr", reason="the extra federated is not installed")

from flwr.app import RecordDict
from torch import Tensor

from nets.federated.coordinator_app import coordinated
from nets.federated.instructions import Federation
from nets.federated.local_training import FromAllSites, made
from nets.federated.messages import COUNTS, asked_of
from nets.federated.updates import UpdateError, state_of
from nets.training.base import Batch
from nets.training.spatial_factor import SpatialFactorTraining
from nets.weights import load_weights
from tests.support.federation import HereGrid, site
from tests.support.recipes import exported, run_in, shrunk
from tests.support.replays import ROOT

RECIPE = ROOT / "configs/train/multitasking_mdcn.yaml"


class KilledError(Exception):
    """Stands for the power cut."""


def tiny(folder: Path, steps: int = 100) -> list[str]:
    """A recipe of 6 steps an epoch: 3 pairs, 2 crops of each."""
    return [*shrunk(RECIPE, folder), f"--data.folder={folder}/pairs", f"--model.steps={steps}", "--run.half=false"]


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, second[name]) for name, value in first.items())


def weights_of(path: Path) -> dict[str, Tensor]:
    return load_weights(path).network.state_dict()


@pytest.mark.parametrize("count", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_sites_with_equal_data_are_central_training_to_the_last_bit(tmp_path: Path, count: int) -> None:
    """Three rounds of one epoch; the coordinator of two sites is killed in the second, and goes on."""
    recipe = tiny(tmp_path, steps=18)
    run_in(tmp_path, recipe)
    sites = [site(tmp_path / f"site{number}", recipe) for number in range(count)]
    told = Federation(tuple(recipe), str(tmp_path / "hub"), rounds=3, sites=count)
    calls: list[int] = []

    def kill(number: int, content: RecordDict) -> RecordDict:
        calls.append(number)
        if len(calls) == 4:
            raise KilledError
        return content

    if count == 2:
        with pytest.raises(KilledError):
            coordinated(HereGrid(sites, kill), told)
    path = coordinated(HereGrid(sites), told)
    central = weights_of(exported(tmp_path, RECIPE.stem))
    assert same(central, weights_of(path))
    assert same(central, weights_of(tmp_path / f"site0/{RECIPE.stem}.safetensors")), "the site keeps it, too"
    assert load_weights(tmp_path / f"site0/{RECIPE.stem}.safetensors").card.metrics["val_nrmse"] > 0


def test_only_weights_and_a_count_leave_a_site(tmp_path: Path) -> None:
    recipe = tiny(tmp_path)
    grid = HereGrid([site(tmp_path / "site", recipe)])
    coordinated(grid, Federation(tuple(recipe), str(tmp_path / "hub"), rounds=1, sites=1))
    (learned, kept) = grid.sent
    names = [path.name.encode() for path in tmp_path.rglob("*") if path.is_file()]
    for secret in (
        *names,
        str(tmp_path).encode(),
        b"simulated",
        b"subject",
        b"val_",
        b"\x80\x02",
        b"\x80\x04",
        b"PK\x03",
    ):
        assert secret not in learned + kept
    tensors = sum(value.nbytes for value in state_of(made(recipe).model).values())
    assert tensors < len(learned) < tensors + 2500, "the rest is names and shapes of tensors"
    assert len(kept) < 50


def test_a_failing_site_tells_the_coordinator_no_names(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recipe = tiny(tmp_path)
    poor = site(tmp_path / "site", [*recipe, f"--data.folder={tmp_path}/SURNAME"])
    caplog.set_level(logging.INFO)
    coordinated(HereGrid([poor]), Federation(tuple(recipe), str(tmp_path / "hub"), rounds=1, sites=1))
    (line,) = [record.getMessage() for record in caplog.records if "left out:" in record.getMessage()]
    assert "SURNAME" not in line
    assert "SURNAME" in caplog.text, "the site's own log says it"


def test_a_quiet_site_says_nothing_and_loses_nothing(tmp_path: Path) -> None:
    """δ above what two rounds change, below what three do: the third round sends what all three learned."""
    recipe = tiny(tmp_path, steps=18)
    run_in(tmp_path, recipe)
    central = weights_of(exported(tmp_path, RECIPE.stem))
    start = weights_of(tmp_path / "start.safetensors")
    moved = sum(float((central[name] - start[name]).square().sum()) for name in start)
    grid = HereGrid([site(tmp_path / "site", recipe)])
    told = Federation(tuple(recipe), str(tmp_path / "hub"), rounds=3, sites=1, quiet_below=0.9 * moved)
    path = coordinated(grid, told)
    assert [len(data) > 1000 for data in grid.sent[:3]] == [False, False, True]
    for name, value in weights_of(path).items():
        assert torch.allclose(value, central[name], atol=1e-5)


@pytest.mark.slow
def test_half_precision_halves_what_is_sent_and_keeps_what_it_rounds_off(tmp_path: Path) -> None:
    recipe = tiny(tmp_path, steps=18)
    found = {}
    for half in (False, True):
        folder = tmp_path / str(half)
        grid = HereGrid([site(folder / "site", recipe)])
        told = Federation(tuple(recipe), str(folder / "hub"), rounds=2, sites=1, half=half)
        weights = weights_of(coordinated(grid, told))
        found[half] = (len(grid.sent[0]), weights)
    assert found[True][0] < 0.65 * found[False][0]
    for name, value in found[True][1].items():
        assert torch.allclose(value, found[False][1][name], atol=1e-4)


class ProximalTraining(SpatialFactorTraining):
    """The proximal term in the loss, as the paper writes it: μ/2 ‖w − w_ref‖²."""

    reference: dict[str, Tensor]

    def penalty(self, estimate: Tensor, batch: Batch) -> Tensor:
        pairs = [(weight, self.reference[name]) for name, weight in self.named_parameters()]
        return 0.5 * 30.0 * sum((weight - at).square().sum() for weight, at in pairs)


def test_the_proximal_term_is_that_of_the_paper(tmp_path: Path) -> None:
    recipe = [*tiny(tmp_path), "--trainer.max_epochs=1", f"--trainer.default_root_dir={tmp_path}"]
    found = []
    for of_paper in (True, False):
        plain = made(recipe).model
        reference = {name: value + 0.1 for name, value in state_of(plain).items()}
        weights = state_of(plain)
        start = FromAllSites(0.0 if of_paper else 30.0, 1)
        start.take(weights, reference)
        arguments = (
            [*recipe, "--model=tests.nets.federated.test_local_training.ProximalTraining"] if of_paper else recipe
        )
        command = made(arguments, [start])
        command.model.reference = reference
        command.trainer.fit(command.model, datamodule=command.datamodule)
        found.append(state_of(command.model))
        assert start.samples == 6
    assert not same(found[0], weights)
    for name, value in found[0].items():
        assert torch.allclose(value, found[1][name], atol=1e-6)


def test_a_round_says_what_it_asks(tmp_path: Path) -> None:
    from nets.federated.messages import Round, bytes_record, task

    asked = Round("a" * 32, 4, 2, 0.5, 1e-3, True)
    content = task(bytes_record(b"x"), asked)
    assert asked_of(content) == asked
    assert COUNTS not in content


@pytest.mark.parametrize(("federation", "number"), [("../../else", 1), ("/tmp/x", 1), ("a" * 31, 1), ("a" * 32, 0)])
def test_a_coordinator_cannot_choose_a_site_s_folder(federation: str, number: int) -> None:
    from nets.federated.messages import Round, bytes_record, task

    with pytest.raises(UpdateError, match="none of malibu's"):
        asked_of(task(bytes_record(b"x"), Round(federation, number, 2, 0.5, 1e-3, True)))
