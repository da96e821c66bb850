"""T1 of all blood from noiseless and noisy curves whose T1 and shares are known, and what T1 maps make of it."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from recon.multitasking.quantitative import map_t1
from recon.multitasking.settings import Settings
from recon.relaxometry.b1_map import B1Map
from recon.relaxometry.blood_t1 import RecoveryCurves, bright_blood, common_t1, expected_blood_t1_ms, with_common_blood
from recon.relaxometry.inversion_recovery import InversionRecovery, recovery_basis
from recon.relaxometry.t1 import T1Map, fit_t1
from recon.temporal.tensor import BinWeights, TemporalTensor

SEQUENCE = InversionRecovery(3.6, 5.0, 5.0, 688)
PULSES = np.arange(1, 688, 4)
RECOVERY = recovery_basis(3.6, 5.0, 688, 5)
BASIS = RECOVERY[PULSES]
CURVES = RecoveryCurves(BASIS, PULSES, SEQUENCE)
N = 80
Y, X = np.mgrid[:N, :N]
RADIUS = np.hypot(Y - 40, X - 40)
BLOOD, BODY = RADIUS < 16, RADIUS < 36
LEFT = X < 40


def coordinates(
    share: float | np.ndarray, sequence: InversionRecovery = SEQUENCE, blood_ms: float = 1850.0
) -> np.ndarray:
    """A chamber of blood within muscle, whose wall reaches 1.5 voxels into the blood; a phase of its own each."""
    curves = sequence.curves([blood_ms, blood_ms, 1150.0], [0.95], [0.0, 1.0, 0.0], PULSES)
    stays, fresh, wall = np.linalg.lstsq(BASIS, curves.T, rcond=None)[0].T[:, :, None, None]
    amount = np.clip((RADIUS - 14.5) / 1.5, 0, 1)
    image = (1 - amount) * ((1 - share) * stays + share * fresh) + amount * wall
    return 30 * BODY * image * np.exp(0.03j * (X + 2 * Y))


@pytest.mark.parametrize("share", [0.3, 0.72, 0.95])
@pytest.mark.parametrize("blood_ms", [1500.0, 1990.0])
def test_curves_without_noise_tell_t1_against_what_was_expected(share: float, blood_ms: float) -> None:
    """The fewer spins are fresh, the less their T1 differs from what muscle's T1* looks like, and the less it tells."""
    found = common_t1(coordinates(share, blood_ms=blood_ms), CURVES, BLOOD, 0.95, 1790.0)
    assert found.t1_ms == pytest.approx(blood_ms, rel=0.12 if share < 0.5 else 0.03)
    assert 0.02 < found.deviation < (0.13 if share < 0.5 else 0.06)
    assert abs(found.t1_ms / blood_ms - 1) < found.deviation
    assert found.voxels == np.count_nonzero(binary_erosion(BLOOD, iterations=2))


def test_what_is_known_beforehand_is_weighed_by_its_deviation() -> None:
    clean = coordinates(0.8, blood_ms=1700.0)
    far, near = (common_t1(clean, CURVES, BLOOD, 0.95, expected).t1_ms for expected in (2300.0, 1700.0))
    assert near == pytest.approx(1700, rel=0.02)
    assert near < far < 1800
    low = common_t1(coordinates(0.9, blood_ms=500.0), CURVES, BLOOD, 0.95, expected_blood_t1_ms(0.064))
    assert low.t1_ms == pytest.approx(500, rel=0.03)
    none = common_t1(clean, CURVES, BLOOD & (abs(X - 40) < 1), 0.95, 1700.0)
    assert (none.voxels, none.t1_ms) == (0, pytest.approx(1700.0, rel=0.005))
    assert none.deviation == pytest.approx(0.15, rel=0.02)


