"""Train a network: ``python -m nets.training fit --config configs/train/NAME.yaml``; also ``validate`` and ``test``.

A recipe names the classes of its training and its data, and under ``run`` what is kept of it; the rest is Lightning's
command line: every value can be replaced (``--data.folder pairs``), ``--ckpt_path runs/NAME/checkpoints/last.ckpt``
resumes, ``--model.weights FILE.safetensors`` starts from weights, or validates and tests them, and
``torchrun --nproc-per-node 4 -m nets.training fit --config … --trainer.strategy ddp`` trains on several GPUs and hosts
(GANs: ``ddp_find_unused_parameters_true``, since one player learns at a time).
"""

import logging
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lightning import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

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
        run: Run = self._get(self.config_init, "run")
        given = self._get(self.config_init, "trainer", default={})
        folder = Path(given.get("default_root_dir") or Path("runs") / run.name)
        loggers = [CSVLogger(folder, "csv"), TensorBoardLogger(folder, "tensorboard")]
        return super().instantiate_trainer(
            default_root_dir=str(folder),
            logger=loggers if given.get("logger") is None else given["logger"],
            callbacks=[*run.callbacks(folder), *(given.get("callbacks") or [])],
            **kwargs,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.

    Raises
    ------
    SystemExit
        If recipe, samples or weights cannot be used; its text is one line.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    given = complete(sys.argv[1:] if arguments is None else arguments)
    try:
        TrainingCommand(
            Training,
            TrainingData,
            subclass_mode_model=True,
            subclass_mode_data=True,
            args=given,
            save_config_kwargs={"overwrite": True},
            trainer_defaults=_TRAINER,
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


if __name__ == "__main__":
    main()
