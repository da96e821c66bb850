"""Pictures of super-resolved volumes for the report."""

from collections.abc import Iterator

import ismrmrd
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, white_tophat

from gadgets.pages.page_parts import facts_html
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


def volume_facts_html(series: dict[int, list[ismrmrd.Image]]) -> str:
    """What came, what was made of it, and what must be known of generated detail: for each restored volume."""
    cards = ""
    for number in sorted(series):
        first, planes = series[number][0], sum(len(image.data[0]) for image in series[number])
        rows, columns = first.data.shape[-2:]
        x_mm, y_mm, z_mm = (float(value) for value in first.getHead().field_of_view)
        z_step_mm = z_mm / len(first.data[0])
        meta = first.meta
        facts = {
            "Matrix": f"{columns} × {rows} × {planes} voxels",
            "Voxel": f"{x_mm / columns:.2f} × {y_mm / rows:.2f} × {z_step_mm:.2f} mm (x, y, z)",
            "Acceleration": f"{meta['MalibuAcceleration']} (z × y)" if "MalibuAcceleration" in meta else "",
            "Network": str(meta.get("MalibuNetwork", "")),
            "Measured data": {"true": "overrule the network", "false": "do not overrule the network"}.get(
                str(meta.get("MalibuDataConsistency", "")), ""
            ),
            "Computed on": str(meta.get("MalibuDevice", "")),
            "Beware": str(meta.get("MalibuGeneratedDetail", "")),
        }
        name = str(meta.get("SeriesDescription", "")).removeprefix("malibu ") or "as received"
        cards += facts_html(f"Series {number}: {name}", {key: value for key, value in facts.items() if value})
    return f'<div class="cards">{cards}</div>'


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
    heights = [view.shape[0] / view.shape[1] for view in _views(after, place, after.shape)]
    width = 11.2 / len(rows)
    size = (11.4, width * sum(heights) + 0.35 * len(heights))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(4, len(rows), squeeze=False, height_ratios=heights)
    peak = float(np.percentile(after, 99.8))
    for column, (name, volume) in zip(panels.T, rows, strict=True):
        views = _views(volume, place, after.shape)
        titles = ("plane z-y", "enlarged", "projection along z", "along y")
        for axes, view, title in zip(column, views, titles, strict=True):
            axes.imshow(view, cmap="gray", vmin=0, vmax=peak, aspect="auto" if name == "as received" else "equal")
            axes.set_title(f"{name}: {title}", fontsize=10)
            axes.axis("off")
    return png_of(figure, on_film=True)


def _views(volume: NDArray, place: tuple[int, int, int], full: tuple[int, ...]) -> list[NDArray]:
    """The plane (z, y) through a place of the full volume, what lies around it there, and two projections."""
    at = [round(index * size / whole) for index, size, whole in zip(place, volume.shape, full, strict=True)]
    enlarged = volume[_part(at[0], volume.shape[0]), _part(at[1], volume.shape[1]), at[2]]
    return [volume[:, :, at[2]], enlarged, volume.max(axis=0), volume.max(axis=1)]
