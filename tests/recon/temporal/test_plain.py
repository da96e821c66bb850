"""Temporal bases without navigators: windows of spokes in circular harmonics, given and constant bases."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.signal import butter, sosfiltfilt
from scipy.special import jv

from recon.errors import DataError
from recon.readouts.timeline import Timeline
from recon.readouts.trajectory import golden_angles_rad, radial_trajectory
from recon.readouts.windows import Windows, rings_of, window_images
from recon.temporal.plain import breathing_in, given_model, settling, static_model, uninverted, windowed_model
from recon.temporal.self_gating import GatingSettings
from tests.support.linear import complex_normal

TR_S, SPOKES = 0.004, 1600
TIME_S = 3.0 + TR_S * np.arange(SPOKES)
TRAJECTORY = radial_trajectory(golden_angles_rad(np.arange(SPOKES)), 96, 48)
PLACE = np.array([0.13, -0.21])
"""Of a point, in fields of view."""


def spectrum(place: np.ndarray, trajectory: np.ndarray = TRAJECTORY) -> np.ndarray:
    """(spokes, 1, samples): the signal of a point."""
    return np.exp(-2j * np.pi * (trajectory @ place))[:, None].astype(np.complex64)


def windows_of(kspace: np.ndarray, trajectory: np.ndarray = TRAJECTORY) -> Windows:
    rings = rings_of(trajectory)
    return window_images(kspace[:, :, rings.samples], rings, TIME_S)


def harmonics(place: np.ndarray) -> np.ndarray:
    """Those of a point by the Jacobi-Anger expansion: e^{-i z cos(θ-φ)} = Σ_m (-i)^m J_m(z) e^{im(θ-φ)}."""
    distance, direction = np.hypot(*place), np.arctan2(place[1], place[0])
    values = []
    for radius in np.arange(13):
        orders = np.arange(-np.ceil(np.pi * radius), np.ceil(np.pi * radius) + 1)
        area = 2 * np.pi * radius if radius else np.pi / 4
        waves = (-1j) ** orders * np.exp(-1j * orders * direction)
        values.append(np.sqrt(area) * jv(orders, 2 * np.pi * radius * distance) * waves)
    return np.concatenate(values)


@pytest.mark.parametrize("half_a_sample", [False, True])
def test_windows_hold_the_circular_harmonics_of_the_object(half_a_sample: bool) -> None:
    trajectory = TRAJECTORY
    if half_a_sample:  # k = 0 lies between two samples
        trajectory = TRAJECTORY + np.float32(0.25) * np.diff(TRAJECTORY, axis=1)[:, :1] * 2
    windows = windows_of(spectrum(PLACE, trajectory), trajectory)
    expected = harmonics(PLACE)
    assert windows.profiles.shape == (SPOKES // 8, 1, len(expected))
    error = np.abs(windows.profiles[:, 0] - expected).max()
    assert error < (0.1 if half_a_sample else 0.01) * np.abs(expected).max()
    assert windows.time_s[0] == pytest.approx(TIME_S[:8].mean())


def test_moving_point_is_followed_by_the_basis() -> None:
    """Two points beat at their own rates: Φ spans both courses and the constant, at every spoke."""
    courses = [np.cos(2 * np.pi * 0.9 * TIME_S), np.sin(2 * np.pi * 1.7 * TIME_S + 0.3)]
    kspace = 3 * spectrum(np.array([0.05, 0.1]))
    for course, place in zip(courses, (PLACE, -1.3 * PLACE), strict=True):
        kspace = kspace + course[:, None, None].astype(np.float32) * spectrum(place)
    model = windowed_model(windows_of(kspace), uninverted(TIME_S), rank=3)
    assert np.abs(model.basis @ model.basis.conj().T - np.eye(3)).max() < 1e-5
    assert model.source == "sliding windows"
    inside = slice(40, -40)
    for course in [np.ones(SPOKES), *courses]:
        fitted = model.basis.T @ np.linalg.lstsq(model.basis[:, inside].T, course[inside], rcond=None)[0]
        assert np.linalg.norm((fitted - course)[inside]) < 0.08 * np.linalg.norm(course[inside])


def test_rank_is_no_more_than_there_are_windows() -> None:
    windows = Windows(complex_normal(np.random.default_rng(3), (5, 2, 30)).astype(np.complex64), np.arange(5) / 10)
    assert len(windowed_model(windows, uninverted(np.linspace(0, 0.4, 40)), rank=32).basis) == 5


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda k: k[:, 48:], "reach only 0 cycles"),
        (lambda k: k + np.float32([3, 0]), "not straight through k = 0"),
        (lambda k: k**2, "not straight|reach only"),
    ],
)
def test_spokes_that_show_no_rings_are_refused(spoil, message: str) -> None:
    with pytest.raises(DataError, match=message):
        rings_of(spoil(TRAJECTORY))


def test_a_few_spokes_show_no_motion() -> None:
    rings = rings_of(TRAJECTORY[:12])
    with pytest.raises(DataError, match=r"12 spokes are too few.*temporal_model=static"):
        window_images(spectrum(PLACE, TRAJECTORY[:12])[:, :, rings.samples], rings, TIME_S[:12])


def timeline(spokes: int) -> Timeline:
    return uninverted(np.arange(spokes) * TR_S)


def test_static_basis_is_one_constant() -> None:
    basis = static_model(timeline(9)).basis
    assert basis.shape == (1, 9)
    assert basis.dtype == np.complex64
    assert np.allclose(basis, 1 / 3)
    assert static_model(timeline(9)).singular_values.tolist() == [1]


def test_given_basis_is_taken_as_it_is_or_made_orthonormal() -> None:
    rng = np.random.default_rng(8)
    rows = complex_normal(rng, (3, 50))
    orthonormal = np.linalg.qr(rows.T)[0].T.astype(np.complex64)
    assert np.array_equal(given_model(orthonormal, timeline(50)).basis, orthonormal)
    mixed = given_model(rows * np.array([[1], [1e3], [1e-3]]), timeline(50))
    assert np.abs(mixed.basis @ mixed.basis.conj().T - np.eye(3)).max() < 1e-5
    projection = orthonormal.conj().T @ orthonormal
    assert np.abs(mixed.basis @ projection - mixed.basis).max() < 1e-5
    assert (mixed.source, mixed.kept.all()) == ("given", True)


@pytest.mark.parametrize(
    ("basis", "message"),
    [
        (np.ones((2, 49)), r"shape \(2, 49\); the 50 imaging spokes"),
        (np.ones(50), r"shape \(50,\)"),
        (np.ones((2, 50)), "depend on each other"),
        (np.zeros((1, 50)), "zero at every"),
        (np.full((1, 50), np.nan), "NaN"),
        (np.full((1, 50), "a"), "something else than numbers"),
    ],
)
def test_given_basis_that_cannot_be_used_is_refused(basis: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        given_model(basis, timeline(50))


def moving_windows(breathing: float, heart: float = 0.4, drift: float = 0.0, duration_s: float = 40.0) -> tuple:
    """Images that follow a displacement, a heart at 1.1 Hz and a drift, each with its pattern; and the first."""
    rng = np.random.default_rng(9)
    time_s = 5 + np.arange(0, duration_s, 0.03)
    displacement = np.sin(np.pi * 0.23 * time_s) ** 4
    still, breath, beat, slow = complex_normal(rng, (4, 2, 40))
    moving = breathing * (displacement - displacement.mean())[:, None, None] * breath
    moving = moving + heart * np.cos(2 * np.pi * 1.1 * time_s)[:, None, None] * beat
    moving = moving + drift * np.linspace(-1, 1, len(time_s))[:, None, None] * slow
    noise = 0.05 * complex_normal(rng, (len(time_s), 2, 40))
    return Windows((20 * still + moving + noise).astype(np.complex64), time_s), displacement


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_breathing_in_windows_rises_towards_inspiration(sign: float) -> None:
    windows, displacement = moving_windows(2.0 * sign)
    found = breathing_in(windows, GatingSettings())
    assert np.corrcoef(found.signal, displacement)[0, 1] > 0.98
    assert found.signal.std() == pytest.approx(1)
    assert 0.5 < found.quality < 0.95


def test_quality_of_breathing_is_its_share_against_the_least_one() -> None:
    """Variances of the motions by hand: breath σ² against beat a²/2; a share equal to the least makes a half."""
    qualities = []
    for breathing in (1.0, 2.0):
        windows, displacement = moving_windows(breathing)
        energies = np.array([breathing**2 * np.var(displacement), 0.4**2 / 2])
        share = energies[0] / energies.sum()
        quality = breathing_in(windows, GatingSettings()).quality
        assert quality == pytest.approx(share / (share + 0.1), abs=0.1)
        qualities.append(quality)
    assert qualities[0] < qualities[1]


def test_no_breathing_is_found_where_none_is() -> None:
    settings = GatingSettings()
    assert breathing_in(moving_windows(0.2)[0], settings) is None  # a hundredth of the motion
    assert breathing_in(moving_windows(2.0, duration_s=14.0)[0], settings) is None
    assert breathing_in(moving_windows(2.0, duration_s=16.0)[0], settings) is not None
    windows, _ = moving_windows(2.0)
    slow = Windows(windows.profiles, 5 + 0.13 * np.arange(len(windows.time_s)))  # a heart of 2.5 Hz would alias
    assert breathing_in(slow, settings) is None


def test_scans_without_inversions_count_no_pulses() -> None:
    time_s = 7.0 + np.array([0.0, 2.4, 2.5, 4.9, 5.0, 12.5])
    steps = settling(time_s)
    assert steps.inversion.tolist() == [0, 0, 1, 1, 2, 5]  # of 2.48 s
    assert not steps.pulse.any()
    whole = uninverted(time_s)
    assert not whole.inversion.any()
    assert not whole.pulse.any()
    assert np.array_equal(whole.time_s, time_s)


def test_windowed_basis_keeps_its_ends_beyond_the_outermost_windows() -> None:
    profiles = complex_normal(np.random.default_rng(10), (30, 1, 12))
    windows = Windows(profiles, 1.0 + 0.1 * np.arange(30))
    imaging = uninverted(np.linspace(0.5, 4.5, 401))
    found = windowed_model(windows, imaging, rank=4)
    assert np.allclose(found.basis[:, :51], found.basis[:, :1], atol=1e-5)
    assert np.allclose(found.basis[:, 341:], found.basis[:, -1:], atol=1e-5)
    assert not np.allclose(found.basis[:, 60], found.basis[:, 0], atol=1e-3)
    assert len(windowed_model(windows, imaging, rank=9, energy=0.5).basis) < 9
    assert found.kept.all()
    few = Windows(profiles[:, :, :3], windows.time_s)
    assert len(windowed_model(few, imaging, rank=9).basis) == 3


def test_a_single_row_and_a_square_basis_are_bases_too() -> None:
    assert given_model(np.ones((1, 50)), timeline(50)).basis.shape == (1, 50)
    square = np.eye(4) * np.array([[2.0], [1], [1], [1]])
    found = given_model(square, timeline(4))
    assert np.allclose(found.basis, np.eye(4))
    assert np.allclose(found.singular_values, [2, 1, 1, 1])
    with pytest.raises(DataError, match="5, 4"):
        given_model(np.ones((5, 4)), timeline(4))
    with pytest.raises(DataError, match=r"\(0, 4\)"):
        given_model(np.ones((0, 4)), timeline(4))
    nearly = np.eye(4, dtype=np.complex64)
    nearly[0, 1] = 5e-5  # rounding is left alone
    assert np.array_equal(given_model(nearly, timeline(4)).basis, nearly)
    nearly[0, 1] = 5e-4
    assert not np.array_equal(given_model(nearly, timeline(4)).basis, nearly)


def test_breathing_against_filters_written_out() -> None:
    """Strongest component from 0.1 to 0.5 Hz over all that is slower than 1.6 times 150 beats per minute."""
    rng = np.random.default_rng(12)
    time_s = 2 + np.arange(0, 40, 0.05)
    displacement = np.sin(np.pi * 0.23 * time_s) ** 4
    courses = [displacement, 0.7 * np.cos(6.9 * time_s), 0.5 * np.sin(2 * np.pi * 3.9 * time_s), 0.3 * np.sin(time_s)]
    profiles = np.einsum("jt,jcx->tcx", courses, complex_normal(rng, (4, 2, 12)))
    profiles = (5 + profiles + 0.3 * complex_normal(rng, profiles.shape)).astype(np.complex64)
    real = profiles.reshape(len(time_s), -1).view(np.float32).astype(np.float64)
    real -= real.mean(axis=0)

    def filtered(edges_hz: float | list[float], kind: str, signal: np.ndarray) -> np.ndarray:
        return sosfiltfilt(butter(3, edges_hz, kind, fs=20, output="sos"), signal, axis=0)

    _, values, patterns = np.linalg.svd(filtered([0.1, 0.5], "band", real), full_matrices=False)
    share = values[0] ** 2 / np.sum(filtered(1.6 * 2.5, "low", real) ** 2)
    signal = filtered(1.4 * 0.5, "low", real @ patterns[0])
    signal = signal / signal.std()
    signal *= np.sign(np.mean((signal - signal.mean()) ** 3))
    found = breathing_in(Windows(profiles, time_s), GatingSettings())
    assert found.quality == pytest.approx(share / (share + 0.1), rel=1e-4)
    assert np.allclose(found.signal, signal, atol=1e-3)


def test_windows_must_come_twice_as_often_as_the_fastest_heart_turns() -> None:
    windows, _ = moving_windows(2.0, heart=0.0)
    for step_s, is_enough in ((0.12, True), (0.13, False)):  # 1.6 · 150 per minute are 4 Hz
        slower = Windows(windows.profiles, 5 + step_s * np.arange(len(windows.time_s)))
        found = breathing_in(slower, GatingSettings(respiration_hz=(0.05, 0.3)))
        assert (found is not None) == is_enough


def test_windowed_basis_is_the_splines_of_the_windows_principal_components() -> None:
    profiles = complex_normal(np.random.default_rng(14), (30, 2, 12)) * np.linspace(3, 1, 12)
    time_s = 1 + 0.1 * np.arange(30)
    imaging = uninverted(np.linspace(0.8, 4.1, 200))
    _, values, rows = np.linalg.svd(profiles.reshape(30, -1).T, full_matrices=False)
    held = np.cumsum(values**2) / np.sum(values**2)
    for energy, rank in ((None, 5), (0.5, int(np.flatnonzero(held >= 0.5)[0]) + 1)):
        found = windowed_model(Windows(profiles, time_s), imaging, rank=5 if energy is None else 20, energy=energy)
        splines = CubicSpline(time_s, rows[:rank], axis=1)(np.clip(imaging.time_s, 1.0, 3.9))
        wanted = np.linalg.qr(splines.T)[0]
        assert found.basis.shape == (rank, 200)
        assert np.allclose(found.basis.T @ found.basis.conj(), wanted @ wanted.conj().T, atol=1e-4)
        assert np.allclose(found.singular_values[:20], values[:20], rtol=1e-4)
