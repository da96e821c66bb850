"""What an OpenRecon application's specification must be: the rules of its schema, and what that forgets to check."""

import re
from collections.abc import Iterator
from typing import Any

from gadgets.errors import ParameterError, shortened

MOST_PARAMETERS = 14
INT_RANGE = (-(2**31), 2**31 - 1)
PAIRS = {("raw", "image"), ("raw", "compleximage"), ("image", "image")}
"""Emitters and the injectors that go with them."""

REGULATORY = (
    "device_trade_name",
    "production_identifier",
    "manufacturer_address",
    "made_in",
    "manufacture_date",
    "material_number",
    "gtin",
    "udi",
    "safety_advices",
    "special_operating_instructions",
    "additional_relevant_information",
)

_SEMVER = re.compile(
    r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}"
    r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?"
)
_WORD = re.compile(r"[A-Za-z0-9]+")
_LETTERS = re.compile(r"[^\x00-\x1f\x7f]*")

_GENERAL = ("name", "version", "vendor", "information", "id", "regulatory_information")
_RECONSTRUCTION = (
    "transfer_protocol",
    "port",
    "emitter",
    "injector",
    "can_use_gpu",
    "min_required_memory",
    "min_count_required_cpu_cores",
)
_ALSO_RECONSTRUCTION = (
    "can_process_adjustment_data",
    "min_count_required_gpus",
    "min_required_gpu_memory",
    "content_qualification_type",
    "require_readout_filter_off",
    "channel_compression",
)
_COUNTS = {
    "min_required_memory": 0,
    "min_count_required_cpu_cores": 1,
    "min_count_required_gpus": 0,
    "min_required_gpu_memory": 0,
}
_KEYS = {
    "boolean": ("default",),
    "string": (),
    "choice": ("default", "values"),
    "int": ("minimum", "maximum", "default"),
    "double": ("minimum", "maximum", "default"),
}
_ALSO_KEYS = {
    "boolean": (),
    "string": ("default", "isLargeText"),
    "choice": (),
    "int": ("unit",),
    "double": ("unit",),
}


def check_specification(specification: Any) -> None:
    """Refuse a specification that a scanner would refuse, or would show wrongly.

    Raises
    ------
    ParameterError
        Naming the first of what is wrong, and how much there is besides.
    """
    found = list(problems(specification))
    if found:
        rest = f"; and {len(found) - 3} more" if len(found) > 3 else ""
        raise ParameterError(f"OpenRecon would not take this application: {'; '.join(found[:3])}{rest}")


def problems(specification: Any) -> Iterator[str]:
    """Find what is wrong with a specification.

    Parameters
    ----------
    specification : object
        As ``json.loads`` gives it.

    Yields
    ------
    str
    """
    yield from _keys("the specification", specification, ("general", "reconstruction", "parameters"))
    if not isinstance(specification, dict):
        return
    yield from _general(specification.get("general", {}))
    yield from _reconstruction(specification.get("reconstruction", {}))
    parameters = specification.get("parameters", [])
    if not isinstance(parameters, list):
        yield "parameters must be a list"
        return
    if len(parameters) > MOST_PARAMETERS:
        yield f"{len(parameters)} parameters are more than {MOST_PARAMETERS}"
    ids = [str(entry.get("id", "")).lower() for entry in parameters if isinstance(entry, dict)]
    for repeated in sorted({one for one in ids if ids.count(one) > 1}):
        yield f"two parameters have the id {shortened(repeated)!r}"
    for entry in parameters:
        yield from _parameter(entry)


def is_multiple_of_a_tenth(value: float) -> bool:
    """Whether the schema's ``multipleOf: 0.1`` holds as its validators compute it: 0.3 / 0.1 is not 3."""
    quotient = value / 0.1
    return int(quotient) == quotient


