"""Deviations of frames and T1: against what one computes by hand for networks whose asymmetry is known."""

from dataclasses import replace

import numpy as np
import pytest
import sigpy

from recon.multitasking import Settings, estimate
from recon.multitasking.uncertainty import frame_terms, kind_of_frames, t1_terms, variance, with_samples
from recon.readouts.noise import rim_variance
from recon.relaxometry.t1 import CommonT1, T1Map
from recon.spatial.back_projection import back_project, back_project_and_adjoint, encoding, normal_operator
from recon.spatial.consistency import enforce_data
from recon.spatial.toeplitz import ToeplitzNormal
from recon.spatial.trust.misfit import data_misfit
from recon.spatial.trust.symmetries import symmetries
from recon.stages import StageClock
from tests.support.problems import some_problem

N, L = 12, 2
PROBLEM = some_problem(N, 30, L)


def solved(network, **values):
    return estimate(PROBLEM, Settings(**values), StageClock(), network)


def halved(maps: np.ndarray) -> np.ndarray:
    """Linear, and the same in every orientation and phase."""
    return maps / np.float32(2)


def brighter_above(maps: np.ndarray) -> np.ndarray:
    """Knows up from down: twice the upper half."""
    gain = np.where(np.arange(N) < N // 2, 2, 1).astype(np.float32)[:, None]
    return maps * gain


def test_no_samples_change_no_bit_and_cost_no_call() -> None:
    calls = []

    def network(maps: np.ndarray) -> np.ndarray:
        calls.append(maps)
        return halved(maps)

    found = solved(network)
    assert len(calls) == 1
    assert found.samples == ()
    assert found.misfit is None
    assert np.array_equal(found.maps, halved(back_project(PROBLEM)))


@pytest.mark.parametrize("count", [1, 8])
def test_samples_do_not_change_the_maps(count: int) -> None:
    plain, sampled = solved(brighter_above), solved(brighter_above, uncertainty_samples=count)
    assert np.array_equal(plain.maps, sampled.maps)
    assert len(sampled.samples) == count


def test_a_network_without_a_side_gives_no_spread() -> None:
    found = solved(halved, uncertainty_samples=8)
    for sample in found.samples:
        assert np.allclose(sample, found.maps, atol=1e-5 * np.abs(found.maps).max())


def test_a_known_asymmetry_gives_the_spread_that_it_must() -> None:
    """Where a symmetry takes the upper half of the image elsewhere, the network doubles another half."""
    found = solved(brighter_above, uncertainty_samples=8)
    gain = np.broadcast_to(np.where(np.arange(N) < N // 2, 2.0, 1.0)[:, None], (N, N))
    shown, squares = np.abs(found.maps), np.zeros((L, N, N))
    for sample, one in zip(found.samples, symmetries(8), strict=True):
        turned = np.rot90(gain, -one.turns)
        other = turned[:, ::-1] if one.mirrored else turned
        expected = np.abs(found.back_projection) * other
        assert np.allclose(np.abs(sample), expected, rtol=1e-4, atol=1e-5)
        squares += (expected - shown) ** 2 / 8
    spread = np.mean([(np.abs(sample) - shown) ** 2 for sample in found.samples], axis=0)
    assert np.allclose(spread, squares, rtol=1e-3, atol=1e-6 * squares.max())
    assert spread.max() > 0.1 * np.mean(shown**2)


class ByData:
    """Takes the data's operator: what it gives is the same however the scan lies."""

    sees_data, name = True, "by_data"

    def __init__(self) -> None:
        self.error_model = {"moving.spread": 2.0}

    def __call__(self, maps: np.ndarray, normal: ToeplitzNormal, adjoint: np.ndarray, noise: float) -> np.ndarray:
        return (maps + 0.1 * (adjoint - normal(maps))).astype(np.complex64)


def test_a_network_that_sees_data_gets_them_turned() -> None:
    found = solved(ByData(), uncertainty_samples=8)
    assert found.error_model == {"moving.spread": 2.0}
    for sample in found.samples:
        assert np.allclose(sample, found.maps, atol=1e-4 * np.abs(found.maps).max())


@pytest.mark.parametrize("measured", [3.0, None])
def test_a_network_that_sees_data_is_told_their_noise(measured: float | None) -> None:
    told = []

    class Told(ByData):
        def __call__(self, maps: np.ndarray, normal: ToeplitzNormal, adjoint: np.ndarray, noise: float) -> np.ndarray:
            told.append(noise)
            return super().__call__(maps, normal, adjoint, noise)

    problem = replace(PROBLEM, noise_variance=measured)
    estimate(problem, Settings(uncertainty_samples=2), StageClock(), Told())
    # where no noise was measured, the ends of spokes tell it
    assert told == 3 * [measured or rim_variance(problem.kspace, problem.trajectory)]


def test_misfit_is_free_of_a_network_that_sees_data_and_else_on_request() -> None:
    for found in (solved(ByData()), solved(halved, data_misfit=True)):
        left = np.linalg.norm(PROBLEM.kspace - encoding(PROBLEM)(found.maps)) ** 2
        assert found.misfit.relative == pytest.approx(left / np.linalg.norm(PROBLEM.kspace) ** 2, rel=5e-3)
    plain = estimate(PROBLEM, Settings(reconstruction="backprojection", data_misfit=True), StageClock())
    assert plain.misfit is not None
    assert np.array_equal(plain.maps, back_project(PROBLEM))


def test_consistency_steps_are_taken_of_samples_too() -> None:
    found = solved(brighter_above, uncertainty_samples=1, consistency_steps=3)
    initial, adjoint = back_project_and_adjoint(PROBLEM)
    (one,) = symmetries(1)
    prior, normal = one.undo(brighter_above(one.apply(initial))), normal_operator(PROBLEM)
    expected = enforce_data(normal, adjoint, prior, 0.1, 3)
    assert np.allclose(found.samples[0], expected, atol=1e-4 * np.abs(expected).max())
    misfits = [data_misfit(normal, adjoint, maps, PROBLEM.kspace).relative for maps in (prior, expected)]
    assert misfits[1] < misfits[0]
    assert sigpy.get_array_module(found.samples[0]) is np


def test_terms_are_mean_squares_nearby() -> None:
    shown = np.zeros((1, 33, 33), np.float32)
    initial, spread = shown.copy(), shown.copy()
    initial[0, 16, 16], spread[0, 8, 8] = 3, 5
    near_spread, change = frame_terms(shown, initial, spread)
    assert change.sum() == pytest.approx(9, rel=1e-3)
    assert near_spread.sum() == pytest.approx(5, rel=1e-2)
    assert np.unravel_index(change.argmax(), change.shape) == (0, 16, 16)
    # a Gaussian of two pixels: its peak is 1 / (2 π σ²)
    assert change.max() == pytest.approx(9 / (8 * np.pi), rel=0.02)
    model = {"moving.spread": 2.0, "moving.change": 3.0}
    assert np.allclose(variance(np.stack([near_spread, change]), "moving", model), 2 * near_spread + 3 * change)
    assert (kind_of_frames(1), kind_of_frames(2)) == ("still", "moving")


def a_t1_map(t1_ms: np.ndarray, deviation_ms: float) -> T1Map:
    zero = np.zeros_like(t1_ms)
    return T1Map(t1_ms, np.where(t1_ms > 0, deviation_ms, 0).astype(np.float32), 0.9, zero, zero)


def test_t1_knows_the_samples_and_its_fit() -> None:
    t1_ms = np.zeros((40, 40), np.float32)
    t1_ms[8:32, 8:32] = 1000
    others = [a_t1_map(t1_ms * np.float32(factor), 7.0) for factor in (1.06, 0.92)]
    found = with_samples(a_t1_map(t1_ms, 30.0), [*others, None], {"t1.spread": 0.5, "t1.fit": 4.0})
    expected = np.sqrt(0.5 * (60**2 + 80**2) / 2 + 4 * 30**2)
    assert np.allclose(found.uncertainty_ms[t1_ms > 0], expected, rtol=1e-3)  # up to the body's border
    assert not found.uncertainty_ms[t1_ms == 0].any()
    assert np.array_equal(found.t1_ms, t1_ms)
    blood = t1_ms.copy()
    blood[10:14, 10:14] = 1800
    told = replace(a_t1_map(blood, 30.0), blood=CommonT1(1800.0, 0.1, 50))
    with_blood = with_samples(told, others, {"t1.spread": 0.5, "t1.fit": 4.0})
    assert np.all(with_blood.uncertainty_ms[10:14, 10:14] == 30)  # it knows already
    assert with_blood.uncertainty_ms[20, 20] > 50
    plain = with_samples(a_t1_map(t1_ms, 30.0), [], {})
    assert np.allclose(plain.uncertainty_ms, a_t1_map(t1_ms, 30.0).uncertainty_ms)
    assert t1_terms(t1_ms, t1_ms, t1_ms).shape == (2, 40, 40)
