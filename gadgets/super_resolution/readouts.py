"""Raw Cartesian readouts become volumes: lines in their place, checked, prewhitened, transformed, coils combined."""

import logging
from collections.abc import Iterable
from typing import Any

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.mrd.header import geometry_of, relative_noise_bandwidth
from gadgets.mrd.measurement import Measurement
from gadgets.super_resolution.slices import MeasuredVolume
from recon.cartesian import centre_region, combine_coils, lines_in_image, zero_fill
from recon.errors import DataError
from recon.readouts.noise import prewhitening_matrix
from recon.super_resolution import CartesianVolume

log = logging.getLogger(__name__)

_SMALLEST_SHARE = 0.7
"""Least share of the lines of the measured rectangle; an ellipse has π/4."""


def volumes_of_readouts(
    measurement: Measurement,
    header: ismrmrd.xsd.ismrmrdHeader,
    combination: str,
    as_slices: bool,
    matrix: tuple[int, int, int] | None = None,
) -> list[MeasuredVolume]:
    """Reconstruct each volume of a 3-D Cartesian scan.

    Parameters
    ----------
    measurement : Measurement
    header : ismrmrd.xsd.ismrmrdHeader
    combination : {"maps", "sum_of_squares"}
    as_slices : bool
    matrix : (3,) tuple of int, optional
        Full matrix (z, y, x); default: the header's recon matrix.

    Returns
    -------
    list of MeasuredVolume

    Raises
    ------
    DataError
        If the stream was empty, counters do not fit the header, lines are missing, or samples are not finite.
    """
    measurement.check_imaging()
    if not header.encoding:
        raise DataError("the ISMRMRD header has no encoding: matrix and field of view are unknown")
    trajectory = str(getattr(header.encoding[0].trajectory, "value", header.encoding[0].trajectory))
    if trajectory != "cartesian":
        raise DataError(f"the trajectory is {trajectory}; the super-resolution gadget takes Cartesian k-space")
    noise = measurement.noise(relative_noise_bandwidth(header))
    whitening = None if noise is None else prewhitening_matrix(*noise)
    groups: dict[tuple[int, ...], list[ismrmrd.Acquisition]] = {}
    for readouts in measurement.slices.values():
        for readout in readouts:
            idx = readout.idx
            groups.setdefault((idx.slice, idx.contrast, idx.phase, idx.repetition, idx.set), []).append(readout)
    return [_volume(groups[key], header, whitening, combination, as_slices, matrix) for key in sorted(groups)]


def _volume(
    readouts: list[ismrmrd.Acquisition],
    header: ismrmrd.xsd.ismrmrdHeader,
    whitening: NDArray | None,
    combination: str,
    as_slices: bool,
    matrix: tuple[int, int, int] | None,
) -> MeasuredVolume:
    encoding = header.encoding[0]
    kspace, measured = fill_kspace(readouts, header)
    _check_lines(measured)
    if whitening is not None:
        kspace = np.tensordot(whitening, kspace, axes=1)
    recon, encoded = encoding.reconSpace, encoding.encodedSpace
    final = tuple(matrix) if matrix else (recon.matrixSize.z, recon.matrixSize.y, recon.matrixSize.x)
    fov_mm = (recon.fieldOfView_mm.x, recon.fieldOfView_mm.y, recon.fieldOfView_mm.z)
    encoded_mm = (encoded.fieldOfView_mm.z, encoded.fieldOfView_mm.y, encoded.fieldOfView_mm.x)
    if min(fov_mm) <= 0 or min(encoded_mm) <= 0 or min(final) < 1:
        raise DataError(f"the header's recon space is {final} voxels (z, y, x) over {fov_mm} mm (x, y, z)")
    whole = tuple(round(n * e / r) for n, e, r in zip(final, encoded_mm, reversed(fov_mm), strict=True))
    if any(inner > outer for inner, outer in zip(final, whole, strict=True)):
        raise DataError(
            f"the recon field of view (x, y, z) {fov_mm} mm is larger than the encoded one, "
            f"{tuple(reversed(encoded_mm))} mm: nothing was measured there; correct the header"
        )
    combined = combine_coils(_resized(kspace, whole), combination)
    z, y, x = centre_region(whole, final)
    volume = CartesianVolume(
        np.ascontiguousarray(combined[z, y, x]),
        factors=_factors(measured, whole),
        measured=_in_image(measured, _along_read(readouts[0], encoded.matrixSize.x), whole, final),
        geometry=geometry_of(readouts[0], fov_mm),
    )
    return MeasuredVolume(volume, _head(readouts[0]), as_slices)


def _in_image(measured: NDArray, along_read: NDArray, whole: tuple[int, ...], final: tuple[int, ...]) -> NDArray:
    """Which samples of the image's k-space were measured: (z, y, 1) bool, or (z, y, x) after partial echoes."""
    spacing = [many / few for many, few in zip(whole, final, strict=True)]
    lines = lines_in_image(measured, spacing[:2], final[:2])[..., None]
    samples = lines_in_image(along_read, spacing[2:], final[2:])
    return lines if samples.all() else lines & samples


