"""Rings by hand, and how much of a motion is left in a window of each width."""

import numpy as np
import pytest
from scipy.special import jv

from recon.errors import DataError
from recon.readouts.trajectory import golden_angles_rad, radial_trajectory
from recon.readouts.windows import rings_of, window_images

TR_S, SPOKES = 0.004, 1600
TIME_S = 3.0 + TR_S * np.arange(SPOKES)
ANGLES = golden_angles_rad(np.arange(SPOKES))


def test_rings_lie_one_cycle_apart_as_far_as_both_ends_of_a_spoke_reach() -> None:
    """From -16 to 31.5 cycles in steps of a half: a ring at every second sample."""
    trajectory = radial_trajectory(ANGLES[:50], 96, 64, 32)
    rings = rings_of(trajectory)
    assert np.allclose(rings.angles_rad % (2 * np.pi), ANGLES[:50], atol=1e-5)
    assert rings.radii.tolist() == list(range(13))
    assert rings.samples == slice(32 - 25, 32 + 25 + 1)
    radius = (np.arange(96) - 32)[rings.samples] / 2
    assert np.allclose(rings.ahead, radius[:, None] == rings.radii, atol=1e-5)
    assert np.allclose(rings.behind, radius[:, None] == -rings.radii, atol=1e-5)
    assert rings_of(trajectory, widest=40).radii.tolist() == list(range(17))
    between = rings_of(trajectory + np.float32(0.5) * np.diff(trajectory, axis=1)[:, :1])
    assert np.allclose(np.sort(between.ahead, axis=0)[-2:], 0.5, atol=1e-4)


def test_spokes_must_be_straight_and_long_enough() -> None:
    full = radial_trajectory(ANGLES[:50], 96, 48)
    along, across = np.float32(np.cos(ANGLES[:50])), np.float32(-np.sin(ANGLES[:50]))
    aside = np.stack([across, along], axis=-1)[:, None]
    assert len(rings_of(full + np.float32(0.018 * 24) * aside).radii) == 13
    with pytest.raises(DataError, match=r"by up to 0\.52"):
        rings_of(full + np.float32(0.0216 * 24) * aside)
    assert rings_of(radial_trajectory(ANGLES[:50], 20, 9)).radii.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(DataError, match=r"reach only 3\.96"):
        rings_of(radial_trajectory(ANGLES[:50], 20, 8.8))


@pytest.mark.parametrize(("hz", "ring"), [(5.0, 0), (5.0, 6), (5.0, 12), (2.0, 12)])
def test_a_window_of_each_ring_smooths_over_its_own_time(hz: float, ring: int) -> None:
    """A point in the centre that comes and goes: a mean over 8 spokes, and a Gaussian whose width grows with |k|."""
    trajectory = radial_trajectory(ANGLES, 96, 48)
    rings = rings_of(trajectory)
    course = 2 + np.cos(2 * np.pi * hz * (TIME_S - 3))
    coils = np.array([1.0, -2j])
    kspace = np.ones((SPOKES, 1, 1)) * course[:, None, None] * coils[:, None] * np.ones(rings.ahead.shape[0])
    windows = window_images(kspace.astype(np.complex64), rings, TIME_S)
    first = sum(2 * int(np.ceil(np.pi * radius)) + 1 for radius in range(ring))
    order = first + int(np.ceil(np.pi * ring))  # m = 0 of that ring
    area = 2 * np.pi * ring if ring else np.pi / 4
    assert windows.profiles.shape[:2] == (200, 2)
    assert np.allclose(windows.time_s, TIME_S.reshape(-1, 8).mean(axis=1))
    sigma_s = max(21 * ring / 12, 0.5 * 8) * TR_S / np.sqrt(4 * np.pi)
    left = np.exp(-2 * (np.pi * sigma_s * hz) ** 2) * np.sinc(8 * TR_S * hz)
    expected = 2 + left * np.cos(2 * np.pi * hz * (windows.time_s - 3))
    for coil in range(2):
        found = windows.profiles[:, coil, order] / (np.sqrt(area) * coils[coil])
        assert np.abs(found - expected)[8:-8].max() < 0.06


def test_sixteen_spokes_make_two_windows() -> None:
    rings = rings_of(radial_trajectory(ANGLES[:16], 96, 48))
    kspace = np.ones((16, 1, rings.ahead.shape[0]), np.complex64)
    assert len(window_images(kspace, rings, TIME_S[:16]).time_s) == 2
    with pytest.raises(DataError, match="15 spokes are too few"):
        window_images(kspace[:15], rings, TIME_S[:15])


def test_a_point_that_comes_and_goes_keeps_its_place() -> None:
    """Its harmonics by the Jacobi-Anger expansion, ``(-i)^m J_m(2π r |x|) e^{-imφ}``, times its course."""
    rings = rings_of(radial_trajectory(ANGLES, 96, 48), widest=2)
    place = np.array([0.11, 0.17])
    course = 1.5 + np.cos(2 * np.pi * 0.4 * (TIME_S - 3))
    kspace = np.exp(-2j * np.pi * (radial_trajectory(ANGLES, 96, 48) @ place))[:, rings.samples] * course[:, None]
    windows = window_images(kspace[:, None].astype(np.complex64), rings, TIME_S)
    distance, direction = np.hypot(*place), np.arctan2(place[1], place[0])
    expected = []
    for radius in range(3):
        orders = np.arange(-np.ceil(np.pi * radius), np.ceil(np.pi * radius) + 1)
        waves = (-1j) ** orders * np.exp(-1j * orders * direction) * jv(orders, 2 * np.pi * radius * distance)
        expected.append(np.sqrt(2 * np.pi * radius if radius else np.pi / 4) * waves)
    wanted = np.interp(windows.time_s, TIME_S, course)[:, None] * np.concatenate(expected)
    error = np.linalg.norm(windows.profiles[10:-10, 0] - wanted[10:-10])
    assert error < 0.3 * np.linalg.norm(wanted[10:-10] - wanted[10:-10].mean(axis=0))
