"""Raw Cartesian readouts become volumes: lines in their place, checked, prewhitened, transformed, coils combined."""

import logging
from collections.abc import Iterable
from typing import Any

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.mrd.header import as_carried, relative_noise_bandwidth
from gadgets.mrd.headers.places import check_one_place, geometry_of, oriented
from gadgets.mrd.headers.roles import Rules, heads_of
from gadgets.mrd.intake.measurement import Measurement
from gadgets.super_resolution.slices import MeasuredVolume
from recon.cartesian import centre_region, combine_coils, lines_in_image, zero_fill
from recon.errors import DataError
from recon.readouts.noise import prewhitening_matrix
from recon.super_resolution import CartesianVolume

log = logging.getLogger(__name__)

_SMALLEST_SHARE = 0.7
"""Least share of the lines of the measured rectangle; an ellipse has π/4."""


_MOST_SAMPLES = 4e9
"""32 GB of complex64, the size of large whole-heart scans with 30 coils; more is a mistake in the header."""


def volumes_of_readouts(
    measurement: Measurement,
    header: ismrmrd.xsd.ismrmrdHeader,
    combination: str,
    as_slices: bool,
    matrix: tuple[int, int, int] | None = None,
    rules: Rules | None = None,
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
    rules : Rules, optional
        What was set of the rule that chooses readouts.

    Returns
    -------
    list of MeasuredVolume

    Raises
    ------
    DataError
        If the stream was empty, counters do not fit the header, lines are missing, or samples are not finite.
    """
    if not header.encoding:
        raise DataError("the ISMRMRD header has no encoding: matrix and field of view are unknown")
    selected = measurement.select(rules)
    number = selected.roles.encoding_space
    if number >= len(header.encoding):
        raise DataError(f"readouts belong to encoding space {number}, of which the header has {len(header.encoding)}")
    encoding = header.encoding[number]
    trajectory = str(getattr(encoding.trajectory, "value", encoding.trajectory))
    if trajectory != "cartesian":
        raise DataError(f"the trajectory is {trajectory}; the super-resolution gadget takes Cartesian k-space")
    noise = measurement.noise(relative_noise_bandwidth(header))
    whitening = None if noise is None else prewhitening_matrix(*noise)
    groups: dict[tuple[int, ...], list[ismrmrd.Acquisition]] = {}
    for readouts in selected.slices.values():
        for readout in readouts:
            idx = readout.idx
            groups.setdefault((idx.slice, idx.contrast, idx.phase, idx.repetition, idx.set), []).append(readout)
    return [_volume(groups[key], encoding, whitening, combination, as_slices, matrix) for key in sorted(groups)]


def _volume(
    readouts: list[ismrmrd.Acquisition],
    encoding: Any,
    whitening: NDArray | None,
    combination: str,
    as_slices: bool,
    matrix: tuple[int, int, int] | None,
) -> MeasuredVolume:
    check_one_place(heads_of(readouts), f"the volume of slice {readouts[0].idx.slice}")
    kspace, sampled = fill_kspace(readouts, encoding)
    measured, along_read = np.any(sampled, axis=2), np.any(sampled, axis=(0, 1))
    _check_lines(measured)
    if whitening is not None:
        kspace = np.tensordot(whitening, kspace, axes=1)
    recon, encoded = encoding.reconSpace, encoding.encodedSpace
    final = tuple(matrix) if matrix else (recon.matrixSize.z, recon.matrixSize.y, recon.matrixSize.x)
    fov_mm = tuple(as_carried(getattr(recon.fieldOfView_mm, axis)) for axis in "xyz")
    encoded_mm = tuple(as_carried(getattr(encoded.fieldOfView_mm, axis)) for axis in "zyx")
    if not (np.isfinite([*fov_mm, *encoded_mm]).all() and min(*fov_mm, *encoded_mm) > 0 and min(final) >= 1):
        raise DataError(f"the header's recon space is {final} voxels (z, y, x) over {fov_mm} mm (x, y, z)")
    whole = tuple(round(n * e / r) for n, e, r in zip(final, encoded_mm, reversed(fov_mm), strict=True))
    if any(inner > outer for inner, outer in zip(final, whole, strict=True)):
        raise DataError(
            f"the recon field of view (x, y, z) {fov_mm} mm is larger than the encoded one, "
            f"{tuple(reversed(encoded_mm))} mm: nothing was measured there; correct the header"
        )
    _check_voxels(float(len(kspace)) * whole[0] * whole[1] * whole[2], whole)
    combined = combine_coils(_resized(kspace, whole), combination)
    z, y, x = centre_region(whole, final)
    head = oriented(_head(readouts[0]))
    volume = CartesianVolume(
        np.ascontiguousarray(combined[z, y, x]),
        factors=_factors(measured, whole),
        measured=_in_image(measured, along_read, whole, final),
        geometry=geometry_of(head, (fov_mm[0], fov_mm[1], fov_mm[2])),
    )
    return MeasuredVolume(volume, head, as_slices)


def _check_voxels(samples: float, size: tuple[int, ...]) -> None:
    if samples > _MOST_SAMPLES:
        raise DataError(
            f"the header asks for {' x '.join(map(str, size))} voxels (z, y, x) of each coil, {samples:.2g} in all: "
            "more than any scan has; correct the matrix sizes"
        )


def _in_image(measured: NDArray, along_read: NDArray, whole: tuple[int, ...], final: tuple[int, ...]) -> NDArray:
    """Which samples of the image's k-space were measured: (z, y, 1) bool, or (z, y, x) after partial echoes."""
    spacing = [many / few for many, few in zip(whole, final, strict=True)]
    lines = lines_in_image(measured, spacing[:2], final[:2])[..., None]
    samples = lines_in_image(along_read, spacing[2:], final[2:])
    return lines if samples.all() else lines & samples


def fill_kspace(readouts: Iterable[ismrmrd.Acquisition], encoding: Any) -> tuple[NDArray, NDArray[np.bool_]]:
    """Put each readout at its place in the encoded matrix; what came several times is averaged.

    Readouts flagged ``ACQ_IS_REVERSE`` are turned back first, and samples that a readout says to discard are not used.

    Parameters
    ----------
    readouts : iterable of ismrmrd.Acquisition
    encoding : ismrmrd.xsd.encodingType
        The one of the header that they belong to.

    Returns
    -------
    (coils, z, y, x) complex64, (z, y, x) bool
        k-space with its centre at n // 2, and which samples were measured.

    Raises
    ------
    DataError
        If counters point outside of the encoded matrix, readouts are shorter than it and no partial echoes, or
        samples are not finite.
    """
    readouts = list(readouts)
    size, limits = encoding.encodedSpace.matrixSize, encoding.encodingLimits
    _check_voxels(float(size.x) * size.y * size.z * readouts[0].data.shape[0], (size.z, size.y, size.x))
    centre_y = _centre(limits and limits.kspace_encoding_step_1, size.y)
    centre_z = _centre(limits and limits.kspace_encoding_step_2, size.z)
    kspace = np.zeros((readouts[0].data.shape[0], size.z, size.y, size.x), dtype=np.complex64)
    count = np.zeros((size.z, size.y, size.x), dtype=np.int32)
    forward = _forward_centre(readouts)
    for readout in readouts:
        data, centre, kept = _forwards(readout, forward)
        y = readout.idx.kspace_encode_step_1 - centre_y + size.y // 2
        z = readout.idx.kspace_encode_step_2 - centre_z + size.z // 2
        start = size.x // 2 - centre
        first, stop = start + kept.start, start + kept.stop
        if not (0 <= y < size.y and 0 <= z < size.z and first >= 0 and stop <= size.x):
            raise DataError(
                f"readout {readout.scan_counter} (steps {readout.idx.kspace_encode_step_1}, "
                f"{readout.idx.kspace_encode_step_2}; {data.shape[1]} samples, centre {centre}) "
                f"lies outside of the encoded matrix {size.x}×{size.y}×{size.z}; check the encoding limits' centres"
            )
        _check_reach(start, start + data.shape[1], readout, size.x)
        if not np.isfinite(data[:, kept]).all():
            raise DataError(f"readout {readout.scan_counter} holds NaN or Inf; repeat the scan")
        kspace[:, z, y, first:stop] += data[:, kept]
        count[z, y, first:stop] += 1
    kspace /= np.maximum(count, 1)
    return kspace, count > 0


def _forward_centre(readouts: list[ismrmrd.Acquisition]) -> int | None:
    """Sample at the centre of k-space of the first readout that runs forwards."""
    for readout in readouts:
        if not readout.is_flag_set(ismrmrd.ACQ_IS_REVERSE):
            return int(readout.center_sample or readout.data.shape[1] // 2)
    return None


def _forwards(readout: ismrmrd.Acquisition, forward_centre: int | None) -> tuple[NDArray, int, slice]:
    """Samples in the order of rising k, the one at its centre, and those that are not to be discarded.

    Converters write the centre of a backward readout in either order: the one that is that of the others counts.
    """
    samples = readout.data.shape[1]
    centre = int(readout.center_sample or samples // 2)
    kept = slice(int(readout.discard_pre), samples - int(readout.discard_post))
    if kept.start >= kept.stop:
        raise DataError(f"readout {readout.scan_counter} discards all of its {samples} samples; correct discard_pre")
    if not readout.is_flag_set(ismrmrd.ACQ_IS_REVERSE):
        return readout.data, centre, kept
    if forward_centre not in (None, centre):
        mirrored = [c for c in (samples - centre, samples - 1 - centre) if c == forward_centre]
        if not mirrored:
            raise DataError(
                f"readout {readout.scan_counter} is flagged ACQ_IS_REVERSE with center_sample {centre}, which does not "
                f"mirror the {forward_centre} of the forward readouts; correct the converter"
            )
        centre = mirrored[0]
    return readout.data[:, ::-1], centre, slice(samples - kept.stop, samples - kept.start)


def _check_reach(start: int, stop: int, readout: ismrmrd.Acquisition, size: int) -> None:
    """Refuse a readout that ends before both edges of k-space: its samples are spaced otherwise than the header says.

    A partial echo reaches one edge, to within the sample by which centres of even and odd lengths differ.
    """
    if start > 1 and size - stop > 1:
        samples = stop - start
        raise DataError(
            f"readout {readout.scan_counter} has {samples} samples, not the {size} of the header's encodedSpace: if "
            "readout oversampling was removed upstream, encodedSpace must say so in matrixSize.x and fieldOfView_mm.x"
        )


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
