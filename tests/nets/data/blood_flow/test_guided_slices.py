"""Guided slices: which channel is which, one part of the scan a sample, and shading of the control image alone."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from nets.data.blood_flow.guided_slices import ControlShading, GuidedSlicesData, read_guided_slice
from nets.data.formats.errors import VolumeError
from tests.support.perfusion_slices import fill_guided_slices


def data_of(folder: Path, **changes: object) -> GuidedSlicesData:
    return GuidedSlicesData(str(folder), **({"augmentations": [], "batch_size": 4, "size": 32} | changes))


def test_a_sample_is_one_part_of_a_scan_in_the_order_of_channels(tmp_path: Path) -> None:
    data = data_of(fill_guided_slices(tmp_path / "slices"), crops_per_slice=16)
    slices = [read_guided_slice(path) for path in data.files(data.folders[0], "train")]
    met = set()
    for shown, label, places in data.train_dataloader():
        assert shown.shape == places.shape == (4, 3, 32, 32)
        assert label.shape == (4, 1, 32, 32)
        for one, truth, where in zip(shown.numpy(), label.numpy(), places.numpy(), strict=True):
            ((number, part),) = [
                (n, k) for n, each in enumerate(slices) for k in range(2) if np.allclose(each.shown[k, 0] / 100, one[0])
            ]
            np.testing.assert_allclose(one[1], slices[number].shown[part, 1])  # the control image has no scale
            np.testing.assert_allclose(one[2], slices[number].shown[part, 2] / 100, rtol=1e-6)
            np.testing.assert_allclose(truth[0], slices[number].truth / 100, rtol=1e-6)
            for place, name in zip(where, ("grey", "white", "lesion"), strict=True):
                np.testing.assert_array_equal(place, getattr(slices[number], name))
            met.add((number, part))
    assert met == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_crops_scales_and_text(tmp_path: Path) -> None:
    data = data_of(fill_guided_slices(tmp_path / "slices"), size=16, shading=0.2)
    assert next(iter(data.train_dataloader()))[0].shape[-2:] == (16, 16)
    assert data.preprocessing()["scales"] == [100.0, 1.0, 100.0]
    assert data.describe().endswith(
        "input: means of 10 to 40 pairs with control image and standard error, label: truth"
    )
    assert next(iter(data.val_dataloader()))[0].shape == (1, 3, 16, 16)


def test_shading_changes_the_control_image_in_the_brain_alone() -> None:
    pair = torch.rand(2, 4, 9, 9, generator=torch.Generator().manual_seed(1))
    pair[0, 2, :, :3] = 0
    found = ControlShading(0.4)(pair, np.random.default_rng(2)) - pair
    assert not found[:, [0, 2, 3]].any()
    assert not found[1].any()
    assert not found[0, 1, :, :3].any()
    assert 0.01 < found[0, 1].abs().max() < 0.4 * (1 + 2 / 3)
    across = found[0, 1, :, 3:]
    torch.testing.assert_close(across.diff(n=3, dim=0), torch.zeros(6, 6), atol=1e-5, rtol=0)  # slope and bow: no more


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda file: file.pop("lesion"), "no guided slice"),
        (lambda file: file["shown"].write_direct(np.full((2, 3, 32, 32), np.nan, np.float32)), "not finite"),
        (lambda file: (file.pop("grey"), file.create_dataset("grey", data=np.ones((3, 3)))), "not of one size"),
        (
            lambda file: (file.pop("shown"), file.create_dataset("shown", data=np.ones((2, 2, 32, 32)))),
            "not of one size",
        ),
    ],
)
def test_files_that_are_none_are_refused(change, problem: str, tmp_path: Path) -> None:
    path = next((fill_guided_slices(tmp_path / "slices") / "train").glob("*.h5"))
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(VolumeError, match=problem):
        read_guided_slice(path)
