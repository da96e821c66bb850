"""A scan file through a gadget over the wire protocol, images back into a file."""

import contextlib
import socket
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from gadgetron.external.connection import Connection

from gadgets.errors import GADGET_THREAD, OPERATOR_ERRORS, RemoteError, ScanFileError, StreamError
from gadgets.files import check_output
from gadgets.mrd.files import ImageFile, Source
from gadgets.mrd.headers.identifiers import anonymous_xml
from gadgets.mrd.wire.opening import GuardedConnection
from gadgets.mrd.wire.session import Progress, exchange

# A gadget in this process whose client is gone is not waited for any longer.
_END_S = 5.0


class Gadget(Protocol):
    """What Gadgetron's Python main program calls."""

    def handle(self, connection: Connection) -> None:
        """Serve one measurement."""
        ...


def replay(
    scan: Source,
    output: Path,
    configuration: bytes,
    sock: socket.socket,
    timeout_s: float,
    progress: Progress,
) -> int:
    """Send a scan to the other end of a socket and write the images that come back.

    Parameters
    ----------
    scan : Source
        Raw data, or images for a gadget that takes them.
    output : Path
        ISMRMRD image file; appears only if everything went well.
    configuration : bytes
        XML for the CONFIG message.
    sock : socket.socket
        Connected to a gadget or a Gadgetron; closed at the end.
    timeout_s : float
        Longest wait for the next image.
    progress : Progress

    Returns
    -------
    int
        Number of images.

    Raises
    ------
    RemoteError
        If the other side reported an error, or sent no image at all.
    StreamError
        If the stream broke.
    ScanFileError
        If the scan cannot be read, or the output not be written.
    """
    check_output(output, scan.path)
    check_output(output.with_name(f"{output.stem}.incomplete.h5"), scan.path)
    with ImageFile(output, anonymous_xml(scan.header)) as images:
        try:
            exchange(scan, images, configuration, sock, timeout_s, progress)
        except (RemoteError, StreamError, ScanFileError) as error:
            if not images.count:
                raise
            kept = f"{error} ({images.count} images that came before are kept in {images.incomplete_path})"
            raise type(error)(kept) from error
        return images.count


def connect(host: str, port: int) -> socket.socket:
    """Connect to a running Gadgetron.

    Raises
    ------
    RemoteError
        If nobody listens there.
    """
    try:
        return socket.create_connection((host, port), timeout=10)
    except OSError as error:
        raise RemoteError(f"no server answers at {host}:{port}: {error}") from error


@contextlib.contextmanager
def hosted(gadget: Gadget) -> Iterator[socket.socket]:
    """Run a gadget behind a socket pair, as ``python3 -m gadgetron`` runs it behind TCP.

    Parameters
    ----------
    gadget : Gadget

    Yields
    ------
    socket.socket
        The client's end.

    Raises
    ------
    Exception
        What the gadget raised, if it is a defect and not an error that the client was told.
    """
    client, server = socket.socketpair()
    raised: list[BaseException] = []

    def serve() -> None:
        try:
            with GuardedConnection(server) as connection:
                gadget.handle(connection)
        except BaseException as error:
            raised.append(error)
        finally:
            server.close()

    thread = threading.Thread(target=serve, name=GADGET_THREAD, daemon=True)
    thread.start()
    longest_s: float | None = _END_S
    try:
        yield client
        longest_s = None
    finally:
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        client.close()
        thread.join(longest_s)
        if raised and not isinstance(raised[0], OPERATOR_ERRORS):
            raise raised[0]


def configuration_message(configuration: ElementTree.Element | None, overrides: dict[str, str]) -> bytes:
    """The CONFIG message for a gadget: its ``<configuration>`` with some parameters replaced.

    Parameters
    ----------
    configuration : Element or None
    overrides : dict of str to str

    Returns
    -------
    bytes
        XML.
    """
    element = configuration if configuration is not None else ElementTree.Element("configuration")
    for name, value in overrides.items():
        for old in [child for child in element if name in (child.tag, child.get("name"))]:
            element.remove(old)
        ElementTree.SubElement(element, "property", {"name": name, "value": value})
    return ElementTree.tostring(element)
