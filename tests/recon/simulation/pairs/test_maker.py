"""Pairs by the normal operator are those of raw scans of the same content."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from recon.quality.metrics import nrmse
from recon.readouts.trajectory import GOLDEN_ANGLE_DEG, radial_trajectory
from recon.relaxometry.inversion_recovery import InversionRecovery
from recon.simulation.anatomy.kinds import random_body
from recon.simulation.chest.coils import loop_coils
from recon.simulation.moving.motion_states import states_on
from recon.simulation.moving.sampling import area_means, sampled
from recon.simulation.pairs.content import Content
from recon.simulation.pairs.course import Course
from recon.simulation.pairs.maker import PairMaker, recovery_table
from recon.spatial.back_projection import SubspaceProblem, back_project_and_adjoint, encoding, normal_operator

N, SPOKES = 32, 600
SEQUENCE = InversionRecovery(tr_ms=5.0, flip_angle_deg=5.0, delay_ms=5.0, pulses=200)


@cache
def a_course() -> Course:
    """A beating, breathing, recovering scan whose basis leaves some of that out."""
    rng = np.random.default_rng(0)
    time = np.arange(SPOKES)
    contraction = 0.5 - 0.5 * np.cos(2 * np.pi * time / 37)
    displacement = 4 - 4 * np.cos(2 * np.pi * time / 151)
    pulse = (2 * time + 1) % SEQUENCE.pulses
    seen = [np.ones(SPOKES), contraction, displacement, np.exp(-pulse / 60), np.exp(-pulse / 200) * contraction]
    basis = np.linalg.qr(np.stack(seen).T)[0].T.astype(np.complex64)
    angles = np.deg2rad(GOLDEN_ANGLE_DEG * time)
    maps = loop_coils(4, rng).maps(N)
    trajectory = radial_trajectory(angles, 2 * N, N)
    return Course(trajectory, basis, maps, contraction, displacement, pulse, SEQUENCE, 0.95, 270.0)


@cache
def a_content() -> Content:
    body = random_body("shapes", 3, 2 * N)
    shifts = np.zeros((2, 2, 2, N, N), dtype=np.float16)
    shifts[1, :, 1] = 1.5  # contraction moves along x
    shifts[:, 1, 0] += 3.0  # breathing along y
    return Content(
        "shapes",
        body.density,
        body.t1_ms,
        body.b1,
        body.inflow,
        np.array([0.0, 1.0], np.float32),
        np.array([0.0, 8.0], np.float32),
        shifts,
        np.ones((2, 2 * N, 2 * N), np.float16),
    )


def exact_images(course: Course, content: Content, spokes: np.ndarray) -> np.ndarray:
    """The content at some spokes, from its curves themselves: (spokes, N, N)."""
    axes = (
        np.linspace(seen.min(), seen.max(), nodes)
        for seen, nodes in ((course.contraction, 10), (course.displacement_mm, 6))
    )
    states = states_on(course.contraction, course.displacement_mm, *axes)
    shape = content.density.shape
    flips = (content.b1 * SEQUENCE.flip_angle_deg).ravel()
    curves = np.empty((len(flips), len(spokes)))
    for flip in np.unique(flips):
        of_flip, sequence = flips == flip, replace(SEQUENCE, flip_angle_deg=float(flip))
        t1_ms, inflow = content.t1_ms.ravel()[of_flip], content.inflow.ravel()[of_flip]
        curves[of_flip] = np.sin(np.deg2rad(flip)) * sequence.curves(t1_ms, 0.95, inflow, course.pulse[spokes])
    images = []
    for column, spoke in enumerate(spokes):
        shown = content.density * curves[:, column].reshape(shape)
        image = np.zeros((N, N), complex)
        for number, weight in zip(states.state[spoke], states.weight[spoke], strict=True):
            places = content.places(states.contraction[number], states.displacement_mm[number])
            image += weight * area_means(sampled(shown[..., None], places), N)[..., 0]
        images.append(image)
    return np.stack(images)


@pytest.fixture(scope="module")
def maker() -> PairMaker:
    return PairMaker(a_course(), np.random.default_rng(1), beyond=200, noises=2)


def test_a_pair_is_that_of_a_raw_scan(maker: PairMaker) -> None:
    """Every spoke of the moving, recovering content is measured on its own, and goes through the gadget's operators."""
    course, content = a_course(), a_content()
    images = exact_images(course, content, np.arange(SPOKES))
    kspace = np.empty((4, SPOKES, 2 * N), np.complex64)
    one = np.ones((1, 1), np.complex64)
    for spoke in range(SPOKES):
        alone = SubspaceProblem(kspace[:, :1], course.trajectory[spoke : spoke + 1], one, course.coil_maps)
        kspace[:, spoke] = encoding(alone)(images[spoke][None].astype(np.complex64))[:, 0]
    raw = SubspaceProblem(kspace, course.trajectory, course.temporal_basis, course.coil_maps)
    back_projection, adjoint = back_project_and_adjoint(raw)
    made = maker.pair(content, 1e9, np.random.default_rng(2))
    assert nrmse(made.back_projection, back_projection) < 5e-3
    assert nrmse(made.adjoint, adjoint) < 5e-3
    # U = A Φᴴ
    label = np.einsum("tyx,lt->lyx", images, course.temporal_basis.conj())
    assert nrmse(made.label, label) < 2e-3
    assert nrmse(made.back_projection, made.label) > 0.02  # there are streaks to remove


