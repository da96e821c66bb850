"""The command as a user types it."""

import json
import re
from pathlib import Path

import h5py
import pytest

from gadgets import __version__
from tests.support.command import malibu
from tests.support.replays import ROOT, needs_torch


@needs_torch
def test_simulate_info_replay_report(tmp_path: Path) -> None:
    scan, images, folder = tmp_path / "scan.h5", tmp_path / "images.h5", tmp_path / "report"
    stdout, _ = malibu("simulate", scan, "--preset", "tiny", "--seed", "5", "--duration-s", "4", "--coils", "3")
    assert "800 readouts" in stdout
    assert scan.with_suffix(".truth.h5").is_file()

    stdout, stderr = malibu("info", scan)
    assert "no noise scan" not in stderr
    for fact in (
        "64×64 (encoding matrix 128)",
        "800, and 32 of noise",
        "50.0 % by flag",
        "0.5: cycles per pixel",
        "5 ms",
    ):
        assert fact in stdout, stdout
    assert re.search(r"3 coils compressed to 3.*rank\s+32", stdout)

    stdout, stderr = malibu(
        "replay",
        scan,
        "-o",
        images,
        "--config",
        ROOT / "configs/xml/multitasking.xml",
        "--set",
        "rank=6",
        "--report",
        folder,
    )
    assert "115 images, research use only" in stdout  # 40 of them real-time frames of the back-projection
    assert "heartbeat could not be resolved" in " ".join(stderr.split())
    assert "back-projection" in stderr
    with h5py.File(images) as file:
        assert file["dataset/image_3/data"].shape == (5, 1, 1, 64, 64)

    page = (folder / "report.html").read_text()
    assert "research use only - not a medical device" in page
    assert not re.search(r"(src|href)=\"(?!data:|explorer\.html\")", page)
    pictures = {"time_average.png", "realtime.gif", "realtime.png", "basis_maps.png", "t1_map.png", "gating.png"}
    pictures |= {"t1_recovery.gif", "comparison.png"}
    assert {path.name for path in folder.iterdir()} == pictures | {
        "singular_values.png",
        "temporal_basis.png",
        "report.html",
        "explorer.html",
    }
    assert page.count("data:image/") == 12  # each GIF also stands still
    for stage in ("receive", "temporal basis", "T1 map", "coil maps", "back-projection", "network"):
        assert f"<td>{stage}</td>" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info", "missing.h5"], "error: missing.h5 does not exist or is no file"),
        (["view", "missing.h5", "-o", "x.html"], "error: missing.h5 does not exist or is no file"),
        (
            ["replay", "missing.h5", "-o", "x.h5", "--set", "rnak=4"],
            "error: unknown parameter 'rnak'; did you mean 'rank'?",
        ),
        (["replay", "missing.h5", "-o", "x.h5", "--set", "rank"], "error: --set 'rank' is not of the form NAME=VALUE"),
        (["replay", "missing.h5", "-o", "x.h5", "--device", "gpu"], "error: parameter 'device' = 'gpu'"),
        (
            ["replay", "missing.h5", "-o", "x.h5", "--config", "no.xml"],
            "error: the configuration no.xml cannot be read",
        ),
        (
            ["replay", "missing.h5", "-o", "x.h5", "--host", "h", "--device", "cpu"],
            "with --host, edit the configuration",
        ),
        (["report", "missing.h5", "folder"], "error: missing.h5 does not exist or is no file"),
        (["simulate", "s.h5", "--snr", "-1"], "SNR above 0"),
        (["simulate", "s.h5", "--duration-s", "0"], "holds 0 readouts"),
        (["simulate", "s.h5", "--set", "ectopics=1"], "no setting 'ectopics'; known are matrix"),
        (["simulate", "s.h5", "--set", "breathing=deep"], "simulation setting breathing = 'deep'"),
    ],
)
def test_errors_are_one_line_and_a_non_zero_exit(arguments: list[str], message: str) -> None:
    _, stderr = malibu(*arguments, code=1)
    assert message in stderr
    assert len(stderr.strip().splitlines()) == 1
    assert "Traceback" not in stderr


def test_debug_shows_the_traceback() -> None:
    _, stderr = malibu("--debug", "info", "missing.h5", code=1)
    assert "Traceback" in stderr


def test_info_says_what_would_be_refused(editable_copy: Path) -> None:
    with h5py.File(editable_copy, "r+") as file:
        xml = file["dataset/xml"][0]
        file["dataset/xml"][0] = xml.replace(b"<TR>5.0</TR>", b"")
    stdout, stderr = malibu("info", editable_copy, code=1)
    assert "refused as it is" in stdout
    assert "have no TR; set the parameter tr_ms" in stderr
    stdout, _ = malibu("info", editable_copy, "--set", "tr_ms=5")
    assert "refused" not in stdout


