"""Pictures of super-resolved volumes for the report."""

from collections.abc import Iterator

import ismrmrd
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gadgets.reports.page import png_of
from gadgets.super_resolution.series import SERIES


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
        caption = f"Before and after {meta['MalibuNetwork']}: the plane that was cut both ways, and projections. "
        caption += str(meta["MalibuGeneratedDetail"])
        suffix = "" if base == 1 else f"_{base}"
        yield f"super_resolution{suffix}.png", caption, _picture(before, _volume(series[number]))


def _volume(images: list[ismrmrd.Image]) -> NDArray:
    return np.abs(np.concatenate([image.data[0] for image in images]))


def _picture(before: NDArray | None, after: NDArray) -> bytes:
    plane = int(np.argmax(after.std(axis=(0, 1))))
    rows = [("super-resolved", after)]
    if before is not None:
        rows.insert(0, ("zero-filled" if before.shape == after.shape else "as received", before))
    if before is not None and before.shape == after.shape:
        rows.append(("difference", np.abs(after - before)))
    figure = Figure(figsize=(3.4 * len(rows), 9), layout="constrained")
    panels = figure.subplots(3, len(rows), squeeze=False)
    peak = float(np.percentile(after, 99.8))
    for column, (name, volume) in zip(panels.T, rows, strict=True):
        at = round(plane * volume.shape[2] / after.shape[2])
        views = volume[:, :, at], volume.max(axis=0), volume.max(axis=1)
        for axes, view, title in zip(column, views, ("plane z-y", "projection along z", "along y"), strict=True):
            axes.imshow(view, cmap="gray", vmin=0, vmax=peak, aspect="auto" if name == "as received" else "equal")
            axes.set_title(f"{name}: {title}", fontsize=9)
            axes.axis("off")
    return png_of(figure)