def test_noise_is_averaged_over_the_blood() -> None:
    clean, rng, told = coordinates(0.72), np.random.default_rng(1), []
    level = 0.01 * np.linalg.norm(clean[:, 40, 40]) / np.sqrt(10)
    for _ in range(20):
        noise = rng.standard_normal(clean.shape) + 1j * rng.standard_normal(clean.shape)
        told.append(common_t1(clean + level * noise, CURVES, BLOOD, 0.95, 1790.0))
    assert np.mean([one.t1_ms for one in told]) == pytest.approx(1850, rel=0.03)
    assert np.std([one.t1_ms for one in told]) < 0.03 * 1850
    assert np.mean([(abs(one.t1_ms / 1850 - 1) < one.deviation) for one in told]) > 0.5


def test_the_worse_the_model_fits_the_less_the_curves_say() -> None:
    clean = coordinates(0.72, blood_ms=1500.0)
    rough = np.array([0.0, 0.0, 0.004, -0.004, 0.004])[:, None, None] * np.linalg.norm(clean, axis=0)
    found = [
        common_t1(image, CURVES, BLOOD, 0.95, 1790.0)
        for image in (clean, clean + rough * np.exp(1j * np.angle(clean[0])))
    ]
    assert found[0].deviation < 0.05
    assert 0.12 < found[1].deviation < 0.15  # 0.15 would be nothing


def test_each_vessel_is_eroded_as_deep_as_leaves_some_voxels() -> None:
    """A thin vessel counts with what lies one voxel from its wall, a wide one with what lies two."""
    thin, wide = (abs(Y - 5) < 3) & (abs(X - 40) < 20), BLOOD
    found = common_t1(coordinates(0.8), CURVES, thin | wide, 0.95, 1790.0)
    deep = [np.count_nonzero(binary_erosion(one, iterations=depth)) for one, depth in ((thin, 1), (wide, 2))]
    assert np.count_nonzero(binary_erosion(thin, iterations=2)) < 40
    assert found.voxels == np.count_nonzero(binary_erosion(thin, iterations=2)) + deep[1]
    thinner = (abs(Y - 5) < 2) & (abs(X - 40) < 20)
    found = common_t1(coordinates(0.8), CURVES, thinner | wide, 0.95, 1790.0)
    assert found.voxels == np.count_nonzero(binary_erosion(thinner)) + deep[1]


def fitted(
    share: float | np.ndarray, blood_ms: float = 1850.0, seen: InversionRecovery = SEQUENCE
) -> tuple[T1Map, np.ndarray]:
    image = coordinates(share, seen, blood_ms)
    return fit_t1(image, BASIS, PULSES, SEQUENCE, BODY, None, 0.8), image


def test_chambers_of_different_shares_have_one_t1() -> None:
    """As a right and a left ventricle: with one share for both, their T1 comes out 45 % too short and 20 % too long."""
    share = np.where(LEFT, 0.35, 0.95)
    assumed, image = fitted(share)
    found = with_common_blood(assumed, image, image, CURVES, 1790.0)
    middle = RADIUS < 12
    for side, told in ((LEFT, 0.35), (~LEFT, 0.95)):
        assert abs(np.median(assumed.t1_ms[middle & side]) / 1850 - 1) > 0.15
        assert np.median(found.t1_ms[middle & side]) == pytest.approx(1850, rel=0.04)
        assert np.median(found.inflow[middle & side]) == pytest.approx(told, abs=0.04)
    assert np.ptp(found.t1_ms[middle]) == 0
    assert found.is_common[middle].all()
    assert not found.is_common[BODY & ~BLOOD].any()
    assert np.allclose(found.uncertainty_ms[middle], found.blood.t1_ms * np.hypot(found.blood.deviation, 0.04))
    assert np.array_equal(found.t1_ms[~found.is_common], assumed.t1_ms[~found.is_common])
    assert found.share == pytest.approx(np.median(found.inflow[found.is_common]))
    assert found.residual[middle].max() < 0.01


