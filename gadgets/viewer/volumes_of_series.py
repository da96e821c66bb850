"""Image series of the super-resolution gadget become volumes at their places, version beside version."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.errors import ScanFileError
from gadgets.exchange.planes import plane_series, words
from gadgets.image_tasks.kinds import group_key, grouped, other_kind
from gadgets.super_resolution.series import SERIES
from recon.cartesian import to_image, to_kspace, zero_fill

_COUNTERS = ("contrast", "phase", "repetition", "set", "average")
_FACTS = {
    "MalibuNetwork": "Network",
    "MalibuWeightsSha256": "Weights (SHA-256)",
    "MalibuTrainingData": "Trained on",
    "MalibuAcceleration": "Acceleration (slice x phase)",
    "MalibuDataConsistency": "Measured centre of k-space put back",
    "MalibuVersion": "malibu",
    "MalibuGeneratedDetail": "Mind",
}
"""What of the Meta is told: entries that malibu itself wrote, never what a person or a scanner did."""

_SAME_DIRECTION = 1e-3
"""Direction cosines are float32; versions of one volume that differ by more lie differently."""


@dataclass(frozen=True)
class Volume:
    """Voxels at their place in the patient.

    Attributes
    ----------
    kind : str
        ``received``, ``zero_filled``, ``first_stage`` or ``super_resolved``; or what a task names it.
    title : str
    voxels : (z, y, x) array
        Of the type that came.
    axes : (3, 3) float64
        Unit vectors along x, y and z of the voxels, in the patient's coordinates (LPS).
    spacing_mm : (3,) tuple of float
        Along x, y and z.
    first_voxel_mm : (3,) float64
        Centre of voxel (0, 0, 0) in the patient's coordinates.
    window : (2,) tuple of float, or None
        Of its own; None: that of the scan.
    colours : str
        Map of colours; empty for grey.
    names : list of str
        Name by label; empty for what is no label map.
    """

    kind: str
    title: str
    voxels: NDArray
    axes: NDArray
    spacing_mm: tuple[float, float, float]
    first_voxel_mm: NDArray
    window: tuple[float, float] | None = None
    colours: str = ""
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class VolumeScan:
    """All versions of one volume.

    Attributes
    ----------
    label : str
        Its series, and the counters by which it differs from the others of the file.
    volumes : dict of str to Volume
        By kind; the main one is always there.
    facts : dict of str to str
        What malibu told of the restoration.
    main : str
        Kind that is shown first, on whose grid the page is.
    """

    label: str
    volumes: dict[str, Volume]
    facts: dict[str, str]
    main: str = "super_resolved"


_Place = tuple[int, ...]  # series, and every counter but slice
_Groups = dict[_Place, list[list[ismrmrd.Image]]]


def is_restored(series: Mapping[int, list[ismrmrd.Image]]) -> bool:
    """Whether a file holds what the super-resolution gadget made."""
    lowest = SERIES["super_resolved"].offset
    made = (image.meta.get("MalibuReconstruction") for n, images in series.items() if n > lowest for image in images)
    return "super-resolution" in made


def volume_scans(series: Mapping[int, list[ismrmrd.Image]]) -> list[VolumeScan]:
    """Find the restored volumes of an image file, and the other versions of each.

    Parameters
    ----------
    series : mapping of int to list of ismrmrd.Image
        As :func:`gadgets.mrd.files.read_images` gives them.

    Returns
    -------
    list of VolumeScan
        By series and counters.

    Raises
    ------
    ScanFileError
        If there is no restored volume, or one is a single slice or no even stack.
    DataError
        If voxels are NaN or Inf, or an image does not say where it lies.
    """
    groups: _Groups = defaultdict(list)
    for group in grouped(image for images in series.values() for image in images):
        number, _, *counters = group_key(group[0])
        groups[(number, *counters)].append(group)
    restored = sorted(place for place, found in groups.items() if _sent_as("super_resolved", found))
    if not restored:
        raise ScanFileError(
            "the file holds no super-resolved volume; replay a scan with super_resolution_coronary.xml and "
            "images that name super_resolved"
        )
    return [
        VolumeScan(label, _versions(groups, place), told_facts(_sent_as("super_resolved", groups[place])))
        for place, label in zip(restored, _labels(restored), strict=True)
    ]


def _sent_as(kind: str, found: list[list[ismrmrd.Image]]) -> list[ismrmrd.Image]:
    """The group that the super-resolution gadget sent as such; empty if there is none."""
    for images in found:
        meta = images[0].meta
        is_own = str(meta.get("SeriesDescription")) == f"malibu {SERIES[kind].description}"
        if is_own and (meta.get("MalibuReconstruction") == "super-resolution") == SERIES[kind].is_generated:
            return images
    return []


def _labels(places: list[_Place]) -> list[str]:
    varying = [len({place[1 + index] for place in places}) > 1 for index in range(len(_COUNTERS))]
    labels = []
    for number, *counters in places:
        parts = [f"series {number - SERIES['super_resolved'].offset}"]
        parts += [
            f"{name} {value}" for name, value, does_vary in zip(_COUNTERS, counters, varying, strict=True) if does_vary
        ]
        labels.append(", ".join(parts))
    return labels


def told_facts(images: list[ismrmrd.Image]) -> dict[str, str]:
    """What malibu's own Meta tell of how images were made."""
    meta = images[0].meta
    return {title: " ".join(words(meta[name])) for name, title in _FACTS.items() if name in meta}


