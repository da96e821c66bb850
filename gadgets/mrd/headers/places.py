"""Where readouts and images lie: checked, completed where a converter wrote nothing, and handed on as a geometry."""

import logging
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from recon.errors import DataError
from recon.readouts.geometry import Geometry

log = logging.getLogger(__name__)

Head = TypeVar("Head")

_DIRECTIONS = ("read_dir", "phase_dir", "slice_dir")

_NORM_TOLERANCE = 1e-2
"""Direction cosines that were written with two decimals are still directions."""

_SAME = {
    "position": 0.1,
    "read_dir": 1e-3,
    "phase_dir": 1e-3,
    "slice_dir": 1e-3,
    "patient_table_position": 0.1,
    "sample_time_us": 1e-3,
    "channel_mask": 0,
}
"""What readouts of one image share, and what rounding may differ: tenths of millimetres, thousandths of a cosine."""


def check_one_place(heads: NDArray, what: str) -> None:
    """Refuse an image whose readouts lie at several places, in several directions, or have other coils or dwell times.

    Parameters
    ----------
    heads : (readouts,) structured array
    what : str
        The image, for the error.

    Raises
    ------
    DataError
        If a field differs by more than rounding.
    """
    for name, tolerance in _SAME.items():
        values = heads[name]
        different = values != values[0] if name == "channel_mask" else np.abs(values - values[0]) > tolerance
        if different.any():
            row = int(np.argmax(different.reshape(len(heads), -1).any(axis=1)))
            raise DataError(
                f"{what}: the {name} of its readouts differs ({values[0]} and, at scan counter "
                f"{heads['scan_counter'][row]}, {values[row]}): these are readouts of several images; count slices in "
                "idx.slice, one for each position, or send one scan at a time"
            )


def oriented(head: Head) -> Head:
    """Check where an acquisition or image lies, and give it a direction if it has none; the head is changed.

    Parameters
    ----------
    head : ismrmrd.AcquisitionHeader or ismrmrd.ImageHeader

    Returns
    -------
    head
        The same one.

    Raises
    ------
    DataError
        If position or directions are not finite, or the directions are not orthonormal.
    """
    rows = np.array([getattr(head, name)[:] for name in _DIRECTIONS], dtype=np.float64)
    position = np.array(head.position[:])  # type: ignore[attr-defined]
    if not (np.isfinite(position).all() and np.isfinite(rows).all()):
        raise DataError("position or direction cosines of the data are NaN or Inf; correct the converter")
    if not rows.any():
        log.warning("the data carry no direction cosines: x is taken as left, y as posterior, z as head (axial)")
        for name, row in zip(_DIRECTIONS, np.eye(3), strict=True):
            getattr(head, name)[:] = row.tolist()
        return head
    if np.abs(rows @ rows.T - np.eye(3)).max() > _NORM_TOLERANCE:
        text = "; ".join(f"{name} {np.round(row, 3).tolist()}" for name, row in zip(_DIRECTIONS, rows, strict=True))
        raise DataError(f"the direction cosines of the data are not orthonormal ({text}); correct the converter")
    return head


def geometry_of(head: Any, fov_mm: tuple[float, float, float]) -> Geometry:
    """Position and directions of an acquisition's or image's header, with a field of view."""

    def vector(name: str) -> tuple[float, float, float]:
        x, y, z = getattr(head, name)
        return float(x), float(y), float(z)

    return Geometry(fov_mm, *map(vector, ("position", *_DIRECTIONS)))