def test_the_operator_that_keeps_a_network_honest_is_that_of_the_scan(maker: PairMaker) -> None:
    course, rng = a_course(), np.random.default_rng(4)
    zeros = np.zeros((4, SPOKES, 2 * N), np.complex64)
    problem = SubspaceProblem(zeros, course.trajectory, course.temporal_basis, course.coil_maps)
    parts = rng.standard_normal((2, course.rank, N, N))
    maps = (parts[0] + 1j * parts[1]).astype(np.complex64)
    expected = normal_operator(problem)(maps)
    assert np.linalg.norm(maker.normal(maps) - expected) < 1e-5 * np.linalg.norm(expected)


def test_what_the_basis_leaves_out_makes_streaks() -> None:
    without = PairMaker(a_course(), np.random.default_rng(1), beyond=0, noises=1)
    some = PairMaker(a_course(), np.random.default_rng(1), beyond=8, noises=1)
    pairs = [maker.pair(a_content(), 1e9, np.random.default_rng(2)) for maker in (without, some)]
    assert nrmse(pairs[0].label, pairs[1].label) < 1e-5
    assert nrmse(pairs[0].back_projection, pairs[1].back_projection) > 1e-3


def test_noise_is_that_of_white_readouts(maker: PairMaker) -> None:
    """Its power in U₀ and in the adjoint follows from the operators, whatever is drawn."""
    course = a_course()
    clean = maker.pair(a_content(), 1e9, np.random.default_rng(2))
    noisy = maker.pair(a_content(), 5.0, np.random.default_rng(2))
    deviation = maker.level(clean.label) / 5
    rng, energies = np.random.default_rng(5), []
    for _ in range(4):
        white = rng.standard_normal((2, 4, SPOKES, 2 * N)) / np.sqrt(2)
        kspace = (white[0] + 1j * white[1]).astype(np.complex64)
        problem = SubspaceProblem(kspace, course.trajectory, course.temporal_basis, course.coil_maps)
        energies.append([np.linalg.norm(maps) for maps in back_project_and_adjoint(problem)])
    expected = deviation * np.mean(energies, axis=0)
    found = [
        np.linalg.norm(noisy.back_projection - clean.back_projection),
        np.linalg.norm(noisy.adjoint - clean.adjoint),
    ]
    assert found == pytest.approx(expected, rel=0.1)
    assert noisy.noise_variance == pytest.approx(deviation**2)


def test_recovery_of_each_voxel_is_its_curve() -> None:
    table = recovery_table(replace(a_course(), efficiency=0.9))
    assert len(table.curves) <= 8
    t1_ms, b1, inflow = (np.array(values, np.float32) for values in ([300, 1200, 1900], [0.8, 1.0, 1.15], [0, 0, 0.8]))
    found = table.shares(t1_ms, b1, inflow) @ table.curves
    for voxel in range(3):
        sequence = replace(SEQUENCE, flip_angle_deg=5.0 * float(b1[voxel]))
        (curve,) = sequence.curves(t1_ms[[voxel]], 0.9, inflow[[voxel]], np.arange(SEQUENCE.pulses))
        expected = np.sin(np.deg2rad(5.0 * b1[voxel])) * curve
        assert np.abs(found[voxel] - expected).max() < 1e-3 * np.abs(expected).max()


def test_signal_without_inversions_is_ernsts() -> None:
    e = np.exp(-4 / 1000)
    expected = np.sin(np.deg2rad(8)) * (1 - e) / (1 - e * np.cos(np.deg2rad(8)))
    table = recovery_table(replace(a_course(), sequence=None))
    found = table.shares(np.float32([1000]), np.float32([1]), np.float32([0])) @ table.curves
    assert found.shape == (1, 1)
    assert found[0, 0] == pytest.approx(expected, rel=1e-4)