def _versions(groups: _Groups, place: _Place) -> dict[str, Volume]:
    number, *counters = place
    base = number - SERIES["super_resolved"].offset

    def found(kind: str) -> list[ismrmrd.Image]:
        return _sent_as(kind, groups.get((base + SERIES[kind].offset, *counters), []))

    restored = placed_volume("super_resolved", "super-resolved", found("super_resolved"))
    versions = {}
    received = [images for images in groups.get((base, *counters), []) if _is_magnitude(images)]
    if found("original"):
        versions["zero_filled"] = placed_volume("zero_filled", "zero-filled", found("original"))
    elif received:
        versions |= _as_received(placed_volume("received", "as received", received[0]), restored)
    elif found("difference"):
        signed = placed_volume("difference", "difference", found("difference"))
        before = restored.voxels.astype(np.float32) - signed.voxels
        versions["zero_filled"] = replace(restored, kind="zero_filled", title="zero-filled", voxels=before)
    if found("first_stage"):
        versions["first_stage"] = placed_volume("first_stage", "first stage", found("first_stage"))
    versions["super_resolved"] = restored
    for version in versions.values():
        _check_alike(version, restored)
    return versions


def _is_magnitude(images: list[ismrmrd.Image]) -> bool:
    return not other_kind(images) and not np.iscomplexobj(images[0].data)


def _as_received(received: Volume, restored: Volume) -> dict[str, Volume]:
    """What came at its own matrix, and zero-filled to the full one, as the gadget gave it to the network."""
    if received.voxels.shape == restored.voxels.shape:
        return {"zero_filled": replace(received, kind="zero_filled", title="as received (full matrix)")}
    filled = zero_fill(to_kspace(received.voxels), restored.voxels.shape)
    voxels = np.abs(to_image(filled)).astype(np.float32)
    return {
        "received": received,
        "zero_filled": replace(restored, kind="zero_filled", title="zero-filled", voxels=voxels),
    }


def placed_volume(kind: str, title: str, images: list[ismrmrd.Image]) -> Volume:
    """Put slices in the order of their slice direction, in which the Fourier transform's centre lies at n // 2.

    Raises
    ------
    ScanFileError
        If there is a single slice, or they are no even stack.
    """
    (stack,) = plane_series(images)
    if stack.slices < 2:
        raise ScanFileError(f"series {stack.number} is a single slice; volumes have several")
    if stack.frames != 1 or stack.step_mm is None:
        raise ScanFileError(f"series {stack.number} is no even stack of slices: some are missing or doubled")
    slice_dir = np.array(images[0].slice_dir[:], dtype=float)
    is_backward = bool(np.dot(slice_dir, stack.planes[0].normal) < 0)
    planes = stack.planes[::-1] if is_backward else stack.planes
    first, (dy, dx) = planes[0], planes[0].spacing_mm
    normal = -first.normal if is_backward else first.normal
    return Volume(
        kind,
        title,
        np.stack([plane.pixels for plane in planes]),
        np.stack([first.row_dir, first.column_dir, normal]),
        (dx, dy, stack.step_mm),
        first.first_pixel_mm,
    )


def _check_alike(version: Volume, restored: Volume) -> None:
    if np.abs(version.axes - restored.axes).max() > _SAME_DIRECTION:
        raise ScanFileError(f"the {version.title} volume lies in other directions than the super-resolved one")
    if version.kind != "received" and version.voxels.shape != restored.voxels.shape:
        sizes = f"{version.voxels.shape} and {restored.voxels.shape}"
        raise ScanFileError(f"the {version.title} and the super-resolved volume differ in size: {sizes} (z, y, x)")
