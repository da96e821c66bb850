"""Bad scans get one clear line that names cause and remedy, and write no image file."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import malibu
from gadgets.errors import RemoteError, ScanFileError
from gadgets.mrd.files import ScanFile
from gadgets.simulated.radial import write_simulation
from recon.errors import DataError
from recon.simulation.chest import PRESETS, simulate_scan
from tests.support.replays import replay_here, rewrite_readouts

NAVIGATION, NOISE = 1 << 22, 1 << 18


def each_readout(change: Callable[[int, Any], None]) -> Callable[[Path], None]:
    return lambda path: rewrite_readouts(path, change)


def no_navigators(number: int, record: Any) -> None:
    record["head"]["flags"] = int(record["head"]["flags"]) & ~NAVIGATION


def no_navigators_among_inversions(number: int, record: Any) -> None:
    no_navigators(number, record)
    record["head"]["idx"]["repetition"] = number // 80  # one period alone would be a scan without inversions


def no_trajectory(number: int, record: Any) -> None:
    record["head"]["trajectory_dimensions"] = 0
    record["traj"] = np.empty(0, np.float32)


def radians(number: int, record: Any) -> None:
    record["traj"] = record["traj"] * np.float32(2 * np.pi)


def nan_in_readout_20(number: int, record: Any) -> None:
    if number == 20:
        record["data"][7] = np.nan


def inf_in_noise(number: int, record: Any) -> None:
    if number == 1:
        record["data"][7] = np.inf


def shorter_readout_30(number: int, record: Any) -> None:
    if number == 30:
        record["head"]["number_of_samples"] = 100
        record["data"], record["traj"] = record["data"][: 2 * 2 * 100], record["traj"][:200]


def fewer_coils_in_readout_31(number: int, record: Any) -> None:
    if number == 31:
        record["head"]["active_channels"] = 1
        record["data"] = record["data"][: record["data"].size // 2]


def only_navigators(number: int, record: Any) -> None:
    record["head"]["flags"] = int(record["head"]["flags"]) | NAVIGATION


def only_noise(number: int, record: Any) -> None:
    record["head"]["flags"] = NOISE


def edit_header(old: bytes, new: bytes) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            xml = file["dataset/xml"][0]
            assert old in xml
            file["dataset/xml"][0] = xml.replace(old, new)

    return edit


CASES = {
    "no navigators": (
        each_readout(no_navigators_among_inversions),
        "none of 16[0-9] readouts is a navigator.*has inversions.*Set navigator to every_nth.*temporal_model=realtime",
    ),
    "only navigators": (each_readout(only_navigators), "79 of 160 navigators lie at another angle"),
    "no trajectory": (each_readout(no_trajectory), "no trajectory, and no golden_angle_deg is set"),
    "radians": (each_readout(radians), r"reaches \|k\| = 3.142, which fits no known unit"),
    "NaN": (each_readout(nan_in_readout_20), "1 readouts hold NaN or Inf samples, the first with scan counter 21"),
    "Inf in the noise scan": (each_readout(inf_in_noise), "noise scan holds NaN or Inf"),
    "length": (each_readout(shorter_readout_30), "readout with scan counter 31 has 2 coils of 100 samples.*128"),
    "coils": (each_readout(fewer_coils_in_readout_31), "readout with scan counter 32 has 1 coils of 128 samples"),
    "empty stream": (each_readout(only_noise), "no imaging readouts among the 164 that came"),
    "no TR": (edit_header(b"<TR>5.0</TR>", b""), "sequenceParameters have no TR; set the parameter tr_ms"),
    "TR in seconds": (edit_header(b"<TR>5.0</TR>", b"<TR>0.005</TR>"), "TR = 0.005 cannot be milliseconds"),
    "negative TI": (edit_header(b"<TI>5.0</TI>", b"<TI>-7.5</TI>"), "TI = -7.5 cannot be milliseconds"),
    "TI of hours": (edit_header(b"<TI>5.0</TI>", b"<TI>1e7</TI>"), r"TI = 1e.07 cannot be milliseconds|does not fit"),
    "field of view of nothing": (edit_header(b"<x>270.0</x>", b"<x>nan</x>"), "field of view is nan"),
    "field of view in metres": (edit_header(b"<x>270.0</x>", b"<x>0.27</x>"), "cannot be millimetres"),
    "matrix of thousands": (edit_header(b"<x>64</x>", b"<x>4096</x>"), "4096"),
    "oblong matrix": (edit_header(b"<x>64</x>", b"<x>60</x>"), "reconSpace is 60×64"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_scan_is_refused_by_name(editable_copy: Path, tmp_path: Path, case: str) -> None:
    spoil, message = CASES[case]
    spoil(editable_copy)
    with pytest.raises(RemoteError, match=message):
        replay_here(editable_copy, tmp_path / "images.h5", rank="4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spoiled.h5"]


def test_rank_above_the_navigators(short_file: Path, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="rank 81 is above the 80 navigators"):
        replay_here(short_file, tmp_path / "images.h5", rank="81", temporal_model="realtime", images="realtime")


def test_missing_tr_and_trajectory_may_come_from_parameters(tmp_path: Path, editable_copy: Path) -> None:
    """Computed from the golden angle, the trajectory gives the image that the written one gives."""
    written = replay_here(editable_copy, tmp_path / "written.h5", rank="4")[1][0].data
    edit_header(b"<TR>5.0</TR>", b"")(editable_copy)
    rewrite_readouts(editable_copy, no_trajectory)
    with h5py.File(editable_copy.with_name("spoiled.h5")) as file:
        assert b"111.246" in file["dataset/xml"][0]
    angle = repr(PRESETS["tiny"].golden_angle_deg)
    computed = replay_here(editable_copy, tmp_path / "c.h5", rank="4", golden_angle_deg=angle, tr_ms="5")[1][0].data
    assert np.linalg.norm(computed - written) < 1e-3 * np.linalg.norm(written)


def test_sequence_of_the_parameters_wins_over_the_header(short_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    written, given = (
        malibu.read_scan(short_file, **values)[0] for values in ({}, {"tr_ms": 6, "ti_ms": 0, "flip_angle_deg": 7})
    )
    assert (given.sequence.tr_ms, given.sequence.ti_ms, given.sequence.flip_angle_deg) == (6, 0, 7)
    assert np.allclose(np.diff(given.imaging.timeline.time_s), 1.2 * np.diff(written.imaging.timeline.time_s))
    assert "tr_ms = 6 is set; the header's 5 is passed over" in caplog.text
    assert "ti_ms = 0 is set; the header's" in caplog.text


def test_lost_readout_without_trajectory_is_refused(tmp_path: Path, editable_copy: Path) -> None:
    def lose(number: int, record: Any) -> None:
        no_trajectory(number, record)
        record["head"]["scan_counter"] += 2 if number >= 90 else 0

    rewrite_readouts(editable_copy, lose)
    with pytest.raises(RemoteError, match="it cannot be computed: 2 readouts are missing"):
        replay_here(editable_copy, tmp_path / "images.h5", rank="4", golden_angle_deg="111.246")


@pytest.mark.parametrize(("rule", "extra"), [("every_nth", {"navigator_every": "2"}), ("zero_angle", {})])
def test_navigators_may_be_found_without_flags(tmp_path: Path, editable_copy: Path, rule: str, extra: dict) -> None:
    flagged = replay_here(editable_copy, tmp_path / "flagged.h5", rank="4")
    rewrite_readouts(editable_copy, no_navigators)
    found = replay_here(editable_copy, tmp_path / "found.h5", rank="4", navigator=rule, **extra)
    if rule == "every_nth":
        assert np.array_equal(found[3][0].data, flagged[3][0].data)
    else:  # the first imaging spoke lies at 0 degrees too, so it counts as a navigator
        assert int(found[1][0].meta["MalibuNavigators"]) == int(flagged[1][0].meta["MalibuNavigators"]) + 1


def test_shifted_spokes_are_taken_by_admm(
    tmp_path: Path, editable_copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """All spokes lie a quarter of a cycle off the centre: a fold of their shape, an image, and no advice."""

    def delay(number: int, record: Any) -> None:
        record["traj"] = record["traj"] + np.float32(0.004)

    rewrite_readouts(editable_copy, delay)
    for reconstruction in ("backprojection", "admm"):
        settings = {"reconstruction": reconstruction, "iterations": "2", "images": "time_average", "rank": "3"}
        images = replay_here(editable_copy, tmp_path / "images.h5", **settings)
        assert np.isfinite(images[1][0].data).all()
        assert "not estimated" not in images[1][0].meta["MalibuGradientDelays"]
    assert "gridded" not in caplog.text


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("relative_lambda", "-1", "relative_lambda"),
        ("iterations", "0", "iterations"),
        ("cg_iterations", "0", "cg_iterations"),
        ("memory_gb", "0.001", "raise memory_gb"),
    ],
)
def test_impossible_admm_parameters(tmp_path: Path, short_file: Path, parameter: str, value: str, message: str) -> None:
    with pytest.raises(RemoteError, match=message):
        replay_here(short_file, tmp_path / "i.h5", rank="3", reconstruction="admm", **{parameter: value})


def test_back_end_that_does_not_fit_the_device_is_an_operator_error(tmp_path: Path, short_file: Path) -> None:
    with pytest.raises(RemoteError, match="cufinufft needs a GPU; set device cuda:0, or nufft finufft"):
        replay_here(short_file, tmp_path / "images.h5", device="cpu", nufft="cufinufft")


def test_no_file_is_like_another(tmp_path: Path, short_file: Path) -> None:
    with pytest.raises(ScanFileError, match="does not exist"):
        ScanFile(tmp_path / "missing.h5")
    text = tmp_path / "text.h5"
    text.write_text("no HDF5")
    with pytest.raises(ScanFileError, match="not a readable HDF5 file"):
        ScanFile(text)
    with pytest.raises(ScanFileError, match="no data in a group 'scan'; it holds 'dataset': use --group"):
        ScanFile(short_file, "scan")
    headless = tmp_path / "headless.h5"
    with h5py.File(short_file) as source, h5py.File(headless, "w") as target:
        source.copy("dataset/data", target, "dataset/data")
    with pytest.raises(ScanFileError, match="holds no ISMRMRD header"):
        ScanFile(headless)


def test_header_without_a_required_element_names_it(editable_copy: Path) -> None:
    edit_header(b"<patientPosition>HFS</patientPosition>", b"")(editable_copy)
    with pytest.raises(DataError, match="patientPosition"):
        ScanFile(editable_copy)


def test_one_coil_without_noise_scan_is_reconstructed_and_says_so(tmp_path: Path) -> None:
    protocol = dataclasses.replace(PRESETS["tiny"], duration_s=0.8, coils=1, noise_readouts=0)
    write_simulation(simulate_scan(protocol, seed=3), tmp_path / "scan.h5")
    image = replay_here(tmp_path / "scan.h5", tmp_path / "images.h5", rank="2")[1][0]
    assert image.meta["MalibuPixelUnit"] == "receiver unit"
    assert np.isfinite(image.data).all()