def _along_read(readout: ismrmrd.Acquisition, size: int) -> NDArray:
    """(encoded samples,) bool: where the samples of a readout lie."""
    samples = readout.data.shape[1]
    start = size // 2 - (readout.center_sample or samples // 2)
    sample = np.arange(size)
    return (sample >= start) & (sample < start + samples)


def fill_kspace(readouts: Iterable[ismrmrd.Acquisition], header: ismrmrd.xsd.ismrmrdHeader) -> tuple[NDArray, NDArray]:
    """Put each readout at its place in the encoded matrix; lines that came several times are averaged.

    Parameters
    ----------
    readouts : iterable of ismrmrd.Acquisition
    header : ismrmrd.xsd.ismrmrdHeader

    Returns
    -------
    (coils, z, y, x) complex64, (z, y) bool
        k-space with its centre at n // 2, and which lines were measured.

    Raises
    ------
    DataError
        If counters point outside of the encoded matrix, or samples are not finite.
    """
    readouts = list(readouts)
    encoding = header.encoding[0]
    size = encoding.encodedSpace.matrixSize
    limits = encoding.encodingLimits
    centre_y = _centre(limits and limits.kspace_encoding_step_1, size.y)
    centre_z = _centre(limits and limits.kspace_encoding_step_2, size.z)
    kspace = np.zeros((readouts[0].data.shape[0], size.z, size.y, size.x), dtype=np.complex64)
    count = np.zeros((size.z, size.y), dtype=int)
    for readout in readouts:
        y = readout.idx.kspace_encode_step_1 - centre_y + size.y // 2
        z = readout.idx.kspace_encode_step_2 - centre_z + size.z // 2
        start = size.x // 2 - (readout.center_sample or readout.data.shape[1] // 2)
        if not (0 <= y < size.y and 0 <= z < size.z and start >= 0 and start + readout.data.shape[1] <= size.x):
            raise DataError(
                f"readout {readout.scan_counter} (steps {readout.idx.kspace_encode_step_1}, "
                f"{readout.idx.kspace_encode_step_2}; {readout.data.shape[1]} samples, centre {readout.center_sample}) "
                f"lies outside of the encoded matrix {size.x}×{size.y}×{size.z}; check the encoding limits' centres"
            )
        if not np.isfinite(readout.data).all():
            raise DataError(f"readout {readout.scan_counter} holds NaN or Inf; repeat the scan")
        kspace[:, z, y, start : start + readout.data.shape[1]] += readout.data
        count[z, y] += 1
    kspace /= np.maximum(count, 1)[:, :, None]
    return kspace, count > 0


def _centre(limit: Any, size: int) -> int:
    return size // 2 if limit is None else int(limit.center)


def _check_lines(measured: NDArray) -> None:
    rows, columns = (np.flatnonzero(measured.any(axis=axis)) for axis in (1, 0))
    for name, lines in (("partitions", rows), ("phase-encoding lines", columns)):
        missing = np.setdiff1d(np.arange(lines[0], lines[-1] + 1), lines)
        if len(missing):
            raise DataError(
                f"{len(missing)} {name} are missing between the first and the last; "
                "parallel imaging (GRAPPA) must be undone upstream"
            )
    share = measured[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean()
    if share < _SMALLEST_SHARE:
        raise DataError(
            f"{1 - share:.0%} of the lines of the measured rectangle are missing, more than an ellipse leaves out; "
            "reconstruct undersampled scans upstream"
        )


def _factors(measured: NDArray, whole: tuple[int, ...]) -> tuple[float, float]:
    """Full lines over measured ones; an axis counts as reaching as far as its farther end (partial Fourier)."""
    factors = []
    for axis, size in ((1, whole[0]), (0, whole[1])):
        lines = np.flatnonzero(measured.any(axis=axis))
        middle = measured.shape[1 - axis] // 2
        reach = max(middle - lines[0], lines[-1] - middle + 1)
        factors.append(max(1.0, size / (2 * reach if measured.shape[1 - axis] > 1 else 1)))
    return factors[0], factors[1]


def _resized(kspace: NDArray, matrix: tuple[int, ...]) -> NDArray:
    """Zero-fill, or drop outer lines where more was measured than the full matrix holds."""
    have = kspace.shape[1:]
    if any(has > want for has, want in zip(have, matrix, strict=True)):
        log.warning("k-space of %s lines is cut to the full matrix %s", have, matrix)
        z, y, x = centre_region(have, [min(pair) for pair in zip(have, matrix, strict=True)])
        kspace = kspace[:, z, y, x]
    return zero_fill(kspace, (matrix[0], matrix[1], matrix[2]))


def _head(readout: ismrmrd.Acquisition) -> ismrmrd.ImageHeader:
    return ismrmrd.ImageHeader.from_acquisition(readout, version=1)
