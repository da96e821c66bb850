"""What is to be done with every scan of a batch, and by which hash its results are known."""

import hashlib
import json
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gadgets import __version__
from gadgets.configuration import configuration_of, executed_gadget
from gadgets.mrd.foreign_files import DEFAULT_GROUP
from gadgets.mrd.replay import configuration_message
from gadgets.registry import gadget_entry

_BLOCK = 2**22


@dataclass(frozen=True)
class Order:
    """What is to be done with every scan.

    Attributes
    ----------
    target : str
        Gadget.
    configuration : bytes
        Its CONFIG message.
    group : str
        HDF5 group of the scans.
    digest : str
        Of gadget, parameters, weights and version: equal ones give equal results.
    device : str
        That was set: ``auto``, ``cpu`` or ``cuda:N``.
    """

    target: str
    configuration: bytes
    group: str
    digest: str
    device: str

    def parameters(self) -> BaseModel:
        """The gadget's parameters, read."""
        element = ElementTree.fromstring(self.configuration)  # noqa: S314 - of our own making
        return gadget_entry(self.target).parse(element, {})


def order_of(document: str, overrides: dict[str, str], group: str = DEFAULT_GROUP) -> Order:
    """Make an order from a configuration.

    Parameters
    ----------
    document : str
        Gadgetron's XML.
    overrides : dict of str to str
        Parameters that replace those of the configuration.
    group : str
        HDF5 group of the scans.

    Returns
    -------
    Order

    Raises
    ------
    ParameterError
        If the configuration names no gadget of malibu, or a parameter is unknown or impossible.
    """
    from nets.weights import all_shipped

    target = executed_gadget(document) or "MultitaskingGadget"
    element = configuration_of(document, target)
    parameters: Any = gadget_entry(target).parse(element, overrides)
    told = {
        "target": target,
        "parameters": {name: _content(value) for name, value in parameters.model_dump(mode="json").items()},
        "shipped": [digest_of_file(path) for path in sorted(all_shipped())],
        "group": group,
        "version": __version__,
    }
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    return Order(target, configuration_message(element, overrides), group, digest, parameters.device)


def _content(value: Any) -> Any:
    """Put a file's digest in its place, such as that of weights: a file may be replaced under its name."""
    return digest_of_file(Path(value)) if isinstance(value, str) and value and Path(value).is_file() else value


def digest_of_file(path: Path) -> str:
    """Hash what a file holds.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
