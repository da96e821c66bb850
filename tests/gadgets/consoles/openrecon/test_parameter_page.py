"""The page of an OpenRecon application: fourteen parameters at most, whose defaults change nothing."""

import json
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from gadgets.configuration import checked
from gadgets.consoles.fire.opening import read_parameters
from gadgets.consoles.openrecon.application import APPLICATIONS, Application, application_of
from gadgets.consoles.openrecon.parameter_page import CHOSEN, page_id, parameter_page
from gadgets.consoles.openrecon.rules import problems
from gadgets.consoles.openrecon.specification import Choices, specification_of
from gadgets.consoles.serving.configurations import Configurations
from gadgets.errors import ParameterError
from gadgets.registry import gadget_entry
from tests.support.replays import ROOT

APPLICATION = pytest.mark.parametrize("application", APPLICATIONS.values(), ids=lambda one: one.configuration)


def sent_back(page: list[dict[str, Any]]) -> dict[str, str]:
    """What a console sends of an untouched page: every value as text, a switch with a capital letter."""
    return {entry["id"]: str(entry["default"]) for entry in page}


def understood(application: Application, sent: dict[str, str]) -> Any:
    """Parameters that the server makes of them: over those of the configuration; empty text sets nothing."""
    own = application.parameters
    names = {page_id(name): name for name in type(own).model_fields}
    given = {names[name]: text for name, text in sent.items() if name != "config" and text.strip()}
    return checked(type(own), own.model_dump() | given)


def entry_of(page: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in page if entry["id"] == page_id(name))


@APPLICATION
def test_an_untouched_page_changes_nothing(application: Application) -> None:
    page = parameter_page(application)
    assert len(page) <= 14
    sent = sent_back(page)
    assert sent["config"] == application.configuration
    assert understood(application, sent) == application.parameters


@APPLICATION
def test_the_server_takes_an_untouched_page_for_its_configuration(application: Application) -> None:
    """From the JSON of the page to the parameters of the gadget, by the server's own code."""
    page = parameter_page(application)
    for values in (sent_back(page), {entry["id"]: entry["default"] for entry in page}):
        given = read_parameters(json.dumps({"version": "1.1.0", "parameters": values}).encode())
        asked = given.pop("config")
        target, message = Configurations("multitasking").chosen(asked, given)
        taken = gadget_entry(target).parse(ElementTree.fromstring(message), {})
        assert taken == application.parameters.model_copy(update={"dialect": "fire"})


@APPLICATION
def test_every_parameter_of_a_gadget_fits_a_page(application: Application) -> None:
    names = list(type(application.parameters).model_fields)
    for start in range(0, len(names), 13):
        some = names[start : start + 13]
        choices = Choices(parameters=some)
        page = specification_of(application, choices)["parameters"]
        assert [entry["id"] for entry in page[1:]] == [page_id(name) for name in some]
        assert understood(application, sent_back(page)) == application.parameters


@APPLICATION
def test_ids_without_underscores_are_unmistakable(application: Application) -> None:
    names = list(type(application.parameters).model_fields)
    assert len({page_id(name).lower() for name in names}) == len(names)
    assert not {"config", "customconfig"} & set(names)