def _keys(what: str, given: Any, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> Iterator[str]:
    if not isinstance(given, dict):
        yield f"{what} must be an object"
        return
    for name in required:
        if name not in given:
            yield f"{what} has no {name}"
    for name in given:
        if name not in required + optional:
            yield f"{what} may have no {shortened(str(name))!r}"


def _text(what: str, given: Any, empty: bool = False) -> Iterator[str]:
    if not isinstance(given, str) or not (given.strip() or empty):
        yield f"{what} must be text"
    elif not _LETTERS.fullmatch(given):
        yield f"{what} has control characters"


def _english(what: str, given: Any) -> Iterator[str]:
    yield from _text(f"{what}.en", given.get("en") if isinstance(given, dict) else None)


def _general(given: Any) -> Iterator[str]:
    yield from _keys("general", given, _GENERAL, ("license_string",))
    if not isinstance(given, dict):
        return
    for name in ("name", "information"):
        yield from _english(f"general.{name}", given.get(name))
    for name in ("id", "vendor"):  # the schema takes any text; files and images are named after them
        if not _WORD.fullmatch(str(given.get(name, ""))):
            yield f"general.{name} must be letters and digits"
    if not _SEMVER.fullmatch(str(given.get("version", ""))):
        yield f"general.version {shortened(str(given.get('version')))!r} must be like 1.2.3"
    regulatory = given.get("regulatory_information", {})
    yield from _keys("regulatory_information", regulatory, REGULATORY)
    for name, value in regulatory.items() if isinstance(regulatory, dict) else ():
        yield from _text(f"regulatory_information.{name}", value, empty=True)


def _reconstruction(given: Any) -> Iterator[str]:
    yield from _keys("reconstruction", given, _RECONSTRUCTION, _ALSO_RECONSTRUCTION)
    if not isinstance(given, dict):
        return
    if given.get("transfer_protocol") != {"protocol": "ISMRMRD", "version": "1.4.1"}:
        yield "reconstruction.transfer_protocol must be ISMRMRD 1.4.1"
    if not (_is_int(given.get("port")) and 1 <= given["port"] <= 65535):
        yield "reconstruction.port must be a port"
    pair = given.get("emitter"), given.get("injector")
    if pair not in PAIRS:
        yield f"emitter {pair[0]!r} with injector {pair[1]!r} is none of the pairs that OpenRecon has"
    yield from _resources(given)
    if given.get("content_qualification_type") != "RESEARCH":  # the schema knows PRODUCT and SERVICE, too
        yield "content_qualification_type must be RESEARCH: malibu is no medical device"
    yield from _compression(given.get("channel_compression", {}))


def _resources(given: dict[str, Any]) -> Iterator[str]:
    for name, smallest in _COUNTS.items():
        if name in given and not (_is_int(given[name]) and given[name] >= smallest):
            yield f"reconstruction.{name} must be a whole number of at least {smallest}"
    for name in ("can_use_gpu", "can_process_adjustment_data", "require_readout_filter_off"):
        if name in given and not isinstance(given[name], bool):
            yield f"reconstruction.{name} must be true or false"
    if given.get("can_use_gpu") is False and given.get("min_count_required_gpus"):
        yield "a GPU is required, but can_use_gpu is false"


def _compression(given: Any) -> Iterator[str]:
    yield from _keys("channel_compression", given, (), ("require_state", "require_number_target_channels"))
    if not isinstance(given, dict):
        return
    if given.get("require_state", "on") not in ("on", "off"):
        yield "channel_compression.require_state must be on or off"
    channels = given.get("require_number_target_channels", 1)
    if not (_is_int(channels) and channels >= 1):
        yield "channel_compression.require_number_target_channels must be at least 1"


def _parameter(entry: Any) -> Iterator[str]:
    kind = entry.get("type") if isinstance(entry, dict) else None
    if kind not in _KEYS:
        yield f"a parameter has the type {shortened(str(kind))!r}, none of {', '.join(_KEYS)}"
        return
    name = str(entry.get("id", ""))
    what = f"parameter {shortened(name)!r}"
    yield from _keys(what, entry, ("id", "label", "type", *_KEYS[kind]), ("information", *_ALSO_KEYS[kind]))
    if not _WORD.fullmatch(name):
        yield f"{what}: an id must be letters and digits"
    for key in ("label", "information"):
        if key in entry:
            yield from _english(f"{what}: {key}", entry[key])
    yield from {"choice": _choice, "int": _bounded, "double": _bounded}.get(kind, _plain)(what, entry)


def _plain(what: str, entry: dict[str, Any]) -> Iterator[str]:
    if entry["type"] == "boolean":
        if not isinstance(entry.get("default"), bool):
            yield f"{what}: the default must be true or false"
        return
    yield from _text(f"{what}: the default", entry.get("default", ""), empty=True)
    if not isinstance(entry.get("isLargeText", False), bool):
        yield f"{what}: isLargeText must be true or false"


def _choice(what: str, entry: dict[str, Any]) -> Iterator[str]:
    values = entry.get("values")
    if not isinstance(values, list) or not values:
        yield f"{what} has no values"
        return
    for value in values:
        yield from _keys(f"{what}: a value", value, ("id", "name"))
        if isinstance(value, dict):
            yield from _text(f"{what}: the id of a value", value.get("id"))
            yield from _english(f"{what}: the name of a value", value.get("name"))
    ids = [value.get("id") for value in values if isinstance(value, dict)]
    if len(set(map(str, ids))) < len(ids):
        yield f"{what} has a value twice"
    if entry.get("default") not in ids:  # the schema does not look
        yield f"{what}: the default {shortened(str(entry.get('default')))!r} is none of its values"


def _bounded(what: str, entry: dict[str, Any]) -> Iterator[str]:
    numbers: list[Any] = [entry.get(key) for key in ("minimum", "default", "maximum")]
    if entry["type"] == "int":
        if not all(_is_int(number) and INT_RANGE[0] <= number <= INT_RANGE[1] for number in numbers):
            yield f"{what}: minimum, maximum and default must be whole numbers of 32 bits"
            return
    elif not all(_is_number(number) and is_multiple_of_a_tenth(number) for number in numbers):
        yield f"{what}: minimum, maximum and default must be multiples of 0.1 as floating point has them; make it text"
        return
    if not numbers[0] <= numbers[1] <= numbers[2]:  # the schema does not look
        yield f"{what}: the default {numbers[1]} is not between {numbers[0]} and {numbers[2]}"
    if "unit" in entry:
        unit = entry["unit"].get("en") if isinstance(entry["unit"], dict) else None
        if not isinstance(unit, str) or not 1 <= len(unit) <= 3:
            yield f"{what}: a unit has one to three characters"


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_int(value) or (isinstance(value, float) and abs(value) < float("inf"))
