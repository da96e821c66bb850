"""Reading in closed form: counts, grades, curves, and depths of vessels that are known."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from recon.quality.stenosis_grades import confusion_of_grades, deepest, grade, judged_reading, operating_points
from recon.simulation.angiogram.vessels import Stenosis, Vessel, coverage


def test_figures_of_twelve_segments_by_hand() -> None:
    true = np.array([1] * 5 + [0] * 7, dtype=bool)
    found = np.array([1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], dtype=bool)
    reading = judged_reading(found, true)
    assert reading.confusion.tolist() == [[6, 1], [2, 3]]
    assert (reading.sensitivity, reading.specificity) == (3 / 5, 6 / 7)
    assert reading.f1 == pytest.approx(2 * 3 / (2 * 3 + 1 + 2))
    assert reading.accuracy == 9 / 12
    nothing = judged_reading(np.zeros(3, bool), np.zeros(3, bool))
    assert (nothing.specificity, nothing.accuracy) == (1, 1)
    assert np.isnan([nothing.sensitivity, nothing.f1]).all()


def test_half_of_the_diameter_is_significant_and_a_tenth_beside_it_borderline() -> None:
    assert [grade(depth) for depth in (0.0, 0.39, 0.4, 0.49, 0.5, 0.59, 0.6, 1.0)] == [1, 1, 2, 2, 3, 3, 4, 4]
    counts = confusion_of_grades(np.array([1, 4, 4, 2]), np.array([1, 3, 3, 4]))
    assert counts[0, 0] == 1
    assert counts[2, 3] == 2
    assert counts[3, 1] == 1
    assert counts.sum() == 4


def test_curve_by_hand() -> None:
    """Of 2 x 2 pairs of a significant and another segment, three are in the right order."""
    false, hits, area = operating_points(np.array([0.9, 0.3, 0.5, 0.1]), np.array([True, True, False, False]))
    assert false.tolist() == [0, 0, 0.5, 0.5, 1]
    assert hits.tolist() == [0, 0.5, 0.5, 1, 1]
    assert area == 0.75
    tied = operating_points(np.full(6, 0.4), np.array([True, False] * 3))
    assert tied[2] == 0.5, "one threshold for all: chance"
    assert operating_points(np.array([0.9, 0.1]), np.array([False, True]))[2] == 0
    assert np.isnan(operating_points(np.array([0.1]), np.array([True]))[2])


def vessel(depth: float) -> Vessel:
    """Straight through the middle of 64 x 24 x 24 voxels, 5 wide, narrowed half-way."""
    line = np.stack([np.arange(4, 60, 0.5), np.full(112, 12.3), np.full(112, 11.6)], axis=1)
    return Vessel(line, np.full(112, 2.5), (Stenosis(56, depth, 4.0),) if depth else ())


@pytest.mark.parametrize("depth", [0.0, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("blur", [0.4, 1.0])
def test_the_narrowest_place_of_a_known_vessel(depth: float, blur: float) -> None:
    drawn = vessel(depth)
    volume = 0.2 + gaussian_filter(coverage([drawn], (64, 24, 24)), blur)
    found = deepest(volume, drawn.centreline, 14, 98, 5.0)
    assert found == pytest.approx(depth, abs=0.04 + 0.1 * blur)
    assert deepest(volume, drawn.centreline, 14, 34, 5.0) < 0.1, "another segment has none"
    assert deepest(3 * volume, drawn.centreline, 14, 98, 5.0) == pytest.approx(found)


def test_a_single_noisy_section_is_no_stenosis_and_no_blood_is_one() -> None:
    drawn = vessel(0.0)
    volume = 0.2 + coverage([drawn], (64, 24, 24))
    volume[30] = 0.2
    assert deepest(volume, drawn.centreline, 14, 98, 5.0) < 0.4
    assert deepest(1 - volume, drawn.centreline, 14, 98, 5.0) == 1
