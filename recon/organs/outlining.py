"""From a volume of any orientation to its organs on the same voxels; the network is a callable."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.errors import DataError
from recon.organs.patient_grid import PatientGrid, resampled, upright_grid
from recon.quality.label_agreement import volumes_ml

Outliner = Callable[[NDArray], tuple[NDArray, NDArray]]
"""(z, y, x) float32 volume along the patient's axes → (classes, z, y, x) probabilities, (z, y, x) disagreement."""


@dataclass(frozen=True)
class OrganMap:
    """Organs on the voxels of an image.

    Attributes
    ----------
    labels : (z, y, x) uint8
        Number of the organ; 0 is the background.
    disagreement : (z, y, x) float32
        From 0, where the network is sure, to 1.
    volumes_ml : dict of str to float
        By organ.
    """

    labels: NDArray
    disagreement: NDArray
    volumes_ml: dict[str, float]


def outline_organs(
    volume: NDArray,
    grid: PatientGrid,
    network: Outliner,
    organs: tuple[str, ...],
    spacing_mm: tuple[float, float, float],
) -> OrganMap:
    """Outline the organs of a volume, whatever its orientation and spacing.

    The volume goes to a grid along the patient's axes with the network's spacing. Probabilities come back, not labels,
    so that borders are smooth on finer voxels; each voxel gets the class that is most probable there.

    Parameters
    ----------
    volume : (z, y, x) float
        Magnitude.
    grid : PatientGrid
        Its voxels.
    network : callable
        As :data:`Outliner` says.
    organs : tuple of str
        Name by label.
    spacing_mm : (3,) tuple of float
        (z, y, x) that the network was trained for.

    Returns
    -------
    OrganMap

    Raises
    ------
    DataError
        If the volume is empty, or not finite, or its grid is flat.
    """
    check_outlinable(volume, grid)
    upright = upright_grid(grid, spacing_mm)
    probabilities, disagreement = network(resampled(volume, grid, upright))
    labels = labels_on(probabilities, upright, grid)
    unsure = np.clip(resampled(disagreement, upright, grid), 0, 1)
    return OrganMap(labels, unsure, volumes_ml(labels, organs, grid.spacing_mm))


def check_outlinable(volume: NDArray, grid: PatientGrid) -> None:
    """Refuse a volume in which no organs can be outlined.

    Parameters
    ----------
    volume : (z, y, x) float
    grid : PatientGrid

    Raises
    ------
    DataError
        If it is empty, or not finite, or its grid is flat.
    """
    bad = int(np.count_nonzero(~np.isfinite(volume)))
    if bad:
        raise DataError(f"the volume holds {bad} voxels that are NaN or Inf; mend it upstream")
    if np.ptp(volume) == 0:
        raise DataError("the volume is constant: there is nothing to outline")
    if volume.shape != grid.shape or not abs(np.linalg.det(grid.affine)) > 0:
        raise DataError(f"a volume of {volume.shape} voxels does not lie on a grid of {grid.shape} with three axes")


def labels_on(probabilities: Iterable[NDArray], source: PatientGrid, target: PatientGrid) -> NDArray:
    """The most probable class on another grid; class by class, so that one volume more is held, not all.

    Parameters
    ----------
    probabilities : iterable of (z, y, x) float
        Of each class, on the source.
    source, target : PatientGrid

    Returns
    -------
    (z, y, x) uint8
        On the target; background outside of the source.
    """
    highest = np.zeros(target.shape, dtype=np.float32)
    labels = np.zeros(target.shape, dtype=np.uint8)
    for number, each in enumerate(probabilities):
        found = resampled(each, source, target)
        better = found > highest
        labels[better], highest[better] = number, found[better]
    return labels
