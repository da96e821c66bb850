"""A network that hands on its input, for super-resolution; a result and its image file, for what looks at them."""

from pathlib import Path

import pytest

import malibu
from gadgets.multitasking.series import SENT
from recon.multitasking import Result
from tests.support.volume_scans import identity_weights


@pytest.fixture(scope="session")
def identity_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return identity_weights(tmp_path_factory.mktemp("weights") / "identity.safetensors")


@pytest.fixture(scope="session")
def explored(moving_file: Path) -> tuple[Result, Path]:
    """A result with heartbeat, breathing and recovery, and its image file with all that the explorer can show."""
    (scan,) = malibu.read_scan(moving_file)
    result = malibu.reconstruct(scan, device="cpu", reconstruction="admm", iterations=3, cg_iterations=4)
    path = moving_file.with_name("explored.h5")
    return result, malibu.write_images(path, scan, result, images=[*SENT, "basis_maps_before"])
