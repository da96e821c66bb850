"""Voxels become 8 or 16 bit integers with a scale, so that volumes fit into a page; what that loses is told."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LARGEST_BYTES = 14_000_000
"""Stored voxels of a page: 20 MB hold them as base64, with room for the scripts."""


@dataclass(frozen=True)
class PackedVoxels:
    """Voxels as integers; value = scale * stored + offset.

    Attributes
    ----------
    stored : (z, y, x) uint8 or uint16
    scale, offset : float
        The largest error is half of the scale.
    is_exact : bool
        Whether the integers are the values that came.
    """

    stored: NDArray
    scale: float
    offset: float
    is_exact: bool

    @property
    def base64(self) -> str:
        """Little-endian, x fastest."""
        little = self.stored.astype(self.stored.dtype.newbyteorder("<"), copy=False)
        return base64.b64encode(np.ascontiguousarray(little).tobytes()).decode()


def pack(voxels: NDArray, dtype: type[np.unsignedinteger]) -> PackedVoxels:
    """Quantise real voxels over their whole range.

    Parameters
    ----------
    voxels : (z, y, x) array
        Finite, integers or real.
    dtype : type
        ``np.uint8`` or ``np.uint16``.

    Returns
    -------
    PackedVoxels
    """
    low, high, levels = float(voxels.min()), float(voxels.max()), int(np.iinfo(dtype).max)
    if voxels.dtype.kind in "iu" and high - low <= levels:
        return PackedVoxels((voxels - voxels.min()).astype(dtype), 1.0, low, is_exact=True)
    scale = (high - low) / levels or 1.0
    return PackedVoxels(np.rint((voxels.astype(np.float64) - low) / scale).astype(dtype), scale, low, is_exact=False)


def how_to_store(voxel_counts: Sequence[int]) -> tuple[type[np.unsignedinteger], int]:
    """Choose the type of stored voxels, and how many volumes a page holds.

    Parameters
    ----------
    voxel_counts : sequence of int
        Voxels of each volume, all of its versions together.

    Returns
    -------
    dtype : type
        uint16 where all volumes fit so, else uint8.
    shown : int
        Volumes that fit, from the first one; at least one.
    """
    if 2 * sum(voxel_counts) <= LARGEST_BYTES:
        return np.uint16, len(voxel_counts)
    fitting = int(np.searchsorted(np.cumsum(voxel_counts), LARGEST_BYTES, side="right"))
    return np.uint8, max(1, fitting)
