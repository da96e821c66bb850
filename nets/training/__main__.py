"""Train a network: ``python -m nets.training fit --config configs/train/NAME.yaml``.

A recipe says which ``task`` it trains, and under ``run`` what is kept of it; the rest is Lightning's command line:
every value can be replaced (``--data.folder pairs``), ``--ckpt_path runs/NAME/checkpoints/last.ckpt`` resumes, and
``torchrun --nproc-per-node 4 -m nets.training fit --config … --trainer.strategy ddp`` trains on several GPUs and hosts.
"""

import itertools
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from nets.data.pairs import PairsData
from nets.data.volumes import VolumesData
from nets.training.adversarial import GanTraining
from nets.training.domain_figure import DomainFigure
from nets.training.export import ExportWeights
from nets.training.spatial_factor import SpatialFactorTraining
from nets.training.super_resolution import SuperResolutionTraining

TASKS: dict[str, tuple[type[Any], type[Any]]] = {
    "spatial_factor": (SpatialFactorTraining, PairsData),
    "super_resolution": (SuperResolutionTraining, VolumesData),
    "adversarial": (GanTraining, VolumesData),
}
"""Training steps and data of each task."""


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
    """

    name: str
    monitor: str = "val_l1"
    mode: Literal["min", "max"] = "min"
    best: bool = True
    start_share: float = 0.0

    def callbacks(self, folder: Path) -> list[Callback]:
        """The best validation; the last epoch, to resume from; the exported weights; DRAGAN's picture."""
        checkpoints = str(folder / "checkpoints")
        return [
            ModelCheckpoint(checkpoints, monitor=self.monitor, mode=self.mode, save_on_train_epoch_end=True),
            ModelCheckpoint(checkpoints, filename="last", enable_version_counter=False, save_on_train_epoch_end=True),
            ExportWeights(str(folder / f"{self.name}.safetensors"), best=self.best, start_share=self.start_share),
            DomainFigure(str(folder / "domains.png")),
        ]


class TrainingCommand(LightningCLI):
    """Lightning's command line with the keys ``task`` and ``run``."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the two keys."""
        parser.add_argument("--task", type=str, required=True, help=f"One of {', '.join(TASKS)}.")
        parser.add_argument("--run", type=Run, required=True, help="What is kept of the training.")

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
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    training, data = TASKS[task_of(sys.argv[1:] if arguments is None else arguments)]
    given = None if arguments is None else list(arguments)
    TrainingCommand(training, data, args=given, save_config_kwargs={"overwrite": True}, trainer_defaults=_TRAINER)


_TRAINER: dict[str, Any] = {"accelerator": "auto", "precision": "32-true", "num_sanity_val_steps": 0}
"""What all recipes have in common."""


def task_of(arguments: Sequence[str]) -> str:
    """Find the task that the arguments, or else a recipe among them, name; it decides which options there are.

    Parameters
    ----------
    arguments : sequence of str

    Returns
    -------
    str
        One of :data:`TASKS`.

    Raises
    ------
    SystemExit
        If none is named, or there is no such task.
    """
    words = [part for argument in arguments for part in argument.split("=", 1)]
    named = [value for key, value in itertools.pairwise(words) if key == "--task"]
    recipes = [Path(value) for key, value in itertools.pairwise(words) if key in ("--config", "-c")]
    for path in recipes if not named else ():
        if not path.is_file():
            sys.exit(f"the recipe {path} does not exist; those of the repository lie in configs/train")
        recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
        named += [recipe["task"]] if isinstance(recipe, dict) and "task" in recipe else []
    if named and named[-1] in TASKS:
        return named[-1]
    if not named and not recipes:
        return next(iter(TASKS))  # for --help
    sys.exit(f"the recipe names the task {(named or ['(none)'])[-1]!r}; set task to one of {', '.join(TASKS)}")


if __name__ == "__main__":
    main()
