"""Parameters of any number and length: short errors, and times that a socket can wait."""

import xml.etree.ElementTree as ElementTree

import pytest

from gadgets.configuration import configuration_of
from gadgets.errors import ParameterError
from gadgets.multitasking.parameters import parse_parameters
from gadgets.super_resolution.parameters import parse_super_resolution
from tests.support.replays import SHIPPED_XML


@pytest.mark.parametrize("name", ["message_timeout_s", "idle_timeout_s"])
@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e300", "0", "-3", "86400.5", "9" * 4000])
def test_times_that_no_socket_waits_are_refused(name: str, value: str) -> None:
    for parse in (parse_parameters, parse_super_resolution):
        with pytest.raises(ParameterError, match=f"parameter '{name}' = ") as error:
            parse(None, {name: value})
        assert len(str(error.value)) < 400
        assert getattr(parse(None, {name: "86400"}), name) == 86_400


def test_however_many_are_unknown_the_error_is_short() -> None:
    root = ElementTree.Element("configuration")
    root.extend(ElementTree.Element(f"q{number}") for number in range(50_000))
    with pytest.raises(ParameterError, match=r"unknown parameter 'q0'; .* and 49995 more") as error:
        parse_parameters(root)
    assert len(str(error.value)) < 1500
    assert str(error.value).count("known are temporal_model") == 1


@pytest.mark.parametrize("long", ["x" * 10**6, "ä" * 10**5])
def test_however_long_a_name_or_value_the_error_is_short(long: str) -> None:
    for values in ({long: "1"}, {"rank": long}, {"images": long}, {"frames": long}, {"device": long}):
        with pytest.raises(ParameterError) as error:
            parse_parameters(None, values)
        assert len(str(error.value)) < 1500, values
    twice = ElementTree.fromstring(f"<configuration><{long}/><{long}/></configuration>")
    with pytest.raises(ParameterError, match="is given twice") as error:
        parse_parameters(twice)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("start", ["\0", "<a>", "&"])
def test_what_is_no_xml_is_said(start: str) -> None:
    document = start + SHIPPED_XML.partition("?>")[2]
    with pytest.raises(ParameterError, match="not valid XML"):
        configuration_of(document, "MultitaskingGadget")
