"""Which images are magnitudes: those alone are restored, all others pass as they came."""

import logging
from collections.abc import Iterable

import ismrmrd
import numpy as np

log = logging.getLogger(__name__)

_NAMES = {
    ismrmrd.IMTYPE_PHASE: "phase",
    ismrmrd.IMTYPE_REAL: "real-part",
    ismrmrd.IMTYPE_IMAG: "imaginary-part",
    ismrmrd.IMTYPE_COMPLEX: "complex",
    ismrmrd.IMTYPE_RGB: "colour",
}
"""Image types of ISMRMRD that are no magnitudes."""

_UNSET = 0
"""Image type of senders that set none: the values decide."""

_ROUNDING = 1e-5
"""Part of the brightest voxel that single-precision Fourier transforms upstream may leave below zero."""

Key = tuple[int, ...]


def group_key(image: ismrmrd.Image) -> Key:
    """What makes a volume of its own: series, kind and every counter but slice."""
    head = image.getHead()
    counters = (head.contrast, head.phase, head.repetition, head.set, head.average)
    return (head.image_series_index, head.image_type, *counters)


def grouped(images: Iterable[ismrmrd.Image]) -> list[list[ismrmrd.Image]]:
    """Images of each volume, in the order in which their first ones came."""
    groups: dict[Key, list[ismrmrd.Image]] = {}
    for image in images:
        groups.setdefault(group_key(image), []).append(image)
    return list(groups.values())


def other_kind(images: list[ismrmrd.Image]) -> str:
    """Name the kind of images that are no magnitudes.

    Parameters
    ----------
    images : list of ismrmrd.Image
        Of one volume.

    Returns
    -------
    str
        Empty for magnitudes: images that are said to be, or of which nothing is said, whose values are real and not
        negative.
    """
    given = int(images[0].getHead().image_type)
    if given in _NAMES:
        return _NAMES[given]
    if given not in (_UNSET, ismrmrd.IMTYPE_MAGNITUDE):
        return f"unknown (image type {given})"
    if any(np.iscomplexobj(image.data) and image.data.imag.any() for image in images):
        return "complex"
    peak = max(float(np.abs(image.data).max(initial=0)) for image in images)
    if min(float(image.data.real.min(initial=0)) for image in images) < -_ROUNDING * peak:
        return "signed"
    return ""


def split_by_kind(images: Iterable[ismrmrd.Image]) -> tuple[list[ismrmrd.Image], list[ismrmrd.Image]]:
    """Tell magnitudes from images of other kinds, with a warning for each volume of these.

    A network that was trained on magnitudes makes something plausible of a phase, and its result would be taken for a
    magnitude.

    Parameters
    ----------
    images : iterable of ismrmrd.Image

    Returns
    -------
    list of ismrmrd.Image, list of ismrmrd.Image
        What is to be restored; what is to pass as it is.
    """
    magnitudes: list[ismrmrd.Image] = []
    others: list[ismrmrd.Image] = []
    for group in grouped(images):
        kind = other_kind(group)
        if not kind:
            magnitudes += group
            continue
        others += group
        log.warning(
            "series %d holds %s images, not magnitudes: the %d images pass as they came, unrestored; "
            "to restore them, send their magnitudes",
            group[0].image_series_index,
            kind,
            len(group),
        )
    return magnitudes, others
