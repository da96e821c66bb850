"""The recipe as a command line: classes of training and data, what is kept of a run, and Lightning's trainer."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from lightning import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from nets.data.formats.errors import VolumeError
from nets.data.training_data import TrainingData
from nets.training.base import EndlessTrainingError, Training
from nets.training.domain_figure import DomainFigure
from nets.training.export import ExportWeights
from nets.training.recipes import complete
from nets.weights import WeightsError


@dataclass(frozen=True)
class Run:
    """What is kept of a training, beneath ``runs/NAME`` or the trainer's ``default_root_dir``.

    Attributes
    ----------
    name : str
        Name of the folder, and of weights, log and picture in it.
    monitor : str
        Figure by which the best checkpoint is chosen.
    mode : {"min", "max"}
        Whether less or more of it is better.
    best : bool
        Export the checkpoint of the best validation; else the last weights.
    start_share : float
        Share, in the exported weights, of those that the training started from.
    half : bool
        Export in half precision.
    """

    name: str
    monitor: str = "val_l1"
    mode: Literal["min", "max"] = "min"
    best: bool = True
    start_share: float = 0.0
    half: bool = True

    def callbacks(self, folder: Path) -> list[Callback]:
        """The best validation; the last epoch, to resume from; the exported weights; DRAGAN's picture."""
        checkpoints = str(folder / "checkpoints")
        export = ExportWeights(str(folder / f"{self.name}.safetensors"), self.half, self.best, self.start_share)
        return [
            ModelCheckpoint(checkpoints, monitor=self.monitor, mode=self.mode, save_on_train_epoch_end=True),
            ModelCheckpoint(checkpoints, filename="last", enable_version_counter=False, save_on_train_epoch_end=True),
            export,
            DomainFigure(str(folder / "domains.png")),
        ]


class TrainingCommand(LightningCLI):
    """Lightning's command line with the key ``run``, and without what malibu has no use for."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Train, or judge on the validation or the test samples."""
        known = LightningCLI.subcommands()
        return {name: known[name] for name in ("fit", "validate", "test")}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the key."""
        parser.add_argument("--run", type=Run, required=True, help="What is kept of the training.")

    def _parse_ckpt_path(self) -> None:
        """Take values from the recipe and the command line alone, not from what a checkpoint was trained with."""

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Give the trainer the loggers and callbacks that every training has."""
        given = self._get(self.config_init, "trainer", default={})
        folder = Path(given.get("default_root_dir") or Path("runs") / self.run.name)
        return super().instantiate_trainer(
            default_root_dir=str(folder),
            logger=self.loggers(folder) if given.get("logger") is None else given["logger"],
            callbacks=[*self.callbacks(folder), *(given.get("callbacks") or [])],
            **kwargs,
        )

    @property
    def run(self) -> Run:
        """What the recipe says under ``run``."""
        return self._get(self.config_init, "run")

    def loggers(self, folder: Path) -> list[Logger]:
        """A table and TensorBoard, beneath the training's folder."""
        return [CSVLogger(folder, "csv"), TensorBoardLogger(folder, "tensorboard")]

    def callbacks(self, folder: Path) -> list[Callback]:
        """What is kept of the training, beneath its folder."""
        return self.run.callbacks(folder)


Command = TypeVar("Command", bound=TrainingCommand)


def parsed(command: type[Command], arguments: Sequence[str], **options: Any) -> Command:
    """Read recipes and arguments, make training, data and trainer, and run a subcommand if there is one.

    Parameters
    ----------
    command : type of TrainingCommand
    arguments : sequence of str
        As ``python -m nets.training`` takes them.
    **options
        For Lightning's command line; ``run=False`` for arguments without a subcommand, to make objects alone.

    Returns
    -------
    TrainingCommand
        With ``model``, ``datamodule`` and ``trainer``.

    Raises
    ------
    SystemExit
        If recipe, samples or weights cannot be used; its text is one line.
    """
    try:
        return command(
            Training,
            TrainingData,
            subclass_mode_model=True,
            subclass_mode_data=True,
            args=complete(arguments),
            save_config_kwargs={"overwrite": True},
            trainer_defaults=_TRAINER,
            **options,
        )
    except (VolumeError, WeightsError, EndlessTrainingError) as error:
        sys.exit(str(error))
    except ValueError as error:
        told = _TOLD.search(str(error))
        if told is None:
            raise
        sys.exit(told[1])  # what a class said to its values, within what the parser makes of it


_TOLD = re.compile(r"^Does not validate.*?Errors:\n\s+- (.*?)\n", re.DOTALL)

_TRAINER: dict[str, Any] = {
    "accelerator": "auto",
    "precision": "32-true",
    "num_sanity_val_steps": 0,
    "max_epochs": -1,
}
"""What all recipes have in common: the steps of the training end it, not epochs."""
