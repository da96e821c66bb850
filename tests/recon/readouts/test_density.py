"""Weights give discs unit gain and air zero, wherever k = 0 lies and however the spokes run."""

import numpy as np
import pytest
from scipy.special import j0

from recon.errors import DataError
from recon.readouts.density import area_weights, centre_share, ramp_weights
from recon.readouts.trajectory import golden_angles_rad
from recon.readouts.turning_spoke import spoke_angles
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


def weights_written_out(trajectory: np.ndarray, turning: np.ndarray) -> np.ndarray:
    """Area swept by each sample, and two amounts near k = 0 that bring a Gaussian's kernel to what it should be."""
    k = trajectory[..., 0].astype(float) + 1j * trajectory[..., 1]
    along = np.gradient(k, axis=1)
    spacing = np.mean(np.abs(k[:, -1] - k[:, 0])) / (k.shape[1] - 1)
    outward = k.real * along.real + k.imag * along.imag
    weights = np.pi * np.abs(along.real * turning.imag - along.imag * turning.real)
    ends = np.array(
        [
            [np.max(np.abs(each[row < 0]), initial=0), np.max(np.abs(each[row > 0]))]
            for each, row in zip(k, outward, strict=True)
        ]
    )
    shorter, longer = ends.min(axis=1).mean(), ends.max(axis=1).mean()
    if longer - shorter > 1.5 * spacing:  # beyond the shorter side it counts twice
        weights *= 1 + np.clip((np.abs(k) - shorter) / spacing, 0, 1)
    hats = np.zeros((2, *k.shape))
    for spoke, row in enumerate(outward):
        after = next(m for m in range(1, len(row)) if row[m] > 0)
        closest = max(after - row[after] / (row[after] - row[after - 1]), after - 1)
        for sample in range(len(row)):
            away = abs(sample - closest)
            hats[:, spoke, sample] = max(0, 1 - away), max(0, 1 - abs(away - 1))
    hats *= np.abs(along) ** 2
    near = np.abs(k) < 8
    rows, wanted = [], []
    for x in np.linspace(0, min(1, 0.65 / spacing), 24):
        kernel = j0(2 * np.pi * x * np.abs(k)) * np.exp(-(np.abs(k) ** 2) / 8) * near
        pairs = np.sqrt(x * (np.arccos(x) - x * np.sqrt(1 - x * x)))
        rows.append([pairs * np.sum(kernel * hat) for hat in hats])
        wanted.append(pairs * (len(k) * 8 * np.pi * np.exp(-8 * (np.pi * x) ** 2) - np.sum(kernel * weights)))
    return weights + np.tensordot(np.linalg.lstsq(np.array(rows), np.array(wanted), rcond=None)[0], hats, 1)


@pytest.mark.parametrize(
    ("spokes", "oversampling", "first"),
    [
        (Spokes(), 2.0, 0),
        (Spokes(shift=0.3, delays=(0.3, 0.15, -0.2), bend=2.0), 2.0, 0),
        (Spokes(shift=-0.4), 1.25, 0),
        (Spokes(shift=0.2), 0.9, 0),
        (Spokes(samples=96, center=32, shift=0.1), 2.0, 0),
        (Spokes(shift=0.2), 2.0, 32),  # from the centre outwards
    ],
    ids=str,
)
def test_area_weights_written_out(spokes: Spokes, oversampling: float, first: int) -> None:
    angles = golden_angles_rad(np.arange(144))
    trajectory, later, sooner = (
        spokes.trajectory(angles + step, 32, oversampling)[:, first:].astype(np.float64) for step in (0, 1e-2, -1e-2)
    )
    turned = np.mod(spoke_angles(later) - spoke_angles(sooner) + 1, 2 * np.pi) - 1
    expected = weights_written_out(trajectory, (later - sooner) @ [1, 1j] / turned[:, None])
    found = area_weights(trajectory.astype(np.float32))
    assert np.allclose(found, expected, rtol=5e-4, atol=2e-4)


@pytest.mark.parametrize(("half", "center", "gap_deg"), [(True, 55, 0), (False, 32, 90), (False, 55, 90)])
def test_which_ends_count_twice(half: bool, center: int, gap_deg: float) -> None:
    """A few samples that lack at the rim do not; opposite spokes may leave a gap of less than 135 degrees."""
    angles = np.linspace(0, np.pi if half else 2 * np.pi - np.deg2rad(gap_deg), 90, endpoint=False)
    trajectory = Spokes(samples=64 + center, center=center).trajectory(angles, MATRIX)
    weights = area_weights(trajectory)
    radius = np.linalg.norm(trajectory, axis=-1)
    outer = (radius > center / 2 + 1) & (radius < 31)
    share = 1 if half else 2
    assert np.allclose(weights[outer], share * np.pi * radius[outer] / 2, rtol=2e-2)


def test_plain_spokes_are_straight_and_as_long_to_both_sides_but_for_one_sample() -> None:
    """A hundredth of a sample off the straight line, or two samples more on one side, are not plain."""
    angles = golden_angles_rad(np.arange(144))
    plain = Spokes().trajectory(angles, MATRIX)
    closed = np.maximum(np.pi * np.linalg.norm(plain, axis=-1) / 2, np.pi * centre_share(np.array([0.5]))[0] / 4)
    assert np.allclose(ramp_weights(plain), closed, rtol=1e-5)
    for step, is_plain in ((0.004, True), (0.006, False)):
        moved = plain.copy()
        moved[3, 90] += step * np.float32([np.cos(angles[3]), np.sin(angles[3])])  # Δk is 0.5
        searched = not np.allclose(ramp_weights(moved)[5], closed[5], rtol=1e-4)
        assert searched != is_plain
    for samples, is_plain in ((127, False), (128, True), (129, True), (130, True), (131, False)):
        found = ramp_weights(Spokes(samples=samples, center=64).trajectory(angles, MATRIX))
        size = min(samples, 128)
        assert np.allclose(found[:, :size], closed[:, :size], rtol=1e-4) == is_plain


def test_share_of_the_centre_by_the_sum_over_repetitions() -> None:
    """Σ 1/(x+m)² over m ≠ 0 at the mean distance of two points of a disc, 64/45π of its diameter, over 2π²."""
    for spacing in (0.2, 0.5, 1.0):
        x = 64 / (45 * np.pi) * spacing
        repetitions = np.r_[-200000:0, 1:200001]
        assert centre_share(np.array([spacing]))[0] == pytest.approx(
            np.sum((x + repetitions) ** -2.0) / (2 * np.pi**2), rel=1e-4
        )
