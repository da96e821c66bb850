"""The image series of the perivascular gadget: one record each."""

from gadgets.image_tasks.task import OutputSeries

_CAUTION = "a network brightened what looks like a perivascular space; detail may be invented: do not diagnose from it"

SERIES = {
    "enhanced": OutputSeries(
        100, "perivascular spaces enhanced", is_generated=True, pixels="received", caution=_CAUTION
    ),
    "spaces": OutputSeries(200, "map of perivascular spaces", "of white matter's brightness", caution=_CAUTION),
    "difference": OutputSeries(300, "enhanced minus received", is_generated=True, is_signed=True, caution=_CAUTION),
    "mask": OutputSeries(400, "white matter", role="Mask", pixels="integer"),
}
"""Every kind of image that the parameter ``images`` may name. Their series are those of what came plus an offset. The
mask's role is the one by which the gadget knows masks that come."""

NEEDS_NETWORK = ("enhanced", "difference")
"""Kinds that are left out, with a line in the log, where there is no network."""
