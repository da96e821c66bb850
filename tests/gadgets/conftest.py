"""A network that hands on its input, for the tests of the super-resolution gadget."""

from pathlib import Path

import pytest

from tests.support.volume_scans import identity_weights


@pytest.fixture(scope="session")
def identity_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return identity_weights(tmp_path_factory.mktemp("weights") / "identity.safetensors")
