"""Pictures of images that malibu did not make: one of each volume, at a window of its own."""

from collections.abc import Iterator

import ismrmrd
import numpy as np
from matplotlib.figure import Figure

from gadgets.pages.shell import png_of
from gadgets.super_resolution.kinds import grouped, other_kind


def is_foreign(series: dict[int, list[ismrmrd.Image]]) -> bool:
    """Whether none of the images says that malibu made it; its series numbers then mean nothing."""
    return not any("MalibuVersion" in image.meta for images in series.values() for image in images)


def foreign_pictures(series: dict[int, list[ismrmrd.Image]]) -> Iterator[tuple[str, str, bytes]]:
    """Name, caption and PNG of the middle image of each volume."""
    volumes = grouped(image for images in series.values() for image in images)
    for number, images in enumerate(volumes, start=1):
        image = images[len(images) // 2]
        kind = other_kind(images) or "magnitude"
        caption = (
            f"Series {image.image_series_index}: {len(images)} {kind} images as they came, not made by malibu; "
            "the middle one, from its darkest to its brightest pixel"
        )
        yield f"volume_{number}.png", caption, _picture(image)


def _picture(image: ismrmrd.Image) -> bytes:
    voxels = image.data[0]
    plane = voxels[len(voxels) // 2]
    figure = Figure(figsize=(5, 5))
    axes = figure.subplots()
    axes.imshow(np.abs(plane) if np.iscomplexobj(plane) else plane, cmap="gray")
    axes.axis("off")
    return png_of(figure, on_film=True)
