"""Vessels of known contrast, width and course, and what blur and loss make of the figures."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from recon.quality.angiography import look_at, seen_points, vessel_figures
from recon.quality.cross_sections import straightened
from recon.simulation.angiogram.vessels import Vessel, coverage

SHAPE = (48, 40, 40)


def slanted(radius: float) -> Vessel:
    along = np.arange(0, 40, 0.5)
    direction = np.array([0.8, 0.48, 0.36])
    line = np.array([8.0, 10.2, 12.7]) + along[:, None] * direction
    return Vessel(line, np.full(len(line), radius))


VESSEL = slanted(2.5)
COURSE = [(VESSEL.centreline, VESSEL.radius)]
VOLUME = (0.2 + 0.7 * coverage([VESSEL], SHAPE)).astype(np.float32)
NOISE = 0.02 * np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)


@pytest.mark.parametrize("radius", [1.5, 2.5, 4.0])
def test_contrast_and_width_are_those_that_were_drawn(radius: float) -> None:
    vessel = slanted(radius)
    volume = (0.2 + 0.7 * coverage([vessel], SHAPE)).astype(np.float32)
    look = look_at(volume, vessel.centreline, 40, radius)
    assert look.contrast == pytest.approx(0.7, abs=0.03)
    assert look.diameter == pytest.approx(2 * radius, abs=0.35)
    assert look.spread < 1e-3


def test_an_original_compared_with_itself_is_perfect() -> None:
    found = vessel_figures(VOLUME + NOISE, VOLUME + NOISE, COURSE)
    assert (found.recall, found.contrast, found.diameter_error, found.sharpness) == (1, 1, 0, 1)
    assert found.points == pytest.approx(17, abs=4), "two voxels apart, away from the volume's border"


def test_blur_widens_and_softens_a_vessel_and_takes_contrast() -> None:
    found = [vessel_figures(gaussian_filter(VOLUME, width) + NOISE, VOLUME + NOISE, COURSE) for width in (0.7, 1.5)]
    assert 1 > found[0].contrast > found[1].contrast
    assert 1 > found[0].sharpness > found[1].sharpness
    assert 0 < found[0].diameter_error < found[1].diameter_error


def test_recall_is_the_share_of_the_length_that_is_left() -> None:
    lost = VOLUME.copy()
    lost[24:] = 0.2
    found = vessel_figures(lost + NOISE, VOLUME + NOISE, COURSE)
    places = VESSEL.centreline[seen_points(VOLUME + NOISE, *COURSE[0])]
    assert found.recall == pytest.approx(np.mean(places[:, 0] < 24), abs=0.08)
    assert vessel_figures(np.full(SHAPE, 0.2, np.float32), VOLUME, COURSE).recall == 0


def test_a_faint_vessel_in_noise_is_not_seen_and_no_vessel_is_none() -> None:
    rng = np.random.default_rng(2)
    for contrast, noise, seen in ((0.3, 0.02, True), (0.3, 0.4, False), (0.05, 0.001, False)):
        volume = 0.2 + contrast * coverage([VESSEL], SHAPE) + noise * rng.standard_normal(SHAPE)
        volume[0] = 1.0  # the window of a reader
        assert (len(seen_points(volume, *COURSE[0])) > 10) == seen
    assert vessel_figures(VOLUME, np.full(SHAPE, 0.2, np.float32), COURSE) is None
    assert vessel_figures(VOLUME, VOLUME, []) is None


def test_a_curved_vessel_laid_out_straight_lies_in_the_middle() -> None:
    turn = np.linspace(0, 1.5, 120)
    line = np.stack([6 + 30 * np.sin(turn), 34 - 30 * (1 - np.cos(turn)), 20 + 3 * np.sin(3 * turn)], axis=1)
    volume = coverage([Vessel(line, np.full(120, 2.0))], SHAPE)
    picture = straightened(volume, line, 6.0)
    assert picture.shape == (120, 25)
    assert (picture[:, 11:14] > 0.9).all()
    assert (picture[:, :6] < 0.1).all()
    assert (picture[:, -6:] < 0.1).all()
