"""What the gadgets of image tasks sent becomes volumes at their places: what came, maps, labels."""

from dataclasses import replace

import numpy as np

from gadgets.errors import ScanFileError
from gadgets.image_tasks.sent_series import TABLE, SentSeries, SeriesByNumber, last_of, sent_series
from gadgets.viewer.volumes_of_series import Volume, VolumeScan, placed_volume, told_facts

_BRIGHTER = 0.5
"""Per cent of the voxels of a map that may be brighter than its window."""


def is_of_task(series: SeriesByNumber) -> bool:
    """Whether a file holds what a gadget of image tasks made, other than super-resolution."""
    return bool(sent_series(series))


def task_scans(series: SeriesByNumber) -> list[VolumeScan]:
    """Find what tasks made of each series that came.

    Parameters
    ----------
    series : mapping of int to list of ismrmrd.Image
        As :func:`gadgets.mrd.files.read_images` gives them.

    Returns
    -------
    list of VolumeScan
        By series. Of several repetitions, the last one is taken.

    Raises
    ------
    ScanFileError
        If there are none, or one is a single slice or no even stack.
    DataError
        If voxels are NaN or Inf, or an image does not say where it lies.
    """
    by_base: dict[int, dict[str, Volume]] = {}
    facts: dict[int, dict[str, str]] = {}
    for sent in sent_series(series):
        if sent.record.role == TABLE:
            continue
        if sent.base not in by_base:
            came = last_of(series[sent.base]) if sent.base in series else []
            by_base[sent.base] = {"received": placed_volume("received", "as received", came)} if came else {}
        name = "change" if sent.kind == "difference" else sent.kind  # the page's own differences have that name
        by_base[sent.base][name] = _shown(placed_volume(name, sent.record.description, sent.images), sent)
        facts[sent.base] = facts.get(sent.base, {}) | told_facts(sent.images)
    if not by_base:
        raise ScanFileError("the file holds no volume that a gadget of image tasks made")
    return [
        VolumeScan(f"series {base}", volumes, facts[base], next(iter(volumes))) for base, volumes in by_base.items()
    ]


def _shown(volume: Volume, sent: SentSeries) -> Volume:
    """A version with window and colours of its own; one that replaces what came has its window."""
    if sent.record.pixels == "received":
        return volume
    if sent.labels:
        return replace(volume, names=sent.labels, window=(0.0, float(len(sent.labels) - 1)))
    if sent.record.pixels == "integer":
        return replace(volume, window=(0.0, max(1.0, float(volume.voxels.max()))))
    peak = max(float(np.percentile(np.abs(volume.voxels), 100 - _BRIGHTER)), 1e-6)
    if volume.kind == "change":
        return replace(volume, window=(-peak, peak), colours="berlin")
    return replace(volume, window=(0.0, peak), colours="viridis")
