"""Evaluation that cannot mislead: accelerations, figures that are named and not cut, pictures of the middle."""

import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gadgets.cli.main import app
from gadgets.errors import ScanFileError
from gadgets.evaluation.restorations import ORIGINAL, restorations
from gadgets.evaluation.super_resolution import Evaluation, evaluate_volumes
from gadgets.evaluation.volume_figures import COLUMN_GROUPS, Subject, judge
from gadgets.reports import evaluation as pictures
from gadgets.super_resolution.parameters import SuperResolutionParameters
from recon.errors import DataError
from tests.support.replays import ROOT, needs_torch

pytestmark = needs_torch

VOLUME = np.random.default_rng(3).random((16, 24, 12), dtype=np.float32)
SHIPPED = {"stages": "one", "device": "cpu"}


def test_accelerations_that_the_network_was_not_trained_for_are_refused_or_marked() -> None:
    with pytest.raises(DataError, match=r"cut by 2x2 .* those of the network's training by 4x4; .* set mismatch=warn"):
        restorations(VOLUME, (2, 2), SuperResolutionParameters(**SHIPPED))
    marked, seconds = restorations(VOLUME, (2, 2), SuperResolutionParameters(**SHIPPED, mismatch="warn"))
    assert {name for name in marked if "trained" in name} == {
        "L1 (trained for 4x4)",
        "L1 (trained for 4x4), data consistent",
    }
    assert set(seconds) == {"L1 (trained for 4x4)"}
    for factors in ((4, 4), (4.3, 3.9)):
        found, _ = restorations(VOLUME, factors, SuperResolutionParameters(**SHIPPED))
        assert "L1" in found
    brain = SuperResolutionParameters(**SHIPPED, first_stage="sr_brain_l1")
    assert "L1" in restorations(VOLUME, (2, 2), brain)[0]


def test_figures_are_of_the_planes_that_were_cut_both_ways_each_named_by_what_it_is() -> None:
    """An error in a single plane along x: the mean over planes has a twelfth of it, that of the volume another."""
    worse = VOLUME.copy()
    worse[:, :, 3] += 0.1
    figures = judge(worse, Subject("x", VOLUME), "L1")
    plane = 0.1 / np.sqrt(np.mean(VOLUME[:, :, 3] ** 2))
    assert figures["NRMSE by slice"] == pytest.approx(plane / 12, rel=1e-4)
    assert figures["NRMSE"] == pytest.approx(0.1 * np.sqrt(16 * 24 / np.sum(VOLUME**2)), rel=1e-4)
    assert set(figures) == {name for group in COLUMN_GROUPS[:2] for name in group} - {"seconds"} | {"blur"}
    thin = judge(worse[:8], Subject("x", VOLUME[:8]), "L1")
    assert "SSIM by slice" not in thin
    assert "SSIM" in thin


@pytest.mark.parametrize("left", [-1e-6, 1e-6, 0.0])
def test_what_an_interpolation_leaves_in_an_empty_plane_does_not_count(left: float) -> None:
    noisy = VOLUME + 0.05 * np.random.default_rng(5).standard_normal(VOLUME.shape, dtype=np.float32)
    true, found = (np.concatenate([each, np.zeros((16, 24, 1), np.float32)], axis=2) for each in (VOLUME, noisy))
    true[4, 5, 12], found[:, :, 12] = left, 0.02
    alone, beside = (judge(each, Subject("x", original), "L1") for each, original in ((noisy, VOLUME), (found, true)))
    for name in ("PSNR dB by slice", "SSIM by slice", "NRMSE by slice"):
        assert beside[name] == pytest.approx(alone[name], rel=1e-5)


@pytest.mark.parametrize("columns", ["20", "80", "200"])
def test_no_figure_is_cut_in_a_narrow_terminal(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    command = ["evaluate", "sr", "--simulate", "2", "--shape", "16x24x16", "--set", "stages=one"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "…" not in result.stdout
    rows = [line for line in result.stdout.splitlines() if line.lstrip().startswith("zero-filled")]
    assert len(rows) == len(COLUMN_GROUPS)
    assert re.fullmatch(r"\s*zero-filled\s+\d+\.\d\d±\d+\.\d\d\s+0\.\d{4}±0\.\d{4}\s+0\.\d{4}±0\.\d{4}\s+-\s*", rows[0])
    assert "Gaussian" in result.stdout


@pytest.mark.parametrize(
    "command", [["nets"], ["parameters"], ["nets", "--weights", str(ROOT / "nets/shipped/sr_brain_l1.safetensors")]]
)
def test_no_text_is_cut_either(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0
    assert "…" not in result.stdout


def test_one_volume_has_no_deviation() -> None:
    one = Evaluation({"L1": [{"PSNR dB": 30.0}]}).summary()["L1"]
    two = Evaluation({"L1": [{"PSNR dB": 30.0}, {"PSNR dB": 31.0}]}).summary()["L1"]
    assert (one["PSNR dB"], two["PSNR dB"], one["SSIM"]) == ("30.00", "30.50±0.50", "-")


def test_volumes_that_are_too_thin_for_ssim_are_told() -> None:
    subject = Subject("volume 1", VOLUME[:6])
    with pytest.raises(ScanFileError, match=r"volume 1 has 6x24x12 voxels \(z, y, x\); SSIM needs 7 slices"):
        evaluate_volumes([lambda: subject], (4, 4), SuperResolutionParameters(**SHIPPED))


@pytest.mark.parametrize(("slices", "shown"), [(8, (64, 48)), (40, (40, 64))])
def test_pictures_show_the_middle_of_the_head(
    slices: int, shown: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head of one away from the volume's middle, with a bright rim at one side, where the contrast is greatest."""
    volume = np.zeros((slices, 64, 48), np.float32)
    volume[slices // 4 : slices // 4 + slices // 2, 10:42, 20:44] = 1
    volume[:, 12:14, 43] = 5
    drawn: list[np.ndarray] = []

    class Kept(pictures.Figure):
        def subplots(self, *size: int, **options: object) -> np.ndarray:
            panels = super().subplots(*size, **options)
            for axes in panels.ravel():
                show = axes.imshow
                axes.imshow = lambda image, show=show, **options: (drawn.append(image), show(image, **options))[1]
            return panels

    monkeypatch.setattr(pictures, "Figure", Kept)
    pictures.write_picture(Evaluation(last_volumes={ORIGINAL: volume}), tmp_path / "p.png")
    whole, enlarged, projected = drawn
    assert whole.shape == shown
    expected = volume[slices // 4 + slices // 4 - 1] if slices == 8 else volume[:, :, 31]
    assert np.array_equal(whole, expected) or np.array_equal(whole, volume[:, :, 32])
    assert enlarged.shape == (shown[0] // 2, shown[1] // 2)
    assert enlarged.mean() > whole.mean()
    assert projected.shape == shown
    assert (projected >= whole).all()
    assert (tmp_path / "p.png").stat().st_size > 1000
