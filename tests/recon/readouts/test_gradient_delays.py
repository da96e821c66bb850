"""Delays come back that the exact signal of a chest was given; scans without any are left alone."""

import dataclasses

import numpy as np
import pytest

from recon.errors import DataError
from recon.readouts.gradient_delays import GradientDelays, corrected_trajectory, estimate_delays
from recon.readouts.trajectory import golden_angles_rad, radial_trajectory
from recon.simulation.chest import PRESETS, simulate_scan
from recon.simulation.chest.motion import Physiology
from tests.support.spokes import Spokes, soft_disc

STILL = Physiology(heartbeat=0.0, breathing=0.0)


def delays_of(sx: float, sxy: float, sy: float) -> GradientDelays:
    return GradientDelays(sx, sxy, sy, (0.0, 0.0, 0.0))


def chest(delays: tuple[float, float, float], steady: bool = True, **protocol: object) -> tuple[np.ndarray, np.ndarray]:
    """Imaging spokes of a beating, breathing chest after inversions, and the trajectory that was meant."""
    scan = simulate_scan(dataclasses.replace(PRESETS["tiny"], duration_s=8.0, **protocol), seed=3)
    nominal = scan.trajectory()
    played_out = corrected_trajectory(nominal, delays_of(*delays)).astype(np.float64)
    rows = np.flatnonzero(~scan.is_navigator & (scan.timeline.pulse >= (200 if steady else 0)))
    blocks = [slice(start, start + 200) for start in range(0, len(nominal), 200)]
    kspace = np.concatenate([scan.noiseless(block, played_out[block]) for block in blocks])
    rng = np.random.default_rng(7)
    white = rng.standard_normal(kspace.shape) + 1j * rng.standard_normal(kspace.shape)
    kspace += scan.noise_factor @ white / np.sqrt(2)
    return kspace[rows].astype(np.complex64), nominal[rows]


@pytest.mark.parametrize(
    ("delays", "protocol"),
    [
        ((0.35, 0.12, -0.18), {}),
        ((-0.6, 0.0, 0.45), {"coils": 1, "snr": 5}),
        ((0.08, -0.05, 0.0), {"snr": 8}),
        ((1.7, 0.4, 2.1), {"coils": 2, "physiology": STILL}),
        ((-2.6, 0.0, 1.4), {"coils": 2}),
        ((0.3, 0.1, -0.2), {"steady": False, "snr": 8}),
    ],
)
def test_delays_are_found_despite_noise_motion_and_contrast(
    delays: tuple[float, float, float], protocol: dict[str, object]
) -> None:
    found = estimate_delays(*chest(delays, **protocol))
    error = np.abs(np.array([found.sx, found.sxy, found.sy]) - delays)
    assert error.max() < 0.01
    assert (error < 6 * np.array(found.standard_errors) + 1e-3).all()
    assert found.significant


@pytest.mark.parametrize("protocol", [{}, {"coils": 1, "snr": 3}, {"steady": False}])
def test_scans_without_delays_are_left_alone(protocol: dict[str, object]) -> None:
    found = estimate_delays(*chest((0.0, 0.0, 0.0), **protocol))
    assert max(map(abs, (found.sx, found.sxy, found.sy))) < 0.01
    assert found.plausible
    assert not found.significant


@pytest.mark.parametrize("center", [(0.0, 0.0), (9.0, -14.0)])
def test_spokes_may_have_scales_and_phases_of_their_own(center: tuple[float, float]) -> None:
    """Eddy currents turn the phase of each spoke; the object may lie off centre, where a shift turns it as well."""
    angles = golden_angles_rad(np.arange(144))
    played_out = Spokes(delays=(0.4, -0.1, 0.25)).trajectory(angles, 48)
    rng = np.random.default_rng(1)
    data = soft_disc(played_out, 48, 11.0, center) + 0.5 * soft_disc(played_out, 48, 5.0, (-center[1], 4.0))
    data *= (rng.uniform(0.7, 1.3, (144, 1)) * np.exp(1j * rng.uniform(-0.4, 0.4, (144, 1)))).astype(np.complex64)
    found = estimate_delays(data[:, None], radial_trajectory(angles, 96, 48))
    assert np.allclose([found.sx, found.sxy, found.sy], [0.4, -0.1, 0.25], atol=0.01)


def test_trajectory_moves_along_and_across_the_spoke() -> None:
    """S n̂ at 0, 90 and 225 degrees, in samples of half a cycle."""
    straight = radial_trajectory(np.deg2rad([0.0, 90.0, 225.0]), 64, 32)
    moved = corrected_trajectory(straight, delays_of(0.4, 0.1, -0.2)) - straight
    half = np.sqrt(0.5)
    expected = 0.5 * np.array([[0.4, 0.1], [0.1, -0.2], [-0.5 * half, 0.1 * half]])
    assert moved.dtype == np.float32
    assert np.allclose(moved, expected[:, None, :], atol=2e-6)


def test_noise_alone_has_no_delays() -> None:
    rng = np.random.default_rng(2)
    trajectory = radial_trajectory(golden_angles_rad(np.arange(300)), 96, 48)
    noise = (rng.standard_normal((300, 2, 96)) + 1j * rng.standard_normal((300, 2, 96))).astype(np.complex64)
    assert not estimate_delays(noise, trajectory).significant


@pytest.mark.parametrize(
    ("angles", "reason"),
    [
        (np.zeros(100), "1 angles are fewer than 40"),
        (golden_angles_rad(np.arange(39)), "39 angles"),
        (np.tile(golden_angles_rad(np.arange(25)), 8), "25 angles"),
        (np.mod(golden_angles_rad(np.arange(100)), np.pi), "do not run all round"),
    ],
)
def test_where_delays_cannot_be_estimated_it_says_why(angles: np.ndarray, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        estimate_delays(np.ones((len(angles), 1, 96), np.complex64), radial_trajectory(angles, 96, 48))


def test_delays_are_written_without_a_negative_zero() -> None:
    written = str(GradientDelays(-1e-5, 0.25, -1.5, (0.001, 0.0024, 0.0)))
    assert written == "sx=0.000 sxy=0.250 sy=-1.500 samples (standard errors 0.001 0.002 0.000)"


def test_small_or_uncertain_delays_are_not_significant() -> None:
    assert not GradientDelays(0.015, 0.0, 0.0, (1e-4, 1e-4, 1e-4)).significant
    assert not GradientDelays(0.5, 0.0, 0.1, (0.2, 0.2, 0.2)).significant
    assert not GradientDelays(9.0, 0.0, 0.1, (0.1, 0.1, 0.1)).significant
    assert not GradientDelays(np.nan, 0.0, 0.1, (0.1, 0.1, 0.1)).plausible
    assert GradientDelays(0.0, 0.0, -0.05, (0.01, 0.01, 0.01)).significant
