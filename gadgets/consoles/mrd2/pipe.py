"""A gadget between two pipes: a stream of MRD v2 in, one of the same schema out."""

import os
from collections.abc import Callable

from gadgets.configuration import configuration_of
from gadgets.consoles.mrd2.v1_items import V1Items
from gadgets.consoles.mrd2.v2_items import V2Items
from gadgets.consoles.mrd2.yardl.yardl_stream import StreamReader
from gadgets.errors import RemoteError, StreamError
from gadgets.mrd.headers.identifiers import anonymous
from gadgets.mrd.replay import configuration_message, hosted
from gadgets.mrd.wire.session import Progress, exchange
from gadgets.registry import gadget_entry, gadget_of_items


def run_pipe(
    read: Callable[[int], bytes],
    write: Callable[[bytes | bytearray], None],
    document: str | None,
    shipped: str,
    overrides: dict[str, str],
    timeout_s: float,
    progress: Progress,
) -> tuple[str, int, int]:
    """Run a gadget on a stream, and write its images as they come.

    The gadget runs as in ``malibu replay``: over Gadgetron's protocol, with a header without identifiers, which is also
    the header that goes out. A stream that fails has no end mark, so that its reader does not take it for complete.

    Parameters
    ----------
    read : callable
        Takes a number of bytes and returns at most as many, none at the end.
    write : callable
        Takes bytes and writes all of them.
    document : str or None
        The user's configuration; None: readouts go to the Multitasking gadget unless they are Cartesian, images and
        Cartesian readouts to the super-resolution gadget.
    shipped : str
        Configuration of the Multitasking gadget where the user gives none.
    overrides : dict of str to str
        Parameters to replace.
    timeout_s : float
        Longest wait for the next image.
    progress : Progress

    Returns
    -------
    str
        Name of the gadget.
    int
        Items that came.
    int
        Images that went.

    Raises
    ------
    StreamError
        If the stream is empty, none of MRD v2, without header or data, corrupt, or cut; or nobody takes the images.
    RemoteError
        If the gadget reported an error, or made no image.
    ParameterError
        If a parameter is wrong.
    """
    reader = StreamReader(read)
    items = V1Items(reader)
    target = gadget_of_items(document, items.header, items.holds_images)
    gadget = gadget_entry(target)
    text = shipped if document is None and target == "MultitaskingGadget" else document
    element = None if text is None else configuration_of(text, target)
    gadget.parse(element, overrides)
    images = V2Items(write, reader.schema, anonymous(items.header))
    with hosted(gadget.make()) as sock:
        try:
            exchange(items, images, configuration_message(element, overrides), sock, timeout_s, progress)
        except (RemoteError, StreamError) as error:
            if images.count:
                raise type(error)(f"{error} ({images.count} images that came before were sent)") from error
            raise
    images.end()
    return target, items.item_count, images.count


def writes_all(descriptor: int) -> Callable[[bytes | bytearray], None]:
    """Make a function that writes all of its bytes to a pipe or file."""

    def write(data: bytes | bytearray) -> None:
        rest = memoryview(data)
        try:
            while len(rest):
                rest = rest[os.write(descriptor, rest) :]
        except BrokenPipeError as error:
            raise StreamError("nobody takes the images any longer: the program behind the pipe ended") from error

    return write
