"""Natural statistics: fits that find what was drawn, and a distance that grows with blur and noise."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from recon.quality.natural_statistics import (
    NaturalModel,
    asymmetric_gaussian,
    features,
    generalised_gaussian,
    normalised,
)
from recon.simulation.angiogram.volume import simulate_angiogram

RNG = np.random.default_rng(4)


@pytest.mark.parametrize(
    ("values", "shape", "variance"),
    [(RNG.normal(0, 2, 100_000), 2.0, 4.0), (RNG.laplace(0, 1, 100_000), 1.0, 2.0)],
)
def test_exponent_and_variance_are_found(values: np.ndarray, shape: float, variance: float) -> None:
    assert generalised_gaussian(values) == pytest.approx((shape, variance), rel=0.03)


def test_two_halves_of_different_width_are_found() -> None:
    """Halves of a Gaussian with deviations 1 and 3: mean (3 − 1) · √(2/π), each side drawn as often as it is wide."""
    left, right = -np.abs(RNG.normal(0, 1, 50_000)), np.abs(RNG.normal(0, 3, 150_000))
    shape, mean, below, above = asymmetric_gaussian(np.concatenate([left, right]))
    assert (shape, below, above) == pytest.approx((2, 1, 9), rel=0.04)
    assert mean == pytest.approx(2 * np.sqrt(2 / np.pi), rel=0.04)


def test_normalised_planes_are_free_of_shading_and_scale() -> None:
    plane = 100 + 10 * RNG.standard_normal((64, 64))
    shaded = plane * np.linspace(1, 3, 64)
    found, _ = normalised(plane, plane.max())
    again, _ = normalised(7 * plane, 7 * plane.max())
    assert np.allclose(found, again)
    assert np.corrcoef(found.ravel(), normalised(shaded, shaded.max())[0].ravel())[0, 1] > 0.98
    assert 0.5 < found.std() < 1.1


def planes_of(seed: int) -> np.ndarray:
    return np.moveaxis(simulate_angiogram("head", (72, 72, 24), seed).image, 2, 0)


def test_blur_and_noise_look_less_natural_the_more_there_is() -> None:
    model = NaturalModel.fitted(features(planes_of(seed), 1.0) for seed in (1, 2, 3))
    other = planes_of(4)
    own = model.distance(features(other, 1.0))
    blurred = [model.distance(features(gaussian_filter(other, (0, s, s)), 1.0)) for s in (1.0, 2.0)]
    noisy = [model.distance(features(other + s * RNG.standard_normal(other.shape), 1.0)) for s in (0.05, 0.15)]
    assert own < blurred[0] < blurred[1]
    assert own < noisy[0] < noisy[1]
    assert model.distance(features(planes_of(1), 1.0)) < own < 0.7 * min(blurred[1], noisy[1])


def test_the_originals_themselves_have_no_distance_and_empty_planes_none_that_is_known() -> None:
    found = features(planes_of(1), 1.0)
    assert found.shape[1] == 36
    assert NaturalModel.fitted([found]).distance(found) == pytest.approx(0, abs=1e-6)
    assert np.isnan(NaturalModel.fitted([found]).distance(features(np.zeros((2, 20, 20)), 1.0)))
