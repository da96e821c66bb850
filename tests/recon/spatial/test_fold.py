import dataclasses

import numpy as np
import pytest

from recon.readouts.density import ramp_weights
from recon.readouts.trajectory import GOLDEN_ANGLE_DEG, golden_angles_rad, radial_trajectory
from recon.spatial.back_projection import (
    back_project,
    back_project_and_adjoint,
    back_project_exactly,
    encoding,
    time_averaged_coil_images,
)
from recon.spatial.encoding import SubspaceNufft, coil_encoding, coil_images
from recon.spatial.fan import LineFan, fixed_lines, line_fan
from recon.spatial.fold import Fold
from recon.spatial.nufft import plan_nufft
from tests.support.linear import assert_adjoint, complex_normal
from tests.support.problems import FIBONACCI_DEG, some_problem
from tests.support.spokes import Spokes, problem_on


def spokes_of(fan: LineFan, line: int) -> np.ndarray:
    return fan.near[fan.first[line] : fan.first[line] + fan.count[line]]


def fold_by_spokes(fan: LineFan, basis: np.ndarray, data: np.ndarray) -> np.ndarray:
    """Every spoke added to every line that it is near, one after the other: Σ_t tap(t) φ*(t) d(t)."""
    folded = np.zeros((len(data), len(basis), fan.lines, fan.radii), dtype=np.complex128)
    for line in range(fan.lines):
        for number in range(fan.count[line]):
            entry = fan.first[line] + number
            spoke, weight = fan.near[entry], fan.taps[line, number]
            radii, readout = fan.forward_radii, data[:, spoke]
            if fan.against[entry]:
                radii, readout = fan.backward_radii, readout[:, ::-1]
            folded[:, :, line, radii] += weight * basis[:, spoke].conj()[:, None] * readout[:, None]
    return folded


FANS = {
    "interpolated": some_problem(24, 500, 3),
    "exact": some_problem(80, 1200, 3, FIBONACCI_DEG),
    "one line": some_problem(24, 60, 3, 0.0),
    "full circle": problem_on(Spokes(shift=-0.3), 24, 500, 3),
    "one by one": problem_on(Spokes(scatter=0.5), 24, 200, 3),
    "gaps": dataclasses.replace(
        some_problem(24, 500, 3), trajectory=radial_trajectory(np.linspace(0.3, 1.5, 500), 48, 24)
    ),
}


@pytest.mark.parametrize("name", FANS)
def test_fold_is_the_sum_over_spokes_however_it_is_cut(name: str) -> None:
    problem = FANS[name]
    fan = line_fan(problem.trajectory, problem.matrix)
    expected = fold_by_spokes(fan, problem.temporal_basis, problem.kspace)
    lines = complex_normal(np.random.default_rng(8), expected.shape)
    back = Fold(fan, problem.temporal_basis, 3).H(lines)
    for batched in (False, True):
        for images_last in (False, True):
            for lines_at_a_time in (1, 7, 1000):
                fold = Fold(fan, problem.temporal_basis, 3, images_last, lines_at_a_time, batched)
                folded = fold(problem.kspace)
                assert folded.dtype == np.complex64
                assert np.abs(folded - expected).max() < 1e-5 * np.abs(expected).max()
                assert (folded.strides[1] == 8) == images_last
                assert np.abs(fold.H(lines) - back).max() < 1e-5 * np.abs(back).max()


def test_fold_does_not_depend_on_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = FANS["interpolated"]
    fold = Fold(line_fan(problem.trajectory, 24), problem.temporal_basis, 3)
    results = []
    for threads in (1, 2, 5):
        monkeypatch.setattr("recon.spatial.fourier.available_cpus", lambda threads=threads: threads)
        results.append(fold(problem.kspace))
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


def test_taps_interpolate_between_lines() -> None:
    """Kaiser-windowed sinc, as it is written, of the spokes within four lines, also round the end and flipped."""
    problem = FANS["interpolated"]
    fan = line_fan(problem.trajectory, 24)
    angles = golden_angles_rad(np.arange(500))
    shape = 8 * np.pi * (0.5 - np.pi / np.sqrt(2) * 24 / (2 * fan.lines))
    for line in (0, 1, 60, fan.lines - 1):
        found = {}
        for spoke, angle in enumerate(angles):
            for turn in (-2, -1, 0, 1, 2):
                distance = (angle / np.pi + turn) * fan.lines - line
                if abs(distance) < 4:
                    window = np.i0(shape * np.sqrt(1 - (distance / 4) ** 2)) / np.i0(shape)
                    found[spoke] = (np.sinc(distance) * window, bool(turn % 2))
        entries = slice(fan.first[line], fan.first[line] + fan.count[line])
        assert sorted(fan.near[entries]) == sorted(found)
        for spoke, tap, against in zip(fan.near[entries], fan.taps[line], fan.against[entries], strict=False):
            assert found[spoke][0] == pytest.approx(tap, abs=1e-4)
            assert found[spoke][1] == against
        assert not fan.taps[line, fan.count[line] :].any()


