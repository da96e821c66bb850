"""The bilinear model of the navigator, piece by piece, against least squares written out."""

import numpy as np
import pytest

from recon.temporal.motion import (
    NavigatorSeries,
    band_components,
    band_pass,
    low_pass,
    navigator_series,
    principal_features,
    products,
    refine,
    regress,
    unexplained,
)
from tests.support.linear import complex_normal

TIME_S = 2.0 + np.arange(1000) * 0.02
"""Over 19.98 s: one step of frequency is 0.05005 Hz."""


def plain_series(features: np.ndarray, recovery: np.ndarray | None = None) -> NavigatorSeries:
    ones = np.ones((len(features), 1))
    return NavigatorSeries(features, ones if recovery is None else recovery, ones, TIME_S)


def test_series_scales_recovery_and_counts_periods_from_the_first_one_seen() -> None:
    rng = np.random.default_rng(0)
    recovery = rng.standard_normal((6, 2)) * [3.0, 0.2]
    series = navigator_series(rng.standard_normal((6, 20)), recovery, np.array([4, 4, 5, 5, 9, 9]), np.arange(6) / 50)
    assert series.features.shape == (6, 16)
    assert np.allclose(np.mean(series.recovery**2, axis=0), 1)
    assert np.allclose(series.recovery / recovery, series.recovery[0] / recovery[0])
    assert np.allclose(series.known, [[1, 1], [1, 1], [1, 0.25], [1, 0.25], [1, 0.0625], [1, 0.0625]])
    assert series.rate_hz == pytest.approx(50)
    once = navigator_series(rng.standard_normal((6, 3)), recovery, np.full(6, 7), np.arange(6) / 50)
    assert np.array_equal(once.known, np.ones((6, 1)))
    assert once.features.shape == (6, 3)


@pytest.mark.parametrize("count", [3, 400])
def test_features_are_principal_components_of_real_and_imaginary_parts(count: int) -> None:
    profiles = complex_normal(np.random.default_rng(1), (50, 2, 7)) * np.arange(1, 15).reshape(2, 7)
    flat = profiles.reshape(50, -1)
    left, values, _ = np.linalg.svd(np.concatenate([flat.real, flat.imag], axis=1), full_matrices=False)
    found = principal_features(profiles.astype(np.complex64), count)
    kept = min(count, 28)
    assert found.shape == (50, kept)
    assert np.allclose(np.linalg.norm(found, axis=0), values[:kept], rtol=1e-4)
    assert np.allclose(np.abs(np.sum(found / values[:kept] * left[:, :kept], axis=0)), 1, atol=1e-3)


def test_products_are_row_by_row_and_the_right_factor_is_fastest() -> None:
    left, right = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0, 7.0], [8.0, 9.0, 10.0]])
    assert products(left, right).tolist() == [[5, 6, 7, 10, 12, 14], [24, 27, 30, 32, 36, 40]]


def test_regression_is_least_squares_and_its_ridge_a_share_of_the_design() -> None:
    rng = np.random.default_rng(2)
    design, target = rng.standard_normal((40, 5)), rng.standard_normal((40, 3))
    assert np.allclose(regress(design, target), np.linalg.lstsq(design, target, rcond=None)[0], atol=1e-6)
    orthogonal = 7 * np.linalg.qr(design)[0]
    assert np.allclose(regress(orthogonal, target, 0.25), orthogonal.T @ target / 49 / 1.25)


