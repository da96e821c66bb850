"""The commands about volumes, from simulation to evaluation and report."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from gadgets.cli.main import app
from gadgets.datasets.volumes import split_of
from gadgets.evaluation.restorations import restorations
from gadgets.evaluation.volume_figures import Subject, judge, stenosis_depths
from gadgets.mrd.files import read_images
from gadgets.super_resolution.parameters import SuperResolutionParameters
from recon.simulation.angiogram.vessels import Stenosis, Vessel, coverage
from tests.support.replays import needs_torch
from tests.support.volume_scans import ROOT, identity_weights, random_weights

CONFIGS = ROOT / "configs/xml"


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return identity_weights(tmp_path_factory.mktemp("weights") / "identity.safetensors")


@pytest.mark.parametrize(
    ("config", "kind"), [("super_resolution_coronary.xml", ()), ("super_resolution_coronary_images.xml", ("--images",))]
)
def test_simulated_scan_is_replayed_and_reported(
    config: str, kind: tuple[str, ...], weights: Path, tmp_path: Path
) -> None:
    scan, images = tmp_path / "scan.h5", tmp_path / "images.h5"
    run("simulate-volume", scan, "--shape", "16x32x24", "--seed", "2", *kind)
    settings = [f"--set={name}" for name in ("stages=one", f"first_stage={weights}")]
    run("replay", scan, "-o", images, "--config", CONFIGS / config, *settings, "--report", tmp_path / "report")
    series = read_images(images)
    assert list(series) == [1, 101]
    assert len(series[101]) == 16
    assert len(series[1]) == (4 if kind else 16)
    page = (tmp_path / "report/report.html").read_text()
    assert "super-resolution" in page
    assert "esearch use only" in page
    assert (tmp_path / "report/super_resolution.png").stat().st_size > 10_000


def test_raw_scan_and_images_of_a_subject_restore_to_the_same(weights: Path, tmp_path: Path) -> None:
    volumes = []
    for name, kind in (("raw", ()), ("images", ("--images",))):
        run("simulate-volume", tmp_path / f"{name}.h5", "--shape", "16x32x24", "--snr", "1e5", *kind)
        config = CONFIGS / f"super_resolution_coronary{'_images' if kind else ''}.xml"
        settings = [f"--set={each}" for each in ("stages=one", f"first_stage={weights}")]
        run("replay", tmp_path / f"{name}.h5", "-o", tmp_path / f"{name}_out.h5", "--config", config, *settings)
        volumes.append(np.concatenate([image.data[0] for image in read_images(tmp_path / f"{name}_out.h5")[101]]))
    raw, images = (volume / volume.mean() for volume in volumes)
    assert np.corrcoef(raw.ravel(), images.ravel())[0, 1] > 0.98


@needs_torch
def test_shipped_networks_are_small_and_say_what_they_are() -> None:
    from nets.weights import FIRST_STAGE, SECOND_STAGE, load_weights, shipped

    gains = {FIRST_STAGE: ([4, 4, 1], 1.8), SECOND_STAGE: ([4, 4, 1], 1.5), "sr_brain_l1": ([2, 2, 1], 1.2)}
    paths = [shipped(name) for name in gains]
    assert sum(path.stat().st_size for path in paths) < 12e6
    for path, (factors, gain) in zip(paths, gains.values(), strict=True):
        card = load_weights(path, "mdcsrn").card
        assert ("(160 simulated)" if "gan" in path.name else "(344 simulated)") in card.training_data
        assert card.preprocessing["factors"] == [factors]
        assert card.metrics["val_psnr"] > card.metrics["val_input_psnr"] + gain
        assert card.use.startswith("research use only")


@needs_torch
def test_weights_are_a_file_or_the_name_of_shipped_ones() -> None:
    from nets.weights import shipped, weights_path

    assert weights_path("sr_brain_l1") == shipped("sr_brain_l1")
    for own in ("mine/sr_brain_l1.safetensors", "sr_brain_l1.safetensors"):
        assert weights_path(own) == Path(own)


@needs_torch
def test_brain_preset_restores_what_was_cut_to_a_half_and_refuses_a_quarter(tmp_path: Path) -> None:
    config, sizes = CONFIGS / "super_resolution_brain_4x.xml", ("--domain", "brain", "--shape", "16x32x24", "--images")
    run("simulate-volume", tmp_path / "half.h5", "--acceleration", "2x2", *sizes)
    run("replay", tmp_path / "half.h5", "-o", tmp_path / "out.h5", "--config", config)
    assert {1, 101, 301} == set(read_images(tmp_path / "out.h5"))
    run("simulate-volume", tmp_path / "quarter.h5", *sizes)
    refused = CliRunner().invoke(
        app, ["replay", str(tmp_path / "quarter.h5"), "-o", str(tmp_path / "no.h5"), "--config", str(config)]
    )
    assert refused.exit_code != 0
    assert "header and data say 4x4" in str(refused.exception)


@needs_torch
def test_shipped_networks_bring_a_raw_scan_nearer_to_its_truth(tmp_path: Path) -> None:
    scan, images = tmp_path / "scan.h5", tmp_path / "images.h5"
    run("simulate-volume", scan, "--shape", "48x64x48", "--seed", 3)
    wanted = "images=original first_stage super_resolved"
    run(
        "replay",
        scan,
        "-o",
        images,
        "--config",
        CONFIGS / "super_resolution_coronary.xml",
        "--set",
        wanted,
        "--set",
        "stages=two",
    )
    with h5py.File(tmp_path / "scan.truth.h5") as file:
        truth = file["volume"][:]
    error = {}
    for number, slices in read_images(images).items():
        volume = np.concatenate([image.data[0] for image in slices])
        scale = np.vdot(volume, truth) / np.vdot(volume, volume)
        error[number] = float(np.linalg.norm(scale * volume - truth) / np.linalg.norm(truth))
    for restored in (error[201], error[101]):
        assert restored < 0.85 * error[1]  # 1.4 dB; 2.1 dB are reached


@needs_torch
def test_prepared_volumes_are_split_and_stay(tmp_path: Path) -> None:
    from nets.data.volume_files import read_volume, volumes_in

    run("prepare-volumes", tmp_path, "--domain", "brain", "--count", 10, "--shape", "8x9x10", "--seed", 5)
    assert [len(volumes_in(tmp_path / split)) for split in ("train", "validation", "test")] == [8, 1, 1]
    first = volumes_in(tmp_path / "train")[0]
    assert first.name == "simulated-brain-000005.h5"
    assert read_volume(first).voxels.shape == (8, 9, 10)
    before = first.stat().st_mtime_ns
    run("prepare-volumes", tmp_path, "--domain", "brain", "--count", 10, "--shape", "8x9x10", "--seed", 5)
    assert first.stat().st_mtime_ns == before
    assert [split_of(number) for number in (0, 8, 9, 19)] == ["train", "validation", "test", "test"]


def test_evaluation_makes_a_table_a_picture_and_figures(tmp_path: Path) -> None:
    network = random_weights(tmp_path / "n.safetensors", 1)
    settings = ["--set=stages=one", f"--set=first_stage={network}"]
    outputs = ["--picture", tmp_path / "figure.png", "--json", tmp_path / "figures.json"]
    text = run("evaluate", "sr", "--simulate", 2, "--shape", "24x32x24", *outputs, *settings)
    for method in ("nearest", "zero-filled", "bicubic", "L1", "original"):
        assert method in text
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert len(figures["L1"]) == 2
    assert figures["bicubic"][0]["PSNR dB"] > figures["nearest"][0]["PSNR dB"]
    assert figures["original"][0]["blur"] < figures["zero-filled"][0]["blur"]
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_evaluation_takes_volumes_from_files(weights: Path, tmp_path: Path) -> None:
    run("simulate-volume", tmp_path / "scan.h5", "--shape", "16x32x24")
    settings = ["--set=stages=one", f"--set=first_stage={weights}", "--json", tmp_path / "figures.json"]
    run("evaluate", "sr", tmp_path / "scan.truth.h5", "--acceleration", "2x2", "--set=mismatch=warn", *settings)
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["L1 (trained for 4x4)"][0]["PSNR dB"] == pytest.approx(
        figures["zero-filled"][0]["PSNR dB"], abs=0.01
    )


def test_methods_restore_what_they_can(weights: Path) -> None:
    """A volume whose outer lines are empty is its own zero-filled image; the networks here are the identity."""
    z, y, x = np.meshgrid(*[np.arange(n) for n in (16, 24, 12)], indexing="ij")
    volume = (2 + np.cos(2 * np.pi * z / 16) + np.sin(2 * np.pi * y / 24)).astype(np.float32) + 0.0 * x.astype("f4")
    parameters = SuperResolutionParameters(stages="one", first_stage=str(weights), device="cpu")
    found, seconds = restorations(volume, (4, 4), parameters)
    assert set(seconds) == {"L1"}
    for name in ("zero-filled", "L1", "L1, data consistent"):
        assert np.allclose(found[name], volume, atol=1e-3)
    figures = judge(found["zero-filled"], Subject("x", volume), "zero-filled")
    assert figures["SSIM"] == pytest.approx(1, abs=1e-3)
    errors = {name: np.abs(found[name] - volume).max() for name in ("nearest", "bicubic")}
    assert errors["bicubic"] < 0.35 * errors["nearest"]


def test_empty_planes_do_not_count() -> None:
    rng = np.random.default_rng(3)
    volume = rng.random((16, 24, 12), dtype=np.float32)
    noisy = volume + 0.1 * rng.standard_normal(volume.shape, dtype=np.float32)
    wider = np.concatenate([volume, np.zeros((16, 24, 2), np.float32)], axis=2)
    found = np.concatenate([noisy, np.full((16, 24, 2), 1e-7, np.float32)], axis=2)
    alone, beside = (judge(image, Subject("x", true), "L1") for image, true in ((noisy, volume), (found, wider)))
    assert beside["PSNR dB"] == pytest.approx(alone["PSNR dB"], abs=0.05)
    assert beside["NRMSE"] == pytest.approx(alone["NRMSE"], rel=1e-6)


@needs_torch
def test_empty_volume_is_refused(tmp_path: Path) -> None:
    import torch

    from nets.data.volume_files import Volume, write_volume

    write_volume(tmp_path / "v.h5", Volume(torch.zeros(16, 16, 16)))
    result = CliRunner().invoke(app, ["evaluate", "sr", str(tmp_path / "v.h5")])
    assert "all voxels are zero" in str(result.exception)


def test_stenosis_depth_is_judged_between_two_points_of_the_same_vessel() -> None:
    along = np.arange(0, 60, 0.5)
    line = np.stack([along, np.full_like(along, 15.3), np.full_like(along, 14.8)], axis=1)
    vessel = Vessel(line, np.full(len(line), 3.0), (Stenosis(60, 0.5, 4.0),))
    volume = coverage([vessel], (60, 30, 30))
    ((true, found),) = stenosis_depths(volume, [vessel])
    assert true == pytest.approx(0.5, abs=0.01)
    assert found == pytest.approx(true, abs=0.06)


def test_truth_of_a_simulated_volume_names_its_vessels(tmp_path: Path) -> None:
    run("simulate-volume", tmp_path / "scan.h5", "--shape", "24x32x24", "--acceleration", "2x4")
    with h5py.File(tmp_path / "scan.truth.h5") as file:
        assert file["volume"].shape == (24, 32, 24)
        assert list(file.attrs["factors"]) == [2, 4]
        assert len(file["vessels"]) > 3
        assert file["vessels/000/centreline"].shape[0] == len(file["vessels/000/radius"])


@pytest.mark.parametrize("shape", ["16x16", "axbxc", "0x4x4"])
def test_sizes_that_make_no_sense_are_refused(shape: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["simulate-volume", str(tmp_path / "s.h5"), "--shape", shape])
    assert "must be 3 numbers" in str(result.exception)
