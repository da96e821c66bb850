"""How well organs were outlined: overlap and distance of two label maps.

SciPy's distance transform does the work. Scikit-image has neither percentiles of Hausdorff distances nor spacings;
torchmetrics and MONAI have both, but need torch, which the maths here do without.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

_SHARE = 0.95
"""Of the surface that counts for the Hausdorff distance: the dissertation's 95HD (7.2.9)."""


@dataclass(frozen=True)
class LabelAgreement:
    """Agreement of a found organ with the true one.

    An organ that only one of both has agrees nowhere: no overlap, infinite distances. One that neither has cannot be
    judged: all figures are not a number.

    Attributes
    ----------
    dice : float
        ``2 |A ∩ B| / (|A| + |B|)``.
    jaccard : float
        ``|A ∩ B| / |A ∪ B|``.
    mean_surface_distance_mm : float
        Mean over both surfaces of the distance to the other one.
    hausdorff95_mm : float
        Within so far of the other surface lie 95 % of each.
    """

    dice: float
    jaccard: float
    mean_surface_distance_mm: float
    hausdorff95_mm: float


_NEITHER = LabelAgreement(*[float("nan")] * 4)
_ONE_ALONE = LabelAgreement(0.0, 0.0, float("inf"), float("inf"))


def label_agreement(found: NDArray, true: NDArray, spacing_mm: tuple[float, float, float]) -> LabelAgreement:
    """Compare two masks of one organ.

    Surface voxels are those of which one of six neighbours lies outside the organ; where the volume ends, the organ is
    cut and has no surface. Distances are between centres of voxels; each counts with the area of its voxel's surface,
    since thick slices have few voxels where the surface faces along them, and many elsewhere.

    Parameters
    ----------
    found, true : (z, y, x) bool
    spacing_mm : (3,) tuple of float
        Distance of the voxels along z, y, x.

    Returns
    -------
    LabelAgreement
    """
    sizes = int(found.sum()), int(true.sum())
    if not all(sizes):
        return _ONE_ALONE if any(sizes) else _NEITHER
    box = _box(found | true)
    found, true = found[box], true[box]
    common = int((found & true).sum())
    overlap = 2 * common / sum(sizes), common / (sum(sizes) - common)
    areas = [_exposed_area(mask, spacing_mm) for mask in (found, true)]
    surfaces = [area > 0 for area in areas]
    if not all(surface.any() for surface in surfaces):  # an organ that fills the volume has none
        return LabelAgreement(*overlap, float("nan"), float("nan"))
    away = [distance_transform_edt(~surface, spacing_mm) for surface in surfaces]
    distances = [away[1][surfaces[0]], away[0][surfaces[1]]]
    weights = [area[surface] for area, surface in zip(areas, surfaces, strict=True)]
    mean = float(np.average(np.concatenate(distances), weights=np.concatenate(weights)))
    return LabelAgreement(*overlap, mean, max(map(_reach, distances, weights)))


def _exposed_area(mask: NDArray, spacing_mm: tuple[float, float, float]) -> NDArray:
    """Area of the surface in each voxel in mm², from its faces towards the outside.

    Along each axis, they are what the surface throws as a shadow; the area is the length of these shadows as a vector,
    exact for surfaces along faces and along their diagonals.
    """
    padded, square = np.pad(mask, 1, mode="edge"), np.zeros(mask.shape)
    for axis, step in enumerate(spacing_mm):
        faces = np.zeros(mask.shape)
        for start in (0, 2):  # the neighbours before and behind
            place = tuple(
                slice(start, start + mask.shape[axis]) if other == axis else slice(1, -1) for other in range(3)
            )
            faces += mask & ~padded[place]
        square += (faces * np.prod(spacing_mm) / step) ** 2
    return np.sqrt(square)


def _reach(distances: NDArray, weights: NDArray) -> float:
    """Distance within which a share of the surface lies."""
    order = np.argsort(distances)
    inside = np.cumsum(weights[order])
    return float(distances[order][np.searchsorted(inside, _SHARE * inside[-1])])


def agreement_by_label(
    found: NDArray, true: NDArray, labels: Iterable[int], spacing_mm: tuple[float, float, float]
) -> dict[int, LabelAgreement]:
    """:func:`label_agreement` of each of some labels.

    Parameters
    ----------
    found, true : (z, y, x) int
        Label maps.
    labels : iterable of int
    spacing_mm : (3,) tuple of float

    Returns
    -------
    dict of int to LabelAgreement
    """
    return {label: label_agreement(found == label, true == label, spacing_mm) for label in labels}


def volumes_ml(labels: NDArray, names: Iterable[str], spacing_mm: tuple[float, float, float]) -> dict[str, float]:
    """Volume of each organ.

    Parameters
    ----------
    labels : (z, y, x) int
    names : iterable of str
        Of the labels 0, 1, …; the first is the background and has no volume.
    spacing_mm : (3,) tuple of float

    Returns
    -------
    dict of str to float
        In mL.
    """
    known = list(names)
    counts = np.bincount(labels.ravel(), minlength=len(known))
    voxel_ml = float(np.prod(spacing_mm)) / 1000
    return {name: float(counts[number]) * voxel_ml for number, name in enumerate(known) if number}


def _box(mask: NDArray) -> tuple[slice, ...]:
    """The smallest box around a mask, with one voxel to spare where the volume goes on."""
    places = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    return tuple(
        slice(max(0, int(along[0]) - 1), min(size, int(along[-1]) + 2))
        for along, size in zip(places, mask.shape, strict=True)
    )
