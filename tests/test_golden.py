"""The commands make what they made before the code was moved, bit for bit, on the machine of the record."""

import json

import pytest

from tests.support.golden import RECORD, everything, machine

KNOWN = json.loads(RECORD.read_text())


@pytest.mark.slow  # a minute and a half; for whoever moves code: `make test-slow`
@pytest.mark.skipif(machine() != KNOWN["machine"], reason=f"the hashes are those of {KNOWN['machine']}")
def test_everything_is_what_it_was(tmp_path_factory: pytest.TempPathFactory) -> None:
    found = dict(everything(tmp_path_factory.mktemp("golden")))
    differing = sorted(
        name for name in KNOWN["hashes"].keys() | found.keys() if KNOWN["hashes"].get(name) != found.get(name)
    )
    assert not differing
