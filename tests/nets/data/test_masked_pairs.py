"""Masked pairs: files come back, patches hold some of the mask, all on the network's scale."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from nets.data.formats.errors import VolumeError
from nets.data.masked_pairs import MaskedPair, MaskedPairs, read_masked_pair, write_masked_pair
from nets.scaling import scale_inside
from tests.support.masked_pairs import fill_masked_pairs, masked_pair


def test_a_pair_comes_back_with_the_label_that_is_asked_for(tmp_path: Path) -> None:
    pair = masked_pair(3)
    write_masked_pair(tmp_path / "a.h5", pair)
    for label in ("truth", "recipe"):
        back = read_masked_pair(tmp_path / "a.h5", label)
        assert np.allclose(back.image, pair.image, rtol=1e-3)
        assert np.allclose(back.labels[label], pair.labels[label], rtol=1e-3)
        assert np.array_equal(back.mask, pair.mask)
        assert back.attributes["voxel_mm"] == 0.45


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("recipe", None, "has no volume 'recipe'; make pairs"),
        ("mask", np.zeros((18, 20, 22), np.uint8), "the mask is empty"),
        ("image", np.full((18, 20, 22), np.nan, np.float16), "not finite"),
        ("mask", np.ones((3, 3, 3), np.uint8), "do not fit"),
    ],
)
def test_what_is_no_pair_is_refused(tmp_path: Path, name: str, value: np.ndarray | None, message: str) -> None:
    write_masked_pair(tmp_path / "a.h5", masked_pair(3))
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file[name]
        if value is not None:
            file[name] = value
    with pytest.raises(VolumeError, match=message):
        read_masked_pair(tmp_path / "a.h5", "recipe")


def test_scale_is_the_median_inside_the_mask(tmp_path: Path) -> None:
    fill_masked_pairs(tmp_path)
    data = MaskedPairs([str(tmp_path)], label="truth", patch=(18, 20, 22), augmentations=[], batch_size=1)
    ((shown, label, mask),) = data.val_dataloader()
    inside = mask > 0
    assert shown.shape == label.shape == mask.shape == (1, 1, 18, 20, 22)
    assert float(shown[inside].median()) == pytest.approx(1.0, abs=2e-3)
    pair = read_masked_pair(next((tmp_path / "validation").iterdir()), "truth")
    scale = float(np.median(pair.image[pair.mask]))
    assert torch.allclose(label[0, 0], torch.from_numpy(pair.labels["truth"]) / scale, atol=2e-3)
    assert data.preprocessing()["voxel_mm"] == [0.45, 0.45]
    assert data.preprocessing()["label"] == "truth"
    assert "simulated truth" in data.describe()


def test_scale_of_an_empty_tissue_is_one() -> None:
    volume, mask = torch.zeros(4, 4, 4), torch.ones(4, 4, 4, dtype=torch.bool)
    assert scale_inside(volume, mask) == 1.0
    volume[0, 0, 0] = 99
    mask[1:] = False
    mask[0, 1:] = False
    assert scale_inside(volume + 2, mask) == 2.0


@pytest.mark.parametrize("corner", [(0, 0, 0), (17, 19, 21), (9, 0, 21)])
def test_patches_hold_some_of_the_mask_wherever_it_is(tmp_path: Path, corner: tuple[int, int, int]) -> None:
    mask = np.zeros((18, 20, 22), dtype=bool)
    mask[corner] = True
    for split in ("train", "validation", "test"):
        (tmp_path / split).mkdir()
        image = np.random.default_rng(1).random(mask.shape) + 1
        pair = MaskedPair(image.astype(np.float32), mask, {"truth": image, "recipe": image})
        write_masked_pair(tmp_path / split / f"{split}.h5", pair)
    data = MaskedPairs([str(tmp_path)], patch=(5, 6, 7), patches_per_volume=60, augmentations=[], batch_size=1)
    patches = data.train_dataloader().dataset
    places = set()
    for number in range(60):
        shown, label, inside = patches[0, number]
        assert shown.shape == (1, 5, 6, 7)
        assert inside.sum() == 1
        assert torch.equal(shown, label)
        places.add(tuple(np.argwhere(inside[0].numpy())[0]))
    if corner == (9, 0, 21):
        assert len(places) > 3, "the voxel is not always in the same place of the patch"


def test_large_patches_are_whole_volumes(tmp_path: Path) -> None:
    fill_masked_pairs(tmp_path)
    data = MaskedPairs([str(tmp_path)], patch=(60, 60, 60), batch_size=1)
    assert data.train_dataloader().dataset[0, 0][0].shape == (1, 18, 20, 22)
