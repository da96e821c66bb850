"""Small scans that many tests share, simulated once per run."""

import dataclasses
import importlib.util
from pathlib import Path

import ismrmrd
import pytest

from gadgets.simulated.radial import write_simulation
from recon.simulation.chest import PRESETS, SimulatedScan, simulate_scan
from tests.support.replays import replay_here

# Packages that tests/support/pythons.py does without, and the tests that need them.
collect_ignore_glob = [
    name
    for package, names in {
        "torch": (
            *("nets/*", "gadgets/batch/*", "test_docs.py", "test_golden.py", "test_malibu.py"),
            *(f"gadgets/cli/image_tasks/test_{task}.py" for task in ("perivascular", "segmentation", "synthesise")),
            *("gadgets/datasets/test_perfusion_slices.py", "gadgets/datasets/test_streams.py"),
            "gadgets/evaluation/image_tasks/test_segmentation.py",
        ),
        "nibabel": ("gadgets/datasets/labelled/*", "gadgets/multitasking/test_b1.py"),
        "distributed": ("gadgets/batch/*", "gadgets/cluster/*"),
        "pydicom": ("gadgets/exchange/*", "gadgets/cli/test_exchange.py"),
    }.items()
    if importlib.util.find_spec(package) is None
    for name in names
]


@pytest.fixture(scope="session")
def tiny() -> SimulatedScan:
    return simulate_scan(PRESETS["tiny"], seed=1)


@pytest.fixture(scope="session")
def tiny_file(tiny: SimulatedScan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "scan.h5"
    write_simulation(tiny, path)
    return path


@pytest.fixture(scope="session")
def tiny_images(tiny_file: Path) -> dict[int, list[ismrmrd.Image]]:
    return replay_here(tiny_file, tiny_file.with_name("images.h5"))


@pytest.fixture(scope="session")
def moving_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan long enough for heartbeat and breathing to be resolved."""
    protocol = dataclasses.replace(PRESETS["tiny"], duration_s=30.0, snr=40)
    path = tmp_path_factory.mktemp("moving") / "scan.h5"
    write_simulation(simulate_scan(protocol, seed=2), path)
    return path


@pytest.fixture(scope="session")
def moving_images(moving_file: Path) -> dict[int, list[ismrmrd.Image]]:
    """All series of that scan, reconstructed by a few iterations of ADMM."""
    return replay_here(moving_file, moving_file.with_name("images.h5"), reconstruction="admm", iterations="6")


@pytest.fixture(scope="session")
def short_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan of 160 readouts in one inversion period, for tests that only look at the stream."""
    protocol = dataclasses.replace(PRESETS["tiny"], duration_s=0.8, coils=2, noise_readouts=4)
    path = tmp_path_factory.mktemp("short") / "scan.h5"
    write_simulation(simulate_scan(protocol, seed=2), path)
    return path


@pytest.fixture
def editable_copy(short_file: Path, tmp_path: Path) -> Path:
    """A copy of the short scan that a test may spoil."""
    path = tmp_path / "spoiled.h5"
    path.write_bytes(short_file.read_bytes())
    return path
