"""Configurations that a console may ask for by name, and what it may set of their parameters."""

import logging
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from gadgets.configuration import configuration_of, executed_gadget, parameter_names, set_values
from gadgets.errors import ParameterError, shortened
from gadgets.mrd.replay import configuration_message
from gadgets.registry import GADGETS, gadget_entry

log = logging.getLogger(__name__)

_NO_CHOICE = ("", "default", "openrecon", "null")
"""What consoles send that name no configuration; the server's own counts then."""

NAMELESS = "multitasking"
"""Configuration of a server that names none."""


@dataclass(frozen=True)
class Configurations:
    """What a server knows.

    Attributes
    ----------
    own : str
        Name, or the path of a file: for consoles that name none.
    folder : Path or None
        Further configurations, ``NAME.xml``; they come before those that malibu ships.
    overrides : mapping of str to str
        Parameters that were set at the start of the server; the console's own values come before them.
    """

    own: str = NAMELESS
    folder: Path | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)

    def names(self) -> list[str]:
        """All names, in alphabetical order."""
        return sorted(self._files())

    def check(self) -> None:
        """Refuse a server whose own configuration or overrides are impossible, before it listens.

        Raises
        ------
        ParameterError
        """
        target, element = self.read("")
        of_others = {name for gadget in GADGETS for name in self.of_gadget(gadget, self.overrides)}
        mine = self.of_gadget(target, self.overrides)
        unknown = {name: value for name, value in self.overrides.items() if name not in of_others}
        gadget_entry(target).parse(element, mine | unknown)

    def read(self, asked: str) -> tuple[str, ElementTree.Element | None]:
        """Read a configuration: target of its gadget, and the ``<configuration>`` of that.

        Raises
        ------
        ParameterError
            As :meth:`document`, or if it is no XML.
        """
        document = self.document(asked)
        target = executed_gadget(document) or "MultitaskingGadget"
        return target, configuration_of(document, target)

    def document(self, asked: str) -> str:
        """Find a configuration.

        Parameters
        ----------
        asked : str
            Name, with or without ``.xml``; XML; or nothing for the server's own.

        Returns
        -------
        str
            XML.

        Raises
        ------
        ParameterError
            If there is none of that name; the text lists those that there are.
        """
        if asked.lstrip().startswith("<"):
            return asked
        name = asked.removesuffix(".xml")
        if name.lower() in _NO_CHOICE:
            own = Path(self.own)
            if own.suffix == ".xml" and own.is_file():
                return own.read_text(encoding="utf-8")
            name = self.own
        found = self._files().get(name)
        if found is None:
            raise ParameterError(
                f"no configuration {shortened(name)!r} is known here; known are {', '.join(self.names())}"
            )
        return found.read_text(encoding="utf-8")

    def chosen(self, asked: str, given: Mapping[str, str]) -> tuple[str, bytes]:
        """Take a console's choice.

        Parameters
        ----------
        asked : str
            As for :meth:`document`.
        given : mapping of str to str
            Parameters from the console, by name; names without underscores are ours, too.

        Returns
        -------
        target : str
            Of the gadget.
        configuration : bytes
            CONFIG message.

        Raises
        ------
        ParameterError
            If a configuration or a parameter is not known, or has an impossible value.
        """
        target, element = self.read(asked)
        entry = gadget_entry(target)
        console = with_our_names(given, parameter_names(type(entry.parse(None, {}))))
        own = self.of_gadget(target, self.overrides)
        if asked.lstrip().startswith("<"):  # then the console set what is in it, too
            own = {name: value for name, value in own.items() if name not in set_values(element)}
        if "rescue_folder" in console or (asked.lstrip().startswith("<") and "rescue_folder" in set_values(element)):
            raise ParameterError("rescue_folder is a folder of the server: set it there, by --set")
        overrides = _with_fire(element, own | console)
        entry.parse(element, overrides)
        for name in sorted(set(console) & set(own)):
            log.info("%s is what the console set, not what the server was started with", name)
        return target, configuration_message(element, overrides)

    @staticmethod
    def of_gadget(target: str, values: Mapping[str, str]) -> dict[str, str]:
        """Of some parameters those that a gadget has: a server may set some for each of its gadgets."""
        names = parameter_names(type(gadget_entry(target).parse(None, {})))
        return {name: value for name, value in values.items() if name in names}

    def defaults(self) -> tuple[str, dict[str, str]]:
        """Target of the server's own gadget, and its parameters: of the configuration, and what was set above it."""
        target, element = self.read("")
        return target, set_values(element) | self.of_gadget(target, self.overrides)

    def _files(self) -> dict[str, Path]:
        shipped = Path(str(files("gadgets") / "configs" / "xml"))
        folders = [shipped] if self.folder is None else [shipped, self.folder]
        return {path.stem: path for folder in folders for path in sorted(folder.glob("*.xml"))}


def _with_fire(element: ElementTree.Element | None, overrides: dict[str, str]) -> dict[str, str]:
    """Let images go out as FIRE consoles take them, unless something else was set."""
    return overrides if "dialect" in set_values(element) | overrides else overrides | {"dialect": "fire"}


def plain(name: str) -> str:
    """A parameter's name as OpenRecon allows it: letters and digits."""
    return name.replace("_", "").lower()


def with_our_names(given: Mapping[str, str], names: list[str]) -> dict[str, str]:
    """Give parameters our names: ``trms`` is ``tr_ms``; empty text sets nothing; unknown names stay.

    Raises
    ------
    ParameterError
        If two names are one parameter.
    """
    ours = {plain(name): name for name in names}
    values: dict[str, str] = {}
    for name, value in given.items():
        known = ours.get(plain(name), name)
        if known in values:
            raise ParameterError(f"the console gave {shortened(known)!r} twice, under two spellings")
        if value.strip():
            values[known] = value
    return values
