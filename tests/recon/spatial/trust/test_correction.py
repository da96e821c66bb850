"""What a residual is answered with, for operators that are diagonal in k-space: all is known in closed form."""

from dataclasses import replace

import numpy as np
import pytest

from recon.multitasking import Settings, estimate
from recon.spatial.back_projection import back_project_and_adjoint, normal_operator
from recon.spatial.consistency import enforce_data
from recon.spatial.trust.correction import Residual, answer_of, corrected, evidence
from recon.spatial.trust.misfit import coil_energy
from recon.spatial.trust.sparse_answer import sparse_answer
from recon.stages import StageClock
from tests.support.linear import complex_normal
from tests.support.problems import some_problem

N, L = 48, 4
FREQUENCY = np.fft.fftfreq(N)
RADIUS = np.hypot(FREQUENCY[:, None], FREQUENCY)
PIXEL = np.sinc(FREQUENCY)[:, None] * np.sinc(FREQUENCY)
DENSITY = np.where(RADIUS <= 0.5, 4 / (RADIUS + 0.02), 0).astype(np.float32)


class Diagonal:
    """E_Φᴴ E_Φ of a scan whose coils see all alike, and whose spokes lie densely."""

    density = DENSITY
    maps = np.ones((N, N, 1, 1), np.complex64)

    def __call__(self, maps: np.ndarray) -> np.ndarray:
        return np.fft.ifft2(np.fft.fft2(maps) * DENSITY).astype(np.complex64)


def noise(rng: np.random.Generator, deviation: float) -> np.ndarray:
    """E_Φᴴ n: as much power at each point of k-space as spokes run there."""
    white = np.fft.fft2(complex_normal(rng, (L, N, N)))
    return (deviation * np.fft.ifft2(white * np.sqrt(DENSITY))).astype(np.complex64)


