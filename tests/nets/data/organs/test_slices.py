"""Slices with their organs for synthesis, and what of the training data is synthetic."""

from pathlib import Path

import h5py
import pytest
import torch

from nets.data.formats.errors import VolumeError
from nets.data.formats.hdf5_files import is_synthetic
from nets.data.organs.labelled_files import LabelledVolume, read_labelled, write_labelled
from nets.data.organs.organ_slices import SlicesData
from nets.data.organs.organ_stacks import StacksData
from nets.data.training_samples import SYNTHETIC_NAME
from nets.scaling import intensity_scale

ORGANS = ("background", "liver", "spleen")


def volume(**attributes: object) -> LabelledVolume:
    """Of eight slices, 2, 3 and 6 have organs; voxels tell their slice."""
    labels = torch.zeros(8, 6, 10, dtype=torch.uint8)
    labels[2, 1:4, 2:5], labels[3, :, 5:], labels[6, 0, 0] = 1, 2, 1
    voxels = 50 * torch.arange(8.0)[:, None, None].expand(8, 6, 10).contiguous() + labels
    return LabelledVolume(voxels, labels, ORGANS, (3.0, 2.0, 2.0), dict(attributes))


def folder(place: Path) -> Path:
    for split in ("train", "validation", "test"):
        (place / split).mkdir(parents=True)
        write_labelled(place / split / f"simulated-abdomen-{split}.h5", volume())
    return place


def test_slices_without_organs_are_left_out_and_maps_are_one_hot(tmp_path: Path) -> None:
    data = SlicesData([str(folder(tmp_path))], patch=(6, 10), patches_per_volume=40, ceiling=510.0)
    seen = set()
    for maps, image in data.train_dataloader():
        assert (maps.shape, image.shape) == ((1, 3, 6, 10), (1, 1, 6, 10))
        assert torch.equal(maps.sum(dim=1), torch.ones(1, 6, 10))
        number = round(float((image[0, 0, 5, 0] + 1) / 2 * 510) / 50)
        seen.add(number)
        assert torch.equal(maps[0].argmax(dim=0), volume().labels[number].long())
    assert seen == {2, 3, 6}
    ((maps, _),) = data.val_dataloader()
    assert torch.equal(maps[0].argmax(dim=0), volume().labels[3].long()), "the middle one of those with organs"


def test_patches_are_cut_alike(tmp_path: Path) -> None:
    data = SlicesData([str(folder(tmp_path))], patch=(4, 7), patches_per_volume=20, ceiling=510.0)
    for maps, image in data.train_dataloader():
        assert (maps.shape, image.shape) == ((1, 3, 4, 7), (1, 1, 4, 7))
        value = (image[0, 0] + 1) / 2 * 510
        assert torch.equal(value.round() % 50, maps[0].argmax(dim=0).float())


def test_intensities_go_from_minus_one_to_one(tmp_path: Path) -> None:
    voxels = torch.tensor([0.0, 102.0, 510.0, 900.0])
    data = SlicesData([str(tmp_path)], ceiling=510.0)
    assert torch.allclose(data.scaled(voxels), torch.tensor([-1, -0.6, 1, 1]))
    own = SlicesData([str(tmp_path)])
    assert torch.allclose(own.scaled(voxels), 2 * (voxels / intensity_scale(voxels)).clamp(0, 1) - 1)
    coarse = SlicesData([str(tmp_path)], ceiling=510.0, eight_bits=True)
    steps = (coarse.scaled(torch.tensor([1.0, 2.0, 3.4])) + 1) / 2 * 255
    assert torch.allclose(steps, torch.tensor([0.0, 1.0, 2.0]), atol=1e-3), "halves go to the even step"


def test_the_card_says_how_few_labels_a_slice_had(tmp_path: Path) -> None:
    known = SlicesData([str(folder(tmp_path))]).preprocessing()
    shares = torch.tensor([9 / 60, 30 / 60, 1 / 60])
    assert known["least_labelled_share"] == pytest.approx(float(shares.quantile(0.05)), abs=1e-4)
    assert (known["organs"], known["spacing_mm"], known["ceiling"]) == (list(ORGANS), [3, 2, 2], "99.9th percentile")
    empty = volume()
    write_labelled(tmp_path / "train/empty.h5", LabelledVolume(empty.voxels, 0 * empty.labels, ORGANS, (3.0, 2.0, 2.0)))
    with pytest.raises(VolumeError, match="no organ in any slice"):
        list(SlicesData([str(tmp_path)], patch=(6, 10)).train_dataloader())


def test_synthetic_volumes_are_counted_and_stay_with_their_subject(tmp_path: Path) -> None:
    place = folder(tmp_path / "v")
    name = f"{SYNTHETIC_NAME}simulated-abdomen-train.h5"
    write_labelled(place / "train" / name, volume(synthetic=True))
    assert is_synthetic(place / "train" / name)
    assert not is_synthetic(place / "train/simulated-abdomen-train.h5")
    text = StacksData([str(place)], slices=4).describe()
    assert "2 files of 1 subjects (1 simulated, 1 synthetic: 50%) of 1 domains, validation 1 files" in text
    assert "synthetic" not in text.split("validation")[1]
    (place / "train" / name).rename(place / "test" / name)
    with pytest.raises(VolumeError, match="more than one of train, validation, test"):
        StacksData([str(place)], slices=4).describe()


def test_only_files_that_say_so_are_synthetic(tmp_path: Path) -> None:
    (tmp_path / "empty.h5").touch()
    (tmp_path / "a.nii.gz").touch()
    assert not is_synthetic(tmp_path / "empty.h5")
    assert not is_synthetic(tmp_path / "a.nii.gz")


def test_labels_alone_are_read_where_no_image_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "labels.h5"
    write_labelled(path, volume())
    with h5py.File(path, "r+") as file:
        del file["volume"]
    with pytest.raises(VolumeError, match="has not volume, labels"):
        read_labelled(path)
    found = read_labelled(path, needs_image=False)
    assert torch.equal(found.labels, volume().labels)
    assert not found.voxels.any()
