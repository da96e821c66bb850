"""A gadget in a process of its own, started as Gadgetron starts it, and this end of the connection to it."""

import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import ismrmrd
from gadgetron.external import constants

from gadgets.errors import RemoteError, StreamError
from gadgets.mrd.wire.items import read_image
from gadgets.mrd.wire.sockets import ExactSocket, read_error

_START_S = 60.0
"""A gadget's process that has not connected by then does not come."""

_END_S = 10.0
_LONGEST_S = 3600.0


def as_message(readout: ismrmrd.Acquisition) -> bytes:
    """A readout as it goes over the wire."""
    identifier = constants.GadgetMessageIdentifier.pack(constants.GADGET_MESSAGE_ISMRMRD_ACQUISITION)
    return identifier + readout.to_bytes()


class GadgetProcess:
    """Starts a gadget and sends it configuration and header; a context manager that ends the process.

    Parameters
    ----------
    configuration, header : bytes
        XML.
    module, target : str
        The gadget.

    Attributes
    ----------
    started_s : float
        ``time.perf_counter()`` when the process was started.
    accepted_s : float
        Seconds until it had connected.

    Raises
    ------
    RemoteError
        If it does not connect.
    """

    def __init__(
        self,
        configuration: bytes,
        header: bytes,
        module: str = "gadgets.multitasking",
        target: str = "MultitaskingGadget",
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(_START_S)
            command = [sys.executable, "-m", "gadgetron", str(server.getsockname()[1]), module, target]
            self.started_s = time.perf_counter()
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and a port of our own
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                self._connection = ExactSocket(server.accept()[0], _LONGEST_S, _LONGEST_S)
            except OSError as error:
                self._process.kill()
                self._process.wait()
                raise RemoteError(f"the gadget's process did not connect: {error}") from error
        self.accepted_s = time.perf_counter() - self.started_s
        texts = {constants.GADGET_MESSAGE_CONFIG: configuration, constants.GADGET_MESSAGE_HEADER: header}
        try:
            for number, text in texts.items():
                self.write(constants.GadgetMessageIdentifier.pack(number) + struct.pack("<I", len(text)) + text)
        except StreamError:
            self.__exit__()
            raise

    def write(self, data: bytes) -> None:
        """Send whole messages.

        Raises
        ------
        StreamError
            If the gadget is gone.
        """
        self._connection.write(data)

    def images(self) -> Iterator[ismrmrd.Image]:
        """Take images as they come, until the gadget closes.

        Raises
        ------
        RemoteError
            If it reports an error.
        StreamError
            If it sends something else, or dies.
        """
        while (number := self._connection.next_id()) != constants.GADGET_MESSAGE_CLOSE:
            if number == constants.GADGET_MESSAGE_ERROR:
                raise RemoteError(read_error(self._connection))
            if number != constants.GADGET_MESSAGE_ISMRMRD_IMAGE:
                raise StreamError(f"message id {number} came instead of an image")
            image = read_image(self._connection)
            self._connection.message_done()
            yield image

    def waits(self, seconds: float) -> bool:
        """Whether something comes from the gadget within some seconds."""
        return self._connection.waits(seconds)

    def end_stream(self) -> None:
        """Say that no more comes."""
        self.write(constants.GadgetMessageIdentifier.pack(constants.GADGET_MESSAGE_CLOSE))

    def __enter__(self) -> "GadgetProcess":
        return self

    def __exit__(self, *error: Any) -> None:
        self._connection.drop()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
