import numpy as np
import pytest

from recon.errors import DataError
from recon.relaxometry.inversion_recovery import InversionRecovery, recovery_basis
from recon.relaxometry.t1 import T1_RANGE_MS, fit_t1

SEQUENCE = InversionRecovery(3.6, 5.0, 5.0, 688)
PULSES = np.arange(1, 688, 4)
BASIS = recovery_basis(3.6, 5.0, 688, 5)[PULSES]


def coordinates(t1_ms: np.ndarray, efficiency: float = 0.95, inflow: float = 0.0) -> np.ndarray:
    """Noiseless curves of an image of T1 values, with a phase of its own in each voxel."""
    curves = SEQUENCE.curves(t1_ms.ravel(), efficiency, inflow, PULSES)
    found = np.linalg.lstsq(BASIS, curves.T, rcond=None)[0].reshape(5, *t1_ms.shape)
    return 40 * found * np.exp(1j * np.linspace(0, 6, t1_ms.size)).reshape(t1_ms.shape)


def everywhere(values: np.ndarray) -> np.ndarray:
    return np.ones(values.shape[-2:], dtype=bool)


@pytest.mark.parametrize("efficiency", [0.73, 0.95])
def test_t1_from_noiseless_curves(efficiency: float) -> None:
    t1_ms = np.linspace(200, 2500, 48).reshape(6, 8)
    data = coordinates(t1_ms, efficiency)
    found = fit_t1(data, BASIS, PULSES, SEQUENCE, everywhere(data))
    assert np.allclose(found.t1_ms, t1_ms, rtol=5e-3)
    assert found.efficiency == pytest.approx(efficiency, abs=2e-4)
    assert not found.inflow.any()
    assert found.residual.max() < 1e-3


def test_flowing_blood_beside_tissue() -> None:
    t1_ms = np.tile(np.linspace(800, 1300, 8), (8, 1))
    t1_ms[:, 4:] = np.linspace(1500, 2500, 4)
    data = coordinates(t1_ms)
    data[:, :, 4:] = coordinates(t1_ms, inflow=0.8)[:, :, 4:]
    found = fit_t1(data, BASIS, PULSES, SEQUENCE, everywhere(data), inflow=0.8)
    assert np.allclose(found.t1_ms, t1_ms, rtol=5e-3)
    assert np.array_equal(found.inflow > 0, np.broadcast_to(np.arange(8) >= 4, (8, 8)))
    assert found.uncertainty_ms[:, 4:].min() > 40  # the share of fresh spins is not known to better than 0.06
    ignored = fit_t1(data, BASIS, PULSES, SEQUENCE, everywhere(data), inflow=0.0)
    assert not ignored.inflow.any()


def test_uncertainty_is_that_of_the_noise() -> None:
    rng = np.random.default_rng(0)
    t1_ms = rng.uniform(700, 1300, (64, 64))
    clean = coordinates(t1_ms)
    mixing = np.diag([1.0, 2.0, 1.0, 0.5, 1.5])
    noise = rng.standard_normal(clean.shape) + 1j * rng.standard_normal(clean.shape)
    noisy = clean + 2e-3 * np.abs(clean).max() * np.einsum("st,tyx->syx", mixing, noise)
    found = fit_t1(noisy, BASIS, PULSES, SEQUENCE, everywhere(clean), mixing @ mixing.T)
    score = (found.t1_ms - t1_ms) / found.uncertainty_ms
    assert np.percentile(np.abs(score), 68.3) == pytest.approx(1, abs=0.15)
    assert np.median(found.t1_ms / t1_ms) == pytest.approx(1, abs=5e-3)


