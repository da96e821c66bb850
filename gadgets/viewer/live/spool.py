"""What a page shows of running scans, as small files in a folder: workers write them, the page's server reads them."""

import base64
import itertools
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.files import complete_file
from gadgets.multitasking.series import GATING_ROWS

# What of an image's Meta a page shows; all of it was written by malibu, nothing came from a patient's record.
_TOLD = (
    "CardiacBin",
    "CardiacPhaseMs",
    "RespiratoryBin",
    "InversionTime",
    "FrameTimeMs",
    "MalibuReconstruction",
    "MalibuHeartRatePerMinute",
    "MalibuHeartQuality",
    "MalibuRespirationQuality",
    "MalibuUnresolved",
    "MalibuUnit",
    "MalibuRemarks",
    "WindowCenter",
    "WindowWidth",
)
# A strip on a screen has no more columns than that.
_GATING_COLUMNS = 1500
# Scans whose items are kept: the running one and the last.
_KEPT_SCANS = 2
# Of 16 bits.
_LARGEST_PIXEL = 65535


@dataclass(frozen=True)
class Spool:
    """A folder of items, named so that their order is that of time.

    Attributes
    ----------
    folder : Path
    """

    folder: Path

    def scan(self) -> "ScanFeed":
        """Begin a scan; all but the last scans are forgotten."""
        feed = ScanFeed(self, f"{time.time_ns():020d}-{os.getpid()}")
        for old in sorted({path.name.split(".")[0] for path in self.folder.glob("*.json")})[: 1 - _KEPT_SCANS]:
            for path in self.folder.glob(f"{old}.*"):
                path.unlink(missing_ok=True)
        feed.tell("begin")
        return feed

    def items(self, after: str = "", limit: int = 64) -> list[dict[str, Any]]:
        """The next items, each with its name; a page asks again with the last one's.

        Parameters
        ----------
        after : str
            Name of the last item that is known.
        limit : int
            Most items of one answer.
        """
        found = sorted(path for path in self.folder.glob("*.json") if path.stem > after)[:limit]
        items = []
        for path in found:
            try:
                items.append(json.loads(path.read_text(encoding="utf-8")) | {"item": path.stem})
            except FileNotFoundError:
                continue  # its scan was forgotten meanwhile
        return items


@dataclass
class ScanFeed:
    """One scan's way into the folder.

    Attributes
    ----------
    spool : Spool
    scan : str
        Name that sorts by time.
    """

    spool: Spool
    scan: str
    _numbers: Any = field(default_factory=itertools.count, repr=False)

    def image(self, image: ismrmrd.Image) -> None:
        """Show an image: magnitudes and maps as they are, the gating as curves; factors are not for looking at."""
        told = {name: str(image.meta[name]) for name in _TOLD if name in image.meta}
        common = {"series": image.image_series_index, "number": image.image_index, "meta": told}
        if image.meta.get("DataRole") == "Gating":
            self.tell("gating", **common, **_gating(image))
        elif not np.iscomplexobj(image.data) and image.data.shape[1] == 1 and image.data.shape[0] == 1:
            name = str(image.meta.get("SeriesDescription", "images")).removeprefix("malibu ")
            self.tell("image", **common, name=name, slice=image.slice, **_pixels(image.data[0, 0]))

    def end(self, problem: str = "", explorer: str = "") -> None:
        """Say that no more images come, why if it was no good end, and where the explorer's page lies."""
        self.tell("end", problem=problem, explorer=explorer)

    def tell(self, kind: str, **item: Any) -> None:
        """Add an item."""
        path = self.spool.folder / f"{self.scan}.{next(self._numbers):06d}.json"
        with complete_file(path) as partial:
            partial.write_text(json.dumps({"kind": kind, "scan": self.scan} | item), encoding="utf-8")


def _pixels(image: NDArray) -> dict[str, Any]:
    """An image as 16 bits a pixel; a value is a pixel times ``scale``, to half a scale."""
    values = np.nan_to_num(np.maximum(image.astype(np.float64), 0))
    scale = max(float(values.max()), 1e-30) / _LARGEST_PIXEL
    pixels = np.rint(values / scale).astype("<u2")
    return {"shape": list(image.shape), "scale": scale, "pixels": base64.b64encode(pixels.tobytes()).decode()}


def _gating(image: ismrmrd.Image) -> dict[str, Any]:
    rows = dict(zip(GATING_ROWS, image.data[0, 0], strict=True))
    step = -(-rows["time_s"].size // _GATING_COLUMNS)
    curves = {name: [round(float(v), 3) for v in rows[name][::step]] for name in ("time_s", "respiration")}
    return curves | {"beats_s": [float(time) for time in image.meta.get("BeatTimesS", "").split()]}
