"""Simulated brains: spaces start at borders of white matter, thin and straight; the truth adds up."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, distance_transform_edt

from recon.errors import DataError
from recon.simulation.angiogram.random_fields import Grid
from recon.simulation.perivascular.brain import draw_brain
from recon.simulation.perivascular.brain_scan import TRUTH_GAIN, PerivascularSubject, simulate_perivascular

SHAPE = (48, 64, 64)


@pytest.fixture(scope="module")
def subject() -> PerivascularSubject:
    return simulate_perivascular(SHAPE, 4)


@pytest.fixture(scope="module")
def without() -> PerivascularSubject:
    return simulate_perivascular(SHAPE, 4, with_spaces=False)


def test_equal_seeds_give_equal_scans_and_others_others(subject: PerivascularSubject) -> None:
    assert np.array_equal(simulate_perivascular(SHAPE, 4).image, subject.image)
    assert not np.array_equal(simulate_perivascular(SHAPE, 5).image, subject.image)


def test_without_spaces_all_else_is_the_same(subject: PerivascularSubject, without: PerivascularSubject) -> None:
    assert not without.spaces.tubes
    assert not without.present.any()
    assert np.array_equal(without.white_matter, subject.white_matter)
    assert np.array_equal(without.lookalikes, subject.lookalikes)
    far = ~binary_dilation(subject.spaces.share(SHAPE) > 0, np.ones((7, 7, 7)))
    assert np.abs(without.image - subject.image)[far].max() < 0.02


def test_label_has_twice_the_contrast_of_the_spaces(subject: PerivascularSubject, without: PerivascularSubject) -> None:
    inside = subject.white_matter
    added = (subject.clean - without.clean)[inside]
    assert added.min() > -1e-5
    assert added.max() > 0.3
    raised = (subject.label - without.clean)[inside]
    assert np.allclose(raised, TRUTH_GAIN * added, atol=1e-4)
    assert np.array_equal(subject.label[~inside], subject.image[~inside])
    assert np.allclose(without.label[inside], without.clean[inside])


def test_signals_are_those_of_a_t2_weighted_brain(without: PerivascularSubject) -> None:
    tissue = without.white_matter & ~without.lookalikes
    assert np.median(without.clean[tissue]) == pytest.approx(1.0, abs=0.3)
    assert np.percentile(without.clean, 99.5) > 2.5
    assert 0.1 < without.white_matter.mean() < 0.5


def test_ventricles_hold_fluid_and_the_cortex_is_grey() -> None:
    """In units of white matter: fluid 3 to 4, cortex 1.4 to 1.7, within four voxels of the borders that spaces use."""
    brain = draw_brain(Grid(SHAPE), np.random.default_rng(7))
    inside = distance_transform_edt(brain.signal > 0.5)
    for border, low, high in ((brain.ventricle_wall, 2.9, 4.1), (brain.cortex_border, 1.3, 1.8)):
        beside = np.zeros(SHAPE, dtype=bool)
        beside[tuple(border.T)] = True
        around = binary_dilation(beside, np.ones((3, 3, 3)), iterations=3) & ~brain.white_matter & (inside > 3)
        assert low < np.percentile(brain.signal[around], 60) < high


def test_lookalikes_are_bright_and_dark(without: PerivascularSubject) -> None:
    found = without.clean[without.lookalikes]
    assert (found > 1.25).sum() > 50
    assert (found < 0.8).sum() > 10


def test_noise_is_rician_of_the_stated_deviation() -> None:
    noisy, quiet = simulate_perivascular(SHAPE, 4, snr=20.0), simulate_perivascular(SHAPE, 4, snr=np.inf)
    inside = noisy.white_matter
    assert noisy.noise == 0.05
    assert quiet.noise == 0
    assert np.std((noisy.image - noisy.clean)[inside]) == pytest.approx(0.05, rel=0.03)
    assert np.allclose(quiet.image, quiet.clean, atol=1e-6)
    air = noisy.clean < 1e-3
    if air.sum() > 200:  # Rayleigh: mean σ √(π/2)
        assert noisy.image[air].mean() == pytest.approx(0.05 * np.sqrt(np.pi / 2), rel=0.1)


def test_tubes_begin_at_a_border_and_stay_inside(subject: PerivascularSubject) -> None:
    mask = subject.white_matter
    border = mask & binary_dilation(~mask, np.ones((3, 3, 3)))
    near = binary_dilation(border, np.ones((3, 3, 3)))
    partners = {second for _, second in subject.spaces.pairs}
    assert len(subject.spaces.tubes) > 5
    for number, tube in enumerate(subject.spaces.tubes):
        places = tuple(np.rint(tube.centreline).astype(int).T)
        assert mask[places].all()
        assert number in partners or near[places][0]
        assert 9.5 <= (len(tube.centreline) - 1) * 0.5 <= 60
        assert 0.1 < tube.healthy_radius.min() < tube.healthy_radius.max() <= 1.0
        chord = np.linalg.norm(tube.centreline[-1] - tube.centreline[0])
        assert chord > 0.85 * 0.5 * (len(tube.centreline) - 1), "nearly straight"


def test_tubes_run_into_the_white_matter(subject: PerivascularSubject) -> None:
    from scipy.ndimage import distance_transform_edt

    depth = distance_transform_edt(subject.white_matter)
    gained = [
        depth[tuple(np.rint(tube.centreline[10]).astype(int))] - depth[tuple(np.rint(tube.centreline[0]).astype(int))]
        for tube in subject.spaces.tubes
    ]
    assert np.median(gained) > 2


def test_pairs_run_side_by_side_with_two_voxels_between_their_walls() -> None:
    found = 0
    for seed in range(4):
        spaces = simulate_perivascular(SHAPE, seed).spaces
        for first, second in spaces.pairs:
            one, other = spaces.tubes[first], spaces.tubes[second]
            apart = np.linalg.norm(one.centreline - other.centreline, axis=1)
            assert apart.std() < 1e-9
            assert apart[0] - 2 * one.healthy_radius.mean() == pytest.approx(2.0)
            assert spaces.signals[first] == spaces.signals[second]
            found += 1
    assert found


def test_contrast_is_that_of_each_tube(subject: PerivascularSubject) -> None:
    background = np.ones(SHAPE, dtype=np.float32)
    added = subject.spaces.contrast(background)
    assert added.max() <= subject.spaces.signals.max() - 1 + 1e-6
    assert added.min() == 0
    assert not subject.spaces.contrast(5 * background).any(), "fluid is not made darker"
    assert np.array_equal(added > 0, subject.spaces.share(SHAPE) > 0)


def test_a_volume_without_room_for_white_matter_is_refused() -> None:
    with pytest.raises(DataError, match="simulate a larger one"):
        simulate_perivascular((12, 12, 12), 1)