@pytest.mark.parametrize("center", [32, 31.5])
def test_lines_are_known_before_the_scan(center: float) -> None:
    trajectory = radial_trajectory(golden_angles_rad(np.arange(700) + 13), 64, 32, center)
    assert np.array_equal(line_fan(trajectory, 32).trajectory, fixed_lines(64, 32, 0.5, center))


@pytest.mark.parametrize("backend", ["sparse", "finufft"])
@pytest.mark.parametrize("name", FANS)
def test_coil_images_come_from_one_fold(name: str, backend: str) -> None:
    problem = FANS[name]
    matrix, trajectory = problem.matrix, problem.trajectory
    expected = coil_images(plan_nufft(trajectory, matrix), ramp_weights(trajectory), problem.kspace)
    found = time_averaged_coil_images(problem.kspace, line_fan(trajectory, matrix), matrix, backend)
    assert found.shape == (3, matrix, matrix)
    assert found.dtype == np.complex64
    assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)


@pytest.mark.parametrize("matrix", [32, 33])
@pytest.mark.parametrize("spokes", [150, 700])
@pytest.mark.parametrize("rank", [1, 4])
def test_folded_equals_exact_back_projection(matrix: int, spokes: int, rank: int) -> None:
    problem = some_problem(matrix, spokes, rank)
    exact = back_project_exactly(problem)
    assert np.linalg.norm(back_project(problem) - exact) < 1e-3 * np.linalg.norm(exact)


@pytest.mark.parametrize("samples", [64, 65, 61])
def test_samples_need_not_be_symmetric_about_the_centre(samples: int) -> None:
    problem = some_problem(32, 400, 2, samples=samples)
    exact = back_project_exactly(problem)
    assert np.linalg.norm(back_project(problem) - exact) < 1e-3 * np.linalg.norm(exact)


def test_few_distinct_angles_fold_without_interpolation() -> None:
    """Fibonacci angles fall on 377 lines, some of them backwards: the fold is exact, up to the NUFFT's own error."""
    problem = some_problem(80, 1200, 3, FIBONACCI_DEG)
    fan = line_fan(problem.trajectory, 80)
    assert fan.lines == 377
    assert sorted(np.concatenate([spokes_of(fan, line) for line in range(377)]).tolist()) == list(range(1200))
    assert fan.flips
    exact = back_project_exactly(problem)
    assert np.linalg.norm(back_project(problem) - exact) < 5e-5 * np.linalg.norm(exact)


def test_plain_adjoint_comes_from_the_same_fold() -> None:
    problem = some_problem(32, 300, 3)
    e_phi = coil_encoding(problem.coil_maps, SubspaceNufft(plan_nufft(problem.trajectory, 32), problem.temporal_basis))
    exact = e_phi.H(problem.kspace)
    initial, adjoint_data = back_project_and_adjoint(problem)
    assert np.linalg.norm(adjoint_data - exact) < 1e-3 * np.linalg.norm(exact)
    assert np.array_equal(initial, back_project(problem))


@pytest.mark.parametrize("angle_deg", [GOLDEN_ANGLE_DEG, FIBONACCI_DEG, 0.0])
def test_fold_is_adjoint(angle_deg: float) -> None:
    problem = some_problem(24, 500, 3, angle_deg)
    assert_adjoint(Fold(line_fan(problem.trajectory, 24), problem.temporal_basis, 3))


def test_lines_do_not_grow_with_the_scan() -> None:
    short, long = (line_fan(some_problem(32, spokes, 1).trajectory, 32) for spokes in (400, 4000))
    assert short.trajectory.shape == long.trajectory.shape


AS_THEY_ARE = {
    "k = 0 between two samples": Spokes(shift=0.5),
    "k = 0 anywhere": Spokes(shift=-0.3),
    "delayed": Spokes(delays=(0.6, 0.2, -0.3)),
    "bent": Spokes(shift=0.5, bend=2.5),
    "longer to one side": Spokes(samples=49, center=17),
}