def test_a_share_lies_between_none_and_all_and_the_rest_is_misfit() -> None:
    """What is more than fresh, as curves of little signal may seem to be, counts as fresh."""
    assumed, image = fitted(np.where(LEFT, 0.5, 1.4))
    assumed = replace(assumed, efficiency=0.95, inflow=np.where(BLOOD, 0.8, 0).astype(np.float32))
    found = with_common_blood(assumed, image, image, CURVES, 1790.0)
    assert found.inflow.max() == 1
    fresh = CURVES.pools(np.array([found.blood.t1_ms]), 0.95)[:, 0, 1]
    curve = CURVES.turned(image[:, 40, 45:46])[:, 0]
    left = curve - fresh * (fresh @ curve) / (fresh @ fresh)
    assert found.residual[40, 45] == pytest.approx(np.linalg.norm(left) / np.linalg.norm(curve), rel=1e-4)
    assert found.residual[40, 45] > 0.01 > 2 * found.residual[40, 35]


def test_dark_voxels_that_recover_slowly_do_not_count() -> None:
    """Lungs beside the blood, as large, of a tenth of its signal and of another share."""
    image, other = coordinates(0.72), coordinates(0.3)
    lungs = (RADIUS > 20) & BODY
    image[:, lungs] = 0.1 * other[:, 40, 40][:, None]
    assert np.array_equal(bright_blood(image, BLOOD | lungs), BLOOD)
    assert not bright_blood(image, np.zeros_like(BLOOD)).any()
    assumed = fit_t1(image, BASIS, PULSES, SEQUENCE, BODY, None, 0.8)
    found = with_common_blood(assumed, image, image, CURVES, 1790.0)
    assert np.array_equal(found.t1_ms[lungs], assumed.t1_ms[lungs])
    nothing = replace(assumed, inflow=np.zeros_like(assumed.inflow))
    assert with_common_blood(nothing, image, image, CURVES, 1790.0) is nothing


def test_the_flip_angle_that_the_blood_saw_counts() -> None:
    weak = replace(SEQUENCE, flip_angle_deg=4.0)
    scale = np.where(BLOOD, 0.8, 1.3).astype(np.float32)
    image = coordinates(0.7, weak, 1600.0)
    known, unknown = (common_t1(image, CURVES, BLOOD, 0.95, 1790.0, one) for one in (scale, None))
    assert abs(known.t1_ms / 1600 - 1) < known.deviation
    assert unknown.t1_ms < 0.9 * known.t1_ms
    b1 = B1Map(scale, np.zeros_like(scale), "given")
    assumed = replace(fit_t1(image, BASIS, PULSES, SEQUENCE, BODY, None, 0.8, b1), efficiency=0.95)
    assumed = replace(assumed, inflow=np.where(BLOOD, 0.8, 0).astype(np.float32))
    found = with_common_blood(assumed, image, image, CURVES, 1790.0, scale)
    pools = RecoveryCurves(BASIS, PULSES, weak).pools(np.array([found.blood.t1_ms]), 0.95)[:, 0]
    stays, fresh = np.linalg.lstsq(pools, CURVES.turned(image[:, 40:41, 40])[:, 0], rcond=None)[0]
    assert found.inflow[40, 40] == pytest.approx(fresh / (stays + fresh), abs=1e-4)
    assert found.inflow[40, 40] == pytest.approx(0.7, abs=0.08)


def test_holes_of_a_b1_map_break_nothing() -> None:
    assumed, image = fitted(0.7)
    scale = np.where(RADIUS < 3, 0, 1).astype(np.float32)
    found = with_common_blood(assumed, image, image, CURVES, 1790.0, scale)
    assert 0 <= found.inflow.min() <= found.inflow.max() <= 1
    assert np.isfinite(found.residual).all()
    assert np.median(found.inflow[(RADIUS > 4) & (RADIUS < 12)]) == pytest.approx(0.7, abs=0.04)


def test_t1_is_of_the_average_over_motion_and_the_share_of_the_maps_state() -> None:
    assumed, image = fitted(0.6)
    found = with_common_blood(assumed, image, coordinates(0.9), CURVES, 1790.0)
    assert found.blood == common_t1(coordinates(0.9), CURVES, found.is_common, assumed.efficiency, 1790.0)
    assert np.median(found.inflow[RADIUS < 12]) == pytest.approx(0.6, abs=0.04)