def test_a_gpu_that_is_not_there(short_file: Path, tmp_path: Path) -> None:
    _, stderr = malibu("replay", short_file, "-o", tmp_path / "i.h5", "--device", "cuda:7", code=1)
    assert re.search(r"device cuda:7 is not there: CuPy finds \d+ GPUs", stderr)
    assert not list(tmp_path.iterdir())


def test_help_is_worth_reading() -> None:
    stdout, _ = malibu("--help")
    for word in (
        "simulate",
        "replay",
        "serve",
        "stream",
        "dicom",
        "jobs",
        "info",
        "report",
        "view",
        "parameters",
        "research use only",
        "Try it",
    ):
        assert word in stdout
    stdout, _ = malibu("replay", "--help")
    assert "Gadgetron or malibu serve" in stdout
    stdout, _ = malibu("parameters")
    assert "golden_angle_deg" in stdout
    stdout, _ = malibu("--version")
    assert __version__ in stdout


def test_a_simulation_takes_every_setting_of_protocol_and_physiology(tmp_path: Path) -> None:
    scan = tmp_path / "scan.h5"
    wanted = {"infarct": "true", "ectopic_share": "0.2", "flip_angle_scale": "0.9", "inversion_efficiency": "0.8"}
    settings = [part for name, value in wanted.items() for part in ("--set", f"{name}={value}")]
    malibu("simulate", scan, "--duration-s", "4", "--coils", "1", *settings)
    with h5py.File(scan.with_suffix(".truth.h5")) as truth:
        for name, value in wanted.items():
            assert truth.attrs[name] == (True if value == "true" else float(value))
        assert "infarct" in truth["shape"].attrs["names"].tolist()
        assert 1450 <= truth["t1_ms"][:][truth["shape"][:] == truth["shape"][:].max()].max() <= 1600


@needs_torch
def test_nets_lists_every_architecture_and_the_shipped_weights() -> None:
    found = json.loads(malibu("nets", "--json")[0])
    rows = {row["name"]: row for row in found["architectures"]}
    assert rows["mdcn"]["parameters"] == 23_035_904
    assert rows["mdcn"]["receptive_field"] == 227
    assert rows["mdcsrn_attention"]["receptive_field"] is None
    assert rows["mdcn"]["shipped_weights"] == "multitasking_mdcn.safetensors"
    names = ("gan_coronary_dragan", "sr_brain_l1", "sr_coronary_l1")
    assert rows["mdcsrn"]["shipped_weights"] == " ".join(f"{name}.safetensors" for name in names)
    assert rows["rrdg"]["shipped_weights"] is None
    assert (rows["alamo"]["recipes"], rows["alamo"]["gadgets"]) == (["alamo", "alamo_paper"], ["SegmentationGadget"])
    assert (rows["unet"]["training"], rows["unet"]["gadgets"]) == ("alike", ["AslGadget"])
    assert rows["dragan_discriminator"]["recipes"] == ["gan_coronary_dragan", "gan_dragan_paper"]
    assert rows["spade"]["recipes"] == rows["spade_critic"]["recipes"] == ["spade", "spade_paper"]
    assert (rows["patch_critic"]["recipes"], rows["patch_critic"]["gadgets"]) == (["gan_rrdg_paper"], [])
    assert rows["srcnn"]["gadgets"] == ["SuperResolutionGadget", "PerivascularGadget"]
    assert all(row["training"] for row in rows.values())
    assert len(found["weights"]) == 9
    for weights in found["weights"]:
        assert weights["licence"] == "MIT"
        assert weights["use"] == "research use only - not a medical device"
        assert weights["megabytes"] < 12
    stdout, _ = malibu("nets")
    assert "23,035,904" in stdout
    assert "training_data" in stdout


@needs_torch
def test_weights_of_another_kind_are_refused(tmp_path: Path, short_file: Path) -> None:
    spoiled = tmp_path / "weights.pt"
    spoiled.write_bytes(b"PK\x03\x04")
    _, stderr = malibu("nets", "--weights", spoiled, code=1)
    assert "can run code and are not opened" in " ".join(stderr.split())
    _, stderr = malibu("replay", short_file, "-o", tmp_path / "i.h5", "--weights", spoiled, code=1)
    assert "can run code and are not opened" in " ".join(stderr.split())
    assert not (tmp_path / "i.h5").exists()
