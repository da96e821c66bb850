import numpy as np
import pytest
from scipy.optimize import nnls

from recon.relaxometry.inversion_recovery import InversionRecovery, recovery_basis
from recon.relaxometry.pool_mixtures import VoxelSignals, pool_signals

SEQUENCE = InversionRecovery(3.6, 5.0, 5.0, 688)
PULSES = np.arange(1, 688, 4)
BASIS = np.linalg.qr(recovery_basis(3.6, 5.0, 688, 5)[PULSES])[0]


@pytest.mark.parametrize(("t1_ms", "angle_deg"), [(900.0, 4.5), (1900.0, 0.0)])
def test_pool_signals_are_those_of_explicit_periods(t1_ms: float, angle_deg: float) -> None:
    m, curves = 1.0, []
    for _ in range(8):
        m = 1 + (-0.93 * m - 1) * np.exp(-5.0 / t1_ms)
        curve = []
        for _ in range(688):
            curve.append(m)
            m = 1 + (m * np.cos(np.deg2rad(angle_deg)) - 1) * np.exp(-3.6 / t1_ms)
        curves.append(np.array(curve)[PULSES])
    found = pool_signals(SEQUENCE, BASIS, PULSES, np.array([t1_ms]), 0.93, float(np.cos(np.deg2rad(angle_deg))))[:, 0]
    expected = np.r_[BASIS.T @ curves[-1], BASIS.T @ (curves[0] - curves[-1])]
    assert np.allclose(found, expected, atol=2e-4 * np.linalg.norm(expected))


def test_misfit_is_that_of_the_best_mixture_for_the_whole_covariance() -> None:
    """Against non-negative least squares over a fine grid, with the covariance of the gain written out."""
    rng = np.random.default_rng(1)
    scale, efficiency, gain_deviation = 0.9, 0.94, 0.1
    cosine = float(np.cos(np.deg2rad(5.0 * scale)))
    tissue, old, fresh = (
        pool_signals(SEQUENCE, BASIS, PULSES, np.array([t1_ms]), efficiency, angle)[:, 0]
        for t1_ms, angle in ((1100.0, cosine), (1600.0, cosine), (1600.0, 1.0))
    )
    whitening = np.linalg.inv(np.linalg.cholesky(np.eye(5) + 0.3))
    level = np.exp(0.25 * np.array([4.0, 8.0])) * 0.01
    clean = np.stack([20 * tissue, 10 * tissue + 2 * old + 6 * fresh], axis=1)
    noise = rng.standard_normal((10, 2)) * np.r_[np.full(5, 0.01), np.full(5, 0.05)][:, None]
    signals = clean + noise
    voxels = VoxelSignals(signals[:5], signals[5:], level, np.full(2, 0.01), whitening, gain_deviation)
    found = voxels.misfits(SEQUENCE, BASIS, PULSES, efficiency, np.array([scale]))[0]
    t1_ms = np.geomspace(151, 3990, 800)
    stay = pool_signals(SEQUENCE, BASIS, PULSES, t1_ms, efficiency, cosine)
    fat = (t1_ms > 280) & (t1_ms < 460)
    moving = pool_signals(SEQUENCE, BASIS, PULSES, np.linspace(1400, 2000, 4), efficiency, 1.0)
    for voxel in range(2):
        first = signals[:5, voxel] + signals[5:, voxel]
        covariance = np.zeros((10, 10))
        covariance[:5, :5] = 0.01**2 * np.eye(5)
        white = np.linalg.inv(whitening)
        covariance[5:, 5:] = level[voxel] ** 2 * white @ white.T + gain_deviation**2 * np.outer(first, first)
        root = np.linalg.inv(np.linalg.cholesky(covariance))
        choices = (np.c_[stay, moving], np.c_[stay, moving, -stay[:, fat]])
        usual, least = (nnls(root @ one, root @ signals[:, voxel])[1] ** 2 for one in choices)
        # more pools at a time than the mixtures have, and a finer grid; 2 for each pool beyond the first
        assert least - 0.1 <= found[voxel] < usual + 2 * 3 + 1
    other = voxels.misfits(SEQUENCE, BASIS, PULSES, efficiency, np.array([0.8]))[0]
    assert other[0] > found[0] + 100


def test_a_gain_of_the_first_period_costs_little_and_another_sign_much() -> None:
    tissue = pool_signals(SEQUENCE, BASIS, PULSES, np.array([800.0]), 0.95, SEQUENCE.cosine)[:, 0]
    periodic, transient = tissue[:5], tissue[5:]
    choices = [transient, transient + 0.05 * (periodic + transient), -transient]
    fits = []
    for deviation in (0.0, 0.1):
        voxels = VoxelSignals(
            np.stack([periodic] * 3, axis=1), np.stack(choices, axis=1), *np.full((2, 3), 0.01), np.eye(5), deviation
        )
        fits.append(voxels.misfits(SEQUENCE, BASIS, PULSES, 0.95, np.array([1.0]))[0])
    plain, free = fits
    assert plain[0] < 4  # the grid, or another pool
    assert plain[1] > 100
    assert free[1] < 5
    assert min(plain[2], free[2]) > 1000
