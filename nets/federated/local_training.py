"""A round at a site: the ordinary training of a recipe, from the weights of all sites, over some epochs.

What the optimiser, its schedule and the loaders have come to lies in a checkpoint of the site and never leaves it, so
that rounds are one long training; several epochs of one site give what the training without rounds gives.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger
from torch import Tensor

from nets.federated.messages import Round
from nets.federated.updates import Tensors, Update, state_of
from nets.training.command import TrainingCommand, parsed

_NUMBER = re.compile(r"(\d+)\.\w+$")
_KEPT = 2
"""Rounds that are kept: the last one, and the one before for a coordinator that repeats the last."""


class RoundCommand(TrainingCommand):
    """The command line of a training that keeps nothing but what it is told."""

    def __init__(self, *arguments: Any, kept: Sequence[Callback] = (), **options: Any) -> None:
        self._kept = list(kept)
        super().__init__(*arguments, **options)

    def loggers(self, folder: Path) -> list[Logger]:
        """A table."""
        return [CSVLogger(folder, "csv")]

    def callbacks(self, folder: Path) -> list[Callback]:
        """What the caller gave."""
        return list(self._kept)


def made(recipe: Sequence[str], kept: Sequence[Callback] = ()) -> RoundCommand:
    """Make training, data and trainer of a recipe, as the ordinary command does, seeds included.

    Raises
    ------
    SystemExit
        If the recipe cannot be used; with a text, since a number means that the process was told to end.
    """
    try:
        return parsed(RoundCommand, recipe, run=False, save_config_callback=None, kept=kept)
    except SystemExit as error:
        if error.code == _NOT_UNDERSTOOD:
            raise SystemExit("the recipe, or what --set changes of it, is not understood; see above") from error
        raise


_NOT_UNDERSTOOD = 2
"""Exit code of a parser of arguments, which has printed why."""


class FromAllSites(Callback):
    """Start from given weights, stay near them if told so, and end after some epochs.

    The proximal term is μ/2 ‖w − w_ref‖² (Li 2020, FedProx, equation 2); its gradient μ (w − w_ref) is added before
    gradients are clipped, as if the term stood in the loss.

    Parameters
    ----------
    proximal : float
        μ.
    epochs : int

    Attributes
    ----------
    samples : int
        That were learned from.
    """

    def __init__(self, proximal: float, epochs: int) -> None:
        self.proximal, self.epochs = proximal, epochs
        self.samples = self.epochs_done = 0
        self.weights: Tensors = {}
        self.reference: Tensors = {}
        self._pairs: dict[int, Tensor] = {}

    def take(self, weights: Tensors, reference: Tensors) -> None:
        """Set where the training starts, and what it stays near: these differ at a site that was quiet before.

        Parameters
        ----------
        weights, reference : mapping of str to Tensor
            States of the training's module; w and w_ref.
        """
        self.weights, self.reference = weights, reference

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the weights, whatever a checkpoint said."""
        pl_module.load_state_dict(dict(self.weights))
        own = dict(pl_module.named_parameters())
        self._pairs = {id(weight): self.reference[name].to(weight.device) for name, weight in own.items()}

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        """Add the gradient of the proximal term."""
        if not self.proximal:
            return
        for group in optimizer.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    weight.grad.add_(weight.detach() - self._pairs[id(weight)], alpha=self.proximal)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, _: int
    ) -> None:
        """Count samples; those of the first domain where there are several."""
        first = batch[0]
        self.samples += len(first if isinstance(first, Tensor) else first[0])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End after the epochs of the round."""
        self.epochs_done += 1
        trainer.should_stop = trainer.should_stop or self.epochs_done >= self.epochs


def command_of_round(recipe: Sequence[str], folder: Path, asked: Round, start: FromAllSites) -> RoundCommand:
    """Make a round's training, data and trainer; its checkpoint goes to the folder."""
    keep = ModelCheckpoint(
        str(folder),
        filename=f"round-{asked.number:04d}",
        save_top_k=-1,
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )
    return made([*recipe, f"--trainer.default_root_dir={folder}"], [start, keep])


def learned(command: RoundCommand, folder: Path, asked: Round, start: FromAllSites) -> Update:
    """Train a round.

    Parameters
    ----------
    command : RoundCommand
        As :func:`command_of_round` makes it.
    folder : Path
        Of this federation, for checkpoints.
    asked : Round
    start : FromAllSites
        That the command was made with, and that has its weights.

    Returns
    -------
    Update
        The samples are none where the recipe's steps were all done before.
    """
    if asked.number > 1:
        torch.manual_seed(command.datamodule.seed + asked.number)  # else dropout would draw the same in each round
    command.trainer.fit(command.model, datamodule=command.datamodule, ckpt_path=before(folder, "ckpt", asked.number))
    forget(folder, "ckpt")
    return Update(state_of(command.model), start.samples)


def before(folder: Path, suffix: str, number: int) -> Path | None:
    """Newest file ``…-NUMBER.suffix`` of a round before ``number``."""
    found = [path for path in _numbered(folder, suffix) if _number(path) < number]
    return found[-1] if found else None


def forget(folder: Path, suffix: str) -> None:
    """Remove what belongs to rounds that nobody will ask for again."""
    for path in _numbered(folder, suffix)[:-_KEPT]:
        path.unlink()


def _numbered(folder: Path, suffix: str) -> list[Path]:
    return sorted((path for path in folder.glob(f"*-*.{suffix}") if _NUMBER.search(path.name)), key=_number)


def _number(path: Path) -> int:
    found = _NUMBER.search(path.name)
    return int(found[1]) if found else 0
