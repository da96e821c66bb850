"""What a coordinator and a site are told, on its way to the processes that Flower starts for them."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

VARIABLE = "MALIBU_FEDERATION"
"""Environment variable with the file of the settings."""


@dataclass(frozen=True)
class Federation:
    """What a coordinator is told.

    Attributes
    ----------
    recipe : tuple of str
        Arguments of ``python -m nets.training fit``, of a recipe that all sites have.
    folder : str
        Keeps the weights of the rounds, so that a coordinator that was killed goes on.
    rounds : int
    sites : int
        That each round waits for, before it starts.
    least_sites : int
        Whose updates a round needs; with fewer, the weights stay as they were.
    epochs : int
        Over a site's samples in each round.
    proximal : float
        μ of FedProx (Li 2020, MLSys); 0: FedAvg (McMahan 2017, AISTATS).
    quiet_below : float
        δ: a site whose weights moved by ‖w − w_ref‖² of at most so much sends none (Kamp 2018, ECML).
    half : bool
        Sites send differences in half precision.
    limit_s : float
        A site that takes longer for a round is left out of it.
    largest_change : float
        An update with ‖w − w_ref‖ of more than so many ‖w_ref‖ is refused.
    """

    recipe: tuple[str, ...]
    folder: str
    rounds: int
    sites: int = 2
    least_sites: int = 1
    epochs: int = 1
    proximal: float = 0.0
    quiet_below: float = 0.0
    half: bool = False
    limit_s: float = 3600.0
    largest_change: float = 10.0


@dataclass(frozen=True)
class Site:
    """What a site is told.

    Attributes
    ----------
    recipe : tuple of str
        Arguments of ``python -m nets.training fit``, with the site's own data.
    folder : str
        Keeps the site's own checkpoints, and the network when the training is over.
    wait_s : float
        For a coordinator that does not let it in yet.
    """

    recipe: tuple[str, ...]
    folder: str
    wait_s: float = 300.0


Settings = TypeVar("Settings", Federation, Site)


def write_settings(settings: Federation | Site, path: Path) -> None:
    """Write settings for :func:`settings_of_process`."""
    path.write_text(json.dumps(asdict(settings)), encoding="utf-8")


def settings_of_process(kind: type[Settings]) -> Settings:
    """Read the settings that the environment of this process names."""
    values: dict[str, Any] = json.loads(Path(os.environ[VARIABLE]).read_text(encoding="utf-8"))
    return kind(**{**values, "recipe": tuple(values["recipe"])})
