"""Reading a gadget's parameters from Gadgetron's XML and from the command line, with errors that help."""

import difflib
import inspect
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gadgets.errors import ParameterError, shortened

Parameters = TypeVar("Parameters", bound=BaseModel)

LONGEST_TIMEOUT_S = 86_400.0
"""A day: a scanner does not pause for longer, and a socket takes no infinite time."""

_WHOLE = {"SharingGadget": "MultitaskingGadget"}
"""What takes a whole stream, where one process is asked for what a Gadgetron would distribute over several."""

# However many things are wrong, an error names this many of them.
_NAMED_AT_ONCE = 5


def as_list(value: Any) -> Any:
    """Split text at commas and spaces, for parameters that are lists."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


class StreamParameters(BaseModel):
    """What every gadget's parameters have for the device and for the stream itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda:\d+)$",
        description="auto, cpu, or cuda:N; auto: of several GPUs the one that fewest use",
    )
    message_timeout_s: float = Field(
        30.0, gt=0, le=LONGEST_TIMEOUT_S, allow_inf_nan=False, description="longest pause inside a message"
    )
    idle_timeout_s: float = Field(
        600.0, gt=0, le=LONGEST_TIMEOUT_S, allow_inf_nan=False, description="longest pause between messages"
    )
    receive_gb: float | None = Field(
        None, gt=0, le=65536, description="memory that a scan's readouts may take; default: half of the machine's"
    )
    gpu_memory_gb: float | None = Field(
        None, gt=0, le=65536, description="memory of the GPU that may be taken; default: all of it"
    )
    dialect: Literal["gadgetron", "fire"] = Field(
        "gadgetron",
        description="images as a console takes them: fire sends magnitudes as uint16 with RescaleSlope, and no basis; "
        "the default behind FIRE and OpenRecon",
    )
    rescue_folder: str | None = Field(
        None, description="where to keep the raw data of a failed reconstruction, without patient data"
    )


def named_once(values: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a list that names something twice."""
    if len(set(values)) < len(values):
        raise ValueError("an image kind is named twice")
    return values


def read_parameters(
    model: type[Parameters], configuration: ElementTree.Element | None, overrides: dict[str, str] | None = None
) -> Parameters:
    """Read the ``<configuration>`` element of a Gadgetron configuration.

    Parameters are child elements, ``<rank>32</rank>``, or ``<property name="rank" value="32"/>``.

    Parameters
    ----------
    model : type
        Model of the gadget's parameters.
    configuration : Element or None
        None gives the defaults.
    overrides : dict of str to str, optional
        Values that replace those of the configuration.

    Returns
    -------
    model

    Raises
    ------
    ParameterError
        If a name is unknown or given twice, or a value is impossible.
    """
    values: dict[str, str] = {}
    for child in configuration if configuration is not None else ():
        name, value = child.tag, child.text
        if name == "property":
            name, value = child.get("name", ""), child.get("value")
        if name in values:
            raise ParameterError(f"parameter {shortened(name)!r} is given twice")
        values[name] = (value or "").strip()
    return checked(model, values | (overrides or {}))


def checked(model: type[Parameters], values: Mapping[str, Any]) -> Parameters:
    """Make the parameters of a gadget from values by name.

    Parameters
    ----------
    model : type
        Model of the gadget's parameters.
    values : mapping of str to object
        Text, as a configuration has it, or Python values.

    Returns
    -------
    model

    Raises
    ------
    ParameterError
        If a name is unknown or a value is impossible; the text names the nearest known one, or the allowed values.
    """
    unknown = [name for name in values if name not in model.model_fields]
    if unknown:
        raise ParameterError(_unknown(unknown, parameter_names(model)))
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = error.errors(include_context=False, include_url=False)
        named = [_explain(model, problem) for problem in problems[:_NAMED_AT_ONCE]]
        raise ParameterError(_listed(named, len(problems))) from error


def hint_at(name: str, known: Sequence[str]) -> str:
    """Say what an unknown name may have been meant for: the nearest known one, or else all of them."""
    close = difflib.get_close_matches(shortened(name), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"


def of_those(values: Mapping[str, Any], names: Sequence[str], otherwise: str) -> dict[str, Any]:
    """Take values by name, of which only some are allowed.

    Raises
    ------
    ParameterError
        Naming the first that is another, what ``otherwise`` says of it, and the allowed ones.
    """
    for name in values:
        if name not in names:
            raise ParameterError(f"{shortened(name)!r} {otherwise}; known are {', '.join(names)}")
    return dict(values)


def parameter_names(model: type[BaseModel]) -> list[str]:
    """Names of a gadget's parameters: its own, then those that others have too."""
    own = inspect.get_annotations(model)
    return sorted(model.model_fields, key=lambda name: name not in own)


def _unknown(names: list[str], known: list[str]) -> str:
    """Name the first unknown parameters, each with its hint; the list of all known ones comes once."""
    named: list[str] = []
    for name in names[:_NAMED_AT_ONCE]:
        hint = hint_at(name, known)
        is_repeated = hint in "; ".join(named) and not hint.startswith("did you mean")
        named.append(f"unknown parameter {shortened(name)!r}" + ("" if is_repeated else f"; {hint}"))
    return _listed(named, len(names))


def _listed(named: list[str], count: int) -> str:
    rest = [f"and {count - len(named)} more"] if count > len(named) else []
    return "; ".join(named + rest)


def _explain(model: type[BaseModel], problem: Any) -> str:
    name = str(problem["loc"][0])
    given = shortened(repr(problem["input"]))
    return f"parameter {name!r} = {given}: {shortened(problem['msg'], 400)} ({model.model_fields[name].description})"


def set_values(configuration: ElementTree.Element | None) -> dict[str, str]:
    """Give what a ``<configuration>`` sets, unchecked: text by name; nothing for None."""
    children = configuration if configuration is not None else ()
    return {child.get("name", child.tag): child.get("value", child.text or "") for child in children}


def configuration_of(document: str, gadget: str) -> ElementTree.Element | None:
    """Take the ``<configuration>`` of one gadget out of a Gadgetron stream configuration.

    Parameters
    ----------
    document : str
        The XML of a whole stream, or of a ``<configuration>`` alone.
    gadget : str
        Target name of the ``<execute>`` element.

    Returns
    -------
    Element or None
        None if the gadget has no configuration.

    Raises
    ------
    ParameterError
        If the document is no XML, or does not run that gadget.
    """
    root = _parsed(document)
    if root.tag == "configuration" and root.find("stream") is None:
        return root
    for external in root.iter("external"):
        execute = external.find("execute")
        if execute is not None and _whole(execute.get("target")) == gadget:
            return external.find("configuration")
    raise ParameterError(f"the configuration has no <external> that executes {shortened(gadget)}")


def executed_gadget(document: str) -> str | None:
    """Target of the first ``<execute>`` of a stream configuration; None for a ``<configuration>`` alone.

    Parameters
    ----------
    document : str
        XML.

    Returns
    -------
    str or None

    Raises
    ------
    ParameterError
        If the document is no XML.
    """
    execute = _parsed(document).find(".//external/execute")
    return None if execute is None else _whole(execute.get("target"))


def _whole(target: str | None) -> str | None:
    return target if target is None else _WHOLE.get(target, target)


def _parsed(document: str) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(document)  # noqa: S314 - the operator's own file; Python's expat limits expansion
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ParameterError(f"the configuration is not valid XML: {error}") from error
