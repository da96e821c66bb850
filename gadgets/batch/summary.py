"""What the page of a batch shows of a result: a small picture and figures of each slice."""

import base64
import io
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import ismrmrd
import numpy as np
from PIL import Image as PilImage

from gadgets.batch.results import Results
from gadgets.files import complete_file
from gadgets.mrd.files import read_images
from gadgets.mrd.image_meta import window_of
from gadgets.multitasking.series import SERIES
from gadgets.reports.scan_summary import first_of, t1_deviation_share
from gadgets.reports.verdicts import verdicts

_LONGEST_SIDE = 96
"""Pixels of a small picture: 4 kB each, so that a page of a thousand scans is 5 MB."""

_TISSUE = 0.5
"""Of the mean brightness where T1 was fitted; below lie lungs and air (as in gadgets/reports/scan_summary.py)."""


@dataclass(frozen=True)
class SliceSummary:
    """One slice, or volume, of a result.

    Attributes
    ----------
    name : str
        Empty where there is only one.
    picture : str
        PNG, base64.
    figures : dict of str to (str, str)
        Value and level (:data:`gadgets.reports.verdicts.WORDS`) of each quality figure that is known.
    remarks : str
        What a user must know first.
    seconds : float
        Of the reconstruction.
    """

    name: str
    picture: str
    figures: dict[str, tuple[str, str]] = field(default_factory=dict)
    remarks: str = ""
    seconds: float = 0.0


def summary_of(images: Path) -> list[SliceSummary]:
    """Read an image file and tell what the page shows of it, slice by slice.

    Parameters
    ----------
    images : Path

    Returns
    -------
    list of SliceSummary

    Raises
    ------
    ScanFileError
        If it holds no images.
    """
    series = read_images(images)
    if not any("MalibuTemporalModel" in some[0].meta for some in series.values()):
        return [_of_volume(series)]
    numbers = sorted({image.slice for some in series.values() for image in some})
    return [_of_slice(series, number, f"slice {number}" if len(numbers) > 1 else "") for number in numbers]


def _of_slice(series: dict[int, list[ismrmrd.Image]], number: int, name: str) -> SliceSummary:
    by_kind = {
        kind: [image for image in series.get(record.number, ()) if image.slice == number]
        for kind, record in SERIES.items()
    }
    if not any(by_kind.values()):  # of results that follow, or of a second measurement, alone
        return _of_volume(series)
    first = first_of(by_kind)
    uncertain = by_kind["frame_uncertainty"]
    is_calibrated = bool(uncertain) and uncertain[0].meta.get("MalibuUncertaintyCalibrated") == "yes"
    judged = verdicts(first.meta, t1_deviation_share(by_kind), is_calibrated)
    figures = _t1(by_kind) | {one.name: (one.value, one.level) for one in judged if one.value}
    shown = next((by_kind[kind][0] for kind in ("time_average", "realtime", "cine_bright") if by_kind[kind]), first)
    return SliceSummary(name, _picture(shown), figures, str(first.meta.get("MalibuRemarks", "")), _seconds(first))


def _of_volume(series: dict[int, list[ismrmrd.Image]]) -> SliceSummary:
    images = list(series.values())[-1]  # the highest number: what was made, behind what came
    middle = images[len(images) // 2]
    return SliceSummary("", _picture(middle), {}, str(images[0].meta.get("MalibuRemarks", "")), _seconds(images[0]))


def _seconds(image: ismrmrd.Image) -> float:
    return float(sum(json.loads(image.meta.get("MalibuStageSeconds", "{}")).values()))


def _t1(by_kind: dict[str, list[ismrmrd.Image]]) -> dict[str, tuple[str, str]]:
    """Median of T1 over tissue."""
    if not by_kind["t1_map"]:
        return {}
    t1_ms = np.abs(by_kind["t1_map"][0].data[0, 0]).astype(float)
    fitted = t1_ms > 0
    if by_kind["time_average"]:
        average = np.abs(by_kind["time_average"][0].data[0, 0])
        fitted &= average > _TISSUE * average[fitted].mean() if fitted.any() else fitted
    return {"Median T1": (f"{np.median(t1_ms[fitted]):.0f} ms", "unknown")} if fitted.any() else {}


def _picture(image: ismrmrd.Image) -> str:
    pixels = np.abs(np.asarray(image.data)[0])
    plane = pixels[len(pixels) // 2].astype(float)
    meta = image.meta if "WindowCenter" in image.meta else window_of(plane)
    low, width = float(meta["WindowCenter"]) - float(meta["WindowWidth"]) / 2, float(meta["WindowWidth"]) or 1.0
    grey = PilImage.fromarray((255 * np.clip((plane - low) / width, 0, 1)).astype(np.uint8))
    grey.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    buffer = io.BytesIO()
    grey.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def write_summary(results: Results, key: str, slices: list[SliceSummary]) -> None:
    """Keep what the page shows of a scan."""
    with complete_file(results.summary(key)) as partial:
        partial.write_text(json.dumps([asdict(one) for one in slices]), encoding="utf-8")


def read_summary(results: Results, key: str) -> list[SliceSummary]:
    """Read what the page shows of a scan; made anew from its images where it is missing."""
    path = results.summary(key)
    if not path.exists():
        write_summary(results, key, summary_of(results.images(key)))
    return [
        SliceSummary(**one | {"figures": {name: tuple(value) for name, value in one["figures"].items()}})
        for one in json.loads(path.read_text(encoding="utf-8"))
    ]