@pytest.mark.parametrize("name", AS_THEY_ARE)
@pytest.mark.parametrize("spokes", [90, 700])
def test_spokes_as_they_are_fold_as_well(name: str, spokes: int) -> None:
    """Few spokes are lines themselves; many are interpolated on lines of their own shape."""
    problem = problem_on(AS_THEY_ARE[name], 32, spokes, 3)
    fan = line_fan(problem.trajectory, 32)
    assert fan.folds
    assert fan.lines == (min(spokes, 308) if not fan.flips else min(spokes, 154))
    exact = back_project_exactly(problem)
    assert np.linalg.norm(back_project(problem) - exact) < 1e-3 * np.linalg.norm(exact)
    plain = encoding(problem).H(problem.kspace)
    assert np.linalg.norm(back_project_and_adjoint(problem)[1] - plain) < 1e-3 * np.linalg.norm(plain)


@pytest.mark.parametrize("name", ["k = 0 between two samples", "k = 0 anywhere", "delayed"])
def test_fold_of_spokes_as_they_are_is_adjoint(name: str) -> None:
    problem = problem_on(AS_THEY_ARE[name], 24, 500, 3)
    assert_adjoint(Fold(line_fan(problem.trajectory, 24), problem.temporal_basis, 3))


def test_only_samples_that_coincide_in_reverse_are_flipped() -> None:
    circles = {name: line_fan(problem_on(spokes, 32, 700, 1).trajectory, 32) for name, spokes in AS_THEY_ARE.items()}
    flipped = {name for name, fan in circles.items() if fan.flips}
    assert flipped == {"k = 0 between two samples"}
    assert np.allclose(np.linalg.norm(circles["k = 0 between two samples"].trajectory[:, 31:33], axis=-1), 0.25)


def test_spokes_that_differ_by_more_than_their_angle_are_gridded_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    problem = problem_on(Spokes(scatter=0.5), 32, 400, 2)
    with caplog.at_level("INFO"):
        assert not line_fan(problem.trajectory, 32).folds
    assert "each is gridded by itself" in caplog.text
    initial, plain = back_project_and_adjoint(problem)
    assert np.array_equal(initial, back_project_exactly(problem))
    assert np.array_equal(plain, encoding(problem).H(problem.kspace))


def test_ramp_weights_of_the_lines_are_those_of_the_spokes() -> None:
    problem = some_problem(32, 300, 1)
    fan = line_fan(problem.trajectory, 32)
    assert np.allclose(
        ramp_weights(fan.trajectory)[0, fan.forward_radii], ramp_weights(problem.trajectory)[0], rtol=1e-3
    )


@pytest.mark.parametrize("jitter_rad", [0.0, 1e-8, 3e-8, 2e-7])
@pytest.mark.parametrize("angle_deg", [FIBONACCI_DEG, 0.0, 90.0])
def test_angles_that_repeat_but_for_rounding_count_once(jitter_rad: float, angle_deg: float) -> None:
    """Also just below 0 and 180 degrees, where the first line is run through backwards."""
    repeated = some_problem(32, 600, 2, angle_deg)
    angles = golden_angles_rad(np.arange(600) % 55, angle_deg)
    angles = angles + jitter_rad * np.random.default_rng(0).uniform(-1, 1, 600)
    angles[::7] += np.pi
    repeated = dataclasses.replace(repeated, trajectory=radial_trajectory(angles, 64, 32))
    fan = line_fan(repeated.trajectory, 32)
    counted = np.concatenate([spokes_of(fan, line) for line in range(fan.lines)])
    assert sorted(counted.tolist()) == list(range(600))
    exact = back_project_exactly(repeated)
    assert np.linalg.norm(back_project(repeated) - exact) < 1e-4 * np.linalg.norm(exact)
    assert fan.lines == len({round(float(a), 3) for a in np.mod(golden_angles_rad(np.arange(55), angle_deg), np.pi)})


def test_a_single_spoke_just_below_half_a_turn_runs_backwards_along_the_first_line() -> None:
    angles = np.r_[np.arange(20) * np.pi / 20, np.pi - 1e-8]
    fan = line_fan(radial_trajectory(angles, 64, 32), 32)
    assert fan.lines == 20
    assert spokes_of(fan, 0).tolist() == [0, 20]
    assert fan.near[fan.against].tolist() == [20]
