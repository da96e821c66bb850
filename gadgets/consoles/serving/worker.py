"""A process that serves connections one after the other."""

import contextlib
import gc
import importlib
import logging
import os
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from gadgets.configuration import StreamParameters, checked
from gadgets.consoles.fire.connection import Choice, FireConnection
from gadgets.consoles.fire.opening import NothingCameError, Opening
from gadgets.consoles.jobs.desk import JobDesk
from gadgets.consoles.jobs.job_store import JobStore
from gadgets.consoles.serving.choices import choice_of
from gadgets.consoles.serving.configurations import Configurations
from gadgets.consoles.serving.copies import Copies
from gadgets.consoles.serving.turns import Turns
from gadgets.device import give_memory_back
from gadgets.errors import OPERATOR_ERRORS, Stopped, signals_as_errors
from gadgets.mrd.wire.opening import GuardedConnection
from gadgets.registry import gadget_entry
from recon.errors import DataError

log = logging.getLogger(__name__)

_LOOKED_EVERY_S = 1.0
"""How often a worker looks whether its server still lives."""

_OPENING_S = 30.0
"""A console says at once what it wants; who connects and is silent keeps others waiting."""

Console = Literal["fire", "gadgetron"]


@dataclass(frozen=True)
class JobSettings:
    """Store of jobs: see :class:`gadgets.consoles.jobs.job_store.JobStore`."""

    folder: Path
    limit_gb: float = 50.0
    longest_days: float = 7.0

    def store(self) -> JobStore:
        """Open the store.

        Raises
        ------
        ScanFileError
            If its folder cannot be written.
        """
        return JobStore(self.folder, self.limit_gb, self.longest_days)


class Watch(Protocol):
    """Looks at what connections send; can be pickled."""

    def scan(self, header: Any) -> contextlib.AbstractContextManager[Callable[[Any], None]]:
        """Begin a scan with its ISMRMRD header; what it gives is called with each image."""


@dataclass(frozen=True)
class Service:
    """What a server does for who connects.

    Attributes
    ----------
    console : {"fire", "gadgetron"}
        Whose protocol is spoken.
    configurations : Configurations
    turns : Path
        Folder of the queue's locks.
    workers : int
    jobs : JobSettings or None
        Where scans wait that are reconstructed later.
    copies : Copies
        Images that are kept here, too.
    watch : Watch or None
        Who looks at the images as they go out.
    """

    console: Console = "fire"
    configurations: Configurations = field(default_factory=Configurations)
    turns: Path = Path()
    workers: int = 1
    jobs: JobSettings | None = None
    copies: Copies = field(default_factory=Copies)
    watch: Watch | None = None

    @property
    def idle_s(self) -> float:
        """Longest pause between messages, until a gadget has read its parameters."""
        given = {name: value for name, value in self.configurations.overrides.items() if name == "idle_timeout_s"}
        return checked(StreamParameters, given).idle_timeout_s


def run(listener: socket.socket, service: Service, server_pid: int) -> None:
    """Serve connections until the server is gone, or a signal comes.

    Parameters
    ----------
    listener : socket.socket
        Listening; other workers accept from it, too.
    service : Service
    server_pid : int
    """
    _load_what_takes_long(service)
    turns = Turns(service.turns, alone=service.workers == 1)
    with contextlib.suppress(Stopped), signals_as_errors():
        while os.getppid() == server_pid:
            if connected := _accepted(listener):
                serve(connected, service, turns)
                del connected
                # Connections, threads and errors refer to each other: without this a scan's readouts stay for a while.
                gc.collect()
                give_memory_back()


def _accepted(listener: socket.socket) -> socket.socket | None:
    """Wait a while for a connection; another worker may have been faster."""
    ready, _, _ = select.select([listener], [], [], _LOOKED_EVERY_S)
    if not ready:
        return None
    with contextlib.suppress(BlockingIOError, ConnectionError):
        sock, (host, *_rest) = listener.accept()
        log.info("connection from %s", host)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a peer without power says nothing
        return sock
    return None


def serve(sock: socket.socket, service: Service, turns: Turns) -> None:
    """Serve one connection; what goes wrong with it is logged and never ends the worker.

    Raises
    ------
    Stopped
        If the process is told to end.
    """
    try:
        if service.console == "fire":
            _serve_fire(sock, service, turns)
        else:
            _serve_gadgetron(sock, service, turns)
    except NothingCameError as ending:
        log.info("%s", ending)
    except OPERATOR_ERRORS as error:
        log.error("%s", error)
    except Exception:
        log.exception("a defect of malibu ended the connection")
    finally:
        sock.close()


def _serve_fire(sock: socket.socket, service: Service, turns: Turns) -> None:
    desk = JobDesk(service.jobs.store()) if service.jobs else None

    def choose(opening: Opening) -> Choice:
        return choice_of(opening, service.configurations, desk)

    with (
        contextlib.ExitStack() as last,  # the console has everything before an explorer is made
        FireConnection(sock, choose, _OPENING_S, service.idle_s) as connection,
    ):
        connection.take_turn = turns.take
        _show(connection, service, last)
        sent: list[Any] = []
        if service.copies:
            connection.watchers.append(sent.append)
        try:
            connection.choice.make().handle(connection)
        finally:
            connection.end()
            service.copies.write(connection.raw_bytes.header, sent)


def _serve_gadgetron(sock: socket.socket, service: Service, turns: Turns) -> None:
    """Serve a Gadgetron whose configuration says ``<connect port="N"/>``.

    It sends a ``<configuration>`` alone: which gadget is meant, the server's own configuration says.
    """
    target, parameters = service.configurations.defaults()
    with (
        contextlib.ExitStack() as last,
        GuardedConnection(sock, _OPENING_S, service.idle_s) as connection,
    ):
        connection.take_turn = turns.take
        connection.set_defaults(parameters)
        _show(connection, service, last)
        gadget_entry(target).make().handle(connection)


def _show(connection: GuardedConnection, service: Service, last: contextlib.ExitStack) -> None:
    """Let who watches see the images; a header that is none is left to the gadget to refuse."""
    if service.watch is not None:
        with contextlib.suppress(DataError):
            connection.watchers.append(last.enter_context(service.watch.scan(connection.header)))


def _load_what_takes_long(service: Service) -> None:
    """Import the gadget's libraries; whoever has connected meanwhile is served after it."""
    target, element = service.configurations.read("")
    gadget_entry(target).parse(element, {})
    gadget_entry(target).make()
    with contextlib.suppress(ImportError):
        importlib.import_module("torch")
