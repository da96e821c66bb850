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

COLOUR_MAP = "malibu labels"
LABEL_COLOURS = (
    *("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"),
    *("#332288", "#ee6677", "#aa3377"),
)
"""Label n has the colour n - 1: the seven of Okabe and Ito (2008), and three of Tol's schemes (SRON 2021) that lie
farthest from them for people with normal vision, with deuteranopia and with protanopia; none is grey, as anatomy is."""


def label_colour(number: int) -> str:
    """Colour of label 1, 2, and so on, by turns; ``#rrggbb``."""
    return LABEL_COLOURS[(number - 1) % len(LABEL_COLOURS)]


def organ_series(number: int, name: str) -> OutputSeries:
    """Series of one organ's mask."""
    record = SERIES["organs"]
    return replace(record, offset=record.offset + number, description=f"{record.description} {number}, {name}")
