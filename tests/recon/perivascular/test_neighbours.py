"""Two tubes are two where a valley lies between them."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from recon.perivascular.neighbours import RAYLEIGH, valley_depth
from recon.simulation.angiogram.vessels import Vessel, coverage

SHAPE = (20, 24, 30)
ONE = np.linspace((10, 10, 5), (10, 10, 25), 40)
OTHER = ONE + np.array([0, 3, 0])


def pair(blur: float = 0.0) -> np.ndarray:
    tubes = [Vessel(line, np.full(40, 0.5)) for line in (ONE, OTHER)]
    return gaussian_filter(1 + coverage(tubes, SHAPE), blur)


def test_the_valley_of_a_known_profile_is_measured() -> None:
    volume = np.full(SHAPE, 2.0)
    volume[:, 10], volume[:, 13], volume[:, 11:13] = 4.0, 3.0, 2.25
    assert valley_depth(volume, ONE, OTHER) == pytest.approx(0.75)


def test_it_closes_with_blur_and_scale_does_not_matter() -> None:
    depths = [valley_depth(pair(blur), ONE, OTHER) for blur in (0.0, 0.8, 1.2, 2.5)]
    assert depths[0] > 0.95
    assert depths == sorted(depths, reverse=True)
    assert depths[1] > RAYLEIGH > depths[3]
    assert valley_depth(500 * pair(0.8), ONE, OTHER) == pytest.approx(depths[1])


def test_where_there_is_no_tube_there_are_no_two() -> None:
    assert valley_depth(np.ones(SHAPE), ONE, OTHER) == 0
    single = 1 + coverage([Vessel(ONE, np.full(40, 0.5))], SHAPE)
    assert valley_depth(single, ONE, OTHER) == 0
