"""Samples and trajectory of the readouts of one slice as arrays, checked."""

import logging

import numpy as np
from numpy.typing import NDArray

from gadgets.mrd.header import ScanHeader
from gadgets.mrd.headers.roles import is_flagged
from gadgets.mrd.intake.store import StoredReadouts
from gadgets.multitasking.parameters import MultitaskingParameters
from recon.errors import DataError
from recon.readouts.trajectory import golden_angles_rad, radial_trajectory, recognise_unit

log = logging.getLogger(__name__)

_IN_PLANE = 0.05
"""Of kx and ky: rounding and small delays leave less in kz."""

_LEAST_KEPT = 0.5
"""Share of a readout's samples that must be kept: of less, no full spoke is left."""


def kept_samples(heads: NDArray) -> slice:
    """Samples that no readout says to discard.

    Parameters
    ----------
    heads : (readouts,) structured array

    Returns
    -------
    slice

    Raises
    ------
    DataError
        If less than half of the samples are left.
    """
    samples = int(heads["number_of_samples"][0])
    pre, post = heads["discard_pre"].astype(int), heads["discard_post"].astype(int)
    kept = slice(int(pre.max()), samples - int(post.max()))
    if kept.stop - kept.start < _LEAST_KEPT * samples:
        worst = int(np.argmax(pre + post))
        raise DataError(
            f"readouts discard up to {pre.max()} samples at their start and {post.max()} at their end (scan counter "
            f"{heads['scan_counter'][worst]}), of {samples}: too few are left; correct discard_pre and discard_post"
        )
    if np.ptp(pre) or np.ptp(post):
        log.warning(
            "readouts discard differing samples: samples %d to %d, which all of them keep, are used",
            kept.start,
            kept.stop - 1,
        )
    return kept


def finite_samples(readouts: StoredReadouts, kept: slice) -> NDArray[np.complex64]:
    """Samples of some readouts: ``(readouts, coils, samples)`` complex64.

    Raises
    ------
    DataError
        If they are not finite.
    """
    data = readouts.samples(kept)
    finite = np.isfinite(data.view(np.float32).sum(axis=(1, 2), dtype=np.float64))
    if not finite.all():
        bad = readouts.heads[np.argmin(finite)]
        raise DataError(
            f"{np.count_nonzero(~finite)} readouts hold NaN or Inf samples, the first with scan counter "
            f"{bad['scan_counter']} (slice {bad['idx']['slice']}); check the receiver or leave them out"
        )
    return data


def trajectory_of(
    imaging: StoredReadouts,
    heads: NDArray,
    missing: int,
    parameters: MultitaskingParameters,
    header: ScanHeader,
) -> tuple[NDArray[np.float32], str]:
    """Trajectory of the imaging readouts in cycles per field of view, and how it was written.

    Parameters
    ----------
    imaging : StoredReadouts
        Imaging readouts of the slice, all of them.
    heads : (imaging,) structured array
    missing : int
        Readouts that never came.
    parameters : MultitaskingParameters
    header : ScanHeader

    Returns
    -------
    (imaging, samples, 2) float32, str

    Raises
    ------
    DataError
        If there is none and no golden angle is set, if it fits no unit, or what would have to be computed cannot be
        known: readouts are missing, run backwards, or are no whole spokes.
    """
    if np.all(heads["trajectory_dimensions"] >= 2):
        if is_flagged(heads, "ACQ_IS_REVERSE").any():
            log.info("readouts are flagged ACQ_IS_REVERSE: their trajectory says where each sample lies")
        _refuse_three_dimensional(imaging, heads)
        written = imaging.trajectory(slice(2))
        still = np.flatnonzero(~written.any(axis=(1, 2)))
        if len(still):
            raise DataError(
                f"{len(still)} imaging readouts have a trajectory of zeros, the first with scan counter "
                f"{heads['scan_counter'][still[0]]}: where they lie is not known; leave them out, or flag what they are"
            )
        unit = recognise_unit(written, header.resolved_matrix, header.encoded_matrix)
        return (written * np.float32(unit.cycles_per_fov)).astype(np.float32), unit.name
    if parameters.golden_angle_deg is None:
        raise DataError(
            "the imaging readouts carry no trajectory, and no golden_angle_deg is set; "
            "set it to the increment between imaging spokes (111.246 for the golden angle)"
        )
    _check_computable(heads, missing, header)
    angles = golden_angles_rad(np.arange(len(imaging)), parameters.golden_angle_deg)
    samples = int(heads["number_of_samples"][0])
    spokes = radial_trajectory(angles, samples, header.resolved_matrix, int(heads["center_sample"][0]) or None)
    return spokes, f"computed: {parameters.golden_angle_deg:g} degrees per spoke"


def _refuse_three_dimensional(imaging: StoredReadouts, heads: NDArray) -> None:
    """Refuse spokes that leave the plane; a third column without negative values is a density weight."""
    deep = np.flatnonzero(heads["trajectory_dimensions"] > 2)
    if not len(deep):
        return
    trajectory = imaging.at(deep).trajectory()
    reach, depth = np.abs(trajectory[..., :2]).max(axis=(1, 2)), trajectory[..., 2]
    leaves = (depth.min(axis=1) < -_IN_PLANE * reach) & (depth.max(axis=1) > _IN_PLANE * reach)
    for row in np.flatnonzero(leaves)[:1]:
        raise DataError(
            f"the spoke with scan counter {heads['scan_counter'][deep[row]]} leaves the plane (kz from "
            f"{depth[row].min():.3g} to {depth[row].max():.3g}): malibu reconstructs radial slices, not "
            "three-dimensional radial scans"
        )


def _check_computable(heads: NDArray, missing: int, header: ScanHeader) -> None:
    """Refuse to compute a trajectory of readouts of which direction, centre, spacing or number are not known."""
    backwards = int(np.count_nonzero(is_flagged(heads, "ACQ_IS_REVERSE")))
    centers, samples = np.unique(heads["center_sample"]), int(heads["number_of_samples"][0])
    center = int(centers[0]) or samples // 2
    reach = 2 * max(center, samples - center)  # of a partial echo, on its longer side
    reasons = {
        f"{missing} readouts are missing, so that the angles of all later spokes would be wrong": missing > 0,
        f"{backwards} of {len(heads)} are flagged ACQ_IS_REVERSE, which golden_angle_deg may count or not": backwards,
        f"they have their centre at differing samples ({', '.join(map(str, centers[:5]))})": len(centers) > 1,
        f"they have {samples} samples, not the {header.encoded_matrix} of the header's encodedSpace": (
            samples != header.encoded_matrix and abs(reach - header.encoded_matrix) > 2
        ),
    }
    for reason, holds in reasons.items():
        if holds:
            raise DataError(
                f"the imaging readouts carry no trajectory, and it cannot be computed: {reason}; export the trajectory"
            )
