"""The explorer of volumes, super-resolved or of another task: planes and projections in a page without a server."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ismrmrd
import numpy as np

from gadgets.pages.shell import write_page
from gadgets.viewer.page_files import page_file
from gadgets.viewer.task_volumes import task_scans
from gadgets.viewer.volumes_of_series import Volume, VolumeScan, is_restored, volume_scans
from gadgets.viewer.volumes_packed import PackedVoxels, how_to_store, pack

_SCRIPTS = (
    "decode.js",
    "colours.js",
    "gestures.js",
    "picture.js",
    "volumes/geometry.js",
    "volumes/sampling.js",
    "volumes/permalink.js",
    "volumes/overlay.js",
    "volumes/plane_view.js",
    "volumes/controls.js",
    "volumes/keys.js",
    "volumes/export.js",
    "volumes/volume_page.js",
    "volumes/start.js",
)
# Per cent of the voxels that may be brighter than the first window, as malibu's Meta have it; differences are small
# nearly everywhere, so that a window over them all would show none.
_BRIGHTER, _STRONGER = 0.5, 1.0


def write_volume_explorer(series: Mapping[int, list[ismrmrd.Image]], path: Path) -> Path:
    """Write one self-contained page with all volumes of an image file that a gadget of image tasks made.

    Parameters
    ----------
    series : mapping of int to list of ismrmrd.Image
        As :func:`gadgets.mrd.files.read_images` gives them.
    path : Path
        HTML file to write.

    Returns
    -------
    Path

    Raises
    ------
    ScanFileError
        If the file holds no restored volume, or one is a single slice or no even stack.
    DataError
        If voxels are NaN or Inf, or an image does not say where it lies.
    """
    scans = volume_scans(series) if is_restored(series) else task_scans(series)
    dtype, shown = how_to_store([sum(volume.voxels.size for volume in scan.volumes.values()) for scan in scans])
    told: dict[str, Any] = {"scans": [], "inFile": len(scans)}
    parts = [page_file("volumes/volumes.html")]
    for number, scan in enumerate(scans[:shown]):
        packed = {kind: pack(volume.voxels, dtype) for kind, volume in scan.volumes.items()}
        told["scans"].append(_scan_record(number, scan, packed))
        parts += [_data_element(_element(number, kind), voxels.base64) for kind, voxels in packed.items()]
    # A "<" in a text could end the element.
    text = json.dumps(told).replace("<", "\\u003c")
    parts.append(f'<script type="application/json" id="volumes">{text}</script>')
    scripts = [page_file(name) for name in _SCRIPTS]
    return write_page(
        path,
        "Super-resolved volumes" if is_restored(series) else "Volumes",
        parts,
        page_file("volumes/volumes.css"),
        scripts,
    )


def _element(number: int, kind: str) -> str:
    return f"voxels-{number}-{kind}"


def _data_element(name: str, text: str) -> str:
    return f'<script type="application/octet-stream;base64" id="{name}">{text}</script>'


def _scan_record(number: int, scan: VolumeScan, packed: Mapping[str, PackedVoxels]) -> dict[str, Any]:
    restored = scan.volumes[scan.main].voxels
    peak = float(np.percentile(np.abs(restored), 100 - _BRIGHTER))
    record: dict[str, Any] = {"label": scan.label, "facts": scan.facts, "main": scan.main}
    record["window"] = [0.0, max(peak, 1e-6)]
    if "zero_filled" in scan.volumes:
        changed = np.abs(restored.astype(np.float32) - scan.volumes["zero_filled"].voxels)
        record["spread"] = max(float(np.percentile(changed, 100 - _STRONGER)), 1e-6)
    record["volumes"] = [
        _volume_record(_element(number, kind), volume, packed[kind]) for kind, volume in scan.volumes.items()
    ]
    return record


def _volume_record(element: str, volume: Volume, packed: PackedVoxels) -> dict[str, Any]:
    record: dict[str, Any] = {
        "kind": volume.kind,
        "title": volume.title,
        "element": element,
        "stored": packed.stored.dtype.name,
        "scale": packed.scale,
        "offset": packed.offset,
        "isExact": packed.is_exact,
        "shape": list(volume.voxels.shape[::-1]),
        "spacing": list(volume.spacing_mm),
        "axes": volume.axes.tolist(),
        "first": volume.first_voxel_mm.tolist(),
    }
    own = {"window": volume.window, "colours": volume.colours, "names": volume.names}
    return record | {name: value for name, value in own.items() if value}
