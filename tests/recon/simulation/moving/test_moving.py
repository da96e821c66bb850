"""States of motion and the maps of a body in them, against sums that are written out."""

import numpy as np

from recon.simulation.moving.motion_states import states_on
from recon.simulation.moving.sampling import area_means, sampled


def test_states_interpolate_between_neighbours() -> None:
    squeeze, breath_mm = np.linspace(0, 1, 10), np.linspace(2, 12, 6)
    contraction, displacement_mm = np.array([0.0, 0.25, 1.0, 1.2]), np.array([2.0, 12.0, 5.0, 7.7])
    states = states_on(contraction, displacement_mm, squeeze, breath_mm)
    assert np.allclose(states.shares.sum(axis=1), 1)
    assert np.allclose(states.shares @ states.contraction, [0, 0.25, 1, 1], atol=1e-6)
    assert np.allclose(states.shares @ states.displacement_mm, displacement_mm, atol=1e-5)
    assert (states.shares > 0).sum(axis=1).max() <= 4
    for number in range(len(states.contraction)):
        readouts, share = states.readouts_of(number, slice(0, 4))
        assert np.allclose(states.shares[readouts, number], share)


def test_what_does_not_move_is_one_state() -> None:
    states = states_on(np.zeros(5), np.full(5, 3.0), np.zeros(1), np.array([3.0]))
    assert states.shares.tolist() == [[1.0]] * 5


def test_samples_lie_where_they_are_asked_for() -> None:
    image = np.arange(25, dtype=np.float32).reshape(5, 5)
    maps = np.stack([image, 1j * image], axis=-1).astype(np.complex64)
    places = np.array([[1.0, 2.5, 4.25, -0.5, -3.0], [2.0, 1.25, 3.0, 1.0, 9.0]], np.float32)
    # beyond the grid there is air: between the last row and it, a share is left
    expected = np.array([7.0, 13.75, 0.75 * 23, 0.5 * 1, 0.0])
    assert np.allclose(sampled(maps, places), np.stack([expected, 1j * expected], axis=-1), atol=1e-5)


def test_means_over_pixels_are_centred_as_both_grids_are() -> None:
    maps = np.random.default_rng(0).standard_normal((8, 8, 2))
    for matrix, window in ((4, [0.25, 0.5, 0.25]), (2, [0.125, 0.25, 0.25, 0.25, 0.125])):
        ratio, half = 8 // matrix, len(window) // 2
        found = area_means(maps, matrix)
        middle = 4 + ratio * 0
        part = maps[middle - half : middle + half + 1, middle - half : middle + half + 1]
        assert np.allclose(found[matrix // 2, matrix // 2], np.einsum("y,x,yxr->r", window, window, part), atol=1e-6)
