"""Labelled volumes on disk, and what of them a network sees."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from nets.data.formats.errors import VolumeError
from nets.data.organs.labelled_files import LabelledVolume, read_labelled, write_labelled
from nets.data.organs.organ_stacks import StacksData, stack_along, swapped
from nets.data.organs.projection import Projection, projected

ORGANS = ("background", "liver", "left kidney", "right kidney")


def volume(shape: tuple[int, int, int] = (8, 9, 10)) -> LabelledVolume:
    """Kidneys at their sides: x points to the patient's left. Voxels tell their place."""
    labels = torch.zeros(shape, dtype=torch.uint8)
    labels[:, 2:7, :3], labels[:, 2:7, -3:], labels[:, :2] = 3, 2, 1
    voxels = torch.arange(int(np.prod(shape)), dtype=torch.float32).reshape(shape)
    return LabelledVolume(voxels, labels, ORGANS, (3.0, 2.0, 1.5), {"seed": 4})


def folder(place: Path, **kinds: LabelledVolume) -> Path:
    for split in ("train", "validation", "test"):
        (place / split).mkdir(parents=True)
        write_labelled(place / split / f"simulated-abdomen-{split}.h5", volume())
    for name, each in kinds.items():
        write_labelled(place / "train" / f"{name}.h5", each)
    return place


def test_files_come_back(tmp_path: Path) -> None:
    written = volume()
    write_labelled(tmp_path / "v.h5", written)
    read = read_labelled(tmp_path / "v.h5")
    assert (read.organs, read.spacing_mm, read.attributes) == (ORGANS, (3.0, 2.0, 1.5), {"seed": 4})
    assert torch.equal(read.labels, written.labels)
    assert torch.equal(read.voxels, written.voxels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.__delitem__("labels"), "has not volume, labels"),
        (lambda file: file["labels"].__setitem__((0, 0, 0), 4), "label 4, but names for 4"),
        (lambda file: file["volume"].__setitem__((0, 0, 0), np.nan), "not finite"),
        (lambda file: file.attrs.__setitem__("spacing_mm", [1.0, 0.0, 1.0]), "no spacing"),
    ],
)
def test_damaged_files_are_told(tmp_path: Path, change: object, message: str) -> None:
    write_labelled(tmp_path / "v.h5", volume())
    with h5py.File(tmp_path / "v.h5", "r+") as file:
        change(file)  # type: ignore[operator]
    with pytest.raises(VolumeError, match=message):
        read_labelled(tmp_path / "v.h5")


def test_views_are_transversal_coronal_and_sagittal() -> None:
    shapes = [tuple(stack_along(torch.zeros(2, 8, 9, 10), axis).shape) for axis in range(3)]
    assert shapes == [(2, 8, 9, 10), (2, 9, 8, 10), (2, 10, 8, 9)]


def test_a_batch_is_one_stack_normalised_over_the_volume(tmp_path: Path) -> None:
    data = StacksData([str(folder(tmp_path))], slices=4, patch=(5, 6), views=(4, 1, 1), seed=1)
    image, labels = next(iter(data.val_dataloader()))
    whole = volume()
    assert image.shape == labels.shape == (1, 4, 5, 6)
    assert (image.dtype, labels.dtype) == (torch.float32, torch.int64)
    place = (slice(2, 6), slice(2, 7), slice(2, 8))
    expected = (whole.voxels - whole.voxels.mean()) / whole.voxels.std(correction=0)
    torch.testing.assert_close(image[0], expected[place], atol=2e-3, rtol=0)
    assert torch.equal(labels[0], whole.labels[place].long())


@pytest.mark.parametrize("views", [(4, 1, 1), (1, 1, 1), (1, 0, 0), (0, 1, 1), (2, 3, 0)])
def test_views_come_as_often_as_told(tmp_path: Path, views: tuple[int, int, int]) -> None:
    data = StacksData([str(folder(tmp_path))], slices=8, patch=(20, 20), views=views)
    (path,) = data.files(tmp_path, "train")
    sample, counts = data.sample(path, 0), [0, 0, 0]
    for turn in range(sum(views)):
        stack = data.cut(sample, lambda places, turn=turn: turn if places == sum(views) else 0)
        counts[{(9, 10): 0, (8, 10): 1, (8, 9): 2}[tuple(stack.shape[2:])]] += 1
    assert tuple(counts) == views


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_in_a_mirror_the_left_kidney_is_still_at_the_patients_left(tmp_path: Path, axis: int) -> None:
    views = tuple(int(axis == other) for other in range(3))
    data = StacksData([str(folder(tmp_path))], slices=6, patch=(20, 20), views=views, mirrors=True)
    (path,) = data.files(tmp_path, "train")
    sample = data.sample(path, 0)
    plain, mirrored = (data.cut(sample, lambda places, on=on: on if places == 2 else 0) for on in (0, 1))
    torch.testing.assert_close(mirrored[0], plain[0].flip(1, 2))
    if axis == 2:  # mirrored from head to foot and from front to back alone
        assert torch.equal(mirrored[1], plain[1].flip(1, 2))
        return
    left, right = (torch.argwhere(mirrored[1] == kidney)[:, 2].float().mean() for kidney in (2, 3))
    assert left > right
    assert torch.equal(mirrored[1] == 1, (plain[1] == 1).flip(1, 2))