def test_types_bounds_and_units_are_those_of_the_model() -> None:
    names = ["cardiac_bins", "preview", "navigator", "matrix", "lowest_heart_rate", "flip_angle_scale", "rank", "ti_ms"]
    names += ["skip_inversions", "message_timeout_s", "ecg_waveform_id", "inflow"]
    page = parameter_page(application_of("multitasking"), names)
    bins = entry_of(page, "cardiac_bins")
    assert (bins["type"], bins["minimum"], bins["maximum"], bins["default"]) == ("int", 2, 100, 20)
    assert entry_of(page, "preview") == {
        "id": "preview",
        "label": {"en": "Preview"},
        "type": "boolean",
        "default": False,
        "information": {"en": "While the scan runs: a real-time frame every second (series 13), and a first cine (14)"},
    }
    navigator = entry_of(page, "navigator")
    assert [value["id"] for value in navigator["values"]] == ["flag", "every_nth", "zero_angle", "none"]
    matrix = entry_of(page, "matrix")
    assert (matrix["type"], matrix["default"], matrix["isLargeText"]) == ("string", "", False)
    rate = entry_of(page, "lowest_heart_rate")
    assert (rate["type"], rate["minimum"], rate["maximum"], rate["unit"]) == ("double", 20.0, 200.0, {"en": "bpm"})
    scale = entry_of(page, "flip_angle_scale")  # above 0: the smallest step of the form is 0.1
    assert (scale["type"], scale["minimum"], scale["maximum"]) == ("double", 0.1, 3.0)
    assert (entry_of(page, "ti_ms")["type"], entry_of(page, "ti_ms")["label"]) == ("string", {"en": "TI (ms)"})
    assert entry_of(page, "message_timeout_s")["unit"] == {"en": "s"}
    assert entry_of(page, "ecg_waveform_id")["type"] == "string"  # without an upper bound it is no number of the form


def test_numbers_that_floating_point_does_not_divide_become_text(monkeypatch: pytest.MonkeyPatch) -> None:
    application, names = application_of("multitasking"), ["relative_lambda", "golden_angle_deg", "inflow"]
    assert entry_of(parameter_page(application, names), "relative_lambda")["default"] == ""
    fine = application.parameters.model_copy(update={"relative_lambda": 5e-4})
    monkeypatch.setattr(Application, "parameters", fine)
    weight = entry_of(parameter_page(application, names), "relative_lambda")
    assert weight["type"] == "string"
    assert float(weight["default"]) == 5e-4


@APPLICATION
def test_texts_are_short_and_whole(application: Application) -> None:
    for entry in parameter_page(application):
        assert len(entry["label"]["en"]) <= 30
        assert len(entry["information"]["en"]) <= 280
    images = entry_of(parameter_page(application), "images")
    for kind in application.parameters.images:
        assert kind in images["information"]["en"]


@APPLICATION
def test_the_way_in_is_that_of_the_configuration(application: Application) -> None:
    reconstruction = specification_of(application, Choices())["reconstruction"]
    images = application.configuration not in ("multitasking", "super_resolution_coronary")
    assert (reconstruction["emitter"], reconstruction["injector"]) == ("image" if images else "raw", "image")
    raw_only = {"contrast", "coilcombination", "output"}
    shown = {entry["id"] for entry in parameter_page(application)}
    if application.gadget == "SuperResolutionGadget":
        assert (not shown & raw_only) == images


def test_every_configuration_is_an_application_and_stands_in_every_list() -> None:
    """But for that of several processes, which only a Gadgetron has."""
    shipped = {path.stem for path in (ROOT / "configs" / "xml").glob("*.xml")} - {"multitasking_distributed"}
    assert set(APPLICATIONS) == shipped
    lists = ("docs/fire.md", "docs/console.md", "gadgets/consoles/openrecon/templates/README.fire.md")
    for name in lists:
        text = (ROOT / name).read_text()
        assert not [one for one in shipped if f"`{one}`" not in text and f"`{one}.xml`" not in text], name


def test_an_impossible_page_is_refused() -> None:
    multitasking = application_of("multitasking.xml")
    with pytest.raises(ParameterError, match="unknown parameter 'cardiac_bin'; did you mean 'cardiac_bins'"):
        parameter_page(multitasking, ["cardiac_bin"])
    with pytest.raises(ParameterError, match="named twice"):
        parameter_page(multitasking, ["matrix", "matrix"])
    with pytest.raises(ParameterError, match="14 parameters are too many"):
        parameter_page(multitasking, [*CHOSEN["MultitaskingGadget"], "rank"])
    with pytest.raises(ParameterError, match="no configuration 'brain' is known; known are multitasking, super"):
        application_of("brain")
    assert not list(problems(specification_of(multitasking, Choices())))
