import numpy as np
import pytest
import scipy.special

from recon.readouts.density import ramp_weights
from recon.readouts.trajectory import golden_angles_rad, radial_trajectory
from recon.spatial.encoding import SubspaceNufft, back_projection, coil_encoding, coil_images
from recon.spatial.nufft import plan_nufft
from tests.support.linear import assert_adjoint, complex_normal, slow_dft
from tests.support.problems import smooth_maps

MATRIX, SPOKES, RANK = 20, 60, 5


@pytest.fixture(params=["sparse", "sigpy", "finufft"])
def operator(request: pytest.FixtureRequest) -> SubspaceNufft:
    rng = np.random.default_rng(1)
    trajectory = radial_trajectory(golden_angles_rad(np.arange(SPOKES)), 2 * MATRIX, MATRIX)
    return SubspaceNufft(plan_nufft(trajectory, MATRIX, request.param), complex_normal(rng, (RANK, SPOKES)))


def test_adjoint_of_every_operator(operator: SubspaceNufft) -> None:
    trajectory = radial_trajectory(golden_angles_rad(np.arange(SPOKES)), 2 * MATRIX, MATRIX)
    maps = smooth_maps(3, MATRIX)
    assert_adjoint(operator)
    assert_adjoint(operator.H)
    assert_adjoint(coil_encoding(maps, operator))
    assert_adjoint(back_projection(maps, operator, ramp_weights(trajectory)))


def test_encoding_is_the_papers_formula(operator: SubspaceNufft) -> None:
    """d_j(t) = NUFFT_t(S_j · U φ(t)), every image of every time formed and transformed slowly."""
    rng = np.random.default_rng(2)
    trajectory = radial_trajectory(golden_angles_rad(np.arange(SPOKES)), 2 * MATRIX, MATRIX)
    maps, spatial_factor = smooth_maps(3, MATRIX), complex_normal(rng, (RANK, MATRIX, MATRIX))
    series = np.einsum("lyx,lt->tyx", spatial_factor, operator.temporal_basis)
    expected = np.stack(
        [
            [slow_dft((coil_map * image)[None], trajectory[t : t + 1])[0, 0] for t, image in enumerate(series)]
            for coil_map in maps
        ]
    )
    data = coil_encoding(maps, operator)(spatial_factor)
    assert np.linalg.norm(data - expected) < 1e-4 * np.linalg.norm(expected)


