"""Volumes in the patient: grids of any orientation and spacing, and resampling between them by SciPy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter


@dataclass(frozen=True)
class PatientGrid:
    """Where the voxels of a volume lie.

    Attributes
    ----------
    shape : (3,) tuple of int
        (z, y, x).
    affine : (4, 4) float64
        Takes the indices (z, y, x, 1) of a voxel to its middle in mm in the patient: to the left, the back, the head
        (LPS), as DICOM and ISMRMRD have them.
    """

    shape: tuple[int, int, int]
    affine: NDArray

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of the voxels along z, y, x."""
        z, y, x = (float(length) for length in np.linalg.norm(self.affine[:3, :3], axis=0))
        return z, y, x


def patient_grid(
    shape: tuple[int, int, int], first_voxel_mm: NDArray, directions: NDArray, spacing_mm: tuple[float, float, float]
) -> PatientGrid:
    """Grid of a volume whose slices lie at even distances.

    Parameters
    ----------
    shape : (3,) tuple of int
        (z, y, x).
    first_voxel_mm : (3,) float64
        Middle of voxel (0, 0, 0) in the patient (LPS).
    directions : (3, 3) float64
        Row by row the unit vectors from slice to slice, from row to row, and along a row.
    spacing_mm : (3,) tuple of float
        (z, y, x).

    Returns
    -------
    PatientGrid
    """
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(directions).T * np.asarray(spacing_mm)
    affine[:3, 3] = first_voxel_mm
    return PatientGrid(shape, affine)


def upright_grid(grid: PatientGrid, spacing_mm: tuple[float, float, float]) -> PatientGrid:
    """The smallest grid along the patient's axes that holds another one; z runs to the head, y back, x to the left.

    Parameters
    ----------
    grid : PatientGrid
    spacing_mm : (3,) tuple of float
        (z, y, x).

    Returns
    -------
    PatientGrid
    """
    ends = [(-0.5, size - 0.5) for size in grid.shape]
    corners = np.stack([each.ravel() for each in np.meshgrid(*ends)] + [np.ones(8)])
    places_mm = (grid.affine @ corners)[2::-1]  # (head, back, left)
    low, high = places_mm.min(axis=1), places_mm.max(axis=1)
    counts = np.maximum(np.ceil((high - low) / spacing_mm - 1e-6).astype(int), 1)
    first = (low + high) / 2 - (counts - 1) / 2 * spacing_mm
    z, y, x = (int(count) for count in counts)
    return patient_grid((z, y, x), first[::-1], np.eye(3)[::-1], spacing_mm)


def resampled(values: NDArray, source: PatientGrid, target: PatientGrid) -> NDArray:
    """Take a volume from one grid to another, linearly between voxels; zero where there are none.

    Where the target's voxels are larger, the volume is blurred before to about their size, so that fine structure does
    not come back as coarse.

    Parameters
    ----------
    values : (z, y, x) float
        On the source.
    source, target : PatientGrid

    Returns
    -------
    (z, y, x) float32
    """
    # i_source = A_source⁻¹ A_target i_target
    matrix = np.linalg.solve(source.affine, target.affine)
    steps = np.linalg.norm(matrix[:3, :3], axis=1)  # of the target, in voxels of the source
    blurred = gaussian_filter(values.astype(np.float32), np.maximum((steps - 1) / 2, 0))
    padded = np.pad(blurred, 1, mode="edge")  # half of the outermost voxels lies outside their middles
    return affine_transform(padded, matrix[:3, :3], matrix[:3, 3] + 1, target.shape, order=1, mode="constant")
