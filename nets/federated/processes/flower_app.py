"""The app that Flower sends from the coordinator to the sites: names of malibu's own modules, and no code.

Sites run nothing else: :func:`check_bundle` compares what came with what this version of malibu would send.
"""

import io
import zipfile
from pathlib import Path

from nets import __version__

PROJECT = f"""\
[project]
name = "malibu-federation"
version = "{__version__}"
license = "MIT"
description = "Federated training"
dependencies = []

[tool.flwr.app]
publisher = "malibu"

[tool.flwr.app.components]
serverapp = "nets.federated.coordinator_app:app"
clientapp = "nets.federated.site_app:app"
"""

_FILE = "pyproject.toml"


class ForeignAppError(ValueError):
    """A coordinator wants a site to run something else than malibu."""


def write_app(folder: Path) -> None:
    """Write the app, for ``flwr run``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _FILE).write_text(PROJECT, encoding="utf-8")


def check_bundle(bundle: bytes) -> None:
    """Refuse an app that is not malibu's own of this version.

    Parameters
    ----------
    bundle : bytes
        A Flower app bundle: a zip file.

    Raises
    ------
    ForeignAppError
        If it holds any code, or other settings.
    """
    import tomllib  # of Python 3.11, as Flower is

    with zipfile.ZipFile(io.BytesIO(bundle)) as file:
        names = sorted(file.namelist())
        own = names == [".info/CONTENT", _FILE] and tomllib.loads(file.read(_FILE).decode()) == tomllib.loads(PROJECT)
    if not own:
        raise ForeignAppError(
            f"the coordinator sent another app than malibu {__version__} does (of {', '.join(names)[:200]}); it is not "
            "run: use the same version on all sides"
        )
