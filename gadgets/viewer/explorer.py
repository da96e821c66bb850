"""The explorer of Multitasking results: every frame of an image file in one page that needs no server."""

import itertools
import logging
from collections.abc import Sequence
from pathlib import Path

from gadgets.errors import OPERATOR_ERRORS, ScanFileError
from gadgets.mrd.files import read_images
from gadgets.mrd.foreign_files import DEFAULT_GROUP
from gadgets.pages.shell import write_page
from gadgets.viewer.explorer_packing import Packed, json_element, pack_slice
from gadgets.viewer.page_files import page_file
from gadgets.viewer.slice_factors import Method, SliceFactors, slices_of
from gadgets.viewer.task_volumes import is_of_task
from gadgets.viewer.volumes_of_series import is_restored

log = logging.getLogger(__name__)

PAGE_NAME = "explorer.html"
"""Name of the page beside a report."""

SCRIPTS = (
    "decode.js", "colours.js", "gestures.js", "picture.js",
    "explorer/recovery.js", "explorer/factors.js", "explorer/regions.js", "explorer/place.js", "explorer/plots.js",
    "explorer/strip.js", "explorer/exports.js", "explorer/panes.js", "explorer/drawing.js", "explorer/curves.js",
    "explorer/mmode.js", "explorer/axes.js", "explorer/tables.js", "explorer/keys.js", "explorer/page.js",
    "explorer/controls.js",
)  # fmt: skip
"""Files of the page's script, in the order in which they are joined."""


def write_explorer(images: Path, path: Path, group: str = DEFAULT_GROUP, beside: Sequence[Path] = ()) -> Path:
    """Write the explorer's page of an image file; of volumes that a gadget of image tasks made, theirs.

    Parameters
    ----------
    images : Path
        Image file that a replay wrote.
    path : Path
        HTML file to write; it takes its name when it is complete.
    group : str
        HDF5 group of the images.
    beside : sequence of Path
        Image files of the same scan by other methods, to be compared.

    Returns
    -------
    Path

    Raises
    ------
    ScanFileError
        If a file holds nothing that frames could be made of, or the files do not fit together.
    """
    series = read_images(images, group)
    if is_restored(series) or is_of_task(series):
        from gadgets.viewer.volumes import write_volume_explorer

        if beside:
            raise ScanFileError(f"{images} holds volumes, which stand beside nothing; leave --beside out")
        return write_volume_explorer(series, path)
    shown = slices_of(series, images)
    for other in beside:
        _put_beside(shown, slices_of(read_images(other, group), other), other)
    return write_page(path, "malibu explorer", *page_parts(shown))


def page_parts(shown: Sequence[SliceFactors]) -> tuple[list[str], str, list[str]]:
    """Body, styles and scripts of the page of some slices, as :func:`gadgets.pages.shell.write_page` takes them."""
    packed = Packed()
    record = {"slices": [pack_slice(one, packed) for one in shown]}
    parts = [page_file("explorer/explorer.html"), *packed.elements, json_element("explored", record)]
    script = "\n".join(page_file(name) for name in SCRIPTS)
    return parts, page_file("explorer/explorer.css"), [script]


def write_explorer_if_possible(images: Path, folder: Path, group: str = DEFAULT_GROUP) -> Path | None:
    """Write the explorer beside a report; where an image file gives none, the log says why in one line.

    Parameters
    ----------
    images : Path
    folder : Path
        Of the report.
    group : str

    Returns
    -------
    Path or None
    """
    try:
        return write_explorer(images, folder / PAGE_NAME, group)
    except (*OPERATOR_ERRORS, ImportError) as error:
        log.info("no explorer: %s", error)
        return None


def _put_beside(shown: list[SliceFactors], others: list[SliceFactors], source: Path) -> None:
    """Add the methods of another file, slice by slice; equal names are counted.

    Raises
    ------
    ScanFileError
        If matrix, slices or axes differ.
    """
    if len(shown) != len(others):
        raise ScanFileError(f"{source} holds {len(others)} slices, the first file {len(shown)}; give files of one scan")
    for one, other in zip(shown, others, strict=True):
        ours, theirs = one.methods[0], other.methods[0]
        for what, here, there in (
            ("a matrix", ours.maps.shape[1:], theirs.maps.shape[1:]),
            ("bins and pulses", ours.factors.axes(), theirs.factors.axes()),
        ):
            if here != there:
                raise ScanFileError(
                    f"{source} has {what} of {'×'.join(map(str, there)) or 'none'}, the first file "
                    f"{'×'.join(map(str, here)) or 'none'}; replay one scan with equal settings but for the method"
                )
        for method in other.methods:
            known = [mine for mine in one.methods if mine.name.split(" (")[0] == method.name]
            if any((mine.maps == method.maps).all() for mine in known if mine.maps.shape == method.maps.shape):
                continue  # the back-projection of both
            names = {mine.name for mine in one.methods}
            numbered = (f"{method.name} ({count})" for count in itertools.count(2))
            name = method.name if method.name not in names else next(n for n in numbered if n not in names)
            one.methods.append(Method(name, method.maps, method.factors))
