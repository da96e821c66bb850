"""Error bars that are fitted to errors, and cards that keep them."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="cards are of networks")

from gadgets.datasets.calibration import (
    calibration_rows,
    coverage,
    error_model_of,
    training_statistics_of,
    write_calibrated,
)
from gadgets.datasets.judged_pairs import JudgedPair
from nets.architectures.registry import build
from nets.weights import ModelCard, card_config, load_weights, save_weights

CONFIG = {"growth": 32, "blocks": 1, "dilations": (1,)}
N = 96


def a_pair(seed: int, spread_gain: float = 3.0, change_gain: float = 0.5, kind: str = "brain") -> JudgedPair:
    """Errors of the variance ``gain² · mean square`` for smooth spread and change."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:N, :N] / N
    spread, change = 1 + 8 * x[None] ** 2, 2 + 6 * y[None]
    error = rng.standard_normal((1, N, N)) * np.sqrt(spread_gain**2 * spread + change_gain**2 * change**2)
    shown = np.full((1, N, N), 100.0)
    t1 = np.full((N, N), 1000.0)
    off = rng.standard_normal((N, N)) * np.sqrt(4 * 20.0**2 + 0.25 * (900 * y + 100))
    return JudgedPair(
        kind,
        f"course {seed % 3}",
        2,
        {"share of map 1": rng.standard_normal(), "air": rng.standard_normal()},
        shown,
        shown - change,
        shown - error,
        spread,
        np.ones((N, N), bool),
        {"found": t1, "true": t1 - off, "deviation": np.full((N, N), 20.0), "spread": 900 * y + 100},
    )


def test_coefficients_are_those_that_made_the_errors() -> None:
    model = error_model_of([a_pair(seed) for seed in range(12)])
    assert set(model) == {"moving.spread", "moving.change", "t1.spread", "t1.fit"}
    assert model["moving.spread"] == pytest.approx(9, rel=0.15)
    assert model["moving.change"] == pytest.approx(0.25, rel=0.3)
    assert model["t1.spread"] == pytest.approx(0.25, rel=0.5)
    assert model["t1.fit"] == pytest.approx(4, rel=0.15)


def test_other_scans_are_covered_and_the_spread_alone_is_not_enough() -> None:
    model = error_model_of([a_pair(seed) for seed in range(6)])
    found = coverage(a_pair(77), model)
    assert found["frames"] == pytest.approx(0.95, abs=0.02)
    assert found["t1"] == pytest.approx(0.95, abs=0.02)
    assert coverage(a_pair(77), {"moving.spread": 1.0})["frames"] < 0.6


def test_rows_name_what_was_held_out_and_what_is_strange() -> None:
    pairs = [a_pair(seed) for seed in range(60)]
    statistics = training_statistics_of(pairs)
    assert set(statistics) == {"moving"}
    apart = a_pair(80, kind="legs")
    apart.statistics["air"] = 30.0
    brain, legs = calibration_rows([*pairs, apart], error_model_of(pairs), statistics)
    assert (brain["kind"], brain["held_out"], brain["pairs"]) == ("brain", False, 60)
    assert (legs["held_out"], legs["strange"]) == (True, 1.0)
    assert brain["strange"] < 0.05
    assert brain["frames"][0] <= brain["frames"][1]


def test_a_card_is_written_and_the_tensors_stay(tmp_path: Path) -> None:
    network = build("mdcn", CONFIG)
    for half in (False, True):
        save_weights(
            tmp_path / "a.safetensors",
            network,
            ModelCard("mdcn", card_config("mdcn", CONFIG), "U0", "nothing", 0, preprocessing={"kept": 1}),
            half,
        )
        write_calibrated(tmp_path / "a.safetensors", tmp_path / "b.safetensors", {"t1.fit": 2.0}, {"moving": {"x": 1}})
        before, after = (load_weights(tmp_path / f"{name}.safetensors") for name in "ab")
        assert before.card.tensors_sha256 == after.card.tensors_sha256
        assert after.card.preprocessing == {
            "kept": 1,
            "error_model": {"t1.fit": 2.0},
            "training_statistics": {"moving": {"x": 1}},
        }
