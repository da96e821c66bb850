"""Labels land on the voxels of the input, however they lie in the patient."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from recon.errors import DataError
from recon.organs.outlining import labels_on, outline_organs
from recon.organs.patient_grid import PatientGrid, patient_grid, resampled, upright_grid
from recon.quality.label_agreement import label_agreement

ORGANS = ("background", "liver", "left kidney")
CENTRES_MM = {1: np.array([-30.0, -10.0, 15.0]), 2: np.array([35.0, 20.0, -10.0])}  # left, back, head
AXES_MM = {1: np.array([28.0, 20.0, 24.0]), 2: np.array([14.0, 12.0, 25.0])}

TRANSVERSAL = np.array([[0, 0, 1.0], [0, 1, 0], [1, 0, 0]])
ORIENTATIONS = {
    "transversal": (TRANSVERSAL, (3.0, 1.5, 1.5)),
    "from head to foot": (TRANSVERSAL * [[-1], [1], [1]], (4.0, 1.5, 1.2)),
    "coronal": (np.array([[0, 1.0, 0], [0, 0, -1], [1, 0, 0]]), (3.0, 1.2, 1.2)),
    "sagittal, mirrored": (np.array([[-1.0, 0, 0], [0, 0, -1], [0, -1, 0]]), (2.5, 1.5, 2.0)),
    "oblique": (Rotation.from_euler("xyz", [20, -15, 30], degrees=True).apply(TRANSVERSAL), (3.0, 1.4, 1.4)),
}


def grid_of(directions: np.ndarray, spacing: tuple[float, float, float]) -> PatientGrid:
    """A grid of about 16 cm around the patient's middle."""
    z, y, x = (int(160 / step) for step in spacing)
    middle = (np.array([z, y, x]) - 1) / 2 * spacing
    return patient_grid((z, y, x), -(middle @ directions), directions, spacing)


def truth_on(grid: PatientGrid) -> np.ndarray:
    indices = np.stack([*np.indices(grid.shape), np.ones(grid.shape)])
    places = np.einsum("ab,bzyx->azyx", grid.affine, indices)[:3]
    labels = np.zeros(grid.shape, dtype=np.uint8)
    for number, centre in CENTRES_MM.items():
        radius = ((places - centre[:, None, None, None]) / AXES_MM[number][:, None, None, None]) ** 2
        labels[radius.sum(axis=0) < 1] = number
    return labels


