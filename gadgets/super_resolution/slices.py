"""Images become volumes, once: slices in order, at the full matrix, with what tells how they were cut."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.image_tasks.kinds import grouped
from gadgets.image_tasks.stacks import stacked
from gadgets.mrd.headers.places import geometry_of
from recon.cartesian import centre_mask, lines_in_image, to_image, to_kspace, zero_fill
from recon.errors import DataError
from recon.super_resolution import CartesianVolume


@dataclass(frozen=True)
class MeasuredVolume:
    """A volume as arrays, and what its images take from ISMRMRD.

    Attributes
    ----------
    volume : CartesianVolume
    head : ismrmrd.ImageHeader
        Template: counters, times and directions; its position is that of the volume's geometry.
    as_slices : bool
        Whether images go out as slices.
    originals : list of ismrmrd.Image
        What came, to be sent on unchanged; empty for raw scans.
    meta : dict
        Meta of the first image that came.
    """

    volume: CartesianVolume
    head: ismrmrd.ImageHeader
    as_slices: bool
    originals: list[ismrmrd.Image] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)


def volumes_of_images(
    images: Iterable[ismrmrd.Image], header: ismrmrd.xsd.ismrmrdHeader, matrix: tuple[int, int, int] | None = None
) -> list[MeasuredVolume]:
    """Put images in order and together to volumes, and bring these to the full matrix by zero-filling in k-space.

    Parameters
    ----------
    images : iterable of ismrmrd.Image
        Magnitudes: slices in any order, or volumes; of any number of series and contrasts.
        :func:`gadgets.image_tasks.kinds.split_by_kind` leaves the others out.
    header : ismrmrd.xsd.ismrmrdHeader
    matrix : (3,) tuple of int, optional
        Full matrix (z, y, x); default: the header's.

    Returns
    -------
    list of MeasuredVolume
        In the order in which their first images came.

    Raises
    ------
    DataError
        If slices are missing or doubled, sizes are mixed, voxels are not finite, or the matrix does not fit.
    """
    volumes = [_volume(group, header, matrix) for group in grouped(images)]
    if not volumes:
        raise DataError("no images came: the stream is empty")
    return volumes


def _volume(
    images: list[ismrmrd.Image], header: ismrmrd.xsd.ismrmrdHeader, matrix: tuple[int, int, int] | None
) -> MeasuredVolume:
    first = images[0].getHead()
    name = f"series {first.image_series_index}"
    stack = stacked(images, name)
    voxels = stack.voxels
    if not np.isfinite(voxels).all():
        raise DataError(f"{name} holds {np.count_nonzero(~np.isfinite(voxels))} voxels that are NaN or Inf; mend them")
    wanted = matrix or _header_matrix(header) or voxels.shape
    if wanted[0] == 1:
        wanted = (voxels.shape[0], *wanted[1:])
    if any(want < have for want, have in zip(wanted, voxels.shape, strict=True)):
        raise DataError(
            f"{name} has {voxels.shape} voxels (z, y, x), more than the full matrix {tuple(wanted)}; set matrix"
        )
    x_mm, y_mm, z_mm = first.field_of_view[:]
    fov_mm = (x_mm, y_mm, z_mm if stack.is_volume else stack.voxel_mm[0] * len(voxels))
    factors, measured = _cut_of_images(voxels.shape, tuple(wanted), header)
    head = stack.images[len(stack.images) // 2].getHead()
    filled = _filled(voxels.astype(np.complex64), tuple(wanted))
    return MeasuredVolume(
        CartesianVolume(filled, factors, measured, geometry_of(head, fov_mm)),
        head=head,
        as_slices=not stack.is_volume,
        originals=images,
        meta=dict(images[0].meta),
    )


def _filled(voxels: NDArray, matrix: tuple[int, int, int]) -> NDArray:
    if voxels.shape == matrix:
        return voxels
    return to_image(zero_fill(to_kspace(voxels), matrix))


def _header_matrix(header: ismrmrd.xsd.ismrmrdHeader) -> tuple[int, int, int] | None:
    if not header.encoding:
        return None
    size = header.encoding[0].reconSpace.matrixSize
    return int(size.z), int(size.y), int(size.x)


Cut = tuple[tuple[float, float] | None, NDArray | None]
"""Acceleration along slice and phase direction, and which samples were measured; None where nothing tells."""


def _cut_of_images(have: tuple[int, ...], full: tuple[int, ...], header: ismrmrd.xsd.ismrmrdHeader) -> Cut:
    """From the images' own matrix where that is smaller, else from the header's limits."""
    factors = tuple(want / has for want, has in zip(full, have, strict=True))
    if max(factors) > 1:
        return (factors[0], factors[1]), centre_mask(full, have)
    return cut_of_header(header, full)


def cut_of_header(header: ismrmrd.xsd.ismrmrdHeader, full: tuple[int, ...]) -> Cut:
    """How much fewer lines than the full matrix has were measured, by the header's encoding limits.

    Parameters
    ----------
    header : ismrmrd.xsd.ismrmrdHeader
    full : (3,) tuple of int
        Matrix (z, y, x).

    Returns
    -------
    (2,) tuple of float, (z, y, 1) bool; or None, None
        None if the header has no limits.
    """
    if not header.encoding or header.encoding[0].encodingLimits is None:
        return None, None
    encoding = header.encoding[0]
    limits = (encoding.encodingLimits.kspace_encoding_step_2, encoding.encodingLimits.kspace_encoding_step_1)
    factors, spacing, along = [], [], []
    for axis, limit, size in zip("zy", limits, full[:2], strict=True):
        if limit is None:
            return None, None
        encoded_mm = getattr(encoding.encodedSpace.fieldOfView_mm, axis)
        recon_mm = getattr(encoding.reconSpace.fieldOfView_mm, axis) or encoded_mm
        spacing.append(encoded_mm / recon_mm if recon_mm else 1.0)
        reach = max(limit.center - limit.minimum, limit.maximum - limit.center + 1)
        lines = min(2 * reach, limit.maximum - limit.minimum + 1) if limit.center else limit.maximum + 1
        factors.append(max(1.0, size * spacing[-1] / max(1, lines)))
        along.append(_measured_along(limit, getattr(encoding.encodedSpace.matrixSize, axis)))
    measured = lines_in_image(np.logical_and.outer(*along), (spacing[0], spacing[1]), (full[0], full[1]))
    return (factors[0], factors[1]), measured[..., None]


def _measured_along(limit: Any, encoded: int) -> NDArray:
    """(encoded lines,) bool: those between the limits, k = 0 at n // 2; centred where the limits name no centre."""
    first, center = (limit.minimum, limit.center) if limit.center else (0, (limit.maximum + 1) // 2)
    steps = np.arange(encoded) - encoded // 2 + center
    return (steps >= first) & (steps <= limit.maximum)
