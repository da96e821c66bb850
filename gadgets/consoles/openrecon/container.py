"""Files of a container's build, made of the templates beside this module."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from gadgets.consoles.openrecon.application import Application
from gadgets.consoles.openrecon.specification import LABEL, label_value
from gadgets.files import complete_file


def template(name: str, values: Mapping[str, str]) -> str:
    """Fill a template: ``@NAME@`` becomes the value of that name.

    Parameters
    ----------
    name : str
        File in ``templates``.
    values : mapping of str to str
        Names that the template has not are left aside; what it has must be here.

    Returns
    -------
    str
    """
    text = (files("gadgets.consoles.openrecon") / "templates" / name).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def put_text(path: Path, text: str, executable: bool = False) -> None:
    """Write a file, complete or not at all."""
    with complete_file(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")
    if executable:
        path.chmod(path.stat().st_mode | 0o111)


def put_build(folder: Path, dockerfile: str, application: Application, values: Mapping[str, str], label: str) -> None:
    """Write what the image of a server is built of, but for wheel and constraints.

    Parameters
    ----------
    folder : Path
        Context of the build.
    dockerfile : str
        Its name: ``Dockerfile`` or ``Containerfile``.
    application : Application
        Its configuration is the server's own, and its simulation proves the image.
    values : mapping of str to str
        ``VERSION``, ``TITLE`` and ``WHEEL``.
    label : str
        A line of the Dockerfile, or nothing.
    """
    own = {"CONFIGURATION": application.configuration, "SIMULATION": application.simulation, "LABEL": label}
    put_text(folder / dockerfile, template("Dockerfile", {**values, **own}))
    put_text(folder / "entrypoint.sh", template("entrypoint.sh", {}), executable=True)


def label_line(specification: Mapping[str, object]) -> str:
    """The line of a Dockerfile that gives the image its label for VA60 and VA61."""
    return f'LABEL "{LABEL}"="{label_value(dict(specification))}"\n'