@pytest.mark.parametrize(
    ("field_t", "low_ms", "high_ms"),
    [
        (0.55, 950, 1150),
        (1.5, 1350, 1480),
        (3.0, 1650, 1932),
        (7.0, 2087, 2600),
        (None, 1790, 1790),
        (123.2, 1790, 1790),
    ],
)
def test_blood_is_expected_as_it_is_published(field_t: float | None, low_ms: float, high_ms: float) -> None:
    """1.5 T and 3 T: Alsop 2015, Stanisz 2005; 7 T: Zhang 2013 and above. A field in MHz is none in teslas."""
    assert low_ms <= expected_blood_t1_ms(field_t) <= high_ms


def scan_of(share: float, disturbance: float) -> tuple[np.ndarray, SimpleNamespace]:
    """Two cardiac phases, whose curves are disturbed in opposite ways; each function of time has a map of its own."""
    tensor = TemporalTensor(np.eye(10).reshape(10, 2, 1, 5), np.eye(2), np.ones((1, 1)), RECOVERY)
    times = np.tile(np.repeat(PULSES, 2), 2)
    weights = BinWeights(np.eye(2)[np.arange(len(times)) % 2], np.ones((len(times), 1)), RECOVERY[times])
    gated = SimpleNamespace(sequence=SEQUENCE, tensor=tensor, weights=weights, recovers=True, end_expiration=0)
    temporal = SimpleNamespace(
        gated=gated, imaging=SimpleNamespace(pulse=times), basis=tensor.at(weights).astype(np.complex64)
    )
    curves = coordinates(share)
    rough = disturbance * np.array([0.0, 1.0, -1.0, 0.5, 0.5])[:, None, None] * np.linalg.norm(curves, axis=0)
    rough = rough * np.exp(0.03j * (X + 2 * Y))
    return np.concatenate([curves + rough, curves - rough]).astype(np.complex64), temporal


def test_the_average_over_motion_tells_t1_of_blood() -> None:
    maps, temporal = scan_of(0.50, 0.0)
    found, assumed = map_t1(maps, temporal, Settings()), map_t1(maps, temporal, Settings(inflow=0.8))
    middle = RADIUS < 10
    assert np.median(found.t1_ms[middle]) == pytest.approx(1850, rel=0.04)
    assert np.median(found.inflow[middle]) == pytest.approx(0.5, abs=0.04)
    assert np.median(assumed.t1_ms[middle]) < 0.75 * 1850
    assert (assumed.share, assumed.blood) == (0.8, None)
    assert np.allclose(found.t1_ms[BODY & ~BLOOD], assumed.t1_ms[BODY & ~BLOOD])


def test_what_one_phase_shows_of_it_is_not_asked() -> None:
    clean, rough = (map_t1(*scan_of(0.70, disturbance), Settings()) for disturbance in (0.0, 3e-3))
    assert rough.blood.t1_ms == pytest.approx(clean.blood.t1_ms, rel=0.02)


def test_field_and_b1_enter_and_what_was_set_wins() -> None:
    maps, temporal = scan_of(0.70, 0.0)
    b1 = B1Map(np.full((N, N), 1.2, np.float32), np.full((N, N), 0.02, np.float32), "given")
    plain, with_b1 = map_t1(maps, temporal, Settings()), map_t1(maps, temporal, Settings(), b1)
    assert abs(with_b1.blood.t1_ms / plain.blood.t1_ms - 1) > 0.01
    assert map_t1(maps, temporal, Settings(), None, 1.5).blood.t1_ms < plain.blood.t1_ms - 10
    for inflow in (0.0, 0.65):
        found = map_t1(maps, temporal, Settings(inflow=inflow))
        assert (found.share, found.blood) == (inflow, None)
