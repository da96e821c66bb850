"""DICOM objects to an archive over the network: one C-ECHO, then one C-STORE for each, in one association."""

import logging
import socket
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage, ParametricMapStorage

from gadgets.errors import ParameterError, RemoteError

log = logging.getLogger(__name__)

CONNECT_S = 10.0
"""Longest wait for the archive to take up the connection and agree on an association."""

ANSWER_S = 60.0
"""Longest wait for the answer to one object; archives index while the sender waits."""

_SHOWN = 5
"""Failures that an error names."""

_STATUS = {
    0xA700: "it has no room left",
    0xA900: "it takes the object for another kind",
    0xC000: "it does not understand the object",
    0x0122: "it does not know this kind of object",
    0x0124: "it does not let this sender store",
    0x0110: "it failed",
}
"""What the status of a C-STORE says (DICOM PS3.4 table B.2-1 and PS3.7 annex C)."""


@dataclass(frozen=True)
class Archive:
    """Where objects go.

    Attributes
    ----------
    host : str
    port : int
    called : str
        Application entity title of the archive.
    own : str
        That of the sender; most archives let only senders in whose title they know.
    """

    host: str
    port: int
    called: str = "ANY-SCP"
    own: str = "MALIBU"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def archive_of(address: str, own: str = "MALIBU", called: str = "ANY-SCP") -> Archive:
    """Read ``host:port`` and the titles of both sides.

    Parameters
    ----------
    address : str
    own, called : str
        1 to 16 printable ASCII characters.

    Returns
    -------
    Archive

    Raises
    ------
    ParameterError
        If one of them is impossible.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ParameterError(f"{address[:80]!r} is no address of an archive: give host:port, as pacs.example.org:104")
    for title in (own, called):
        if not title.strip() or len(title) > 16 or not (title.isascii() and title.isprintable()) or "\\" in title:
            raise ParameterError(
                f"{title[:80]!r} is no application entity title: at most 16 ASCII characters, no backslash"
            )
    return Archive(host.strip("[]"), int(port), called, own)


def send_dicom(paths: Sequence[Path], archive: Archive, sent: Callable[[int], None] = lambda count: None) -> int:
    """Send files to an archive.

    Objects that it has already are taken again: their UIDs are the same, and nothing doubles.

    Parameters
    ----------
    paths : sequence of Path
        DICOM files.
    archive : Archive
    sent : callable
        Called with the number of objects that were taken so far.

    Returns
    -------
    int
        How many were taken.

    Raises
    ------
    RemoteError
        If nobody answers, the association is refused or breaks, or objects are not taken; it names them by their
        numbers from 1.
    """
    association = _associated(archive)
    try:
        _echo(association, archive)
        failures: list[str] = []
        for number, path in enumerate(paths, start=1):
            reason = _store(association, path, number)
            if reason and not association.is_established:
                raise RemoteError(
                    f"the connection to {archive} broke at object {number} of {len(paths)} ({reason}); "
                    "see its log and send again: nothing doubles"
                )
            if reason:
                failures.append(f"object {number}: {reason}")
            sent(number - len(failures))
    finally:
        if association.is_established:
            association.release()
    if failures:
        more = f" and {len(failures) - _SHOWN} more" if len(failures) > _SHOWN else ""
        raise RemoteError(
            f"{archive} did not take {len(failures)} of {len(paths)} objects: {'; '.join(failures[:_SHOWN])}{more}"
        )
    return len(paths)


def _associated(archive: Archive) -> Any:
    from pynetdicom import AE, evt
    from pynetdicom.sop_class import Verification

    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # what goes wrong is told once, by the errors below
    entity = AE(ae_title=archive.own)
    entity.connection_timeout, entity.acse_timeout = CONNECT_S, CONNECT_S
    entity.dimse_timeout, entity.network_timeout = ANSWER_S, ANSWER_S
    entity.add_requested_context(Verification)
    for storage in (MRImageStorage, ParametricMapStorage):
        entity.add_requested_context(storage, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # pynetdicom's, of the socket that found nobody
        association = entity.associate(
            archive.host, archive.port, ae_title=archive.called, evt_handlers=[(evt.EVT_CONN_OPEN, _send_at_once)]
        )
    if association.is_established:
        return association
    if association.is_rejected:
        answer = getattr(association.acceptor, "primitive", None)
        reason = getattr(answer, "reason_str", "") or "no reason given"
        raise RemoteError(
            f"{archive} refused the association ({reason}): is the sender {archive.own!r} known there, and is it "
            f"called {archive.called!r}?"
        )
    raise RemoteError(f"no DICOM archive answers at {archive}: check host and port, and that it runs")


def _send_at_once(event: Any) -> None:
    """Switch Nagle's algorithm off: each object is a small message and a large one, and would wait 40 ms and more."""
    connection = getattr(getattr(event.assoc.dul, "socket", None), "socket", None)
    if connection is not None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _echo(association: Any, archive: Archive) -> None:
    """C-ECHO: tell an archive that talks DICOM from whatever else may accept a connection."""
    try:
        status = association.send_c_echo()
    except (ValueError, RuntimeError) as error:
        raise RemoteError(f"{archive} takes no C-ECHO ({error}); is it a DICOM archive?") from error
    if getattr(status, "Status", None) != 0:
        code = getattr(status, "Status", None)
        said = "no answer" if code is None else f"status 0x{code:04X}"
        raise RemoteError(f"{archive} does not answer C-ECHO ({said}); see its log")


def _store(association: Any, path: Path, number: int) -> str:
    """Send one object; why it was not taken, or nothing."""
    try:
        status = association.send_c_store(dcmread(path))
    except ValueError:
        return "no presentation context for this kind of object was accepted"
    except RuntimeError:
        return "the association is gone"
    code = getattr(status, "Status", None)
    if code is None:
        return f"no answer within {ANSWER_S:g} s"
    if code == 0 or 0xB000 <= code <= 0xBFFF:
        if code:
            log.warning("object %d was taken with the remark 0x%04X", number, code)
        return ""
    meaning = _STATUS.get(code) or _STATUS.get(code & 0xFF00) or _STATUS.get(code & 0xF000) or "refused"
    return f"{meaning} (status 0x{code:04X})"
