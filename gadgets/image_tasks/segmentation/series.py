"""The image series of the segmentation gadget: one record each."""

from dataclasses import replace

from gadgets.image_tasks.task import OutputSeries

_CAUTION = "a network drew these outlines; an organ may be missed or invented: do not diagnose from them"
_ROLE = "Segmentation"

SERIES = {
    "labels": OutputSeries(100, "organs", role=_ROLE, is_generated=True, pixels="integer", caution=_CAUTION),
    "disagreement": OutputSeries(200, "disagreement of the views, 0 to 1", is_generated=True, caution=_CAUTION),
    "organs": OutputSeries(300, "organ", role=_ROLE, is_generated=True, pixels="integer", caution=_CAUTION),
}
"""Every kind of image that the parameter ``images`` may name; ``organs`` are a series for each organ, whose number is
added to the offset."""

COLOUR_MAP = "tab10"
"""Label n has the colour n - 1 of this map of Matplotlib's, which has as many colours as there are organs."""


def organ_series(number: int, name: str) -> OutputSeries:
    """Series of one organ's mask."""
    record = SERIES["organs"]
    return replace(record, offset=record.offset + number, description=f"{record.description} {number}, {name}")
