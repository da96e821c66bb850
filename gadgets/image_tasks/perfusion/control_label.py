"""Images of a stream become a series of control and label volumes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import ismrmrd
import numpy as np

from gadgets.image_tasks.perfusion.parameters import PerfusionParameters
from gadgets.image_tasks.stacks import Stack, stacked
from recon.errors import DataError
from recon.perfusion import AslSeries, Labelling

_KINDS = {"control": "control", "label": "label", "tag": "label", "m0": "m0", "m0scan": "m0"}
"""Values of Meta ASL_Contrast, in small letters: BIDS's and vendors' words."""

_COUNTERS = ("image_series_index", "contrast", "phase", "repetition", "set", "average")
"""What makes a volume of its own."""

Key = tuple[int, ...]


def key_of(image: ismrmrd.Image) -> Key:
    """Series and counters of the volume that an image belongs to."""
    head = image.getHead()
    return tuple(int(getattr(head, name)) for name in _COUNTERS)


def kind_of(image: ismrmrd.Image, m0_series: int | None) -> str:
    """Say what an image is: control, label, m0; empty where nothing tells.

    Raises
    ------
    DataError
        If its Meta names something else.
    """
    if m0_series is not None and int(image.image_series_index) == m0_series:
        return "m0"
    if b"ASL_Contrast" not in _text_of(image):
        return ""
    stated: Any = image.meta.get("ASL_Contrast", "")
    word = str(stated[0] if isinstance(stated, list) else stated).strip().lower()
    if word not in _KINDS:
        raise DataError(
            f"Meta ASL_Contrast is {word[:40]!r}; known are CONTROL, LABEL and M0: correct it, or set order"
        )
    return _KINDS[word]


def _text_of(image: ismrmrd.Image) -> bytes:
    """Its attributes as they came: to parse the XML of a thousand images takes longer than to look for a word."""
    text = image.attribute_string
    return text.encode() if isinstance(text, str) else bytes(text)


def is_magnitude(image: ismrmrd.Image) -> bool:
    """Whether an image is one to compute with: phase images and the like only go back."""
    return int(image.image_type) in (0, ismrmrd.IMTYPE_MAGNITUDE, ismrmrd.IMTYPE_REAL)


@dataclass(frozen=True)
class MeasuredSeries:
    """A series as arrays, and what its images take from ISMRMRD.

    Attributes
    ----------
    series : AslSeries
    like : Stack
        The first volume.
    """

    series: AslSeries
    like: Stack


def volumes_in(images: Iterable[ismrmrd.Image]) -> list[list[ismrmrd.Image]]:
    """Images of each volume, in the order in which their first ones came."""
    groups: dict[Key, list[ismrmrd.Image]] = {}
    for image in images:
        groups.setdefault(key_of(image), []).append(image)
    return list(groups.values())


def series_of(images: Iterable[ismrmrd.Image], labelling: Labelling, parameters: PerfusionParameters) -> MeasuredSeries:
    """Make a series of what came.

    Parameters
    ----------
    images : iterable of ismrmrd.Image
    labelling : Labelling
    parameters : PerfusionParameters
        ``order`` and ``m0_series``.

    Returns
    -------
    MeasuredSeries

    Raises
    ------
    DataError
        If the images make no pairs, their matrices differ, or a proton density was named and did not come.
    """
    groups = volumes_in(image for image in images if is_magnitude(image))
    kinds = [kind_of(group[0], parameters.m0_series) for group in groups]
    frames = [group for group, kind in zip(groups, kinds, strict=True) if kind != "m0"]
    densities = [group for group, kind in zip(groups, kinds, strict=True) if kind == "m0"]
    if not frames:
        raise DataError("no control and label images came; send the magnitudes of the perfusion scan")
    if parameters.m0_series is not None and not densities:
        raise DataError(
            f"m0_series={parameters.m0_series} names the proton density, but no image of that series came; send it, or "
            "leave m0_series out: the control images stand in for it"
        )
    numbers = sorted({int(group[0].image_series_index) for group in frames})
    if len(numbers) > 1:
        raise DataError(
            f"control and label images lie in the series {', '.join(map(str, numbers))}; send one series (the "
            "parameter m0_series says which one is a proton density)"
        )
    is_control = _controls(frames, [kind for kind in kinds if kind != "m0"], parameters)
    stacks = [stacked(group, f"image {number}") for number, group in enumerate(frames, start=1)]
    _check_alike(stacks)
    m0 = None
    if densities:
        m0 = np.asarray(
            np.mean([stacked(group, "the proton density").voxels for group in densities], axis=0), dtype=np.float32
        )
    voxels = np.stack([stack.voxels for stack in stacks])
    return MeasuredSeries(AslSeries(voxels, is_control, labelling, stacks[0].voxel_mm, m0), stacks[0])


def _controls(frames: list[list[ismrmrd.Image]], kinds: list[str], parameters: PerfusionParameters) -> np.ndarray:
    """(frames,) bool."""
    order = parameters.order
    if order == "auto" and any(kinds):
        if not all(kinds):
            raise DataError(
                f"Meta ASL_Contrast is missing in {kinds.count('')} of {len(kinds)} images; write it in all, or set "
                "order=control_first, label_first or set"
            )
        return np.array([kind == "control" for kind in kinds])
    if order == "set":
        sets = [int(group[0].getHead().set) for group in frames]
        if set(sets) - {0, 1}:
            raise DataError(f"order=set needs set=0 for controls and 1 for labels; the sets are {sorted(set(sets))}")
        return np.array(sets) == 0
    return (np.arange(len(frames)) % 2 == 0) == (order != "label_first")


def _check_alike(stacks: list[Stack]) -> None:
    for number, stack in enumerate(stacks, start=1):
        if stack.voxels.shape != stacks[0].voxels.shape:
            raise DataError(
                f"image {number} of the series has {stack.voxels.shape} voxels (z, y, x), the first "
                f"{stacks[0].voxels.shape}; send all slices of each image"
            )