def by_intensity(volume: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A network: the closer to 0, 1 or 2, the more probable."""
    away = np.stack([np.abs(volume - number) for number in range(3)])
    shares = np.exp(-4 * away)
    return shares / shares.sum(axis=0), 1 - shares.max(axis=0)


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_organs_come_back_to_the_voxels_they_came_from(name: str) -> None:
    grid = grid_of(*ORIENTATIONS[name])
    true = truth_on(grid)
    seen = {}

    def network(volume: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen["shape"], seen["volume"] = volume.shape, volume
        upright = upright_grid(grid, (3.0, 3.0, 3.0))
        seen["truth"] = truth_on(upright)
        return by_intensity(seen["truth"].astype(np.float32))

    found = outline_organs(true.astype(np.float32), grid, network, ORGANS, (3.0, 3.0, 3.0))
    assert found.labels.shape == found.disagreement.shape == grid.shape
    for number, organ in enumerate(ORGANS[1:], start=1):
        assert label_agreement(found.labels == number, true == number, grid.spacing_mm).dice > 0.93
        volume_ml = 4 / 3 * np.pi * np.prod(AXES_MM[number]) / 1000
        assert found.volumes_ml[organ] == pytest.approx(volume_ml, rel=0.06)
        # what the network saw lay where the patient's axes say
        inside = seen["truth"] == number
        assert abs(float(seen["volume"][inside].mean()) - number) < 0.3


def test_the_upright_grid_points_to_head_back_and_left_and_holds_the_other() -> None:
    grid = grid_of(*ORIENTATIONS["oblique"])
    upright = upright_grid(grid, (3.0, 2.0, 1.0))
    np.testing.assert_allclose(upright.affine[:3, :3], [[0, 0, 1], [0, 2, 0], [3, 0, 0]])
    corners = np.stack([*np.meshgrid(*[(-0.5, size - 0.5) for size in grid.shape]), np.ones((2, 2, 2))]).reshape(4, 8)
    inside = np.linalg.solve(upright.affine, grid.affine @ corners)[:3]
    assert (inside > -0.5 - 1e-6).all()
    assert (inside < np.array(upright.shape)[:, None] - 0.5 + 1e-6).all()
    same = upright_grid(upright, (3.0, 2.0, 1.0))
    assert same.shape == upright.shape
    np.testing.assert_allclose(same.affine, upright.affine)


def test_a_slope_is_resampled_exactly_and_a_grid_onto_itself_bit_for_bit() -> None:
    source, target = grid_of(*ORIENTATIONS["coronal"]), grid_of(TRANSVERSAL, (1.2, 1.2, 1.2))
    indices = np.stack([*np.indices(source.shape), np.ones(source.shape)])
    slope = np.einsum("b,bzyx->zyx", np.array([1.0, -2.0, 0.5, 300.0]) @ source.affine, indices).astype(np.float32)
    found = resampled(slope, source, target)
    expected = np.einsum(
        "b,bzyx->zyx",
        np.array([1.0, -2.0, 0.5, 300.0]) @ target.affine,
        np.stack([*np.indices(target.shape), np.ones(target.shape)]),
    )
    inner = (slice(8, -8),) * 3
    np.testing.assert_allclose(found[inner], expected[inner], rtol=1e-4)
    np.testing.assert_array_equal(resampled(slope, source, source), slope)


def test_thick_outer_slices_are_seen_to_their_ends_and_nothing_is_beyond() -> None:
    thick = patient_grid((2, 4, 4), np.zeros(3), TRANSVERSAL, (6.0, 3.0, 3.0))
    upright = upright_grid(thick, (3.0, 3.0, 3.0))
    assert upright.shape == (4, 4, 4)
    np.testing.assert_allclose(resampled(np.ones(thick.shape), thick, upright), 1)
    far = patient_grid((2, 4, 4), np.array([0, 0, 100.0]), TRANSVERSAL, (6.0, 3.0, 3.0))
    assert not resampled(np.ones(thick.shape), thick, far).any()
    assert not labels_on(np.full((3, *thick.shape), 1 / 3), thick, far).any()


def test_the_most_probable_class_wins_though_it_is_below_a_half() -> None:
    grid = patient_grid((3, 4, 5), np.zeros(3), TRANSVERSAL, (2.0, 2.0, 2.0))
    shares = np.stack([np.full(grid.shape, share) for share in (0.3, 0.4, 0.3)])
    assert (labels_on(shares, grid, upright_grid(grid, (1.0, 1.0, 1.0))) == 1).all()


def test_fine_stripes_do_not_come_back_as_coarse_ones() -> None:
    fine = patient_grid((4, 4, 120), np.zeros(3), TRANSVERSAL, (1.0, 1.0, 1.0))
    coarse = patient_grid((4, 4, 34), np.zeros(3), TRANSVERSAL, (1.0, 1.0, 3.5))
    stripes = np.broadcast_to(np.cos(np.pi * 0.55 * np.arange(120)), fine.shape)  # period of 3.6 mm
    assert np.abs(resampled(stripes, fine, coarse)[:, :, 2:-2]).max() < 0.2


@pytest.mark.parametrize(
    ("volume", "message"), [(np.full((4, 4, 4), np.nan), "NaN or Inf"), (np.ones((4, 4, 4)), "constant")]
)
def test_what_cannot_be_outlined_is_told(volume: np.ndarray, message: str) -> None:
    grid = patient_grid((4, 4, 4), np.zeros(3), TRANSVERSAL, (1.0, 1.0, 1.0))
    with pytest.raises(DataError, match=message):
        outline_organs(volume, grid, by_intensity, ORGANS, (3.0, 3.0, 3.0))
    with pytest.raises(DataError, match="does not lie on a grid"):
        outline_organs(np.random.default_rng(0).random((3, 4, 4)), grid, by_intensity, ORGANS, (3.0, 3.0, 3.0))
