"""Pictures of images that malibu did not make: one of each volume, at a window of its own."""

from collections.abc import Iterator

import ismrmrd
import numpy as np
from matplotlib.figure import Figure

from gadgets.image_tasks.kinds import grouped, other_kind
from gadgets.pages.page_parts import facts_html
from gadgets.pages.shell import png_of


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


def foreign_facts_html(series: dict[int, list[ismrmrd.Image]]) -> str:
    """What came, volume by volume."""
    cards = ""
    for number, images in enumerate(grouped(image for some in series.values() for image in some), start=1):
        first = images[0]
        rows, columns = first.data.shape[-2:]
        x_mm, y_mm, z_mm = (float(value) for value in first.getHead().field_of_view)
        facts = {
            "Series": str(first.image_series_index),
            "Images": f"{len(images)}, {other_kind(images) or 'magnitude'}",
            "Matrix": " × ".join(str(size) for size in (columns, rows, *first.data.shape[1:-2]) if size > 1),
            "Field of view": f"{x_mm:.4g} × {y_mm:.4g} × {z_mm:.4g} mm" if x_mm and y_mm else "",
        }
        cards += facts_html(f"Volume {number}", {name: value for name, value in facts.items() if value})
    said = "malibu did not make these images, so that it knows nothing of their quality. They are shown as they came."
    return f'<p class="lead">{said}</p><div class="cards">{cards}</div>'


def _picture(image: ismrmrd.Image) -> bytes:
    voxels = image.data[0]
    plane = voxels[len(voxels) // 2]
    figure = Figure(figsize=(3.4, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(np.abs(plane) if np.iscomplexobj(plane) else plane, cmap="gray")
    axes.axis("off")
    return png_of(figure, on_film=True)
