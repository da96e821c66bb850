"""What leaves is a list: every element of the schema is decided on, and what is not kept is in no copy."""

import dataclasses
import typing
from enum import Enum

import ismrmrd
import pytest
from hypothesis import given, settings, strategies as st
from xsdata.models.datatype import XmlDate, XmlTime

from gadgets.mrd.header import parse_header
from gadgets.mrd.headers.identifiers import KEPT, REMOVED, anonymous, anonymous_xml
from gadgets.mrd.headers.numbers import as_gadgetron_writes
from recon.errors import DataError

XSD = ismrmrd.xsd
MARK = "HIDDEN77"


def inner_classes(hint: object) -> list[type]:
    found = [part for part in (*typing.get_args(hint), hint) if isinstance(part, type)]
    return [part for part in found if dataclasses.is_dataclass(part)]


def reachable(class_: type, through: dict[str, frozenset[str]] | None) -> set[type]:
    """The class and all that its elements hold; only through the listed elements if there is a list."""
    found, hints = {class_}, typing.get_type_hints(class_)
    for name, hint in hints.items():
        if through is None or name in through.get(class_.__name__, ()):
            for inner in inner_classes(hint):
                found |= reachable(inner, through) if inner not in found else set()
    return found


def test_every_element_of_the_schema_is_kept_or_removed() -> None:
    """A new element in ismrmrd.xsd fails here until it is in one of the lists."""
    for class_ in reachable(XSD.ismrmrdHeader, KEPT):
        kept, removed = KEPT[class_.__name__], REMOVED.get(class_.__name__, frozenset())
        names = {field.name for field in dataclasses.fields(class_)}
        assert names == kept | removed, class_
        assert not kept & removed, class_


def filled(class_: type) -> object:
    """An element of which everything is set, all texts to the mark."""
    values = {}
    for name, hint in typing.get_type_hints(class_).items():
        parts = [part for part in (typing.get_args(hint) or (hint,)) if part is not type(None)]
        (kind,) = parts
        values[name] = [value_of(kind)] if typing.get_origin(hint) is list else value_of(kind)
    return class_(**values)


def value_of(kind: type) -> object:
    if dataclasses.is_dataclass(kind) and kind not in (XmlDate, XmlTime):
        return filled(kind)
    if issubclass(kind, Enum):
        return next(iter(kind))
    fixed = {str: MARK, bytes: MARK.encode(), int: 66_066, float: 66.066}
    return {XmlDate: XmlDate(1966, 6, 6), XmlTime: XmlTime(16, 6, 6)}.get(kind, fixed.get(kind))


def test_no_text_date_or_foreign_number_is_left() -> None:
    header = filled(XSD.ismrmrdHeader)
    header.acquisitionSystemInformation.systemVendor = "vendor"
    header.acquisitionSystemInformation.systemModel = "model"
    whole, text = XSD.ToXML(header), anonymous_xml(header).decode()
    for trace in (MARK, "1966-06-06", "16:06:06"):
        assert trace in whole
        assert trace not in text
    for name in (
        "patientWeight_kg",
        "userParameterL",
        "accessionNumber",
        "initialSeriesNumber",
        "coilLabel",
        "version",
    ):
        assert f"<{name}" not in text, name
    for name in ("systemVendor", "receiverChannels", "flipAngle_deg", "relativeTablePosition", "encodingLimits", "dZ"):
        assert f"<{name}" in text, name
    assert "<waveformName>ecg<" in text
    assert XSD.ToXML(header) == whole  # the header itself is as it was
    assert anonymous(parse_header(text)) == parse_header(text)


def test_numbers_that_a_reconstruction_reads_stay() -> None:
    header = filled(XSD.ismrmrdHeader)
    names = ("readouts_per_inversion", "PatientNumber", "MaxwellCoefficient_3", "MaxwellCoefficient_3x", "StudyDate")
    header.userParameters.userParameterLong = [XSD.userParameterLongType(name=name, value=5) for name in names]
    kept = anonymous(header).userParameters
    assert [parameter.name for parameter in kept.userParameterLong] == [names[0], names[2]]
    assert not kept.userParameterString
    assert not kept.userParameterBase64


def minimal(extra: bytes = b"", sequence: bytes = b"") -> bytes:
    return (
        b'<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">' + extra + b"<experimentalConditions>"
        b"<H1resonanceFrequency_Hz>63500000.0</H1resonanceFrequency_Hz></experimentalConditions>"
        b"<sequenceParameters>" + sequence + b"</sequenceParameters></ismrmrdHeader>"
    )


def test_what_is_no_number_is_named_but_not_shown(recwarn: pytest.WarningsRecorder) -> None:
    study = b"<studyInformation><accessionNumber>HIDDEN77</accessionNumber></studyInformation>"
    assert parse_header(minimal(study)).experimentalConditions.H1resonanceFrequency_Hz == 63_500_000
    assert not recwarn.list
    with pytest.raises(DataError, match=r"sequenceParameters\.TE is not a number") as error:
        parse_header(minimal(sequence=b"<TE>HIDDEN77</TE>"))
    assert MARK not in str(error.value)
    with pytest.raises(DataError, match="H1resonanceFrequency_Hz is not a number"):
        parse_header(minimal().replace(b"63500000.0", b""))
    assert parse_header(minimal(sequence=b"<TR></TR><TR>3.1</TR>")).sequenceParameters.TR == [3.1]


@given(st.floats(-1e7, 1e7, width=64))
@settings(max_examples=200, deadline=None)
def test_numbers_are_those_of_any_gadgetron_and_stay_so(value: float) -> None:
    import numpy as np

    single = np.float32(value)

    def read(text: str) -> float:
        return as_gadgetron_writes(parse_header(minimal(sequence=f"<TR>{text}</TR>".encode()))).sequenceParameters.TR[0]

    assert read(repr(value)) == read(f"{single:.6f}") == read(f"{single:.9g}")
    assert read(repr(read(repr(value)))) == read(repr(value))


@pytest.mark.parametrize("value", [3.6, 270.0, 111.246, 0.000125, 5.25])
def test_common_numbers_are_not_changed(value: float) -> None:
    header = parse_header(minimal(sequence=f"<TR>{value}</TR>".encode()))
    assert [value] == as_gadgetron_writes(header).sequenceParameters.TR
