import dataclasses

import numpy as np
import pytest

from recon.readouts.density import ramp_weights
from recon.readouts.trajectory import GOLDEN_ANGLE_DEG, golden_angles_rad, radial_trajectory
from recon.spatial.back_projection import back_project, back_project_and_adjoint, back_project_exactly, encoding
from recon.spatial.encoding import coil_encoding
from recon.spatial.fan import line_fan
from recon.spatial.fold import Fold
from tests.support.linear import assert_adjoint
from tests.support.problems import FIBONACCI_DEG, some_problem
from tests.support.spokes import Spokes, problem_on


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
    assert sorted(np.concatenate([np.arange(1200)[fan.spokes_of(line)] for line in range(2 * 377)]).tolist()) == list(
        range(1200)
    )
    exact = back_project_exactly(problem)
    assert np.linalg.norm(back_project(problem) - exact) < 5e-5 * np.linalg.norm(exact)


def test_plain_adjoint_comes_from_the_same_fold() -> None:
    problem = some_problem(32, 300, 3)
    from recon.spatial.encoding import SubspaceNufft
    from recon.spatial.nufft import plan_nufft

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
    assert fan.circle == min(spokes, 308) if fan.circle == fan.lines else fan.circle in (180, 308)
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
    flipped = {name for name, fan in circles.items() if fan.circle == 2 * fan.lines}
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
    counted = np.concatenate([np.arange(600)[fan.spokes_of(line)] for line in range(2 * fan.lines)])
    assert sorted(counted.tolist()) == list(range(600))
    exact = back_project_exactly(repeated)
    assert np.linalg.norm(back_project(repeated) - exact) < 1e-4 * np.linalg.norm(exact)
    assert fan.lines == len({round(float(a), 3) for a in np.mod(golden_angles_rad(np.arange(55), angle_deg), np.pi)})


def test_a_single_spoke_just_below_half_a_turn_runs_backwards_along_the_first_line() -> None:
    angles = np.r_[np.arange(20) * np.pi / 20, np.pi - 1e-8]
    fan = line_fan(radial_trajectory(angles, 64, 32), 32)
    assert fan.lines == 20
    assert np.arange(21)[fan.spokes_of(0)].tolist() == [0]
    assert np.arange(21)[fan.spokes_of(20)].tolist() == [20]
