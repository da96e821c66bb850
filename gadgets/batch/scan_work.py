"""What a worker does with a scan: reconstruct it, or a slice of it, and put slices together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gadgets.batch.found import Scan
from gadgets.batch.order import Order
from gadgets.batch.results import Results, deliver
from gadgets.batch.summary import summary_of, write_summary
from gadgets.errors import OPERATOR_ERRORS
from gadgets.mrd.files import ImageFile, open_source, read_images
from gadgets.mrd.headers.identifiers import anonymous_xml
from gadgets.mrd.replay import Gadget, hosted
from gadgets.mrd.wire.session import Progress, exchange
from gadgets.registry import gadget_entry

_LONGEST_SLICE_S = 86_400.0
"""A day without an image: more than ADMM takes for the largest scan; a worker that hangs does not do so for ever."""

_LEAST_OF_A_NAME = 2
"""Letters of names that are taken out of texts: shorter ones stand in any word, and name nobody."""


@dataclass(frozen=True)
class Part:
    """What one task reconstructs.

    Attributes
    ----------
    scan : Scan
    slice_index : int or None
        None: all of it.
    """

    scan: Scan
    slice_index: int | None = None

    def result(self, results: Results) -> Path:
        """Its file."""
        if self.slice_index is None:
            return results.images(self.scan.key)
        return results.slice_images(self.scan.key, self.slice_index)


def reconstructed(order: Order, results: Results, part: Part) -> None:
    """Send a scan through its gadget, as ``malibu replay`` does, and deliver the images of the part that is wanted.

    Parameters
    ----------
    order : Order
    results : Results
    part : Part

    Raises
    ------
    MalibuError, DataError
        Why there are no images; without the name of the file, which may name a patient.
    OSError
        If a file failed.
    """
    made = part.result(results)
    if made.exists():  # by a worker that was lost after it had delivered
        return
    partial = results.work / made.name
    try:
        with (
            open_source(part.scan.path, order.group) as source,
            hosted(_gadget(order, part.slice_index)) as sock,
            ImageFile(partial, anonymous_xml(source.header)) as images,
        ):
            exchange(source, images, order.configuration, sock, _LONGEST_SLICE_S, Progress())
    except OPERATOR_ERRORS as error:
        raise type(error)(without_names(str(error), part.scan.path)) from None
    finally:
        partial.with_name(f"{partial.stem}.incomplete.h5").unlink(missing_ok=True)
    if part.slice_index is None:
        write_summary(results, part.scan.key, summary_of(partial))
    deliver(partial, made)


def joined(order: Order, results: Results, scan: Scan) -> None:
    """Put the slices of a scan together in one file, as a replay of the scan writes it.

    Parameters
    ----------
    order : Order
    results : Results
    scan : Scan
        All of its slices are there.

    Raises
    ------
    ScanFileError
        If the image file of a slice cannot be read.
    OSError
        If a file failed.
    """
    parts = [results.slice_images(scan.key, number) for number in scan.slices]
    if not results.images(scan.key).exists():  # else by a worker that was lost after it had delivered
        _write_joined(order, results, scan, parts)
    for part in parts:
        part.unlink(missing_ok=True)


def _write_joined(order: Order, results: Results, scan: Scan, parts: Sequence[Path]) -> None:
    partial = results.work / results.images(scan.key).name
    with open_source(scan.path, order.group) as source:
        header = anonymous_xml(source.header)
    by_slice = [read_images(part) for part in parts]
    with ImageFile(partial, header) as file:
        for number in sorted({number for series in by_slice for number in series}):
            for series in by_slice:
                for image in series.get(number, ()):
                    file.append(image)
    write_summary(results, scan.key, summary_of(partial))
    deliver(partial, results.images(scan.key))


def _gadget(order: Order, slice_index: int | None) -> Gadget:
    if slice_index is None:
        return gadget_entry(order.target).make()
    from gadgets.multitasking.gadget import MultitaskingGadget

    return MultitaskingGadget(only_slice=slice_index)


def without_names(text: str, path: Path) -> str:
    """Take a scan's path, name and folders out of an error, which goes into pages and logs; white space may be less."""
    whole = path.resolve()
    names = [str(whole), str(path), str(whole.parent), whole.name, whole.stem, whole.parent.name]
    for name in names:
        for spelt in (name, repr(name)[1:-1], " ".join(name.split())):
            text = text.replace(spelt, "the scan") if len(spelt) > _LEAST_OF_A_NAME else text
    return text
