"""Figures of perivascular enhancement: a perfect network is best, a careless one is found out."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from gadgets.cluster.shared_work import SharedWork
from gadgets.errors import ParameterError
from gadgets.evaluation.image_tasks.perivascular import (
    DENOISED,
    INPUT,
    SHARPENED,
    PerivascularEvaluation,
    evaluate_perivascular,
)
from recon.simulation.perivascular.brain_scan import simulate_perivascular

SHAPE = (32, 48, 48)
SEEDS = (5, 6)


def oracle(volume: NDArray, mask: NDArray) -> NDArray:
    """Knows the label of each of the brains."""
    for seed in SEEDS:
        for with_spaces in (True, False):
            subject = simulate_perivascular(SHAPE, seed, with_spaces)
            if np.array_equal(subject.image, volume):
                return subject.label + np.float32(1e-6) * mask
    raise AssertionError


def careless(volume: NDArray, mask: NDArray) -> NDArray:
    """Draws a line into every brain, and blurs outside of the mask, too."""
    blurred = gaussian_filter(volume, 2.5)
    depth = distance_transform_edt(mask)
    z, y, x = np.unravel_index(np.argmax(depth), mask.shape)
    blurred[z, y - 5 : y + 6, x] += 3
    return blurred


@pytest.fixture(scope="module")
def result() -> PerivascularEvaluation:
    done: list[int] = []
    networks = {"oracle": oracle, "careless": careless}
    work = SharedWork(done=lambda: done.append(1))
    found = evaluate_perivascular(lambda: networks, SHAPE, SEEDS[0], len(SEEDS), work)
    assert len(done) == len(SEEDS)
    return found


def test_every_method_has_all_figures(result: PerivascularEvaluation) -> None:
    assert list(result.quality) == [INPUT, DENOISED, SHARPENED, "oracle", "careless"] == list(result.spaces)
    for rows in result.quality.values():
        assert len(rows) == 8
        assert all(len(values) == len(SEEDS) for values in rows.values())


def test_truth_is_the_best_estimate_of_the_truth(result: PerivascularEvaluation) -> None:
    for region in ("near PVS", "white matter"):
        for metric in ("PSNR dB", "SSIM"):
            key = ("truth", region, metric)
            best = result.quality["oracle"][key]
            for method in (INPUT, DENOISED, SHARPENED, "careless"):
                assert np.all(np.array(best) > np.array(result.quality[method][key])), (method, key)


def test_invented_spaces_and_changed_bits_are_told(result: PerivascularEvaluation) -> None:
    column = "per cm3 without PVS"
    assert result.spaces["oracle"][column] == [0, 0]
    assert min(result.spaces["careless"][column]) > 0
    assert result.spaces["careless"]["outside equal"] == [0, 0]
    for method in (INPUT, DENOISED, SHARPENED, "oracle"):
        assert result.spaces[method]["outside equal"] == [1, 1]


def test_changed_lookalikes_are_told(result: PerivascularEvaluation) -> None:
    figures = {name: rows["lookalikes RMSE"] for name, rows in result.spaces.items()}
    assert max(figures["oracle"]) < 1e-5
    assert np.mean(figures["careless"]) > np.mean(figures[INPUT]) > 0.02


def test_pairs_are_told_apart_until_they_are_blurred(result: PerivascularEvaluation) -> None:
    apart = result.spaces["oracle"]["pairs apart"]
    assert apart
    assert np.mean(apart) > np.mean(result.spaces["careless"]["pairs apart"])


def test_brains_without_room_for_spaces_are_refused() -> None:
    with pytest.raises(ParameterError, match="give a larger --shape"):
        evaluate_perivascular(dict, (16, 20, 20), 1, 1)


def test_p_values_are_of_pairs_of_subjects() -> None:
    key = ("truth", "near PVS", "PSNR dB")
    figures = {"net": {key: [float(n) + 1 for n in range(10)]}, "other": {key: [float(n) for n in range(10)]}}
    figures["same"] = {key: list(figures["net"][key])}
    evaluation = PerivascularEvaluation(("net",), figures)
    assert evaluation.p_value("other", key) == pytest.approx(2 / 2**10)  # all of ten signs alike, two-sided
    assert evaluation.p_value("same", key) == 1.0
    assert np.isnan(evaluation.p_value("net", key))
    assert np.isnan(PerivascularEvaluation((), figures).p_value("other", key))


def test_tables_and_json_hold_what_was_found(result: PerivascularEvaluation) -> None:
    rows = result.quality_rows("truth")
    assert [row[0] for row in rows] == list(result.quality)
    assert "(" in rows[0][1]
    assert "(" not in rows[3][1]
    assert len(result.spaces_rows()[0]) == 7
    found = json.loads(json.dumps(result.to_json()))
    assert found["quality"]["oracle"]["recipe | white matter | SSIM"]
    assert found["p"]["input"]["truth | near PVS | PSNR dB"] == pytest.approx(0.5)
