import numpy as np
import pytest
from hypothesis import given, strategies as st

from recon.errors import DataError
from recon.readouts.density import centre_share, ramp_weights
from recon.readouts.trajectory import (
    GOLDEN_ANGLE_DEG,
    golden_angles_rad,
    radial_trajectory,
    recognise_unit,
    samples_within,
    unaliased,
)


def test_golden_angle() -> None:
    assert pytest.approx(111.2461, abs=1e-4) == GOLDEN_ANGLE_DEG
    assert np.allclose(np.rad2deg(golden_angles_rad(np.arange(4))), [0, 111.2461, 222.4922, 333.7384], atol=1e-3)


@given(st.integers(8, 200), st.integers(1, 3), st.floats(0, 2 * np.pi))
def test_spoke_passes_the_centre_and_reaches_half_the_matrix(matrix: int, oversampling: int, angle: float) -> None:
    spoke = radial_trajectory(np.array([angle]), oversampling * matrix, matrix)[0]
    assert np.all(spoke[oversampling * matrix // 2] == 0)
    assert np.linalg.norm(spoke[0]) == pytest.approx(oversampling * matrix // 2 / oversampling, rel=1e-5)
    assert np.linalg.norm(spoke[1] - spoke[0]) == pytest.approx(1 / oversampling, rel=1e-3)


@given(st.integers(16, 512), st.sampled_from([1, 2]), st.integers(0, 2))
def test_every_known_unit_is_recognised(matrix: int, oversampling: int, convention: int) -> None:
    encoded = oversampling * matrix
    cycles_per_fov = radial_trajectory(golden_angles_rad(np.arange(20)), encoded, matrix)
    factor = (1 / matrix, 1.0, encoded / matrix)[convention]
    unit = recognise_unit(cycles_per_fov * factor, matrix, encoded)
    assert np.allclose(cycles_per_fov * factor * unit.cycles_per_fov, cycles_per_fov, rtol=1e-5)


@pytest.mark.parametrize("reach", [np.pi, 0.1, 296.0, 0.0, np.nan])
def test_impossible_units_are_refused(reach: float) -> None:
    with pytest.raises(DataError, match="trajectory"):
        recognise_unit(np.array([[reach, 0.0]]), 160, 320)


def test_ramp_weights_cover_the_disc() -> None:
    weights = ramp_weights(radial_trajectory(golden_angles_rad(np.arange(5)), 320, 160))
    assert np.allclose(weights.sum(axis=1), np.pi * 80**2, rtol=2e-2)
    assert weights[:, 160] == pytest.approx(np.pi * 0.5**2 * centre_share(np.array([0.5]))[0])
    assert (np.diff(weights[:, 160:], axis=1) > 0).all()


@pytest.mark.parametrize("spacing", [0.05, 0.5, 0.7, 1.0])
def test_centre_share_is_the_sum_of_the_repeated_kernel(spacing: float) -> None:
    """At 0.45 fields of view, 0.45 Δk of the period; the far terms of the sum are integrated."""
    distance, terms = 64 / (45 * np.pi) * spacing, np.arange(1, 20_000)
    total = np.sum((distance + terms) ** -2.0) + np.sum((distance - terms) ** -2.0) + 2 / 20_000
    assert centre_share(np.array([spacing]))[0] == pytest.approx(total / (2 * np.pi**2), rel=1e-6)


def test_samples_that_a_smaller_matrix_can_hold() -> None:
    trajectory = radial_trajectory(golden_angles_rad(np.arange(5)), 320, 160)
    inside = samples_within(trajectory, 128)
    assert (inside.start, inside.stop) == (160 - 128, 160 + 128 + 1)
    assert samples_within(trajectory, 160) == slice(0, 320)


@pytest.mark.parametrize(("center", "first"), [(127.5, -63.75), (128, -64.0), (127, -63.5)])
def test_center_may_lie_between_two_samples(center: float, first: float) -> None:
    spoke = radial_trajectory(np.array([0.0]), 256, 128, center)[0]
    assert np.allclose(spoke[:, 0], first + 0.5 * np.arange(256))


def test_asymmetric_spokes_reach_half_the_matrix_on_their_longer_side() -> None:
    """96 of 128 samples at half a cycle: from -16 to +31.5 for a matrix of 64."""
    spoke = radial_trajectory(np.array([0.0]), 96, 64, 32)[0]
    assert np.allclose(spoke[:, 0], np.arange(-16, 32, 0.5))


@pytest.mark.parametrize(("samples", "radius"), [(64, 32), (77, 45.0), (80, None), (128, None)])
def test_pixels_that_repetitions_come_to(samples: int, radius: float | None) -> None:
    """1/Δk - 1/2 fields of view: 38.5 - 32 pixels more than half of 64 at an oversampling of 1.2."""
    seen = unaliased(radial_trajectory(golden_angles_rad(np.arange(3)), samples, 64), 64)
    if radius is None:
        assert seen is None
    else:
        y, x = np.mgrid[:64, :64] - 32
        assert np.array_equal(seen, np.hypot(x, y) <= radius)


def test_units_by_their_reach() -> None:
    """Half a cycle per pixel, 80 lines of 160, 160 of the encoded 320, each from 0.6 to 1.05 of its reach."""

    def unit(reach: float, encoded: int | None = 320) -> tuple[str, float]:
        found = recognise_unit(np.array([[reach, -0.1 * reach]]), 160, encoded)
        return found.name, found.cycles_per_fov

    assert unit(0.5) == unit(0.31) == unit(0.52) == ("cycles per pixel", 160.0)
    assert unit(80) == unit(48.1) == unit(83.9) == ("index units", 1.0)
    assert unit(160) == unit(97) == unit(167.9) == ("index units of the encoding matrix", 0.5)
    for encoded in (None, 160):
        assert unit(80, encoded) == ("index units", 1.0)
        with pytest.raises(DataError, match=r"expected about 0\.5 \(cycles per pixel\), 80 \(index units\)\."):
            unit(160, encoded)
    for reach in (0.29, 0.53, 47.0, 85.0, 95.0, 169.0):
        with pytest.raises(DataError, match="fits no known unit"):
            unit(reach)
    with pytest.raises(DataError, match=r"reaches \|k\| = 0,"):
        recognise_unit(np.zeros((0, 2)), 160)


@pytest.mark.parametrize(
    ("samples", "center", "step"), [(96, 32, 0.5), (96, 64, 0.5), (66, 32, 64 / 66), (67, 32, 1.0)]
)
def test_only_spokes_longer_by_more_than_two_samples_are_asymmetric(samples: int, center: int, step: float) -> None:
    """Their longer side reaches half of the matrix of 64; the others' samples span it."""
    spoke = radial_trajectory(np.array([0.0]), samples, 64, center)[0, :, 0]
    assert np.allclose(np.diff(spoke), step * (1 if samples != 67 else 64 / 70), rtol=1e-5)
    assert spoke[center] == 0


def test_angles_go_on_in_steps_and_stay_within_a_turn() -> None:
    angles = golden_angles_rad(np.array([0, 3, 4, 7]), 100.0)
    assert np.allclose(np.rad2deg(angles), [0, 300, 40, 340])
    spokes = radial_trajectory(np.deg2rad([90.0]), 8, 8)
    assert np.allclose(spokes[0, -1], [0, 3], atol=1e-6)  # from read_dir towards phase_dir
