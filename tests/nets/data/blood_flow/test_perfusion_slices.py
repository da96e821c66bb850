"""Noise is learned against noise: which parts of a scan are input and label, on which scale."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from nets.data.blood_flow.perfusion_slices import PerfusionSlicesData, read_slice
from nets.data.formats.errors import VolumeError
from tests.support.perfusion_slices import fill_slices


def data_of(folder: Path, **changes: object) -> PerfusionSlicesData:
    return PerfusionSlicesData(str(folder), augmentations=[], batch_size=8, **changes)


def batch_of(data: PerfusionSlicesData) -> list[torch.Tensor]:
    return next(iter(data.train_dataloader()))


def test_input_and_label_are_neighbouring_segments_in_both_directions(tmp_path: Path) -> None:
    data = data_of(fill_slices(tmp_path / "slices"), size=32, crops_per_slice=16)
    slices = [read_slice(path).segments / 100 for path in data.files(data.folders[0], "train")]
    met = set()
    for shown, label in data.train_dataloader():
        assert shown.shape == label.shape == (8, 1, 32, 32)
        for one, other in zip(shown[:, 0].numpy(), label[:, 0].numpy(), strict=True):
            found = [(n, k) for n, each in enumerate(slices) for k in range(4) if np.allclose(each[k], one)]
            ((number, first),) = found
            (second,) = [k for k in range(4) if np.allclose(slices[number][k], other)]
            met.add((first, second))
    assert met == {(0, 1), (1, 0), (2, 3), (3, 2)}


def test_the_older_method_learns_from_the_reference(tmp_path: Path) -> None:
    data = data_of(fill_slices(tmp_path / "slices"), size=32, target="reference")
    references = [read_slice(path).reference / 100 for path in data.files(data.folders[0], "train")]
    for label in batch_of(data)[1][:, 0].numpy():
        assert any(np.allclose(label, reference) for reference in references)
    assert "all pairs, smoothed" in data.describe()


def test_crops_scale_and_text(tmp_path: Path) -> None:
    data = data_of(fill_slices(tmp_path / "slices"), size=16)
    assert batch_of(data)[0].shape[-2:] == (16, 16)
    assert data.preprocessing()["scale"] == 100.0
    assert data.describe() == (
        "2 files of 1 subjects (2 simulated) of 1 domains, validation 2 files of 1 subjects (2 simulated); "
        "input: mean of 10 pairs, label: mean of ten other pairs"
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda file: file.pop("truth"), "no slice of blood flow"),
        (lambda file: file["segments"].write_direct(np.full((4, 32, 32), np.nan, np.float32)), "not finite"),
        (lambda file: (file.pop("truth"), file.create_dataset("truth", data=np.ones((3, 3)))), "not of one size"),
    ],
)
def test_files_that_are_none_are_refused(change, problem: str, tmp_path: Path) -> None:
    path = next((fill_slices(tmp_path / "slices") / "train").glob("*.h5"))
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(VolumeError, match=problem):
        read_slice(path)
