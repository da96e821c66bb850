import numpy as np
import pytest
from scipy.optimize import least_squares

from recon.errors import DataError
from recon.relaxometry.curve_fit import T1_RANGE_MS
from recon.relaxometry.inversion_recovery import InversionRecovery, recovery_basis
from recon.relaxometry.t1 import fit_t1

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


def slow_fit(curve: np.ndarray, orthonormal: np.ndarray, inflow: float, eta: float | None) -> np.ndarray:
    """T1, efficiency and residual of one voxel: least squares on exact curves from many starts."""

    def rest(point: np.ndarray) -> np.ndarray:
        shape = SEQUENCE.curves(np.exp(point[0]), point[1] if eta is None else eta, inflow, PULSES)[0] @ orthonormal
        return curve - shape * (shape @ curve) / (shape @ shape)

    starts = [(np.log(t1), 0.8) for t1 in (300.0, 1000.0, 3000.0)]
    free = 2 if eta is None else 1
    low, high = np.array([np.log(T1_RANGE_MS[0]), 0.0]), np.array([np.log(T1_RANGE_MS[1]), 1.0])
    options = {"bounds": (low[:free], high[:free]), "xtol": 1e-13, "ftol": 1e-13, "gtol": 1e-13}
    found = min((least_squares(rest, start[:free], **options) for start in starts), key=lambda fit: fit.cost)
    return np.array([np.exp(found.x[0]), found.x[1] if eta is None else eta, np.sqrt(2 * found.cost)])


def slow_deviation(t1_ms: float, eta: float, inflow: float, curve: np.ndarray, orthonormal: np.ndarray) -> tuple:
    """Row of the Jacobian's inverse that gives T1, and the change of T1 with the assumed inflow."""

    def shape(t1: float, share: float) -> np.ndarray:
        return SEQUENCE.curves(t1, eta, share, PULSES)[0] @ orthonormal

    here = shape(t1_ms, inflow)
    amplitude = (here @ curve) / (here @ here)
    by_t1 = amplitude * (shape(t1_ms + 0.1, inflow) - shape(t1_ms - 0.1, inflow)) / 0.2
    row = np.linalg.pinv(np.stack([here, by_t1], axis=1))[1]
    return row, row @ (amplitude * (shape(t1_ms, inflow + 1e-3) - shape(t1_ms, inflow - 1e-3)) / 2e-3)


