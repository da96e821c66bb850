"""Which series of an image file a task made of which: what pages are made of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import ismrmrd

from gadgets.image_tasks.perfusion.series import SERIES as PERFUSION
from gadgets.image_tasks.perivascular.series import SERIES as PERIVASCULAR
from gadgets.image_tasks.segmentation.series import SERIES as SEGMENTATION
from gadgets.image_tasks.task import OutputSeries

TASKS: Mapping[str, Mapping[str, OutputSeries]] = {
    "perfusion": PERFUSION,
    "perivascular spaces": PERIVASCULAR,
    "segmentation": SEGMENTATION,
}
"""Series of each task by what the Meta entry MalibuReconstruction says. Super-resolution has pages of its own."""

TABLE = "Gating"
"""Role of tables, which lie nowhere in the patient."""

SeriesByNumber = Mapping[int, list[ismrmrd.Image]]


@dataclass(frozen=True)
class SentSeries:
    """A series that a task made.

    Attributes
    ----------
    base : int
        Number of the series that came.
    kind : str
        As the parameter ``images`` names it.
    record : OutputSeries
    images : list of ismrmrd.Image
        Of the last repetition.
    """

    base: int
    kind: str
    record: OutputSeries
    images: list[ismrmrd.Image]

    @property
    def labels(self) -> list[str]:
        """Name by label, of label maps."""
        stated = self.images[0].meta.get("MalibuLabels", [])
        return [str(label).partition(":")[2] for label in stated]


def sent_series(series: SeriesByNumber) -> list[SentSeries]:
    """Find what tasks made; masks of single organs, which the map of labels shows, are left out.

    Parameters
    ----------
    series : mapping of int to list of ismrmrd.Image
        As :func:`gadgets.mrd.files.read_images` gives them.

    Returns
    -------
    list of SentSeries
        By number.
    """
    return [SentSeries(*found, last_of(series[found[0] + found[2].offset])) for found in _sent(series)]


def _sent(series: SeriesByNumber) -> Iterator[tuple[int, str, OutputSeries]]:
    for number, images in sorted(series.items()):
        meta = images[0].meta
        for kind, record in TASKS.get(str(meta.get("MalibuReconstruction")), {}).items():
            if str(meta.get("SeriesDescription")) == f"malibu {record.description}":
                yield number - record.offset, kind, record


def last_of(images: list[ismrmrd.Image]) -> list[ismrmrd.Image]:
    """Images of the last repetition."""
    latest = max(int(image.repetition) for image in images)
    return [image for image in images if image.repetition == latest]
