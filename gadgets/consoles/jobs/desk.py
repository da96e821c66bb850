"""What a console may ask of the store: keep a scan for later, keep one that others need, fetch a result."""

import logging
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import ismrmrd
from gadgetron.external.connection import Connection

from gadgets.consoles.fire.connection import Choice
from gadgets.consoles.jobs.job_store import Job, JobStore, key_of
from gadgets.consoles.jobs.note import note_image
from gadgets.device import memory_limit_bytes
from gadgets.errors import ParameterError, ScanFileError
from gadgets.mrd.connection import GadgetStream
from gadgets.mrd.dialects import FireDialect
from gadgets.mrd.files import ScanFile, read_images
from gadgets.mrd.header import counter_limits, parse_header
from gadgets.mrd.intake.measurement import Measurement

log = logging.getLogger(__name__)

RETRIEVE, KEEP = "retrieve", "keep"
"""Configurations of the store."""

_SERIES_PER_MEASUREMENT = 20
"""Added to the series of each further measurement, as the gadgets do within a stream."""

LATER, MEASUREMENT = "later", "measurement"
"""Parameters of the store: whether a scan is to be reconstructed later, and the ID of the one that is meant."""


@dataclass(frozen=True)
class Ticket:
    """What a console's opening says of measurements.

    Attributes
    ----------
    own : str or None
        Key of this one.
    others : tuple of str
        Keys of those that it names: by parameter, and as dependencies in the header.
    """

    own: str | None
    others: tuple[str, ...]


def ticket_of(header: bytes, measurement: str = "") -> Ticket:
    """Read which measurement this is, and which others it names; IDs are hashed at once.

    Parameters
    ----------
    header : bytes
        XML, or a placeholder.
    measurement : str
        ID that was given as a parameter.

    Raises
    ------
    DataError
        If the header is none.
    """
    named, own = [measurement], ""
    if header.lstrip().startswith(b"<"):
        about = parse_header(header).measurementInformation
        if about is not None:
            own = about.measurementID or ""
            named += [one.measurementID or "" for one in about.measurementDependency]
    return Ticket(key_of(own) if own.strip() else None, tuple(key_of(one) for one in named if one.strip()))


class JobDesk:
    """Answers what consoles ask of a store.

    Parameters
    ----------
    store : JobStore
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store

    def retrieve(self, ticket: Ticket) -> Choice:
        """Let a connection have the result of an earlier one."""
        return Choice(lambda: _Retrieve(self._store, ticket), b"")

    def keep(self, ticket: Ticket) -> Choice:
        """Let a measurement be kept that others need."""
        key = _known(ticket)

        def take(measurement: Measurement, header: Any) -> str:
            self._store.add(key, measurement, header, "", b"", state="kept")
            return "the measurement is kept for those that depend on it"

        return Choice(lambda: _Keep(take), b"")

    def later(
        self,
        ticket: Ticket,
        target: str,
        configuration: bytes,
        at_once: Choice | None,
        header: bytes,
        before: tuple[Any, ...] = (),
    ) -> Choice:
        """Let a scan be reconstructed later.

        Parameters
        ----------
        ticket : Ticket
        target : str
            Of the gadget.
        configuration : bytes
            Of the answer that comes later.
        at_once : Choice or None
            What is answered now; None: what came goes back, or a note.
        header : bytes
        before : tuple
            Readouts of earlier measurements that belong to this one.
        """
        first = _known(ticket)

        def take(measurement: Measurement, header: Any) -> str:
            key = _numbered(first, measurement.number)
            document = _stream_of(target, _without_originals(configuration) if measurement.images else configuration)
            self._store.add(key, measurement, header, target, document)
            text = f"the scan waits to be reconstructed (job {key}); fetch it with the configuration {RETRIEVE}"
            log.info("%s", text)
            return text

        if at_once is None:
            return Choice(lambda: _Keep(take), b"", before)
        parsed = parse_header(header)
        return Choice(at_once.make, at_once.configuration, at_once.before, lambda one: _tried(take, one, parsed))

    def before(self, ticket: Ticket) -> tuple[ismrmrd.Acquisition, ...]:
        """Give the noise readouts of kept measurements that this one depends on."""
        for key in ticket.others:
            job = self._store.find(key)
            if job is not None and job.state == "kept":
                noise = tuple(_noise_of(self._store, job))
                if noise:
                    log.info("%d noise readouts are taken from an earlier measurement", len(noise))
                    return noise
        return ()


def _numbered(key: str, number: int) -> str:
    """Key of a further measurement of the same connection."""
    return f"{key}x{number}" if number else key


def _stream_of(target: str, configuration: bytes) -> bytes:
    """A stream's configuration that names the gadget, for a replay."""
    root = ElementTree.Element("configuration")
    external = ElementTree.SubElement(ElementTree.SubElement(root, "stream"), "external")
    ElementTree.SubElement(external, "execute", {"target": target})
    external.append(ElementTree.fromstring(configuration))  # noqa: S314 - of our own making
    return ElementTree.tostring(root)


