"""The explorer within a notebook: the same page, in a frame of its own."""

import html
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gadgets.files import complete_file
from gadgets.mrd.image_meta import COUNTER_LIMIT
from gadgets.multitasking.images import write_series
from gadgets.multitasking.series import SERIES
from gadgets.viewer.explorer import write_explorer

if TYPE_CHECKING:
    from recon.multitasking import RadialScan, Result

_SHOWN = (
    "basis_maps", "temporal_basis", "t1_map", "t1_uncertainty", "gating", "b1_map", "b1_uncertainty", "data_misfit",
    "tensor", "basis_maps_before",
)  # fmt: skip
"""Series that the explorer takes."""

_HEIGHT_PX = 1100
"""Of the frame: pictures, sliders and the navigator of a page 1000 pixels wide."""


class ExplorerPage:
    """A page of the explorer, which notebooks show by themselves.

    Attributes
    ----------
    html : str
        The whole page.
    """

    def __init__(self, page: str) -> None:
        self.html = page

    def _repr_html_(self) -> str:
        """The page in a frame: its scripts and styles stay its own."""
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" style="width:100%;height:{_HEIGHT_PX}px;border:0" '
            'title="malibu explorer" allow="clipboard-write"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<malibu explorer, {len(self.html) / 1e6:.1f} MB: show it in a notebook, or save(path)>"

    def save(self, path: str | Path) -> Path:
        """Write the page; it appears under its name only when it is complete.

        Parameters
        ----------
        path : str or Path
            HTML file.

        Returns
        -------
        Path
        """
        with complete_file(Path(path)) as partial:
            partial.write_text(self.html, encoding="utf-8")
        return Path(path)


def page_of_file(images: Path, group: str = "dataset") -> ExplorerPage:
    """Make the page of an image file.

    Raises
    ------
    ScanFileError
        If it holds nothing that frames could be made of.
    """
    return _page(lambda folder: images, group)


def page_of_result(result: "Result", scan: "RadialScan") -> ExplorerPage:
    """Make the page of a result that came from arrays.

    Parameters
    ----------
    result : Result
    scan : RadialScan
        What was reconstructed: times and geometry.

    Returns
    -------
    ExplorerPage
    """
    too_long = result.temporal.basis.shape[1] > COUNTER_LIMIT
    shown = [
        kind for kind in _SHOWN if SERIES[kind].is_possible(result) and not (kind == "temporal_basis" and too_long)
    ]
    return _page(lambda folder: write_series(folder / "images.h5", scan, result, {"images": shown}), "dataset")


def _page(images_in: Callable[[Path], Path], group: str) -> ExplorerPage:
    with tempfile.TemporaryDirectory(prefix="malibu-") as name:
        path = write_explorer(images_in(Path(name)), Path(name) / "explorer.html", group)
        return ExplorerPage(path.read_text(encoding="utf-8"))
