"""Anatomical fidelity: levels that weigh alike, and overlaps in closed form."""

import numpy as np
import pytest

from recon.quality.anatomical_fidelity import fidelity_distance, level_weights, overlap_of_parts


def test_each_level_contributes_equally() -> None:
    """w_f · E|f| = 1 over the originals, whatever the scale of a level."""
    magnitudes = np.array([[1.0, 200.0, 0.03], [3.0, 100.0, 0.05]])
    weights = level_weights(magnitudes)
    assert weights * magnitudes.mean(axis=0) == pytest.approx(np.ones(3))
    assert fidelity_distance(0.1 * magnitudes.mean(axis=0), weights) == pytest.approx(0.3)
    assert fidelity_distance(np.zeros(3), weights) == 0
    one = np.array([0.0, 15.0, 0.0])
    assert fidelity_distance(one, weights) == pytest.approx(0.1), "15 of 150 at the second level"


def test_overlap_is_the_mean_over_parts_that_either_has() -> None:
    true = np.zeros((2, 3, 4), dtype=np.uint8)
    true[0, 0], true[1, 0, :2], true[1, 2, 3] = 1, 2, 4
    found = true.copy()
    found[0, 0, 0], found[1, 1, :2] = 0, 2
    dice, jaccard = overlap_of_parts(found, true, 6)
    assert dice == pytest.approx(np.mean([2 * 3 / 7, 2 * 2 / 6, 1.0]))
    assert jaccard == pytest.approx(np.mean([3 / 4, 2 / 4, 1.0]))
    assert overlap_of_parts(true, true, 6) == (1, 1)
    assert overlap_of_parts(true, found, 6) == (dice, jaccard)


def test_a_part_that_one_has_and_the_other_misses_counts_as_nothing() -> None:
    true, found = np.array([[[0, 1, 2]]]), np.array([[[0, 1, 0]]])
    assert overlap_of_parts(found, true, 3) == (0.5, 0.5)
    empty = np.zeros((1, 1, 3), dtype=int)
    assert np.isnan(overlap_of_parts(empty, empty, 3)).all()
