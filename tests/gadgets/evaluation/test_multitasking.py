import json
from pathlib import Path

import numpy as np
import pytest

from gadgets.errors import ParameterError
from gadgets.evaluation.multitasking import run_benchmark
from gadgets.evaluation.regions import block_medians
from gadgets.mrd.files import ScanFile
from gadgets.multitasking.parameters import MultitaskingParameters
from recon.quality.metrics import nrmse, quality
from tests.support.command import malibu
from tests.support.replays import replay_here


def test_command_prints_a_table_and_writes_page_and_json(tmp_path: Path, short_file: Path) -> None:
    page, figures = tmp_path / "benchmark.html", tmp_path / "figures.json"
    stdout, _ = malibu(
        *("benchmark", short_file, "--methods", "exact,backprojection,admm", "-o", page, "--json", figures),
        *("--set", "rank=3", "--set", "iterations=2", "--repeat", "2"),
    )
    for word in ("exact", "backprojection", "admm", "U NRMSE", "ADMM PSNR"):
        assert word in stdout
    found = json.loads(figures.read_text())
    rows = {row["method"]: row for row in found["methods"]}
    assert found["shape"] == {"matrix": 64, "rank": 3, "coils": 2, "spokes": 80, "samples": 128}
    assert rows["admm"]["admm"] is None
    assert rows["exact"]["truth"]["psnr_db"] > 0
    assert rows["exact"]["admm"]["ssim"] == pytest.approx(rows["backprojection"]["admm"]["ssim"], abs=0.01)
    assert set(rows["admm"]["seconds"]) == {"back-projection", "Toeplitz kernel", "ADMM"}
    text = page.read_text()
    assert "research use only" in text
    assert text.count("data:image/png") == 2
    assert "Bland-Altman" in text
    assert set(rows["admm"]["t1"]) == {"bias", "half_width", "correlation"}


def test_without_truth_methods_are_still_compared(tmp_path: Path, editable_copy: Path) -> None:
    with ScanFile(editable_copy) as scan:
        result = run_benchmark(scan, MultitaskingParameters(rank=3, iterations=1), ["backprojection", "admm"])
    assert result.rows[0].truth is None
    assert result.rows[0].spatial_factor_nrmse is None
    assert result.rows[0].admm.nrmse > 0
    assert set(result.series) == {"backprojection", "admm"}


def test_unknown_method(short_file: Path) -> None:
    with ScanFile(short_file) as scan, pytest.raises(ParameterError, match="magic is not known; choose from exact"):
        run_benchmark(scan, MultitaskingParameters(), ["magic"])


def test_metrics_of_known_series() -> None:
    rng = np.random.default_rng(0)
    reference = 100 + rng.random((2, 32, 32))
    assert quality(reference + 1e-6, reference).ssim == pytest.approx(1)
    worse = quality(reference + 1.0, reference)
    peak = np.mean([20 * np.log10(frame.max()) for frame in reference])
    assert worse.psnr_db == pytest.approx(peak, abs=1e-3)
    assert nrmse(1.1 * reference, reference) == pytest.approx(0.1)


def test_admm_in_the_gadget_says_so_in_meta(tmp_path: Path, short_file: Path) -> None:
    images = replay_here(short_file, tmp_path / "admm.h5", rank="3", reconstruction="admm", iterations="2")
    plain = replay_here(short_file, tmp_path / "plain.h5", rank="3")
    meta = images[1][0].meta
    assert meta["MalibuReconstruction"] == "admm"
    assert "admm" in meta["ImageComments"]
    assert {"Toeplitz kernel", "ADMM"} <= set(json.loads(meta["MalibuStageSeconds"]))
    assert not np.array_equal(images[3][0].data, plain[3][0].data)


def test_folded_and_exact_gridding_give_the_same_images(tmp_path: Path, tiny_file: Path) -> None:
    folded = replay_here(tiny_file, tmp_path / "folded.h5", rank="8", images="basis_maps")
    exact = replay_here(tiny_file, tmp_path / "exact.h5", rank="8", images="basis_maps", gridding="exact")
    a, b = (np.stack([image.data for image in images[3]]) for images in (folded, exact))
    assert 0 < np.linalg.norm(a - b) < 1e-3 * np.linalg.norm(b)


def test_halves_the_error_of_back_projection_on_a_noisy_scan(tiny_file: Path) -> None:
    with ScanFile(tiny_file) as scan:
        result = run_benchmark(
            scan, MultitaskingParameters(temporal_model="realtime", iterations=8), ["backprojection", "admm"]
        )
    before, after = result.rows
    assert after.spatial_factor_nrmse < 0.5 * before.spatial_factor_nrmse
    assert after.truth.nrmse < 0.5 * before.truth.nrmse
    assert after.truth.ssim > before.truth.ssim


def test_t1_against_the_truth_and_without_one(moving_file: Path, tmp_path: Path) -> None:
    parameters = MultitaskingParameters(iterations=4, rank=24)
    with ScanFile(moving_file) as scan:
        with_truth = run_benchmark(scan, parameters, ["backprojection", "admm"])
    alone = tmp_path / "scan.h5"
    alone.write_bytes(moving_file.read_bytes())
    with ScanFile(alone) as scan:
        without = run_benchmark(scan, parameters, ["backprojection", "admm"])
    tissues, pairs = with_truth.t1["admm"]
    liver = pairs[tissues.index("liver")]
    assert liver[0] == pytest.approx(liver[1], rel=0.06)
    assert with_truth.rows[1].t1.bias == pytest.approx(np.mean(pairs[:, 0] / pairs[:, 1] - 1))
    assert {"blood", "liver"} <= set(tissues)
    assert (with_truth.t1_reference, without.t1_reference) == ("truth", "ADMM")
    assert set(without.t1) == {"backprojection"}
    assert without.rows[1].t1 is None


def test_blocks_are_medians_where_both_maps_are_filled() -> None:
    values = np.zeros((20, 20))
    values[:8, 8:16] = 5.0
    values[8:16, :8] = 7.0
    reference = np.ones((20, 20))
    reference[8, 0] = 0.0
    assert block_medians(values, reference).tolist() == [[5.0, 1.0]]
