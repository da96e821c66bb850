"""How the processes that Flower starts tell the one that started Flower: a log, and in the end an outcome."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

LOG = "federation.log"
"""Name of the log in the folder of a coordinator or site."""

UNTOLD = "the training failed; the site's log says why"
"""What a coordinator is told of any error at a site."""

_OUTCOME = "outcome.json"


@dataclass(frozen=True)
class Outcome:
    """How a coordinator or site ended.

    Attributes
    ----------
    path : str
        Of the final weights; empty after an error.
    error : str
        One line.
    """

    path: str = ""
    error: str = ""


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Write an outcome; the file appears when it is complete."""
    partial = folder / f".{_OUTCOME}.partial"
    partial.write_text(json.dumps(asdict(outcome)), encoding="utf-8")
    partial.replace(folder / _OUTCOME)


def read_outcome(folder: Path) -> Outcome | None:
    """Read the outcome, if there is one."""
    path = folder / _OUTCOME
    return Outcome(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


@contextmanager
def logged(folder: Path) -> Iterator[None]:
    """Write what malibu logs to the folder's log."""
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(folder / LOG, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logger = logging.getLogger("nets")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
