"""Weights give discs unit gain and air zero, wherever k = 0 lies and however the spokes run."""

import numpy as np
import pytest

from recon.errors import DataError
from recon.readouts.density import area_weights, centre_share, ramp_weights
from recon.readouts.trajectory import golden_angles_rad
from recon.spatial.encoding import coil_images
from recon.spatial.nufft import plan_nufft
from tests.support.linear import slow_dft
from tests.support.spokes import Spokes, soft_disc

MATRIX = 64


def gain_and_air(trajectory: np.ndarray, radius: float, center: tuple[float, float]) -> tuple[float, float]:
    """Mean of the disc, and root mean square of the air around it within the field of view's circle."""
    data = soft_disc(trajectory, MATRIX, radius, center)[None]
    image = coil_images(plan_nufft(trajectory, MATRIX), ramp_weights(trajectory), data)[0]
    y, x = np.mgrid[:MATRIX, :MATRIX] - MATRIX // 2
    distance = np.hypot(x - center[0], y - center[1])
    air = (distance > radius + 5) & (np.hypot(x, y) < MATRIX / 2)
    return float(image[distance < radius - 5].mean().real), float(np.sqrt(np.mean(np.abs(image[air]) ** 2)))


@pytest.mark.parametrize("disc", [(20, (0, 0)), (12, (11, -9))])
@pytest.mark.parametrize(
    "spokes",
    [
        Spokes(),
        Spokes(shift=0.02),
        Spokes(shift=0.25),
        Spokes(shift=0.5),
        Spokes(shift=-0.4),
        Spokes(bend=3.0),
        Spokes(shift=0.5, bend=-4.0),
        Spokes(delays=(0.5, 0.0, -0.5)),
        Spokes(delays=(0.75, 0.2, -0.6)),
        Spokes(shift=0.3, delays=(0.2, 0.15, -0.1), bend=2.0),
        Spokes(samples=96, center=32),
        Spokes(samples=97, center=30, shift=-0.4),
        Spokes(scatter=0.7),
    ],
    ids=str,
)
def test_gain_is_one_and_air_is_zero(spokes: Spokes, disc: tuple[float, tuple[float, float]]) -> None:
    trajectory = spokes.trajectory(golden_angles_rad(np.arange(987)), MATRIX)
    gain, air = gain_and_air(trajectory, *disc)
    assert gain == pytest.approx(1, abs=5e-3)
    assert air < 2.5e-3


@pytest.mark.parametrize(("oversampling", "tolerance"), [(1.25, 0.013), (1.5, 0.005), (4.0, 0.0015)])
@pytest.mark.parametrize("shift", [0.25, 0.5])
def test_other_oversamplings(oversampling: float, tolerance: float, shift: float) -> None:
    trajectory = Spokes(shift=shift).trajectory(golden_angles_rad(np.arange(987)), MATRIX, oversampling)
    gain, air = gain_and_air(trajectory, 20, (0, 0))
    assert gain == pytest.approx(1, abs=tolerance)
    assert air < tolerance


def test_image_of_the_slow_transform_comes_back() -> None:
    """Data of a blob of pixels, formed one exponential at a time, on bent spokes that miss k = 0."""
    matrix = 24
    trajectory = Spokes(shift=0.45, bend=2.0).trajectory(golden_angles_rad(np.arange(233)), matrix)
    y, x = np.mgrid[:matrix, :matrix] - matrix // 2
    blob = np.exp(-((x - 3) ** 2 + (y + 2) ** 2) / (2 * 2.0**2))
    data = slow_dft(blob[None], trajectory).astype(np.complex64)
    image = coil_images(plan_nufft(trajectory, matrix), ramp_weights(trajectory), data)[0]
    assert np.linalg.norm(image - blob) < 0.01 * np.linalg.norm(blob)


def test_plain_spokes_need_no_search() -> None:
    """The closed form and the search differ by what the former leaves in the air."""
    trajectory = Spokes().trajectory(golden_angles_rad(np.arange(300)), MATRIX)
    plain, found = ramp_weights(trajectory), area_weights(trajectory)
    away = np.abs(np.arange(2 * MATRIX) - MATRIX) > 2
    assert np.allclose(plain[:, away], found[:, away], rtol=2e-2)
    share = found[:, MATRIX] / (np.pi * 0.25)
    assert np.allclose(share, centre_share(np.array([0.5]))[0], atol=0.03)


def test_ends_that_nothing_comes_to_from_the_other_side_count_twice() -> None:
    angles = golden_angles_rad(np.arange(300))
    whole = ramp_weights(Spokes().trajectory(angles, MATRIX))
    part = ramp_weights(Spokes(samples=96, center=32).trajectory(angles, MATRIX))
    assert np.allclose(part[:, 66:95], 2 * whole[:, 98:127], rtol=1e-3)
    assert np.allclose(part[:, 1:30], whole[:, 33:62], rtol=2e-2)


def test_spokes_of_a_sample_more_on_one_side_are_ordinary() -> None:
    angles = golden_angles_rad(np.arange(100))
    even, odd = (ramp_weights(Spokes(samples=n, center=64).trajectory(angles, MATRIX)) for n in (128, 129))
    assert np.allclose(even, odd[:, :128], rtol=1e-5)


def test_one_sided_spokes_over_half_a_circle_are_refused() -> None:
    angles = np.mod(golden_angles_rad(np.arange(200)), np.pi)
    with pytest.raises(DataError, match=r"reach \|k\| = 31.5 to one side but 16 to the other, and none runs"):
        ramp_weights(Spokes(samples=96, center=32).trajectory(angles, MATRIX))
    assert np.isfinite(ramp_weights(Spokes(shift=0.5).trajectory(angles, MATRIX))).all()


def test_three_bent_spokes_are_taken_to_turn_rigidly() -> None:
    """Too few tell how a spoke turns: each is weighted as among three hundred."""
    bent = Spokes(shift=0.3, bend=2.0)
    few = area_weights(bent.trajectory(np.arange(3) * 2 * np.pi / 3, MATRIX))
    many = area_weights(bent.trajectory(np.arange(300) * np.pi / 150, MATRIX))
    away = np.abs(np.arange(2 * MATRIX) - MATRIX) > 3
    assert np.allclose(few, few[0], rtol=1e-3)
    assert np.allclose(few[0, away], many[0, away], rtol=0.02)


def test_weights_of_a_straight_spoke_by_hand() -> None:
    """π |k| Δk away from k = 0, whatever the shift; half a turn's worth of the disc in all."""
    angles = golden_angles_rad(np.arange(300))
    for shift in (0.0, 0.3):
        weights = area_weights(Spokes(shift=shift).trajectory(angles, MATRIX))[0]
        radius = np.abs(np.arange(128) - 64 + shift) / 2
        away = (radius > 2) & (np.abs(np.arange(128) - 63.5) < 63)
        assert np.allclose(weights[away], np.pi * radius[away] / 2, rtol=5e-3)
    assert centre_share(np.array([4.0]))[0] == pytest.approx(centre_share(np.array([1.0]))[0])
    assert centre_share(np.array([1e-4]))[0] == pytest.approx(1 / 6, rel=1e-3)