def test_maps_at_a_time_do_not_change_the_result(operator: SubspaceNufft) -> None:
    data = complex_normal(np.random.default_rng(3), operator.oshape)
    one_by_one = SubspaceNufft(operator.plan, operator.temporal_basis, maps_at_a_time=1)
    assert np.allclose(operator.H(data), one_by_one.H(data), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("coils", [1, 4, 5])
@pytest.mark.parametrize("matrix", [32, 33])
def test_blob_off_centre_appears_at_its_place_with_unit_gain(coils: int, matrix: int) -> None:
    """A blob of three pixels' width at (x, y) = (+6, -4), its data from the closed form, no operator of ours."""
    spokes, width = 300, 1.4
    trajectory = radial_trajectory(golden_angles_rad(np.arange(spokes)), 2 * matrix, matrix)
    k = trajectory.astype(np.float64) / matrix
    spectrum = 2 * np.pi * width**2 * np.exp(-2 * (np.pi * width) ** 2 * np.sum(k**2, axis=-1)) / matrix
    blob = spectrum * np.exp(-2j * np.pi * (6 * k[..., 0] - 4 * k[..., 1]))
    maps = np.exp(2j * np.pi * np.arange(coils) / 7)[:, None, None] * np.ones((1, matrix, matrix))
    data = (maps[:, :1, :1] * blob).astype(np.complex64)
    basis = np.linalg.qr(np.random.default_rng(4).standard_normal((spokes, 3)))[0].T
    basis = np.concatenate([np.full((1, spokes), spokes**-0.5), basis])
    basis = np.linalg.qr(basis.T)[0].T.astype(np.complex64)
    nufft = SubspaceNufft(plan_nufft(trajectory, matrix), basis)
    image = np.einsum("l,lyx->yx", basis[:, 7], back_projection(maps, nufft, ramp_weights(trajectory))(data))
    row, column = np.unravel_index(np.argmax(np.abs(image)), image.shape)
    assert (row, column) == (matrix // 2 - 4, matrix // 2 + 6)
    assert abs(image[row, column] - 1) < 0.05


@pytest.mark.parametrize("matrix", [32, 33])
def test_single_pixel_comes_back_with_the_gain_of_a_disc(matrix: int) -> None:
    """A point is not band-limited to the sampled disc: its peak is the disc's share π/4 of the square, its sum is 1."""
    trajectory = radial_trajectory(golden_angles_rad(np.arange(300)), 2 * matrix, matrix)
    point = np.zeros((1, matrix, matrix), dtype=np.complex64)
    point[0, matrix // 2 - 3, matrix // 2 + 5] = 1
    data = slow_dft(point, trajectory).astype(np.complex64)
    image = coil_images(plan_nufft(trajectory, matrix), ramp_weights(trajectory), data)[0]
    assert np.unravel_index(np.argmax(np.abs(image)), image.shape) == (matrix // 2 - 3, matrix // 2 + 5)
    assert abs(image.max() - np.pi / 4) < 0.05 * np.pi / 4


@pytest.mark.parametrize(("oversampling", "tolerance"), [(1.5, 0.015), (2, 0.006), (4, 0.004)])
def test_air_around_a_disc_is_zero_and_the_disc_has_unit_gain(oversampling: float, tolerance: float) -> None:
    """The centre's weight: with the innermost disc's area instead, air is 1.8 % at an oversampling of two."""
    matrix, radius = 64, 20
    samples = int(oversampling * matrix)
    trajectory = radial_trajectory(golden_angles_rad(np.arange(800)), samples, matrix)
    k = np.linalg.norm(trajectory.astype(np.float64), axis=-1) / matrix
    disc = np.where(k > 0, radius * scipy.special.j1(2 * np.pi * radius * k) / np.maximum(k, 1e-9), np.pi * radius**2)
    data = (disc / matrix).astype(np.complex64)[None]
    image = coil_images(plan_nufft(trajectory, matrix), ramp_weights(trajectory), data)[0]
    y, x = np.mgrid[:matrix, :matrix] - matrix // 2
    distance = np.hypot(y, x)
    air = (distance > radius + 3) & (distance < matrix / 2)
    assert abs(image[air].mean()) < tolerance
    assert abs(image[distance < radius - 3].mean() - 1) < tolerance


def test_coils_that_see_nothing_give_zero_not_nan(operator: SubspaceNufft) -> None:
    trajectory = radial_trajectory(golden_angles_rad(np.arange(SPOKES)), 2 * MATRIX, MATRIX)
    maps = smooth_maps(2, MATRIX)
    maps[:, :5] = 0
    data = complex_normal(np.random.default_rng(5), (2, *operator.oshape))
    image = back_projection(maps, operator, ramp_weights(trajectory))(data)
    assert np.all(image[:, :5] == 0)
    assert np.all(np.isfinite(image))


def test_back_projection_divides_by_the_energy_of_the_coils(operator: SubspaceNufft) -> None:
    """Σ_j S̄_j F_tᴴ W φ̄(t) d_j over Σ |S_j|², with maps of any energy."""
    trajectory = radial_trajectory(golden_angles_rad(np.arange(SPOKES)), 2 * MATRIX, MATRIX)
    maps, weights = 0.6 * smooth_maps(2, MATRIX), ramp_weights(trajectory)
    data = complex_normal(np.random.default_rng(6), (2, *operator.oshape))
    y, x = (np.mgrid[:MATRIX, :MATRIX] - MATRIX // 2).reshape(2, -1)
    k = trajectory.reshape(-1, 2).astype(np.float64)
    kernel = np.exp(2j * np.pi * (np.outer(k[:, 0], x) + np.outer(k[:, 1], y)) / MATRIX) / MATRIX
    weighted = operator.temporal_basis.conj()[:, None, :, None] * weights * data
    images = (weighted.reshape(RANK, 2, -1) @ kernel).reshape(RANK, 2, MATRIX, MATRIX)
    expected = np.sum(maps.conj() * images, axis=1) / np.sum(np.abs(maps) ** 2, axis=0)
    found = back_projection(maps, operator, weights)(data)
    assert np.linalg.norm(found - expected) < 1e-4 * np.linalg.norm(expected)


def test_coil_images_are_means_over_the_spokes() -> None:
    trajectory = radial_trajectory(golden_angles_rad(np.arange(SPOKES)), 2 * MATRIX, MATRIX)
    weights, plan = ramp_weights(trajectory), plan_nufft(trajectory, MATRIX)
    data = complex_normal(np.random.default_rng(7), (2, SPOKES, 2 * MATRIX))
    each = [plan_nufft(trajectory[t : t + 1], MATRIX).adjoint(data[:, t : t + 1] * weights[t]) for t in range(SPOKES)]
    assert np.allclose(coil_images(plan, weights, data), np.mean(each, axis=0), rtol=1e-3, atol=1e-3)
