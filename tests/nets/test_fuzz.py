"""Spoiled bytes in every format that is read: one line of malibu's own, never an error of a library, never a hang."""

import random
import resource
import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from nets.architectures.registry import build
from nets.data.formats.errors import VolumeError
from nets.data.pair_files import Pair, read_pair, write_pair
from nets.data.volume_files import Volume, read_volume, write_volume
from nets.weights import ModelCard, WeightsError, card_config, load_weights, read_card, save_weights
from tests.support.dicom import enhanced_object, write_slices

nibabel = pytest.importorskip("nibabel")

ROUNDS = 120
"""Spoiled files of each format; when this was written, 1,500 of each were tried once."""

MEMORY_MB = 400
"""What reading small files may add to the process at most."""

VOXELS = np.random.default_rng(1).integers(0, 900, (4, 5, 6)).astype(np.uint16)
SMALL = {"rank": 2, "growth": 4, "blocks": 1}


def weights(folder: Path) -> Path:
    card = ModelCard("mdcn", card_config("mdcn", SMALL), "U0", "none", 0)
    save_weights(folder / "w.safetensors", build("mdcn", SMALL), card)
    return folder / "w.safetensors"


def nifti(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        kind = nibabel.Nifti2Image if "2" in name else nibabel.Nifti1Image
        nibabel.save(kind(VOXELS, np.eye(4)), folder / name)
        return folder / name

    return write


def dicom(folder: Path) -> Path:
    return write_slices(folder / "d", VOXELS) / "002.dcm"


def enhanced(folder: Path) -> Path:
    (folder / "d").mkdir()
    data = enhanced_object(VOXELS, [(1.0, 0.0), (2.0, 1.0), (1.0, 3.0), (0.5, 0.0)])
    data.save_as(folder / "d/all.dcm", enforce_file_format=True)
    return folder / "d/all.dcm"


def hdf5(folder: Path) -> Path:
    write_volume(folder / "v.h5", Volume(torch.from_numpy(VOXELS.astype(np.float32)), {"domain": "brain"}))
    return folder / "v.h5"


def pair(folder: Path) -> Path:
    maps = np.ones((2, 8, 8), np.complex64)
    write_pair(folder / "p.h5", Pair(maps, maps, {"subject": "1", "label": "truth"}))
    return folder / "p.h5"


FORMATS = {
    "weights": (weights, lambda path: (read_card(path), load_weights(path)), WeightsError),
    "NIfTI-1": (nifti("one.nii"), read_volume, VolumeError),
    "NIfTI-2": (nifti("two_2.nii"), read_volume, VolumeError),
    "compressed NIfTI": (nifti("one.nii.gz"), read_volume, VolumeError),
    "DICOM": (dicom, lambda path: read_volume(path.parent), VolumeError),
    "enhanced DICOM": (enhanced, lambda path: read_volume(path.parent), VolumeError),
    "HDF5": (hdf5, read_volume, VolumeError),
    "pair": (pair, read_pair, VolumeError),
}


def spoiled(whole: bytes, rng: random.Random) -> bytes:
    """Flip, overwrite, cut, insert or remove bytes; mostly near the start, where the headers are."""
    data, start = bytearray(whole), rng.choice([40, 400, len(whole)])
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = rng.randrange(max(1, min(start, len(data))))
        way = rng.randrange(6)
        if way == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif way == 1:
            data[at : at + 4] = rng.choice([b"\xff" * 4, bytes(4), b"\xff\xff\xff\x7f", rng.randbytes(4)])
        elif way == 2:
            del data[rng.randrange(len(data) + 1) :]
        elif way == 3:
            data[at:at] = rng.randbytes(rng.randrange(1, 20))
        elif way == 4:
            del data[at : at + rng.randrange(1, 20)]
        else:
            data[at : at + 1] = rng.choice([b"\0", b"\xff", b"9", b"-", b"{"])
    return bytes(data)


@pytest.mark.parametrize("name", FORMATS)
def test_spoiled_bytes_get_one_line_and_no_memory(name: str, tmp_path: Path) -> None:
    write, read, error = FORMATS[name]
    path = write(tmp_path)
    read(path)
    whole, rng = path.read_bytes(), random.Random(name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refusals = []
    for _ in range(ROUNDS):
        path.write_bytes(spoiled(whole, rng))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                read(path)
            except error as caught:
                refusals.append(str(caught))
    assert len(refusals) > ROUNDS // 10
    assert not [text for text in refusals if "\n" in text or len(text) > 600]
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MEMORY_MB


@pytest.mark.parametrize("write", [hdf5, pair])
def test_entry_without_a_size_in_a_heap_does_not_hold_the_reader_for_ever(write, tmp_path: Path) -> None:
    """HDF5 2.0.0 steps over the entries of a global heap by their sizes, and stays where one is zero."""
    path = tmp_path / "x.h5"
    write(tmp_path).rename(path)
    with h5py.File(path, "r+") as file:
        file.attrs["subject"] = "a text of variable length"
    whole = bytearray(path.read_bytes())
    free = whole.index(b"GCOL") + 16
    while whole[free : free + 2] != b"\0\0":  # object 0 is the free space at the end
        free += 16 + -(-int.from_bytes(whole[free + 8 : free + 16], "little") // 8) * 8
    whole[free + 8 : free + 16] = bytes(8)
    path.write_bytes(whole)
    with pytest.raises(VolumeError, match=r"x.h5 is damaged .the heap at byte"):
        (read_volume if write is hdf5 else read_pair)(path)
