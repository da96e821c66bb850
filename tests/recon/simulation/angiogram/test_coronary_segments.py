"""Hearts with eight segments: where they lie, how wide they are, and which are narrowed."""

import numpy as np
import pytest

from recon.simulation.angiogram.coronary_segments import SEGMENTS, SegmentedHeart, simulate_segmented_heart

SHAPE = (48, 56, 52)


@pytest.fixture(scope="module")
def hearts() -> list[SegmentedHeart]:
    return [simulate_segmented_heart(SHAPE, seed) for seed in range(12)]


def test_segments_lie_inside_and_most_are_there(hearts: list[SegmentedHeart]) -> None:
    found = [segment.name for heart in hearts for segment in heart.segments]
    assert set(found) == set(SEGMENTS)
    assert len(found) > 0.6 * 8 * len(hearts)
    for heart in hearts:
        assert (heart.image.shape, heart.image.dtype) == (SHAPE, np.float32)
        names = [segment.name for segment in heart.segments]
        assert len(set(names)) == len(names)
        for segment in heart.segments:
            line = segment.vessel.centreline[segment.first : segment.last + 1]
            assert (line > 6).all()
            assert (line < np.array(SHAPE) - 7).all()


def test_depth_is_that_of_the_vessel_at_its_throat(hearts: list[SegmentedHeart]) -> None:
    depths = []
    for segment in (segment for heart in hearts for segment in heart.segments):
        inside = slice(segment.first, segment.last + 1)
        lost = 1 - segment.vessel.radius[inside] / segment.vessel.healthy_radius[inside]
        assert lost.max() == pytest.approx(segment.depth, abs=0.1), "a neighbour's may reach in"
        depths.append(segment.depth)
    share = np.mean(np.array(depths) > 0)
    assert 0.3 < share < 0.7
    assert max(depths) <= 0.9


def test_arteries_start_where_the_left_main_ends(hearts: list[SegmentedHeart]) -> None:
    seen = 0
    for heart in hearts:
        vessels = {segment.name: segment.vessel for segment in heart.segments}
        for name in ("pLAD", "pLCX"):
            if "LM" in vessels and name in vessels:
                seen += 1
                gap = np.linalg.norm(vessels["LM"].centreline[-1] - vessels[name].centreline[0])
                assert gap < 1.5
    assert seen > 5


def test_blood_is_bright_and_subjects_differ(hearts: list[SegmentedHeart]) -> None:
    for heart in hearts:
        wide = [
            tuple(np.rint(segment.vessel.centreline[point]).astype(int))
            for segment in heart.segments
            for point in range(segment.first, segment.last)
            if segment.vessel.radius[point] > 1.5
        ]
        assert np.median([heart.image[at] for at in wide]) > 2 * np.median(heart.image)
    assert np.array_equal(hearts[3].image, simulate_segmented_heart(SHAPE, 3).image)
    assert not np.array_equal(hearts[3].image, hearts[4].image)