def answered(normal: object, adjoint: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Maps with the answer by rings."""
    return maps + answer_of(Residual.of(normal, adjoint - normal(maps)), maps)


def body(rng: np.random.Generator) -> np.ndarray:
    """A falling spectrum, the later maps weaker."""
    spectrum = np.fft.fft2(complex_normal(rng, (L, N, N))) / (1 + (RADIUS / 0.05) ** 2)
    return (np.fft.ifft2(spectrum) / 4.0 ** np.arange(L)[:, None, None]).astype(np.complex64)


def in_ring(maps: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.fft.fft2(maps)[..., (low <= RADIUS) & (high > RADIUS)]


def test_it_is_what_loops_over_maps_and_rings_give() -> None:
    rng = np.random.default_rng(1)
    true = body(rng)
    shown = (0.8 * true).astype(np.complex64)
    adjoint = Diagonal()(true) + noise(rng, 0.01)
    density = np.maximum(DENSITY, 0.1 * DENSITY.mean()).astype(np.float64)
    residual = np.fft.fft2(adjoint.astype(np.complex128) - Diagonal()(shown)) / N
    expected = np.fft.fft2(shown.astype(np.complex128)) * density / N
    outer = (RADIUS >= 0.25) & (RADIUS < 0.5)
    sample = np.median([np.mean(np.abs(one[outer]) ** 2 / density[outer]) for one in residual[L // 2 :]])
    answer = np.zeros_like(residual)
    for one in range(L):
        for ring in range(12):
            at = np.floor(24 * RADIUS) == ring
            of_noise = 2 * sample * density[at].sum()
            of_shape = np.sum(np.abs((1 - PIXEL[at]) * expected[one][at]) ** 2)
            weight = 1 - (of_noise + of_shape) / np.sum(np.abs(residual[one][at]) ** 2)
            answer[one][at] = min(max(weight, 0), 1) * residual[one][at] / density[at]
    ours = answered(Diagonal(), adjoint, shown)
    assert np.linalg.norm(ours - shown) > 0.1 * np.linalg.norm(true)
    assert np.allclose(ours, shown + np.fft.ifft2(answer) * N, atol=1e-5 * np.abs(true).max())


def test_what_a_network_lost_comes_back_and_nothing_else() -> None:
    """A ring of the first map is lost; the later maps and other rings hold noise alone."""
    rng = np.random.default_rng(2)
    true = body(rng)
    lost = np.fft.fft2(true)
    lost[0, (RADIUS >= 3 / 24) & (RADIUS < 4 / 24)] = 0
    shown = np.fft.ifft2(lost).astype(np.complex64)
    ours = answered(Diagonal(), Diagonal()(true) + noise(rng, 1e-3), shown)
    within, beyond = (3 / 24, 4 / 24), (6 / 24, 12 / 24)
    missing = np.linalg.norm(in_ring(true[:1], *within))
    assert np.linalg.norm(in_ring(ours[:1] - true[:1], *within)) < 0.02 * missing
    assert np.allclose(in_ring(ours - shown, 0.52, 1), 0, atol=1e-5 * missing)
    assert np.linalg.norm(in_ring(ours[1:] - shown[1:], *beyond)) < 0.1 * np.linalg.norm(
        in_ring(noise(np.random.default_rng(3), 1e-3)[1:], *beyond) / DENSITY[(RADIUS >= 0.25) & (RADIUS < 0.5)]
    )


def test_rings_are_answered_where_wavelets_are_silent() -> None:
    """With so much noise as is stated no wavelet is added; the rings know the noise that there is."""
    rng = np.random.default_rng(22)
    true = body(rng)
    shown, adjoint = (0.7 * true).astype(np.complex64), Diagonal()(true) + noise(rng, 1e-3)
    found = corrected(Diagonal(), adjoint, shown, 1e9, clear_air=False).maps
    assert np.allclose(found, answered(Diagonal(), adjoint, shown), atol=1e-6 * np.abs(true).max())
    assert np.linalg.norm(found - true) < 0.3 * np.linalg.norm(shown - true)


def test_noise_is_not_given_back() -> None:
    rng = np.random.default_rng(4)
    true = body(rng)
    disturbance = noise(rng, 0.05)
    ours = answered(Diagonal(), Diagonal()(true) + disturbance, true)
    of_noise = np.fft.fft2(disturbance) / np.maximum(DENSITY, 1e-3) * (RADIUS < 0.5)
    assert np.linalg.norm(np.fft.fft2(ours - true)) < 0.1 * np.linalg.norm(of_noise)


def test_an_image_that_is_finer_than_its_data_gets_no_noise_either() -> None:
    """Where spokes end within the image's own k-space, what lies beyond them tells nothing of noise."""
    within = np.where(RADIUS < 0.25, DENSITY, 0).astype(np.float32)

    class Coarse(Diagonal):
        density = within

        def __call__(self, maps: np.ndarray) -> np.ndarray:
            return np.fft.ifft2(np.fft.fft2(maps) * within).astype(np.complex64)

    rng = np.random.default_rng(8)
    true = np.fft.ifft2(np.fft.fft2(body(rng)) * (RADIUS < 0.25)).astype(np.complex64)
    white = np.fft.fft2(complex_normal(rng, (L, N, N)))
    disturbance = (0.05 * np.fft.ifft2(white * np.sqrt(within))).astype(np.complex64)
    ours = answered(Coarse(), Coarse()(true) + disturbance, true)
    of_noise = np.fft.fft2(disturbance) / np.where(within > 0, within, np.inf)
    assert np.linalg.norm(np.fft.fft2(ours - true)) < 0.1 * np.linalg.norm(of_noise)


def test_the_shape_of_a_pixel_is_no_error() -> None:
    """Maps that are means over pixels, of points that the data saw: residual (1 - b) of what the data hold."""
    rng = np.random.default_rng(5)
    points = body(rng)
    means = np.fft.ifft2(np.fft.fft2(points) * PIXEL).astype(np.complex64)
    ours = answered(Diagonal(), Diagonal()(points), means)
    for low, most in ((1 / 24, 0.05), (4 / 24, 0.2), (8 / 24, 0.6)):
        ring = low, low + 1 / 24
        change = np.linalg.norm(in_ring(ours - means, *ring)) / np.linalg.norm(in_ring(points - means, *ring))
        assert change < most  # 1 - b², and a mean over the ring


def test_scale_and_phase_do_not_matter_and_nothing_is_overwritten() -> None:
    rng = np.random.default_rng(6)
    true = body(rng)
    shown, adjoint = (0.7 * true).astype(np.complex64), Diagonal()(true)
    before = shown.copy(), adjoint.copy()
    ours = answered(Diagonal(), adjoint, shown)
    other = answered(Diagonal(), np.complex64(5e-4j) * adjoint, np.complex64(5e-4j) * shown)
    assert np.allclose(other, np.complex64(5e-4j) * ours, rtol=1e-4, atol=1e-8)
    assert np.array_equal(shown, before[0])
    assert np.array_equal(adjoint, before[1])


class Dim:
    """A network that sees the data and gives half of them back."""

    sees_data = True

    def __call__(self, maps: np.ndarray, normal: object, adjoint: np.ndarray, noise: float) -> np.ndarray:
        return maps / np.float32(2)


def test_networks_that_see_the_data_are_answered_unless_told_otherwise() -> None:
    problem = some_problem(16, 120, 2)

    def solved(network, **values):
        return estimate(problem, Settings(**values), StageClock(), network)

    initial, adjoint = back_project_and_adjoint(problem)
    normal = normal_operator(problem)
    plain = solved(Dim(), residual_correction=False).maps
    assert np.array_equal(plain, initial / np.float32(2))
    found = solved(Dim(), uncertainty_samples=1)
    best = corrected(normal, adjoint, plain, problem.sample_variance()).maps
    assert np.linalg.norm(best - plain) > 0.01 * np.linalg.norm(plain)
    for maps in (found.maps, *found.samples):
        assert np.allclose(maps, best, atol=1e-4 * np.abs(best).max())
    by_steps = solved(Dim(), consistency_steps=2).maps
    assert np.allclose(by_steps, enforce_data(normal, adjoint, plain, 0.1, 2), atol=1e-4 * np.abs(by_steps).max())
    blind = solved(lambda maps: maps / np.float32(2)).maps
    assert np.allclose(blind, plain, atol=1e-6 * np.abs(plain).max())


@pytest.mark.parametrize("rank", [1, 3])
def test_any_rank_has_a_noise(rank: int) -> None:
    rng = np.random.default_rng(7)
    true = body(rng)[:rank]
    ours = answered(Diagonal(), Diagonal()(true), (0.5 * true).astype(np.complex64))
    assert np.linalg.norm(ours - true) < 0.2 * np.linalg.norm(true)


def half_a_body(rng: np.random.Generator) -> np.ndarray:
    """Bright to the left, nothing to the right; the first map holds most."""
    shape = np.zeros((N, N))
    shape[8:-8, 8:20] = 1
    smooth = np.fft.ifft2(np.fft.fft2(shape) * np.exp(-((RADIUS / 0.12) ** 2)))
    strength = np.array([1, 0.2, 0.05, 0.01]) * np.exp(1j * rng.uniform(0, 2 * np.pi, L))
    return (strength[:, None, None] * smooth).astype(np.complex64)


AIR = slice(4, -4), slice(28, -4)
NOISE = 2 * 0.02**2  # of a complex sample


def test_noise_has_an_evidence_of_one_and_what_is_drawn_on_it_is_cleared() -> None:
    rng = np.random.default_rng(11)
    true = half_a_body(rng)
    power, cleared, near = [], [], []
    for _ in range(20):
        adjoint = Diagonal()(true) + noise(rng, 0.02)
        drawn = true.copy()
        drawn[:, 30:34, 30:34] += np.complex64(0.05)  # an artefact of a network: the data do not know it
        found = corrected(Diagonal(), adjoint, drawn, NOISE)
        residual = Residual.of(Diagonal(), adjoint - Diagonal()(drawn))
        power.append(evidence(residual, drawn, np.ones((N, N)))[AIR])
        cleared.append(np.mean(found.maps[0][AIR] == 0))
        near.append(np.linalg.norm(found.maps[:, 28:36, 28:36]) / np.linalg.norm(drawn[:, 28:36, 28:36]))
        assert found.air == pytest.approx(np.mean(found.maps[0] == 0))
    assert np.mean(power) == pytest.approx(1, abs=0.1)
    assert np.mean(np.array(power) < 2) > 0.95
    assert np.mean(cleared) > 0.95
    assert np.mean(near) < 0.2


def test_evidence_is_what_loops_over_maps_give() -> None:
    rng = np.random.default_rng(12)
    true = half_a_body(rng)
    shown = (0.9 * true).astype(np.complex64)
    adjoint = Diagonal()(true) + noise(rng, 0.02)
    residual = Residual.of(Diagonal(), adjoint - Diagonal()(shown))
    density = np.maximum(DENSITY, 0.1 * DENSITY.mean()).astype(np.float64)
    window = np.where(RADIUS <= 0.5, np.cos(np.pi * np.minimum(RADIUS, 0.5)) ** 2, 0)
    left = adjoint.astype(np.complex128) - Diagonal()(shown)
    total, weights, variance = np.zeros((N, N)), 0.0, residual.noise * np.mean(window**2 / density)
    for one in range(L):
        own = np.fft.ifft2((np.fft.fft2(shown[one]) + np.fft.fft2(left[one]) / density) * window)
        weight = np.sum(np.abs(shown[one].astype(np.complex128)) ** 2)
        total += weight * np.abs(own) ** 2
        weights += weight
    seen = np.linspace(0, 1, N)[:, None] * np.ones(N)
    ours = evidence(residual, shown, seen)
    power, level = (np.pad(values, 2, "symmetric") for values in (total / weights, variance * seen / seen.mean()))
    for y, x in rng.integers(1, N, (200, 2)):
        around = slice(y, y + 5), slice(x, x + 5)
        assert ours[y, x] == pytest.approx(power[around].mean() / level[around].mean(), rel=1e-3)
    assert not ours[seen == 0].any()


def test_what_the_data_show_is_kept_whole_in_all_maps() -> None:
    """Tissue stays as it is, and so does a faint spot that the network had lost."""
    rng = np.random.default_rng(13)
    lost = half_a_body(rng)
    true = lost.copy()
    true[0, 22:27, 34:39] += np.complex64(0.05)
    adjoint = Diagonal()(true) + noise(rng, 0.02)
    left = adjoint - Diagonal()(lost)
    told = lost + sparse_answer(Diagonal(), left, lost, NOISE)
    residual = Residual.of(Diagonal(), adjoint - Diagonal()(told))
    noisy = replace(residual, noise=Residual.of(Diagonal(), left).noise)
    assert noisy.noise > 1.02 * residual.noise
    power = evidence(noisy, told, np.ones((N, N)))
    kept, cleared = (corrected(Diagonal(), adjoint, lost, NOISE, clear_air=clear) for clear in (False, True))
    assert (power[22:27, 34:39] > 4).all()
    assert np.array_equal(cleared.maps[:, power > 4], kept.maps[:, power > 4])
    assert not cleared.maps[:, power < 2].any()
    some = (power > 2) & (power < 4)
    assert np.allclose(cleared.maps[:, some], kept.maps[:, some] * ((power[some] - 2) / 2), rtol=1e-5)
    assert kept.air == 0
    assert np.linalg.norm(told - lost) > 0.3 * np.linalg.norm(true - lost)
    assert np.allclose(kept.maps, answered(Diagonal(), adjoint, told), atol=1e-6)
    assert kept.given_back == pytest.approx(np.sum(np.abs(kept.maps - lost) ** 2) / np.sum(np.abs(lost) ** 2), rel=1e-3)


def test_noise_of_real_operators_is_known_where_coils_see_little() -> None:
    """Nothing but noise in the coils, whose energy falls over the image."""
    problem = some_problem(32, 240, 2)
    fall = np.linspace(1, 0.4, problem.matrix)[:, None].astype(np.float32)
    rng, found = np.random.default_rng(14), []
    dimmed = replace(problem, coil_maps=problem.coil_maps * fall)
    normal = normal_operator(dimmed)
    flat = np.zeros((len(problem.temporal_basis), problem.matrix, problem.matrix), np.complex64)
    flat[0] = 1e-6
    for _ in range(12):
        drawn = replace(dimmed, kspace=complex_normal(rng, problem.kspace.shape))
        residual = Residual.of(normal, back_project_and_adjoint(drawn)[1] - normal(flat))
        found.append(evidence(residual, flat, coil_energy(normal)))
    halves = [float(np.mean(np.array(found)[:, rows])) for rows in (slice(0, 16), slice(16, 32))]
    assert halves == pytest.approx([1, 1], abs=0.35)
