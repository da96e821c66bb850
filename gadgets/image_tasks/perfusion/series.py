"""The image series of the perfusion gadget: one record each."""

from gadgets.image_tasks.task import OutputSeries
from recon.perfusion.quantification import UNIT

SERIES = {
    "cbf": OutputSeries(100, "cerebral blood flow", UNIT, is_signed=True),
    "denoised": OutputSeries(200, "cerebral blood flow, denoised", UNIT, is_generated=True, is_signed=True),
    "difference": OutputSeries(300, "blood flow, denoised minus measured", UNIT, is_generated=True, is_signed=True),
    "outliers": OutputSeries(400, "slices left out of each pair", "slices", role="Gating"),
    "control_mean": OutputSeries(500, "mean control image"),
}
"""Every kind of image that the parameter ``images`` may name. Their series are those of what came plus an offset;
originals keep theirs, which is why the mean control image has an offset of its own. Tables have the role of gating
tables: consoles and DICOM take none of them for a picture."""

NEEDS_NETWORK = ("denoised", "difference")
"""Kinds that are left out, with a line in the log, where there is no network."""
