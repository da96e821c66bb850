from collections.abc import Callable

import numpy as np
import pytest

from recon.errors import DataError
from recon.relaxometry.b1_map import B1Map, smooth_modes
from recon.relaxometry.first_inversion import FirstInversion, fit_first_inversion
from recon.relaxometry.inversion_recovery import InversionRecovery
from recon.relaxometry.period_images import PeriodImages
from recon.relaxometry.t1 import fit_t1

N = 10
FOV_MM = (270.0, 270.0)
SEQUENCE = InversionRecovery(3.6, 5.0, 5.0, 688)
PULSES = np.arange(1, 688, 4)
# every decay between T1* of 60 and 4000 ms, exactly enough for curves of any flip angle
_DECAYS = np.exp(-PULSES[:, None] * 3.6 / np.geomspace(60, 4000, 300))
BASIS = np.linalg.svd(np.c_[np.ones(len(PULSES)), _DECAYS], full_matrices=False)[0][:, :9]
TISSUES_MS = np.array([370.0, 560.0, 800.0, 1100.0, 1250.0])
T1_MS = TISSUES_MS[np.add.outer(np.arange(N) // 2, np.arange(N) // 2) % 5]
PHASE = np.exp(1j * np.linspace(0, 3, N * N)).reshape(N, N)
EVERYWHERE = np.ones((N, N), dtype=bool)


def simulated(
    t1_ms: np.ndarray, scale: np.ndarray, efficiency: float, inflow: float, before: float
) -> tuple[np.ndarray, np.ndarray]:
    """Curves of the first and of a late period, ``(times, ...)``, by explicit steps over inversions and pulses."""
    first, later = 0, 0
    for share, angle_rad in ((1 - inflow, np.deg2rad(5.0 * scale)), (inflow, 0.0 * scale)):
        m, seen = np.full(np.shape(t1_ms), before), []
        for _ in range(8):
            m = 1 + (-efficiency * m - 1) * np.exp(-5.0 / t1_ms)
            curve = []
            for _ in range(688):
                curve.append(m)
                m = 1 + (m * np.cos(angle_rad) - 1) * np.exp(-3.6 / t1_ms)
            seen.append(np.array(curve)[PULSES])
        first, later = first + share * seen[0], later + share * seen[-1]
    return first, later


def images(scale: np.ndarray, efficiency: float = 0.95, before: float = 1.0) -> tuple[np.ndarray, ...]:
    """Coordinates of the first period and of later ones, ``(R, N, N)``."""
    periods = simulated(T1_MS, scale, efficiency, 0.0, before)
    return tuple(10 * PHASE * np.einsum("tr,tyx->ryx", BASIS, one) for one in periods)


def fitted(
    first: np.ndarray, later: np.ndarray, disturb: Callable[[], np.ndarray] | None = None, gain: complex = 1.0
) -> FirstInversion:
    """What disturbs is drawn anew in each period."""
    rng = np.random.default_rng(0)

    def little() -> np.ndarray:
        return 1e-2 * (rng.standard_normal(later.shape) + 1j * rng.standard_normal(later.shape))

    disturb = disturb or little
    images = PeriodImages(
        periodic=later,
        transient=gain * first - later + disturb(),
        later=np.stack([disturb() for _ in range(8)]),
        averaged=30,
        basis=BASIS,
        pulses=PULSES,
        mask=EVERYWHERE,
        sequence=SEQUENCE,
        fov_mm=FOV_MM,
    )
    return fit_first_inversion(images, N)


def smooth_b1() -> np.ndarray:
    x = (np.arange(N) - N // 2) / N
    return 0.975 + 0.15 * np.sin(1.2 * x[None, :] + 1.0 * x[:, None])


@pytest.mark.parametrize(("scale", "efficiency"), [(0.8, 0.97), (1.0, 0.8), (1.15, 0.97)])
def test_noiseless_curves_give_b1_and_t1(scale: float, efficiency: float) -> None:
    first, later = images(np.full((N, N), scale), efficiency)
    found = fitted(first, later)
    assert np.allclose(found.b1.scale, scale, rtol=0.02)
    assert np.mean(found.b1.scale) == pytest.approx(scale, rel=0.007)
    t1_map = fit_t1(later, BASIS, PULSES, SEQUENCE, EVERYWHERE, inflow=0.0, b1=found.b1)
    assert np.allclose(t1_map.t1_ms, T1_MS, rtol=0.04)
    assert t1_map.efficiency == pytest.approx(efficiency, abs=2e-3)


def test_a_b1_that_varies_over_the_slice() -> None:
    truth = smooth_b1()
    found = fitted(*images(truth))
    assert np.abs(found.b1.scale - truth).max() < 0.02
    assert np.sqrt(np.mean((found.b1.scale - truth) ** 2)) < 5e-3
    assert np.ptp(truth) > 0.2


def test_phase_and_gain_of_the_first_period_do_not_matter() -> None:
    first, later = images(np.full((N, N), 0.9))
    assert np.allclose(fitted(first, later, gain=1.03 * np.exp(0.02j)).b1.scale, 0.9, rtol=0.02)


@pytest.mark.parametrize("before", [0.6, 0.3])
def test_a_scan_that_did_not_start_from_equilibrium_is_refused(before: float) -> None:
    with pytest.raises(DataError, match="first inversion"):
        fitted(*images(np.full((N, N), 1.0), before=before))


def test_a_first_period_like_all_others_is_refused() -> None:
    _, later = images(np.full((N, N), 1.0))
    with pytest.raises(DataError, match="first inversion"):
        fitted(later, later)


def test_deviation_is_that_of_what_disturbs() -> None:
    """Errors of B1 over their deviation, in scans whose periods differ by smooth fields, as those of motion do."""
    truth = smooth_b1()
    first, later = images(truth)
    modes, scores = smooth_modes(N, FOV_MM)[:8], []
    for seed in range(3):
        rng = np.random.default_rng(seed)

        def disturb(rng: np.random.Generator = rng) -> np.ndarray:
            fields = np.tensordot(rng.standard_normal((len(BASIS[0]), len(modes))), modes, 1)
            white = rng.standard_normal((2, *later.shape))
            return later * 0.15 * fields + 0.3 * (white[0] + 1j * white[1])

        found = fitted(first, later, disturb)
        scores.append(((found.b1.scale - truth) / found.b1.deviation)[::2, ::2])
    assert np.mean(np.abs(scores) < 1.96) >= 0.9
    assert 0.3 < np.std(scores) < 1.2


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_blood_and_fat_in_the_voxels_do_not_pull_b1(share: float) -> None:
    """Half of the voxels are no single tissue: fat beside tissue, or blood of which a share is fresh."""
    scale = smooth_b1()
    tissue, blood, fat = (
        np.array(simulated(t1_ms, scale, 0.95, fresh, 1.0))
        for t1_ms, fresh in ((T1_MS, 0.0), (np.full((N, N), 1700.0), share), (np.full((N, N), 370.0), 0.0))
    )
    place = np.add.outer(np.arange(N), 2 * np.arange(N)) % 8
    amounts = [np.choose(place, one) for one in ([1] * 4 + [0.5, 0.0, 0.6, 0.8], [0] * 4 + [0.5, 1, 0, 0])]
    amounts.append(np.choose(place, [0] * 6 + [0.4, -0.2]))  # fat out of phase with water
    periods = sum(one * amount for one, amount in zip((tissue, blood, fat), amounts, strict=True))
    first, later = (10 * PHASE * np.einsum("tr,tyx->ryx", BASIS, one) for one in periods)
    found = fitted(first, later)
    assert np.sqrt(np.mean((found.b1.scale / scale - 1) ** 2)) < 0.01


def test_uncertain_b1_makes_t1_uncertain() -> None:
    _, later = images(np.full((N, N), 0.9))
    scale = np.full((N, N), 0.9, np.float32)
    sure, unsure, moved = (
        fit_t1(later, BASIS, PULSES, SEQUENCE, EVERYWHERE, inflow=0.0, b1=B1Map(one, np.full_like(one, sd), "test"))
        for one, sd in ((scale, 0.0), (scale, 0.01), (scale + np.float32(0.01), 0.0))
    )
    expected = np.hypot(sure.uncertainty_ms, np.abs(moved.t1_ms - sure.t1_ms))
    assert np.allclose(unsure.uncertainty_ms, expected, rtol=0.05)
    assert unsure.uncertainty_ms[T1_MS == 1250].mean() > 20
    assert np.all(moved.t1_ms > sure.t1_ms)


def test_a_map_of_ones_changes_nothing() -> None:
    _, later = images(np.full((N, N), 1.0))
    ones = B1Map(np.ones((N, N), np.float32), np.zeros((N, N), np.float32), "test")
    plain, mapped = (fit_t1(later, BASIS, PULSES, SEQUENCE, EVERYWHERE, b1=one) for one in (None, ones))
    assert np.allclose(plain.t1_ms, mapped.t1_ms, rtol=1e-4)
    assert np.allclose(plain.uncertainty_ms, mapped.uncertainty_ms, rtol=1e-2, atol=0.01)


def test_modes_have_the_covariance_of_the_prior() -> None:
    modes = smooth_modes(32, FOV_MM).reshape(-1, 32 * 32)
    covariance = (modes.T @ modes).reshape(32, 32, 32, 32)
    distance = np.arange(32) * 270 / 32
    expected = 0.2**2 + 0.12**2 * np.exp(-0.5 * ((distance - distance[16]) / 130) ** 2)
    assert np.allclose(covariance[16, 16, 16], expected, atol=1.5e-3)
    assert np.allclose(covariance[16, 16, :, 16], expected, atol=1.5e-3)
    coarse = smooth_modes(16, FOV_MM)
    assert np.allclose(modes.reshape(-1, 32, 32)[:, ::2, ::2], coarse, atol=1e-9)
