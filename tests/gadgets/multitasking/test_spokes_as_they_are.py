"""Scans whose spokes are delayed, offset or asymmetric give the images of those that are not."""

import dataclasses
from pathlib import Path

import ismrmrd
import numpy as np
import pytest

from gadgets.mrd.files import write_scan
from gadgets.simulated.radial import common_head, scan_header
from recon.readouts.gradient_delays import GradientDelays, corrected_trajectory
from recon.simulation.chest import PRESETS, simulate_scan
from recon.simulation.chest.motion import Physiology
from recon.simulation.chest.scan import SimulatedScan
from tests.support.replays import replay_here

STILL = Physiology(heartbeat=0.0, breathing=0.0)
SETTINGS = {"temporal_model": "realtime", "rank": "2", "images": "time_average"}


@pytest.fixture(scope="module")
def chest() -> SimulatedScan:
    """1000 imaging spokes of a still chest of 48 pixels."""
    protocol = dataclasses.replace(PRESETS["tiny"], matrix=48, samples=96, coils=3, physiology=STILL, duration_s=10.0)
    return simulate_scan(protocol, seed=11)


def write(path: Path, scan: SimulatedScan, played_out: np.ndarray, written: np.ndarray, center: int = 48) -> None:
    """Write the exact signal at one trajectory ``(readouts, samples, 2)`` and say that it was measured at another."""
    head = common_head(scan)
    head.trajectory_dimensions, head.number_of_samples, head.center_sample = 2, played_out.shape[1], center
    kspace = scan.noiseless(slice(0, len(played_out)), played_out.astype(np.float64)).astype(np.complex64)
    readouts = []
    for number, (data, points) in enumerate(zip(kspace, written, strict=True)):
        readout = ismrmrd.Acquisition(bytes(head), data, (points / 48).astype(np.float32))
        readout.scan_counter, readout.idx.repetition = number, int(scan.timeline.inversion[number])
        if scan.is_navigator[number]:
            readout.set_flag(ismrmrd.ACQ_IS_NAVIGATION_DATA)
        readouts.append(readout)
    write_scan(path, scan_header(scan), readouts)


def time_average(path: Path, **settings: str) -> tuple[np.ndarray, dict[str, str]]:
    image = replay_here(path, path.with_suffix(".images.h5"), **SETTINGS | settings)[1][0]
    return image.data[0, 0].astype(np.float64), dict(image.meta)


def far(image: np.ndarray, reference: np.ndarray) -> float:
    return float(np.linalg.norm(image - reference) / np.linalg.norm(reference))


def test_delays_are_corrected_unless_switched_off(tmp_path: Path, chest: SimulatedScan) -> None:
    nominal = chest.trajectory()
    delays = GradientDelays(0.8, 0.2, -0.6, (0.0, 0.0, 0.0))
    write(tmp_path / "straight.h5", chest, nominal, nominal)
    write(tmp_path / "delayed.h5", chest, corrected_trajectory(nominal, delays), nominal)
    reference, meta = time_average(tmp_path / "straight.h5")
    assert meta["MalibuGradientDelays"].endswith("left alone")
    assert float(meta["MalibuGradientDelayLeft"]) == 0
    untouched, meta = time_average(tmp_path / "straight.h5", gradient_delays="off")
    assert meta["MalibuGradientDelays"] == "off"
    assert np.array_equal(reference, untouched)
    corrected, meta = time_average(tmp_path / "delayed.h5")
    assert meta["MalibuGradientDelays"].startswith("sx=0.800 sxy=0.200 sy=-0.600 samples")
    assert meta["MalibuGradientDelays"].endswith("corrected")
    assert float(meta["MalibuGradientDelayLeft"]) == 0
    off, meta = time_average(tmp_path / "delayed.h5", gradient_delays="off")
    assert meta["MalibuGradientDelays"].startswith("off, but the spokes tell sx=0.800 sxy=0.200 sy=-0.600")
    assert float(meta["MalibuGradientDelayLeft"]) == pytest.approx(0.8, abs=2e-3)
    given, meta = time_average(tmp_path / "delayed.h5", gradient_delays="0.8 0.2 -0.6")
    assert meta["MalibuGradientDelays"] == "0.8 0.2 -0.6 (set)"
    assert float(meta["MalibuGradientDelayLeft"]) == 0
    other, meta = time_average(tmp_path / "delayed.h5", gradient_delays="0.8 0.2 0.4")  # what is set wins
    assert meta["MalibuGradientDelays"].startswith("0.8 0.2 0.4 (set), but the spokes tell sx=0.800")
    assert float(meta["MalibuGradientDelayLeft"]) == pytest.approx(1, abs=2e-3)
    assert far(other, reference) > 3 * far(corrected, reference)
    assert far(corrected, reference) < 0.02
    assert far(given, corrected) < 1e-3
    assert far(off, reference) > 3 * far(corrected, reference)


@pytest.mark.parametrize(("samples", "center", "shift"), [(96, 48, 0.5), (96, 48, -0.2), (72, 24, 0.0)])
def test_offset_and_asymmetric_spokes_give_the_same_image(
    tmp_path: Path, chest: SimulatedScan, samples: int, center: int, shift: float
) -> None:
    """k = 0 between two samples, and echoes of which a quarter is missing on one side."""
    nominal = chest.trajectory()
    step = (nominal[:, -1:] - nominal[:, :1]) / 95
    write(tmp_path / "plain.h5", chest, nominal, nominal)
    moved = (np.arange(samples)[:, None] - center + shift) * step
    write(tmp_path / "moved.h5", chest, moved, moved, center)
    for reconstruction in ("backprojection", "admm"):
        settings = {"reconstruction": reconstruction, "iterations": "6", "gradient_delays": "off"}
        reference, _ = time_average(tmp_path / "plain.h5", **settings)
        image, _ = time_average(tmp_path / "moved.h5", **settings)
        assert far(image, reference) < 0.04
        assert np.sum(image * reference) / np.sum(reference**2) == pytest.approx(1, abs=0.01)
