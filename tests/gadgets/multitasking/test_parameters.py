import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, strategies as st

from gadgets.configuration import configuration_of
from gadgets.errors import ParameterError
from gadgets.mrd.replay import configuration_message
from gadgets.multitasking.parameters import MultitaskingParameters, parse_parameters
from tests.support.replays import SHIPPED_XML


def parsed(xml: str, **overrides: str) -> MultitaskingParameters:
    return parse_parameters(ElementTree.fromstring(f"<configuration>{xml}</configuration>"), overrides)


def test_shipped_configuration_gives_the_defaults() -> None:
    assert parse_parameters(configuration_of(SHIPPED_XML, "MultitaskingGadget")) == MultitaskingParameters()


def test_shipped_configuration_names_what_gadgetron_needs() -> None:
    root = ElementTree.fromstring(SHIPPED_XML)
    assert [reader.findtext("classname") for reader in root.iter("reader")] == ["AcquisitionReader", "WaveformReader"]
    assert [writer.findtext("classname") for writer in root.iter("writer")] == ["ImageWriter"]
    assert {reader.findtext("dll") for reader in root.iter("reader")} == {"gadgetron_core_readers"}
    execute = next(root.iter("execute"))
    assert execute.attrib == {"name": "gadgets.multitasking", "target": "MultitaskingGadget", "type": "python"}


def test_elements_and_properties_are_both_read() -> None:
    parameters = parsed('<rank> 16 </rank><property name="coils" value="4"/><images>realtime,basis_maps</images>')
    assert (parameters.rank, parameters.coils, parameters.images) == (16, 4, ("realtime", "basis_maps"))
    assert parsed("<rank>16</rank>", rank="8").rank == 8


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("<rnak>4</rnak>", "unknown parameter 'rnak'; did you mean 'rank'"),
        ("<colour>red</colour>", "unknown parameter 'colour'; known are temporal_model"),
        ("<rank>0</rank>", "parameter 'rank' = '0'.*greater than or equal to 1"),
        ("<rank>many</rank>", "parameter 'rank' = 'many'"),
        ("<rank/>", "parameter 'rank' = ''"),
        ("<rank>4</rank><rank>5</rank>", "'rank' is given twice"),
        ("<device>gpu</device>", "parameter 'device' = 'gpu'.*auto, cpu, or cuda:N"),
        ("<nufft>fftw</nufft>", "parameter 'nufft' = 'fftw'.*'finufft', 'cufinufft' or 'sigpy'"),
        ("<images>pretty</images>", "parameter 'images'"),
        ("<images/>", "parameter 'images'"),
        ("<images>realtime realtime</images>", "named twice"),
        ("<frames>1:2:0</frames>", "parameter 'frames'"),
        (
            "<reconstruction>admm</reconstruction><gridding>exact</gridding>",
            "parameter 'gridding'.*ADMM need the fold",
        ),
        (
            "<temporal_model>realtime</temporal_model><images>realtime t1_map</images>",
            "parameter 'images'.*t1_map need temporal_model=tensor",
        ),
        ("<lowest_heart_rate>90</lowest_heart_rate><highest_heart_rate>80</highest_heart_rate>", "must be above"),
        ("<recovery_rank>2</recovery_rank>", "parameter 'recovery_rank'"),
        ("<energy>1.5</energy>", "parameter 'energy'"),
        ("<matrix>8</matrix>", "parameter 'matrix'"),
    ],
)
def test_wrong_parameters_are_named(xml: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        parsed(xml)


@given(st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=12), st.text(max_size=12))
def test_any_unknown_name_is_refused_by_name(name: str, value: str) -> None:
    if name in MultitaskingParameters.model_fields:
        return
    with pytest.raises(ParameterError, match=re.escape(repr(name))):
        parse_parameters(None, {name: value})


def test_overrides_replace_elements_and_properties() -> None:
    element = ElementTree.fromstring('<configuration><rank>4</rank><property name="coils" value="4"/></configuration>')
    message = configuration_message(element, {"rank": "8", "coils": "2"})
    parameters = parse_parameters(ElementTree.fromstring(message))
    assert (parameters.rank, parameters.coils) == (8, 2)


def test_configurations_without_the_gadget_are_refused() -> None:
    with pytest.raises(ParameterError, match="no <external> that executes SuperResolutionGadget"):
        configuration_of(SHIPPED_XML, "SuperResolutionGadget")
    with pytest.raises(ParameterError, match="not valid XML"):
        configuration_of("<configuration>", "MultitaskingGadget")
    alone = configuration_of("<configuration><rank>3</rank></configuration>", "MultitaskingGadget")
    assert parse_parameters(alone).rank == 3


def test_the_share_of_fresh_spins_is_a_number_or_estimated() -> None:
    for values in ({}, {"inflow": "estimate"}):
        assert parsed("", **values).settings().inflow is None
        assert parsed("", **values).settings().assumed_inflow == 0.8
    assert parsed("", inflow="0.65").settings().assumed_inflow == 0.65
    for wrong in ("guess", "1.2", "-0.1"):
        with pytest.raises(ParameterError, match="inflow"):
            parsed("", inflow=wrong)