def _without_originals(configuration: bytes) -> bytes:
    """Leave out what goes back at once: images as they came, of which the store keeps no vendor's Meta."""
    element = ElementTree.fromstring(configuration)  # noqa: S314 - of our own making
    for child in element:
        if child.get("name", child.tag) == "images":
            text = child.get("value", child.text or "").replace(",", " ")
            left = " ".join(word for word in text.split() if word != "original")
            if left and "value" in child.attrib:
                child.set("value", left)
            elif left:
                child.text = left
    return ElementTree.tostring(element)


def _tried(take: Callable[[Measurement, Any], str], measurement: Measurement, header: Any) -> None:
    """Keep a scan; where that fails, the answer at once comes all the same."""
    try:
        take(measurement, header)
    except (ScanFileError, OSError) as error:
        log.error("the scan is not kept for later: %s", error)


def _known(ticket: Ticket) -> str:
    if ticket.own is None:
        raise ParameterError("the header names no measurementID, by which it could be fetched later; leave later out")
    return ticket.own


def _noise_of(store: JobStore, job: Job) -> Iterable[ismrmrd.Acquisition]:
    with ScanFile(store.scan(job)) as file:
        for item in file.items():
            if isinstance(item, ismrmrd.Acquisition) and item.is_flag_set(ismrmrd.ACQ_IS_NOISE_MEASUREMENT):
                yield item


class _Keep:
    """Receives a measurement whole, keeps it, and gives back the images that came, or a note."""

    def __init__(self, take: Callable[[Measurement, Any], str]) -> None:
        self._take = take

    def handle(self, connection: Connection) -> None:
        """Serve a connection."""
        with GadgetStream(connection, "malibu") as stream:
            stream.speak(FireDialect())
            measurement = Measurement(counter_limits(stream.header), limit_bytes=memory_limit_bytes(None))
            for item in stream:
                _add(measurement, item)
            for image in measurement.images:  # first, whatever becomes of the rest
                stream.send_as_received(image)
            text = self._kept(measurement, stream.header)
            if not measurement.images:
                stream.send_as_received(note_image(text))

    def _kept(self, measurement: Measurement, header: Any) -> str:
        try:
            return self._take(measurement, header)
        except OSError as error:
            raise ScanFileError(f"the scan cannot be kept: {error.strerror or error}") from error


def _add(measurement: Measurement, item: Any) -> None:
    if isinstance(item, ismrmrd.Image):
        measurement.images.append(item)
    elif isinstance(item, ismrmrd.Waveform):
        measurement.waveforms.append(item)
    else:
        measurement.add(item)


class _Retrieve:
    """Sends the result of a job; what the connection itself brings, such as a dummy scan, is passed over."""

    def __init__(self, store: JobStore, ticket: Ticket) -> None:
        self._store, self._ticket = store, ticket

    def handle(self, connection: Connection) -> None:
        """Serve a connection."""
        with GadgetStream(connection, "malibu") as stream:
            stream.speak(FireDialect())
            for _ in stream:
                pass
            for image in self._answer():
                stream.send_as_received(image)

    def _answer(self) -> Sequence[ismrmrd.Image]:
        own = (self._ticket.own,) if self._ticket.own else ()
        found = [self._jobs(key) for key in (*self._ticket.others, *own)]
        jobs = next(filter(None, found), [])
        if not jobs:
            raise ParameterError(
                "no job of this measurement is known; name its measurementID by the parameter "
                f"{MEASUREMENT}, or let the scan depend on it"
            )
        images: list[ismrmrd.Image] = []
        for number, job in enumerate(jobs):
            if job.state != "done":
                return [self._note(job)]
            for image in (one for series in read_images(self._store.images(job)).values() for one in series):
                image.image_series_index += _SERIES_PER_MEASUREMENT * number
                images.append(image)
        return images

    def _jobs(self, first: str) -> list[Job]:
        """Jobs of all measurements of one connection."""
        jobs: list[Job] = []
        while (job := self._store.find(_numbered(first, len(jobs)))) is not None and job.state != "kept":
            jobs.append(job)
        return jobs

    @staticmethod
    def _note(job: Job) -> ismrmrd.Image:
        text = f"job {job.key} is {job.state}{f': {job.error}' if job.error else ''}"
        log.warning("%s", text)
        return note_image(text if job.state in ("failed", "cancelled") else f"{text}; fetch it later")
