"""The share of fresh spins from noiseless and noisy curves whose share is known, and what T1 maps make of it."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from recon.multitasking.quantitative import map_t1
from recon.multitasking.settings import Settings
from recon.relaxometry.b1_map import B1Map
from recon.relaxometry.fresh_share import fresh_share
from recon.relaxometry.inversion_recovery import InversionRecovery, recovery_basis
from recon.temporal.tensor import BinWeights, TemporalTensor

SEQUENCE = InversionRecovery(3.6, 5.0, 5.0, 688)
PULSES = np.arange(1, 688, 4)
RECOVERY = recovery_basis(3.6, 5.0, 688, 5)
BASIS = RECOVERY[PULSES]
N = 80
Y, X = np.mgrid[:N, :N]
RADIUS = np.hypot(Y - 40, X - 40)
BLOOD, BODY = RADIUS < 16, RADIUS < 36


def coordinates(share: float, sequence: InversionRecovery = SEQUENCE, blood_ms: float = 1850.0) -> np.ndarray:
    """A chamber of blood within muscle, whose wall reaches 1.5 voxels into the blood; a phase of its own each."""
    curves = sequence.curves([blood_ms, 1150.0], [0.95], [share, 0.0], PULSES)
    pools = np.linalg.lstsq(BASIS, curves.T, rcond=None)[0]
    amount = np.clip((RADIUS - 14.5) / 1.5, 0, 1)
    image = (1 - amount) * pools[:, :1, None] + amount * pools[:, 1:, None]
    return 30 * BODY * image * np.exp(0.03j * (X + 2 * Y))


@pytest.mark.parametrize("share", [0.55, 0.72, 0.8, 0.93])
@pytest.mark.parametrize("blood_ms", [1700.0, 1990.0])
def test_curves_without_noise_tell_their_share(share: float, blood_ms: float) -> None:
    found = fresh_share(coordinates(share, blood_ms=blood_ms), BASIS, PULSES, SEQUENCE, BLOOD, 0.95)
    assert found is not None
    assert found.told == pytest.approx(share, abs=0.01)
    weights = 1 / 0.03**2, 1 / 0.06**2
    assert found.value == pytest.approx((weights[0] * found.told + weights[1] * 0.8) / sum(weights))
    assert found.deviation == pytest.approx(sum(weights) ** -0.5)
    assert found.voxels == np.count_nonzero(binary_erosion(BLOOD, iterations=2))


def test_noise_is_averaged_over_the_blood() -> None:
    clean, rng, told = coordinates(0.72), np.random.default_rng(1), []
    level = 0.01 * np.linalg.norm(clean[:, 40, 40]) / np.sqrt(10)
    for _ in range(20):
        noise = rng.standard_normal(clean.shape) + 1j * rng.standard_normal(clean.shape)
        told.append(fresh_share(clean + level * noise, BASIS, PULSES, SEQUENCE, BLOOD, 0.95).told)
    assert np.mean(told) == pytest.approx(0.72, abs=0.02)
    assert np.std(told) < 0.03


def test_little_blood_tells_nothing() -> None:
    assert fresh_share(coordinates(0.7), BASIS, PULSES, SEQUENCE, RADIUS < 3, 0.95) is None
    assert fresh_share(coordinates(0.7), BASIS, PULSES, SEQUENCE, BLOOD & (abs(X - 40) < 2), 0.95) is None


def test_dark_voxels_that_recover_slowly_do_not_count() -> None:
    """Lungs beside the blood, as large, of a tenth of its signal and of another share."""
    image, other = coordinates(0.72), coordinates(0.3)
    lungs = (RADIUS > 20) & BODY
    image[:, lungs] = 0.1 * other[:, 40, 40][:, None]
    found = fresh_share(image, BASIS, PULSES, SEQUENCE, BLOOD | lungs, 0.95)
    assert found.told == pytest.approx(0.72, abs=0.01)
    assert found.voxels == np.count_nonzero(binary_erosion(BLOOD, iterations=2))


def test_the_flip_angle_that_the_blood_saw_counts() -> None:
    weak = replace(SEQUENCE, flip_angle_deg=4.0)
    scale = np.where(BLOOD, 0.8, 1.3)
    known = fresh_share(coordinates(0.7, weak), BASIS, PULSES, SEQUENCE, BLOOD, 0.95, scale)
    unknown = fresh_share(coordinates(0.7, weak), BASIS, PULSES, SEQUENCE, BLOOD, 0.95)
    assert known is not None
    assert unknown is not None
    assert known.told == pytest.approx(0.7, abs=0.01)
    assert abs(unknown.told - 0.7) > 0.05


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


def test_t1_of_blood_goes_by_the_share_that_the_average_tells() -> None:
    maps, temporal = scan_of(0.70, 0.0)
    found, assumed = map_t1(maps, temporal, Settings(inflow=None)), map_t1(maps, temporal, Settings())
    middle = RADIUS < 10
    assert found.share == pytest.approx(0.72, abs=0.015)  # a fifth of the way back to 0.8
    assert found.share_deviation == pytest.approx(0.0268, abs=1e-4)
    assert np.allclose(found.inflow[middle], found.share)
    assert np.median(found.t1_ms[middle]) == pytest.approx(1850, rel=0.05)
    assert np.median(assumed.t1_ms[middle]) < 0.91 * 1850
    assert (assumed.share, assumed.share_deviation) == (0.8, 0.06)
    assert np.median(found.uncertainty_ms[middle]) < 0.6 * np.median(assumed.uncertainty_ms[middle])
    assert np.allclose(found.t1_ms[BODY & ~BLOOD], assumed.t1_ms[BODY & ~BLOOD])


def test_what_one_phase_shows_of_it_is_not_asked() -> None:
    maps, temporal = scan_of(0.70, 3e-3)
    assert map_t1(maps, temporal, Settings(inflow=None)).share == pytest.approx(0.72, abs=0.01)


def test_b1_enters_and_what_was_set_wins() -> None:
    maps, temporal = scan_of(0.70, 0.0)
    b1 = B1Map(np.full((N, N), 1.2, np.float32), np.full((N, N), 0.02, np.float32), "given")
    with_b1 = map_t1(maps, temporal, Settings(inflow=None), b1)
    assert abs(with_b1.share - map_t1(maps, temporal, Settings(inflow=None)).share) > 0.01
    for inflow in (0.0, 0.65):
        assert map_t1(maps, temporal, Settings(inflow=inflow)).share == inflow
