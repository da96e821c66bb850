"""Pictures of pages for README and docs, taken in a real browser and small enough for a repository.

``make screenshots`` names the pages; whoever changes a page takes them anew and looks at them.
"""

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from PIL import Image

from tests.support.browser import opened

LARGEST_BYTES = 400_000

DESK = {"viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce"}
DARK = DESK | {"color_scheme": "dark"}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
    "reduced_motion": "reduce",
}
"""Contexts in which pages are usually shown."""

EXPLORED = "#" + urlencode(
    {
        "x": "[75,77]",
        "p": "211",
        "g": json.dumps(
            [{"kind": "bullseye", "name": "short axis", "points": [[87, 77], [81, 64], [87, 66.5]]}],
            separators=(",", ":"),
        ),
    }
)
"""The demo's heart: crosshair in the septum, half recovered, six segments around the left ventricle."""

RESTORED = "#show=super_resolved&beside=zero_filled&mode=max&slab=12"
"""The demo's volume: restored beside zero-filled, maximum over 12 mm."""

# Fewer colours, then fewer pixels, until a picture is small enough.
_COLOURS = (256, 128, 64)
_SHRINKING = 0.8
_SETTLING_MS = 400


def take_screenshots(pages: Iterable[tuple[Path | str, str, Mapping[str, Any]]], folder: Path) -> list[Path]:
    """Open each page, and write what its window shows as a PNG.

    Parameters
    ----------
    pages : iterable of (Path or str, str, mapping)
        File, or address (``path.as_uri() + "#mode=max"`` opens a view); name of the picture without ending; options
        of playwright's ``new_context``, as :data:`DESK`, :data:`DARK` and :data:`PHONE`.
    folder : Path
        Made where it is missing.

    Returns
    -------
    list of Path

    Raises
    ------
    AssertionError
        If a page writes errors to its console, or asks for anything but itself.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for page, name, context in pages:
        with opened(page, **context) as tab:
            tab.wait_for_timeout(_SETTLING_MS)
            shot = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
        path = folder / f"{name}.png"
        path.write_bytes(small_png(shot))
        written.append(path)
    return written


def small_png(picture: Image.Image, largest_bytes: int = LARGEST_BYTES) -> bytes:
    """Encode a picture with as many colours, and then pixels, as fit."""
    while True:
        for colours in _COLOURS:
            buffer = io.BytesIO()
            reduced = picture.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
            reduced.save(buffer, "PNG", optimize=True)
            if buffer.tell() <= largest_bytes:
                return buffer.getvalue()
        picture = picture.resize([max(1, round(_SHRINKING * side)) for side in picture.size], Image.Resampling.LANCZOS)


def main() -> None:
    """Take those of README and docs, of what ``make demo`` and ``malibu benchmark`` wrote."""
    report, volumes = Path("demo/report"), Path("demo/super_resolution")
    explorer = (report / "explorer.html").resolve().as_uri()
    restored = (volumes / "explorer.html").resolve().as_uri()
    take_screenshots(
        [
            (explorer + EXPLORED, "explorer", DESK | {"viewport": {"width": 1440, "height": 1180}}),
            (explorer + EXPLORED, "explorer_phone", PHONE),
            (restored + RESTORED, "explorer_volumes", DARK),
            (report / "report.html", "report", DESK),
            (report / "report.html", "report_dark", DARK),
            (report / "report.html", "report_phone", PHONE),
            (Path("demo/benchmark.html"), "benchmark_page", DESK),
        ],
        Path("docs"),
    )


if __name__ == "__main__":
    main()
