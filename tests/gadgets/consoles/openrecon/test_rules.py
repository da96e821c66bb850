"""Each rule of an OpenRecon specification, broken once."""

import copy
from typing import Any

import pytest

from gadgets.consoles.openrecon.application import application_of
from gadgets.consoles.openrecon.rules import check_specification, is_multiple_of_a_tenth, problems
from gadgets.consoles.openrecon.specification import Choices, specification_of
from gadgets.errors import ParameterError

EN = {"en": "A label"}


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    return specification_of(application_of("multitasking"), Choices())


def changed(specification: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one entry replaced, or taken away where the value is ``...``."""
    copied = copy.deepcopy(specification)
    *parents, last = path.split("/")
    place: Any = copied
    for name in parents:
        place = place[int(name) if isinstance(place, list) else name]
    if value is ...:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return copied


BROKEN = {
    "more": ("more", {}, "the specification may have no 'more'"),
    "no section": ("reconstruction", ..., "the specification has no reconstruction"),
    "version": ("general/version", "0.1.0.dev3", "must be like 1.2.3"),
    "leading zero": ("general/version", "01.1.0", "must be like 1.2.3"),
    "no vendor": ("general/vendor", ..., "general has no vendor"),
    "vendor": ("general/vendor", "My Site", "general.vendor must be letters and digits"),
    "id": ("general/id", "malibu_mt", "general.id must be letters and digits"),
    "name": ("general/name", {"de": "malibu"}, "general.name.en must be text"),
    "tab": ("general/information", {"en": "a\tb"}, "general.information.en has control characters"),
    "regulatory": ("general/regulatory_information/gtin", ..., "regulatory_information has no gtin"),
    "regulatory more": ("general/regulatory_information/CE", "1", "may have no 'CE'"),
    "regulatory number": ("general/regulatory_information/udi", 1, "udi must be text"),
    "protocol": ("reconstruction/transfer_protocol/version", "1.4.2", "must be ISMRMRD 1.4.1"),
    "port": ("reconstruction/port", 70000, "port must be a port"),
    "port text": ("reconstruction/port", "9002", "port must be a port"),
    "emitter": ("reconstruction/emitter", "image2", "none of the pairs"),
    "injector": ("reconstruction/injector", "raw", "emitter 'raw' with injector 'raw' is none of the pairs"),
    "memory": ("reconstruction/min_required_memory", -1, "min_required_memory must be a whole number of at least 0"),
    "cores": ("reconstruction/min_count_required_cpu_cores", 0, "whole number of at least 1"),
    "switch": ("reconstruction/can_use_gpu", "false", "can_use_gpu must be true or false"),
    "gpu": ("reconstruction/min_count_required_gpus", 1, "a GPU is required, but can_use_gpu is false"),
    "product": ("reconstruction/content_qualification_type", "PRODUCT", "must be RESEARCH"),
    "channels": (
        "reconstruction/channel_compression",
        {"require_state": "on", "require_number_target_channels": 0},
        "require_number_target_channels must be at least 1",
    ),
    "compression": ("reconstruction/channel_compression", {"require_state": "no"}, "require_state must be on or off"),
    "parameters": ("parameters", {}, "parameters must be a list"),
}


@pytest.mark.parametrize(("path", "value", "sentence"), BROKEN.values(), ids=BROKEN)
def test_a_broken_section_is_told(good: dict[str, Any], path: str, value: Any, sentence: str) -> None:
    assert sentence in "; ".join(problems(changed(good, path, value)))
    with pytest.raises(ParameterError, match="OpenRecon would not take this application"):
        check_specification(changed(good, path, value))


def parameter(kind: str, **entries: Any) -> dict[str, Any]:
    own: dict[str, dict[str, Any]] = {
        "boolean": {"default": True},
        "string": {"default": "", "isLargeText": False},
        "choice": {"default": "a", "values": [{"id": "a", "name": EN}, {"id": "b", "name": EN}]},
        "int": {"minimum": 1, "maximum": 5, "default": 2, "unit": {"en": "ms"}},
        "double": {"minimum": 0.0, "maximum": 2.5, "default": 0.5, "unit": {"en": "deg"}},
    }
    entry = {"id": "some", "label": EN, "type": kind} | own.get(kind, {}) | entries
    return {name: value for name, value in entry.items() if value is not ...}


WRONG = {
    "underscore": (parameter("int", id="tr_ms"), "an id must be letters and digits"),
    "type": (parameter("float"), "has the type 'float', none of boolean, string, choice, int, double"),
    "unit": (parameter("int", unit={"en": "mmHg"}), "a unit has one to three characters"),
    "no unit": (parameter("int", unit={"en": ""}), "a unit has one to three characters"),
    "text with unit": (parameter("string", unit={"en": "ms"}), "may have no 'unit'"),
    "no minimum": (parameter("int", minimum=...), "has no minimum"),
    "32 bits": (parameter("int", maximum=2**31), "whole numbers of 32 bits"),
    "fraction": (parameter("int", default=2.5), "whole numbers of 32 bits"),
    "switch as int": (parameter("int", default=True), "whole numbers of 32 bits"),
    "outside": (parameter("int", default=6), "the default 6 is not between 1 and 5"),
    "0.05": (parameter("double", default=0.05), "multiples of 0.1"),
    "0.3": (parameter("double", default=0.3), "multiples of 0.1"),
    "maximum 0.3": (parameter("double", maximum=0.3, default=0.0), "multiples of 0.1"),
    "infinite": (parameter("double", maximum=float("inf")), "multiples of 0.1"),
    "double outside": (parameter("double", default=3.0), "the default 3.0 is not between 0.0 and 2.5"),
    "boolean as text": (parameter("boolean", default="true"), "the default must be true or false"),
    "no default": (parameter("boolean", default=...), "has no default"),
    "number as text": (parameter("string", default=5), "the default must be text"),
    "large": (parameter("string", isLargeText="yes"), "isLargeText must be true or false"),
    "choice": (parameter("choice", default="c"), "the default 'c' is none of its values"),
    "empty choice": (parameter("choice", values=[]), "has no values"),
    "repeated value": (
        parameter("choice", values=[{"id": "a", "name": EN}, {"id": "a", "name": EN}]),
        "has a value twice",
    ),
    "value": (parameter("choice", values=[{"id": "a"}]), "a value has no name"),
    "label": (parameter("boolean", label="A label"), "label.en must be text"),
    "line break": (parameter("boolean", information={"en": "a\nb"}), "information.en has control characters"),
}


@pytest.mark.parametrize(("entry", "sentence"), WRONG.values(), ids=WRONG)
def test_a_wrong_parameter_is_told(good: dict[str, Any], entry: dict[str, Any], sentence: str) -> None:
    assert sentence in "; ".join(problems(good | {"parameters": [entry]}))


@pytest.mark.parametrize("kind", ["boolean", "string", "choice", "int", "double"])
def test_what_is_right_passes(good: dict[str, Any], kind: str) -> None:
    assert not list(problems(good | {"parameters": [parameter(kind, information=EN)]}))


def test_a_page_has_fourteen_places_and_ids_once(good: dict[str, Any]) -> None:
    page = [parameter("int", id=f"p{number}") for number in range(15)]
    assert not list(problems(good | {"parameters": page[:14]}))
    assert "15 parameters are more than 14" in "; ".join(problems(good | {"parameters": page}))
    twice = [parameter("int"), parameter("boolean", id="SOME")]
    assert "two parameters have the id 'some'" in "; ".join(problems(good | {"parameters": twice}))


def test_other_pairs_and_documents(good: dict[str, Any]) -> None:
    complex_out = changed(good, "reconstruction/injector", "compleximage")
    assert not list(problems(complex_out))
    assert list(problems(changed(complex_out, "reconstruction/emitter", "image")))
    for document in (None, [], "text", {}, {"general": 1, "reconstruction": 2, "parameters": 3}):
        assert list(problems(document))
    many = good | {"parameters": [parameter("float")] * 5}
    with pytest.raises(ParameterError, match="and 3 more"):
        check_specification(many)


def test_tenths_as_validators_divide() -> None:
    """``quotient = value / 0.1`` and a comparison with its whole part, as jsonschema has it."""
    tried = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.1, 42.0)
    assert [value for value in tried if not is_multiple_of_a_tenth(value)] == [0.3, 0.7]
