"""Training pairs of the Multitasking network on disk: one HDF5 file holds one slice's (U₀, U)."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from nets.data.formats.errors import VolumeError
from nets.data.formats.hdf5_files import maps_of, opened_hdf5

_REMEDY = "make pairs with malibu prepare"


@dataclass(frozen=True)
class Pair:
    """What the network gets and what it should give.

    Attributes
    ----------
    back_projection : (L, N, N) complex64
        U₀.
    label : (L, N, N) complex64
        U: the truth, or an iterative reconstruction.
    attributes : dict of str to str, int or float
        Where the pair comes from; ``subject`` and ``label`` (truth or admm) are always there.
    """

    back_projection: NDArray
    label: NDArray
    attributes: dict[str, str | int | float]


def write_pair(path: Path, pair: Pair) -> None:
    """Write a pair.

    Parameters
    ----------
    path : Path
    pair : Pair
    """
    with h5py.File(path, "w") as file:
        file["back_projection"] = pair.back_projection.astype(np.complex64, copy=False)
        file["label"] = pair.label.astype(np.complex64, copy=False)
        file.attrs.update(pair.attributes)


def read_pair(path: Path) -> Pair:
    """Read a pair.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Pair

    Raises
    ------
    VolumeError
        If the file is not a pair, or its two halves do not fit together.
    """
    with opened_hdf5(path, "a training pair", _REMEDY) as file:
        maps = [maps_of(file, name, path, "iufc") for name in ("back_projection", "label")]
        if maps[0] is None or maps[1] is None:
            raise VolumeError(f"{path} is not a training pair (no maps back_projection and label); {_REMEDY}")
        pair = Pair(maps[0][()], maps[1][()], dict(file.attrs))
    if pair.back_projection.ndim != 3 or pair.back_projection.shape != pair.label.shape:
        raise VolumeError(
            f"{path}: back-projection {pair.back_projection.shape} and label {pair.label.shape} are not two equal "
            "stacks of maps; make the pair anew with malibu prepare"
        )
    if not (np.isfinite(pair.back_projection).all() and np.isfinite(pair.label).all()):
        raise VolumeError(f"{path} holds values that are not finite; make the pair anew with malibu prepare")
    return pair


def pair_files(folder: Path, split: str) -> list[Path]:
    """List the pairs of a split in the order of their names."""
    return sorted((folder / split).glob("[!.]*.h5"))