def test_only_the_mask_is_fitted() -> None:
    data = coordinates(np.full((6, 6), 900.0))
    mask = np.zeros((6, 6), dtype=bool)
    mask[2:4, 2:4] = True
    found = fit_t1(data, BASIS, PULSES, SEQUENCE, mask)
    assert np.array_equal(found.t1_ms > 0, mask)
    with pytest.raises(DataError, match="mask is empty"):
        fit_t1(data, BASIS, PULSES, SEQUENCE, ~everywhere(data))
    with pytest.raises(DataError, match="raise recovery_rank"):
        fit_t1(data[:2], BASIS[:, :2], PULSES, SEQUENCE, mask)


def test_flip_angle_and_t1_cannot_both_be_fitted() -> None:
    """Two tissues at two flip angles with one and the same curve: why α must be known."""
    n = np.arange(688)
    rate = 1 / 1250 - np.log(np.cos(np.deg2rad(5.0))) / 3.6
    other_flip = 5.5
    other_t1 = 1 / (rate + np.log(np.cos(np.deg2rad(other_flip))) / 3.6)
    first = SEQUENCE.curves([1250], [0.95], [0.0], n)[0]
    second = InversionRecovery(3.6, other_flip, 5.0, 688).curves([other_t1], [0.95], [0.0], n)[0]
    second *= (first @ second) / (second @ second)
    assert other_t1 > 1.3 * 1250
    assert np.linalg.norm(first - second) < 1e-3 * np.linalg.norm(first)


def test_the_fit_is_the_least_squares_one() -> None:
    rng = np.random.default_rng(5)
    t1_ms = rng.uniform(500, 1500, (12, 12))
    clean = coordinates(t1_ms, efficiency=0.85)
    noise = rng.standard_normal(clean.shape) + 1j * rng.standard_normal(clean.shape)
    data = clean + 0.02 * np.abs(clean).max() * noise
    found = fit_t1(data, BASIS, PULSES, SEQUENCE, everywhere(data), inflow=0.0)
    orthonormal, triangle = np.linalg.qr(BASIS)
    measured = triangle @ data.reshape(5, -1)
    measured *= np.exp(-0.5j * np.angle(np.sum(measured**2, axis=0)))
    # exact and slow: the misfit of every T1 on a grid of 0.1 %, at the efficiency that was found
    grid = found.t1_ms.ravel()[None] * np.linspace(0.98, 1.02, 41)[:, None]
    curves = SEQUENCE.curves(grid.ravel(), found.efficiency, 0.0, PULSES) @ orthonormal
    atoms = (curves / np.linalg.norm(curves, axis=1, keepdims=True)).reshape(*grid.shape, 5)
    best = np.argmax(np.einsum("gvr,rv->gv", atoms, measured.real) ** 2, axis=0)
    assert np.abs(best - 20).max() <= 1
    explained = np.max(np.einsum("gvr,rv->gv", atoms, measured.real) ** 2, axis=0)
    energy = np.sum(measured.real**2, axis=0)
    assert np.allclose(found.residual.ravel(), np.sqrt(1 - explained / energy), rtol=1e-2)


def test_rounding_does_not_move_t1() -> None:
    rng = np.random.default_rng(6)
    clean = coordinates(rng.uniform(600, 2400, (56, 56)))
    noise, rounding = (rng.standard_normal(clean.shape) + 1j * rng.standard_normal(clean.shape) for _ in range(2))
    data = clean + 0.06 * np.abs(clean).max() * noise
    mask = everywhere(data)
    one = fit_t1(data, BASIS, PULSES, SEQUENCE, mask)
    two = fit_t1(data + 1e-6 * np.abs(data).max() * rounding, BASIS, PULSES, SEQUENCE, mask)
    assert np.array_equal(one.inflow > 0, two.inflow > 0)
    assert np.all(np.abs(one.t1_ms - two.t1_ms) < 0.01 * one.uncertainty_ms)