def test_whole_map_against_a_fit_written_out_voxel_by_voxel() -> None:
    """Tissue and flowing blood in noise that differs from coefficient to coefficient, on a mask with a hole."""
    rng = np.random.default_rng(11)
    t1_ms = rng.uniform(600, 1400, (5, 6))
    t1_ms[:, 4:] = rng.uniform(1600, 2200, (5, 2))
    clean = coordinates(t1_ms, 0.88)
    clean[:, :, 4:] = coordinates(t1_ms, 0.88, 0.75)[:, :, 4:]
    change = np.eye(5) + 0.3 * rng.standard_normal((5, 5))
    basis = BASIS @ change  # not orthonormal
    clean = np.einsum("st,tyx->syx", np.linalg.inv(change), clean)
    mixing = np.eye(5) + 0.4 * rng.standard_normal((5, 5))
    noise = rng.standard_normal(clean.shape) + 1j * rng.standard_normal(clean.shape)
    data = clean + 1e-3 * np.abs(clean).max() * np.einsum("st,tyx->syx", mixing, noise)
    mask = everywhere(data).copy()
    mask[0, 0] = mask[2, 3] = False
    covariance = mixing @ mixing.T
    found = fit_t1(data, basis, PULSES, SEQUENCE, mask, covariance, inflow=0.75)

    orthonormal, triangle = np.linalg.qr(basis)
    measured = (triangle @ data[:, mask]).T
    turned = measured * np.exp(-0.5j * np.angle(np.sum(measured**2, axis=1)))[:, None]
    turned *= np.where((turned.real @ orthonormal.T)[:, -43:].mean(axis=1) < 0, -1, 1)[:, None]
    curves = turned.real
    free = np.array([slow_fit(curve, orthonormal, 0.0, None) for curve in curves])
    shapes = [SEQUENCE.curves(t1, eta, 0.0, PULSES)[0] @ orthonormal for t1, eta, _ in free]
    quality = free[:, 2] / [shape @ curve / (shape @ shape) for shape, curve in zip(shapes, curves, strict=True)]
    tissue = (free[:, 0] > 150) & (free[:, 0] < 1700) & (quality <= np.median(quality))
    eta = float(np.median(free[tissue, 1]))
    assert found.efficiency == pytest.approx(eta, abs=1e-5)

    best = np.array([slow_fit(curve, orthonormal, 0.0, eta) for curve in curves])
    mixed = np.array([slow_fit(curve, orthonormal, 0.75, eta) for curve in curves])
    flows = (best[:, 0] > 2600) & (mixed[:, 2] < best[:, 2])
    assert np.array_equal(flows, (np.argwhere(mask)[:, 1] >= 4))
    best[flows] = mixed[flows]
    assert np.allclose(found.inflow[mask], np.where(flows, 0.75, 0), atol=1e-6)
    assert np.allclose(found.t1_ms[mask], best[:, 0], rtol=1e-4)
    assert np.allclose(found.residual[mask], best[:, 2] / np.linalg.norm(curves, axis=1), rtol=1e-3)

    scatter = triangle @ covariance @ triangle.T
    energy, inside = np.zeros(mask.shape), np.pad(mask, 2, mode="symmetric")
    energy[mask] = np.sum(turned.imag**2, axis=1) + best[:, 2] ** 2
    energy = np.pad(energy, 2, mode="symmetric")
    rows = [
        slow_deviation(t1, eta, 0.75 * share, curve, orthonormal)
        for t1, share, curve in zip(best[:, 0], flows, curves, strict=True)
    ]
    for (y, x), (row, by_inflow), is_blood in zip(np.argwhere(mask), rows, flows, strict=True):
        near = np.s_[y : y + 5, x : x + 5]
        # of 2R = 10 real numbers a voxel, three are fitted: phase, amplitude, T1
        level = energy[near].sum() / inside[near].sum() / (np.trace(scatter) / 5 * (10 - 3))
        expected = np.hypot(np.sqrt(level * row @ scatter @ row), 0.06 * by_inflow * is_blood)
        assert found.uncertainty_ms[y, x] == pytest.approx(expected, rel=2e-3)


def test_neither_phase_nor_sign_of_a_curve_matters() -> None:
    """Also where noise makes it hard to find the fit from a wrong start."""
    rng = np.random.default_rng(2)
    clean = coordinates(np.geomspace(60, 4900, 400).reshape(20, 20), 0.9)
    clean[:, :10] = coordinates(np.full((20, 20), 900.0), 0.9)[:, :10]
    noise = rng.standard_normal(clean.shape) + 1j * rng.standard_normal(clean.shape)
    data = clean + 0.05 * np.abs(clean).max() * noise
    turned = data * np.exp(2j * np.pi * rng.random((20, 20)))
    one, two = (fit_t1(each, BASIS, PULSES, SEQUENCE, everywhere(data), inflow=0.0) for each in (data, turned))
    assert one.efficiency == pytest.approx(two.efficiency, abs=1e-9)
    assert np.allclose(one.t1_ms, two.t1_ms, rtol=1e-4)


def test_uncertainty_is_a_number_where_curves_have_no_noise() -> None:
    """Running sums over a neighbourhood of zeros may round to less than zero."""
    t1_ms = np.geomspace(60, 4900, 400).reshape(20, 20)
    data = coordinates(t1_ms, 0.9)
    data[:, :4] *= 1 + 0.3 * np.random.default_rng(0).standard_normal((5, 4, 20))
    found = fit_t1(data, BASIS, PULSES, SEQUENCE, everywhere(data), inflow=0.0)
    assert np.isfinite(found.uncertainty_ms).all()
    assert found.uncertainty_ms[10:].max() < 1
