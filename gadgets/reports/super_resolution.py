"""Pictures of super-resolved volumes for the report."""

from collections.abc import Iterator

import ismrmrd
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, white_tophat

from gadgets.pages.shell import png_of
from gadgets.super_resolution.series import SERIES

# Voxels across a box that fits into organs, and not into vessels; share of a volume's sides that is enlarged.
_THINNEST_BODY, _ENLARGED = 5, 1 / 3
# Bright vessels give more than a single bright voxel: their signal is summed up over a neighbourhood so wide.
_NEIGHBOURHOOD = 3.0


def is_super_resolved(series: dict[int, list[ismrmrd.Image]]) -> bool:
    """Whether an image file comes from the super-resolution gadget."""
    return any(images[0].meta.get("MalibuReconstruction") == "super-resolution" for images in series.values())


def volume_pictures(series: dict[int, list[ismrmrd.Image]]) -> Iterator[tuple[str, str, bytes]]:
    """Name, caption and PNG of each volume, with what the network was given where that was sent."""
    for number in sorted(series):
        base = number - SERIES["super_resolved"].offset
        if series[number][0].meta.get("MalibuReconstruction") != "super-resolution" or base not in range(1, 100):
            continue
        before = _volume(series[base]) if base in series else None
        meta = series[number][0].meta
        caption = (
            f"Before and after {meta['MalibuNetwork']}: the plane that was cut both ways, through the thin and bright "
            "structure that stands out most, as a vessel does; its surroundings enlarged; and projections. "
        )
        caption += str(meta["MalibuGeneratedDetail"])
        suffix = "" if base == 1 else f"_{base}"
        yield f"super_resolution{suffix}.png", caption, _picture(before, _volume(series[number]))


def _volume(images: list[ismrmrd.Image]) -> NDArray:
    return np.abs(np.concatenate([image.data[0] for image in images]))


def _thin_and_bright(volume: NDArray) -> tuple[int, int, int]:
    """Where most signal lies in what is brighter than its surroundings and thinner than 5 voxels: (z, y, x)."""
    stands_out = gaussian_filter(white_tophat(volume, size=_THINNEST_BODY), _NEIGHBOURHOOD)
    z, y, x = np.unravel_index(int(np.argmax(stands_out)), volume.shape)
    return int(z), int(y), int(x)


def _part(middle: int, size: int) -> slice:
    length = max(1, round(size * _ENLARGED))
    start = min(max(0, middle - length // 2), size - length)
    return slice(start, start + length)


def _picture(before: NDArray | None, after: NDArray) -> bytes:
    place = _thin_and_bright(after)
    rows = [("super-resolved", after)]
    if before is not None:
        rows.insert(0, ("zero-filled" if before.shape == after.shape else "as received", before))
    if before is not None and before.shape == after.shape:
        rows.append(("difference", np.abs(after - before)))
    figure = Figure(figsize=(3.4 * len(rows), 12), layout="constrained")
    panels = figure.subplots(4, len(rows), squeeze=False)
    peak = float(np.percentile(after, 99.8))
    for column, (name, volume) in zip(panels.T, rows, strict=True):
        at = [round(index * size / full) for index, size, full in zip(place, volume.shape, after.shape, strict=True)]
        enlarged = volume[_part(at[0], volume.shape[0]), _part(at[1], volume.shape[1]), at[2]]
        views = volume[:, :, at[2]], enlarged, volume.max(axis=0), volume.max(axis=1)
        titles = ("plane z-y", "enlarged", "projection along z", "along y")
        for axes, view, title in zip(column, views, titles, strict=True):
            axes.imshow(view, cmap="gray", vmin=0, vmax=peak, aspect="auto" if name == "as received" else "equal")
            axes.set_title(f"{name}: {title}", fontsize=9)
            axes.axis("off")
    return png_of(figure)
