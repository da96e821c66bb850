"""Every field of ISMRMRD is in the table of docs/mrd_fields.md: read, refused, or said not to matter."""

import dataclasses
import re
import typing
from fnmatch import fnmatch

import ismrmrd
import pytest

from tests.support.replays import ROOT

SECTIONS = {
    "Readouts": {name for name, _ in ismrmrd.AcquisitionHeader._fields_},
    "Encoding counters": {name for name, _ in ismrmrd.EncodingCounters._fields_},
    "Flags of readouts": {name for name in dir(ismrmrd) if name.startswith("ACQ_")},
    "Images that come in": {name for name, _ in ismrmrd.ImageHeader._fields_},
    "Waveforms": {name for name, _ in ismrmrd.WaveformHeader._fields_},
}


def leaves(model: type, prefix: str = "") -> set[str]:
    """Dotted names of all values of a header class."""
    found = set()
    for name, hint in typing.get_type_hints(model).items():
        inner = next((one for one in parts(hint) if dataclasses.is_dataclass(one)), None)
        found |= leaves(inner, f"{prefix}{name}.") if inner else {prefix + name}
    return found


def parts(hint: object) -> list[type]:
    """All classes in a type hint such as ``Optional[List[X]]``."""
    arguments = typing.get_args(hint)
    return [one for argument in arguments for one in parts(argument)] if arguments else [hint]  # type: ignore[list-item]


SECTIONS["Header"] = leaves(ismrmrd.xsd.ismrmrdHeader)


def rows(section: str) -> list[str]:
    text = (ROOT / "docs/mrd_fields.md").read_text().split(f"## {section}\n")[1].split("\n## ")[0]
    first_columns = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return [name for column in first_columns for name in re.findall(r"`([^`]+)`", column)]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_field_is_in_the_table_and_no_other(section: str) -> None:
    patterns = rows(section)
    missing = [name for name in SECTIONS[section] if not any(fnmatch(name, pattern) for pattern in patterns)]
    assert not missing, f"docs/mrd_fields.md says nothing of {missing}"
    stale = [pattern for pattern in patterns if not any(fnmatch(name, pattern) for name in SECTIONS[section])]
    assert not stale
    assert len(set(patterns)) == len(patterns)