def test_share_that_a_motion_leaves_is_that_of_the_residual() -> None:
    rng = np.random.default_rng(3)
    recovery = np.stack([np.ones(1000), np.sin(np.arange(1000))], axis=1)
    known = np.stack([np.ones(1000), 0.25 ** (np.arange(1000) // 250)], axis=1)
    motion, features = rng.standard_normal((1000, 2)), rng.standard_normal((1000, 4))
    series = NavigatorSeries(features, recovery, known, TIME_S)
    columns = [m * u for m in [*known.T, *motion.T] for u in recovery.T]
    design = np.stack(columns, axis=1)
    rest = features - design @ np.linalg.lstsq(design, features, rcond=None)[0]
    assert unexplained(series, motion) == pytest.approx(np.sum(rest**2) / np.sum(features**2), rel=1e-6)
    assert unexplained(series, motion[:, :0]) > unexplained(series, motion)
    explained = NavigatorSeries(design @ rng.standard_normal((8, 4)), recovery, known, TIME_S)
    assert abs(unexplained(explained, motion)) < 1e-6


def test_a_band_holds_the_frequencies_between_its_ends_each_shrunk_by_the_ridge() -> None:
    """Features that are one of the band's own functions, times a pattern: C / 1.1 comes back, and nothing else."""
    step_hz = 1 / 19.98
    waves = {turns: np.sqrt(2) * np.cos(2 * np.pi * turns * step_hz * (TIME_S - 2.0)) for turns in (5, 12)}
    pattern = np.array([2.0, -1.0, 0.5])
    series = plain_series(10 + waves[12][:, None] * pattern)
    band = band_components(series, series.known, 3.5 * step_hz, 20.2 * step_hz, 1)
    assert np.allclose(band.frequency_hz / step_hz, np.tile(np.arange(4, 21), 2))
    assert band.functions.shape == (1000, 34)
    assert np.allclose(np.mean(band.functions**2, axis=0), 1, atol=0.01)
    assert np.allclose(band.coefficients[8], pattern / 1.1, rtol=0.01)
    assert np.abs(np.delete(band.coefficients, 8, axis=0)).max() < 0.02
    (found,) = band.strongest(8 * step_hz, 15 * step_hz, 1).T
    assert abs(np.corrcoef(found, waves[12])[0, 1]) > 0.999
    assert found.std() == pytest.approx(1)
    both = plain_series(2 * waves[5][:, None] * np.array([1.0, 2.0, 0.0]) + waves[12][:, None] * pattern)
    band = band_components(both, both.known, 3.5 * step_hz, 20.2 * step_hz, 1)
    strongest = band.strongest(0, np.inf, 2)
    assert abs(np.corrcoef(strongest[:, 0], waves[5])[0, 1]) > 0.99
    assert abs(np.corrcoef(band.strongest(12 * step_hz - 1e-9, 1, 1)[:, 0], waves[12])[0, 1]) > 0.99
    assert abs(np.corrcoef(band.strongest(0, 12 * step_hz - 1e-9, 1)[:, 0], waves[12])[0, 1]) < 0.1


def test_motion_that_changes_its_sign_with_the_recovery_is_found_in_the_band() -> None:
    rng = np.random.default_rng(4)
    recovery = np.stack([np.ones(1000), np.cos(2 * np.pi * np.arange(1000) / 125)], axis=1) * [1, np.sqrt(2)]
    motion = np.sin(2 * np.pi * 0.31 * TIME_S)
    still, moving = rng.standard_normal((2, 2, 6))
    features = recovery @ (10 * still) + motion[:, None] * (recovery @ (moving * [[0.0], [1.0]]))
    series = plain_series(features + 0.05 * rng.standard_normal(features.shape), recovery)
    found = {
        orders: band_components(series, series.known, 0.1, 0.7, orders).strongest(0.1, 0.7, 1)[:, 0]
        for orders in (1, 2)
    }
    assert abs(np.corrcoef(found[2], motion)[0, 1]) > 0.98
    assert abs(np.corrcoef(found[1], motion)[0, 1]) < 0.9


def test_refinement_finds_two_motions_from_a_poor_start() -> None:
    rng = np.random.default_rng(5)
    recovery = np.stack([np.ones(1000), 1 - 2 * np.exp(-(np.arange(1000) % 125) / 40)], axis=1)
    strong, weak = np.sin(2 * np.pi * 0.31 * TIME_S), np.sin(2 * np.pi * 1.13 * TIME_S + 1)
    patterns = rng.standard_normal((3, 2, 8)) * np.array([5.0, 2.0, 0.7])[:, None, None]
    moving = [
        motion[:, None] * (recovery @ pattern) for motion, pattern in zip((strong, weak), patterns[1:], strict=True)
    ]
    features = recovery @ patterns[0] + sum(moving)
    series = plain_series(features + 0.1 * rng.standard_normal(features.shape), recovery)
    start = np.stack([strong + 0.6 * weak, weak - 0.4 * strong], axis=1) + 0.5 * rng.standard_normal((1000, 2))
    found = refine(series, start)
    assert np.allclose(found.T @ found / 1000, np.eye(2), atol=1e-8)
    assert np.allclose(found.mean(axis=0), 0, atol=1e-8)
    span = np.linalg.qr(found)[0]
    for motion in (strong, weak):
        centred = motion - motion.mean()
        assert np.linalg.norm(span.T @ centred) > 0.995 * np.linalg.norm(centred)
    assert unexplained(series, found) < 0.02 * unexplained(series, start[:, :0])
    jagged, smooth = (refine(series, start, smoothing_s=width)[:, 0] for width in (1e-3, 0.1))
    assert np.std(np.diff(smooth, 3)) < 0.3 * np.std(np.diff(jagged, 3))


@pytest.mark.parametrize(("hz", "low", "band"), [(0.1, True, False), (0.5, True, True), (2.5, False, False)])
def test_filters_keep_their_band_without_delay(hz: float, low: bool, band: bool) -> None:
    signal = np.stack([np.cos(2 * np.pi * hz * TIME_S), np.sin(2 * np.pi * hz * TIME_S)], axis=1)
    middle = slice(200, 800)
    for filtered, kept in ((low_pass(signal, 50.0, 1.0), low), (band_pass(signal, 50.0, 0.25, 1.0), band)):
        wanted = signal if kept else 0 * signal
        assert np.abs(filtered - wanted)[middle].max() < 0.12