@pytest.mark.parametrize("turned", [0, 1])
def test_names_change_in_mirrors_from_left_to_right_alone(tmp_path: Path, turned: int) -> None:
    data = StacksData([str(folder(tmp_path))], slices=6, patch=(20, 20), views=(1, 0, 0), mirrors=True)
    sample = data.sample(data.files(tmp_path, "train")[0], 0)
    flips = iter([int(turned == 0), int(turned == 1)])  # front to back, left to right
    mirrored = data.cut(sample, lambda places: next(flips) if places == 2 else 0)
    left, right = (torch.argwhere(mirrored[1] == kidney)[:, 2].float().mean() for kidney in (2, 3))
    assert left > right


def test_names_of_sides_are_swapped_where_there_are_two() -> None:
    labels = torch.tensor([0, 1, 2, 3])
    assert swapped(labels, ORGANS).tolist() == [0, 1, 3, 2]
    assert swapped(labels[:3], ("background", "left lobe", "liver")).tolist() == [0, 1, 2]


def test_projections_move_image_and_labels_alike() -> None:
    image = torch.zeros(2, 3, 21, 31)
    image[:, :, 12:16, 18:24] = 1
    shift = np.array([[1, 0, 6 / 15], [0, 1, 2 / 10], [0, 0, 1.0]])  # six columns, two rows
    moved = projected(image, shift)
    expected = torch.zeros_like(image)
    expected[:, :, 10:14, 12:18] = 1
    torch.testing.assert_close(moved, expected, atol=1e-4, rtol=0)
    changed = Projection(1.0)(image.half(), np.random.default_rng(1))
    assert changed.dtype == torch.float16
    assert set(changed[1].unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(changed, image.half())
    assert float((changed[0].float() - changed[1].float()).abs().mean()) < 0.02
    assert Projection(0.0)(image, np.random.default_rng(1)) is image


def test_a_tilt_narrows_one_side() -> None:
    image = torch.zeros(2, 1, 41, 41)
    image[..., 10:31, :] = 1
    widths = projected(image, np.array([[1, 0, 0], [0, 1, 0], [0.3, 0, 1.0]]))[0, 0].sum(dim=0)
    assert widths[35] > widths[20] > widths[5]


def test_a_turn_keeps_distances_from_the_middle() -> None:
    rows, columns = torch.meshgrid(torch.arange(41.0) - 20, torch.arange(41.0) - 20, indexing="ij")
    ball = 100 * torch.exp(-((rows + 8) ** 2 + (columns - 6) ** 2) / 8)
    turn = Projection(share=1.0, rotation_rad=0.5, shear=0.0, tilt=0.0)
    for seed in range(4):
        found = turn(torch.stack([ball, ball.round()])[:, None], np.random.default_rng(seed))[0, 0]
        middle = torch.stack([(found * place).sum() / found.sum() for place in (rows, columns)])
        assert float(middle.norm()) == pytest.approx(10, abs=0.2)
        assert float(found.sum()) == pytest.approx(float(ball.sum()), rel=0.02)


def test_what_does_not_fit_together_is_told(tmp_path: Path) -> None:
    other = volume()
    data = StacksData(
        [str(folder(tmp_path / "a", other=LabelledVolume(other.voxels, other.labels, ORGANS, (3.0, 2.0, 2.0))))],
        slices=4,
    )
    with pytest.raises(VolumeError, match="train on volumes of one grid"):
        list(data.train_dataloader())
    thin = StacksData([str(folder(tmp_path / "b"))], slices=9)
    with pytest.raises(VolumeError, match="a stack 9 slices"):
        list(thin.train_dataloader())


def test_the_card_says_what_the_network_must_be_given(tmp_path: Path) -> None:
    data = StacksData([str(folder(tmp_path))], slices=4)
    told = data.preprocessing()
    assert (told["spacing_mm"], told["slices"], told["organs"]) == ([3.0, 2.0, 1.5], 4, list(ORGANS))
    assert "voxels of 3x2x1.5 mm; transversal:coronal:sagittal (4, 1, 1)" in data.describe()
