"""How a FIRE connection opens: a configuration's name or text, a header, and perhaps parameters as JSON."""

import json
from dataclasses import dataclass, field
from typing import Any

from gadgets.errors import ParameterError, StreamError, shortened
from gadgets.mrd.wire.opening import read_text
from gadgets.mrd.wire.sockets import ExactSocket

CONFIG_FILE, CONFIG_TEXT, HEADER, CLOSE, TEXT = 1, 2, 3, 4, 5
"""Message ids; those of items are Gadgetron's."""

_NAME_BYTES = 1024

_CHOOSE_A_CONFIGURATION = ("customconfig", "config")
"""Reserved names among the parameters: the first that is not empty takes the place of the configuration."""


class NothingCameError(StreamError):
    """The peer closed before a header: a dependency query, or a look whether anybody listens."""


@dataclass(frozen=True)
class Opening:
    """What a console says before its items.

    Attributes
    ----------
    configuration : str
        Name, or XML.
    header : bytes
        As it came, without the NUL at its end.
    parameters : dict of str to str
        By the names that the console uses.
    """

    configuration: str
    header: bytes
    parameters: dict[str, str] = field(default_factory=dict)


def read_opening(source: ExactSocket, idle_s: float = 600.0) -> Opening:
    """Read a connection up to its first item.

    Parameters
    ----------
    source : ExactSocket
    idle_s : float
        Longest pause from the header on: the sequence may not run yet.

    Raises
    ------
    NothingCameError
        If the peer closes before the header.
    StreamError
        If what comes is no opening.
    ParameterError
        If the JSON is none.
    """
    configuration = _configuration(source)
    came = _next_id(source, "the header")
    if came == CLOSE:
        raise NothingCameError("the peer closed before its header: a dependency query")
    if came != HEADER:
        raise StreamError(f"message id {came} came instead of the ISMRMRD header (3)")
    header = _text(source)
    source.idle_timeout_s = idle_s
    came = source.next_id()
    if came not in (TEXT, CONFIG_TEXT):
        source.unread_id(came)
        return Opening(configuration, header)
    parameters = read_parameters(_text(source))
    chosen = [parameters.pop(name, "").strip() for name in _CHOOSE_A_CONFIGURATION]
    return Opening(next(filter(None, chosen), configuration), header, parameters)


def _configuration(source: ExactSocket) -> str:
    came = _next_id(source, "the configuration")
    if came == CLOSE:
        raise NothingCameError("the peer closed before its configuration")
    if came == CONFIG_FILE:
        name = source.read(_NAME_BYTES)
        source.message_done()
    elif came == CONFIG_TEXT:
        name = _text(source)
    else:
        raise StreamError(f"message id {came} came instead of a configuration (1: name, 2: text)")
    return name.split(b"\0", 1)[0].decode(errors="replace").strip()


def _next_id(source: ExactSocket, what: str) -> int:
    try:
        return source.next_id()
    except StreamError as error:
        raise NothingCameError(f"the connection ended before {what}: {error}") from error


def _text(source: ExactSocket) -> bytes:
    return read_text(source).split(b"\0", 1)[0]


def read_parameters(text: bytes) -> dict[str, str]:
    """Read the parameters that a console sends as JSON: ``{"version": "1.1.0", "parameters": {"rank": "32"}}``.

    Parameters
    ----------
    text : bytes
        UTF-8.

    Returns
    -------
    dict of str to str
        Numbers and booleans as a configuration has them.

    Raises
    ------
    ParameterError
        If it is no JSON, or not of that form.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"the parameters are not valid JSON: {shortened(error)}") from error
    parameters = document.get("parameters", {}) if isinstance(document, dict) else None
    if not isinstance(parameters, dict):
        raise ParameterError('the JSON is not of the form {"version": "1.1.0", "parameters": {"name": "value"}}')
    return {name: _as_text(name, value) for name, value in parameters.items() if value is not None}


def _as_text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        return " ".join(map(str, value))
    raise ParameterError(f"the parameter {shortened(name)!r} has a {type(value).__name__} for a value; give text")