def test_efficiency_is_that_of_the_tissue_which_fits_best() -> None:
    """Long and short T1 and voxels that mix two tissues say nothing about the inversion."""
    t1_ms = np.full((8, 8), 900.0)
    t1_ms[:2] = 2400.0
    t1_ms[2:4] = 110.0
    data = coordinates(t1_ms, 0.87)
    data[:, :2] = coordinates(t1_ms, 0.6)[:, :2]
    data[:, 2:4] = coordinates(t1_ms, 0.99)[:, 2:4]
    mixed = coordinates(t1_ms, 0.5) + 3 * coordinates(np.full((8, 8), 120.0), 0.5)
    data[:, 7] = mixed[:, 7]
    found = fit_t1(data, BASIS, PULSES, SEQUENCE, everywhere(data), inflow=0.0)
    assert found.efficiency == pytest.approx(0.87, abs=1e-3)
    assert np.allclose(found.t1_ms[4:7], 900.0, rtol=5e-3)


@pytest.mark.parametrize("t1_ms", [30.0, 9000.0])
def test_t1_beyond_the_limits_ends_at_them(t1_ms: float) -> None:
    data = coordinates(np.r_[np.full(32, 900.0), np.full(32, t1_ms)].reshape(8, 8))
    found = fit_t1(data, BASIS, PULSES, SEQUENCE, everywhere(data), inflow=0.0)
    assert np.allclose(found.t1_ms[4:], np.clip(t1_ms, *T1_RANGE_MS), rtol=0.02)


def test_uncertainty_of_blood_holds_that_of_its_inflow() -> None:
    """Without noise what is left is 0.06 times the change of the fitted T1 with the assumed share."""
    t1_ms = np.tile([900.0, 900.0, 900.0, 1800.0], (4, 1))
    data = coordinates(t1_ms)
    data[:, :, 3] = coordinates(t1_ms, inflow=0.8)[:, :, 3]
    maps = {
        share: fit_t1(data, BASIS, PULSES, SEQUENCE, everywhere(data), inflow=share).t1_ms[0, 3]
        for share in (0.79, 0.8, 0.81)
    }
    found = fit_t1(data, BASIS, PULSES, SEQUENCE, everywhere(data), inflow=0.8)
    expected = 0.06 * abs(maps[0.81] - maps[0.79]) / 0.02
    assert found.uncertainty_ms[0, 3] == pytest.approx(expected, rel=0.1)
    assert found.inflow[0, 3] == pytest.approx(0.8)
    assert found.uncertainty_ms[:, :3].max() < 1


def test_noise_is_estimated_from_the_neighbourhood_inside_the_mask() -> None:
    """Twice the noise on the right half, and none of what lies outside of the mask."""
    rng = np.random.default_rng(9)
    t1_ms = np.full((40, 40), 1000.0)
    level = np.where(np.arange(40) < 20, 1.0, 2.0)
    clean = coordinates(t1_ms)
    noise = rng.standard_normal(clean.shape) + 1j * rng.standard_normal(clean.shape)
    data = clean + 1e-3 * np.abs(clean).max() * level * noise
    mask = everywhere(data).copy()
    mask[:8] = False
    found = fit_t1(data, BASIS, PULSES, SEQUENCE, mask, inflow=0.0)
    left, right = found.uncertainty_ms[8:, :15], found.uncertainty_ms[8:, 25:]
    assert right.mean() / left.mean() == pytest.approx(2, rel=0.05)
    assert left[0].mean() == pytest.approx(left.mean(), rel=0.1)


def test_uncertainty_counts_the_unknowns_phase_included() -> None:
    """Of 14400 voxels the deviation over its uncertainty has a standard deviation of 1 within 2 %."""
    rng = np.random.default_rng(3)
    clean = coordinates(np.full((120, 120), 1000.0))
    noise = rng.standard_normal(clean.shape) + 1j * rng.standard_normal(clean.shape)
    data = clean + 1e-3 * np.abs(clean).max() * noise
    found = fit_t1(data, BASIS, PULSES, SEQUENCE, everywhere(data), inflow=0.0)
    score = (found.t1_ms - 1000) / found.uncertainty_ms
    assert np.std(score) == pytest.approx(1, abs=0.03)
