"""Broken bytes of every kind into malibu: nothing may come out but its own errors, soon and in little memory.

``python -m tests.support.fuzz SECONDS [TARGET ...]`` tries seed after seed and prints those that fail. Further targets
are one function and one entry of :data:`TARGETS`. A trial runs in a process of its own where a crash could end it.
"""

import contextlib
import copy
import faulthandler
import functools
import importlib.util
import io
import itertools
import logging
import multiprocessing
import random
import re
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import ismrmrd
import numpy as np

from gadgets.configuration import configuration_of, executed_gadget
from gadgets.consoles.fire.connection import Choice, FireConnection, FireReader
from gadgets.consoles.fire.opening import Opening, read_opening
from gadgets.consoles.mrd2.v1_items import V1Items
from gadgets.consoles.mrd2.yardl.yardl_stream import StreamReader
from gadgets.consoles.serving.choices import choice_of
from gadgets.consoles.serving.configurations import Configurations
from gadgets.consoles.serving.worker import Service
from gadgets.errors import OPERATOR_ERRORS
from gadgets.mrd.files import ScanFile, open_source, read_images
from gadgets.mrd.header import parse_header, read_header
from gadgets.mrd.headers.identifiers import anonymous_xml
from gadgets.mrd.headers.numbers import as_gadgetron_writes
from gadgets.mrd.wire.items import read_acquisition, read_image
from gadgets.mrd.wire.opening import GuardedConnection
from gadgets.mrd.wire.reading import END, ItemReader
from gadgets.mrd.wire.sockets import ExactSocket
from gadgets.multitasking.gadget import MultitaskingGadget
from gadgets.multitasking.parameters import parse_parameters
from gadgets.multitasking.readouts import slices_of
from gadgets.simulated.radial import protocol_with, write_simulation
from recon.simulation.chest import simulate_scan
from tests.support.fire import by_name, header as fire_header, parameters
from tests.support.mrd2 import installed_schema, scan_items, stream_of
from tests.support.peer import ACQUISITION, CLOSE, IMAGE, WAVEFORM, message, scan_messages
from tests.support.replays import SHIPPED_XML

TRIAL_S = 20
MEMORY_MB = 700  # beside the 300 that the imports take
ALLOWED = OPERATOR_ERRORS


@functools.cache
def scan_file() -> Path:
    """A scan of 40 readouts, with waveforms."""
    path = Path(tempfile.mkdtemp(prefix="malibu-fuzz-")) / "scan.h5"
    write_simulation(simulate_scan(protocol_with("tiny", {"duration_s": "0.4", "coils": "2"}), 1), path)
    return path


@functools.cache
def image_file() -> Path:
    from gadgets.mrd.files import ImageFile

    path = scan_file().with_name("images.h5")
    with ScanFile(scan_file()) as scan, ImageFile(path, scan.header_xml) as file:
        for dtype, series in ((np.float32, 1), (np.complex64, 3), (np.uint16, 7)):
            for _ in range(2):
                pixels = np.ones((1, 1, 6, 5), dtype)
                file.append(ismrmrd.Image.from_array(pixels, transpose=False, image_series_index=series))
    return path


@functools.cache
def stream() -> list[bytes]:
    messages = scan_messages(scan_file(), b"<configuration><rank>4</rank></configuration>")[:30]
    with ScanFile(scan_file()) as scan:
        messages += [message(WAVEFORM, bytes(wave.getHead()) + wave.data.tobytes()) for wave in scan.waveforms()[:2]]
    image = ismrmrd.Image.from_array(np.ones((4, 4), np.float32), transpose=False)
    return [*messages, message(IMAGE, image.to_bytes()), message(CLOSE)]


def spoiled(rng: random.Random, data: bytes) -> bytes:
    """Flip, cut, repeat and overwrite a few places."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        place, kind = rng.randrange(len(result) or 1), rng.randrange(6)
        if kind == 0:
            result[place : place + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            size = rng.choice((2, 4, 8))
            result[place : place + size] = rng.choice((b"\xff", b"\0", b"\x7f")) * size
        elif kind == 2:
            del result[place : place + rng.choice((1, 4, 100, 10**6))]
        elif kind == 3:
            result[place:place] = result[place : place + rng.choice((1, 10, 1000))]
        elif kind == 4:
            result[place:place] = rng.randbytes(rng.choice((1, 7, 300)))
        else:
            result[place : place + 4] = rng.randrange(2**32).to_bytes(4, "little")
    return bytes(result)


class Receiving(MultitaskingGadget):
    """Receives as the gadget does, and reconstructs nothing."""

    def load(self, *_: object) -> None:
        """Need nothing."""

    def serve(self, stream, measurement, parameters, *_: object) -> None:
        header = read_header(stream.header, parameters.encoding_space, parameters.matrix)
        slices_of(measurement, header, parameters)
        anonymous_xml(stream.header)


def wire(rng: random.Random) -> None:
    """Messages in other orders, and bytes that are not theirs."""

    def serve(sock: socket.socket) -> None:
        with GuardedConnection(sock) as connection:
            Receiving().handle(connection)

    _converse(_disordered(rng, stream()), serve)


def _disordered(rng: random.Random, original: list[bytes]) -> bytes:
    messages = list(original)
    for _ in range(rng.choice((0, 0, 1, 3))):
        first, second = rng.randrange(len(messages)), rng.randrange(len(messages))
        messages[first], messages[second] = messages[second], messages[first]
    if rng.random() < 0.3:
        messages.insert(rng.randrange(len(messages)), message(rng.randrange(2**16), rng.randbytes(rng.randrange(60))))
    whole = b"".join(messages)
    return spoiled(rng, whole) if rng.random() < 0.8 else whole


def _converse(data: bytes, serve: Callable[[socket.socket], None]) -> None:
    """Send to what serves a connection, read whatever it answers, and raise what it raised."""
    client, server = socket.socketpair()
    raised: list[BaseException] = []

    def run() -> None:
        try:
            serve(server)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    with client:
        client.settimeout(TRIAL_S)
        with contextlib.suppress(OSError):
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while client.recv(2**16):
                pass
    thread.join(TRIAL_S)
    if thread.is_alive():
        raise TimeoutError("the gadget does not end")
    if raised:
        raise raised[0]


@functools.cache
def fire_stream() -> list[bytes]:
    """What a FIRE console sends, in as few bytes as say everything."""
    given = {"temporalmodel": "realtime", "rank": "4", "keep_ectopic": True}
    xml, (*items, close) = stream()[1][6:], stream()[-9:]
    return [by_name("multitasking"), fire_header(xml), parameters(**given), *items, close]


def fire(rng: random.Random) -> None:
    """A FIRE connection of other bytes, up to what a gadget does with it."""
    served = Service(configurations=Configurations())

    def choose(opening: Opening) -> Choice:
        return replace(choice_of(opening, served.configurations, None), make=Receiving)

    def serve(sock: socket.socket) -> None:
        with FireConnection(sock, choose) as connection:
            connection.choice.make().handle(connection)

    _converse(_disordered(rng, fire_stream()), serve)


def _read_to_the_end(data: bytes, reader: Callable[[ExactSocket], ItemReader]) -> None:
    client, server = socket.socketpair()
    with client, server:
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            client.sendall(data[:_FITS_BYTES])
        client.shutdown(socket.SHUT_WR)
        items = reader(ExactSocket(server, 1.0, 1.0))
        while items.next() is not END:
            pass


_FITS_BYTES = 150_000
"""Of a socket pair's buffer: what is written without anybody reading."""


def fire_bytes(rng: random.Random) -> None:
    """Other bytes into the readers of FIRE alone: fast enough for a million of them."""

    def opened(source: ExactSocket) -> ItemReader:
        read_opening(source)
        return FireReader(source, _READERS, ())

    _read_to_the_end(spoiled(rng, b"".join(fire_stream())), opened)


def gadgetron_bytes(rng: random.Random) -> None:
    """Other bytes into the readers of a Gadgetron connection alone."""
    _read_to_the_end(spoiled(rng, b"".join(stream()[-9:])), lambda source: ItemReader(source, _READERS))


_READERS = {
    ACQUISITION: read_acquisition,
    IMAGE: read_image,
    WAVEFORM: lambda source: ismrmrd.Waveform.deserialize_from(source.read),
}

_VALUES = ("", "-1", "1e400", "nan", "inf", "0", "9" * 5000, "a,b", "1 2", "true", "ä" * 300, "0x10", "1e-320", "::")


def configuration(rng: random.Random) -> None:
    """Stream configurations with other elements, values and bytes."""
    root = ElementTree.fromstring(SHIPPED_XML)
    elements = list(root.iter())
    for _ in range(rng.choice((1, 2, 5))):
        element, kind = rng.choice(elements), rng.randrange(5)
        if kind == 0:
            element.text = rng.choice(_VALUES)
        elif kind == 1:
            element.tag = rng.choice(("rank", "property", "configuration", "external", "zzz", "a" * 10**5))
        elif kind == 2:
            element.extend(copy.deepcopy(rng.sample(elements[-12:], 3)))
        elif kind == 3:
            element.extend(ElementTree.Element(f"p{number}") for number in range(rng.choice((3, 3000))))
        else:
            element.clear()
    text = ElementTree.tostring(root, encoding="unicode")
    if rng.random() < 0.4:
        text = spoiled(rng, text.encode()).decode(errors="replace")
    executed_gadget(text)
    parse_parameters(configuration_of(text, "MultitaskingGadget"))


def header(rng: random.Random) -> None:
    """ISMRMRD headers with other elements, values and bytes."""
    with ScanFile(scan_file()) as scan:
        xml = scan.header_xml
    for _ in range(rng.choice((1, 1, 3))):
        leaves = list(re.finditer(rb">([^<>]*)</", xml))
        if not leaves:
            break
        leaf, kind = rng.choice(leaves), rng.randrange(4)
        if kind == 0:
            xml = xml[: leaf.start(1)] + rng.choice(_VALUES).encode() + xml[leaf.end(1) :]
        elif kind == 1:
            start = xml.rfind(b"<", 0, leaf.start())
            end = xml.find(b">", leaf.end()) + 1
            xml = xml[:start] + xml[start:end] * rng.choice((0, 0, 2, 500)) + xml[end:]
        elif kind == 2:
            xml = spoiled(rng, xml)
        else:
            xml = xml[: leaf.start(1)] + b"<x>1</x>" + xml[leaf.end(1) :]
    parsed = as_gadgetron_writes(parse_header(xml))
    read_header(parsed)
    parse_header(anonymous_xml(parsed))


def _read_everything(path: Path) -> None:
    with open_source(path) as source:
        for _ in source.items():
            pass
        if isinstance(source, ScanFile):
            source.heads()
        anonymous_xml(source.header)
    with contextlib.suppress(*ALLOWED):
        read_images(path)


def hdf5_bytes(rng: random.Random) -> None:
    """Files with other bytes."""
    original = rng.choice((scan_file(), image_file()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoiled.h5"
        path.write_bytes(spoiled(rng, original.read_bytes()))
        _read_everything(path)


def hdf5_datasets(rng: random.Random) -> None:
    """Files with datasets of other types and shapes."""
    original = rng.choice((scan_file(), image_file()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoiled.h5"
        path.write_bytes(original.read_bytes())
        with h5py.File(path, "r+") as file:
            names: list[str] = []
            file.visit(names.append)
            for name in rng.sample(names, rng.choice((1, 1, 2))):
                if name not in file:
                    continue
                odd = rng.choice(_ODD)(rng, file[name])
                del file[name]
                if odd is not None:
                    file[name] = odd
        _read_everything(path)


def _without_a_field(rng: random.Random, item: object) -> object:
    if not isinstance(item, h5py.Dataset) or not item.dtype.names:
        return None
    kept = [name for name in item.dtype.names if rng.random() < 0.7]
    return item[:][kept] if kept else np.zeros(3)


_ODD: list[Callable[[random.Random, object], object]] = [
    lambda rng, item: None,
    lambda rng, item: np.zeros(rng.choice(((), (0,), (5,), (2, 3), (1, 1, 1, 1, 1)))),
    lambda rng, item: rng.choice((b"text", "text", [b"a", b"b"])),
    lambda rng, item: np.arange(4, dtype=rng.choice((np.uint8, np.complex64, np.float64))),
    lambda rng, item: np.zeros(2, [("head", "<u2"), ("traj", "<f4"), ("data", "<f4")]),
    lambda rng, item: h5py.SoftLink("/nowhere"),
    lambda rng, item: h5py.ExternalLink("/nowhere.h5", "/x"),
    _without_a_field,
]


def mrd2(rng: random.Random) -> None:
    """MRD v2 streams with other bytes: those of the schema, or those behind it."""
    whole = _mrd2_stream()
    kept = rng.choice((0, len(installed_schema().text) + 12))
    data = whole[:kept] + spoiled(rng, whole[kept:])
    read = V1Items(StreamReader(io.BytesIO(data).read))
    for _ in read.items():
        pass
    anonymous_xml(read.header)


@functools.cache
def _mrd2_stream() -> bytes:
    header, items = scan_items()
    images = [image for series in read_images(image_file()).values() for image in series]
    return stream_of(header, [*items[:20], *images])


TARGETS: dict[str, Callable[[random.Random], None]] = {
    "wire": wire,
    "fire": fire,
    "fire bytes": fire_bytes,
    "gadgetron bytes": gadgetron_bytes,
    "configuration": configuration,
    "header": header,
    "hdf5 bytes": hdf5_bytes,
    "hdf5 datasets": hdf5_datasets,
    **({"mrd2": mrd2} if importlib.util.find_spec("mrd") else {}),
}
"""What is tried, by name."""


def trial(target: str, seed: int, before_mb: float) -> str | None:
    """Try one seed; say what was wrong."""
    start = time.monotonic()
    try:
        TARGETS[target](random.Random(seed))
    except ALLOWED as error:
        if len(str(error)) > 3000:
            return f"an error of {len(str(error))} characters"
    except BaseException:
        return traceback.format_exc()
    seconds = time.monotonic() - start
    if seconds > TRIAL_S:
        return f"took {seconds:.0f} s"
    grown_mb = peak_mb() - before_mb
    return f"took {grown_mb:.0f} MB more" if grown_mb > MEMORY_MB else None


def peak_mb() -> float:
    """Largest memory so far of this process, that of the process which it was forked from included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _many(target: str, seeds: range, pipe: object) -> None:
    before_mb = peak_mb()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    faulthandler.enable()
    for seed in seeds:
        signal.alarm(TRIAL_S)  # ends the process, and with it a trial that hangs
        pipe.send((seed, "started"))
        pipe.send((seed, trial(target, seed, before_mb)))
    pipe.send(None)


def trials(target: str, seeds: range) -> dict[int, str]:
    """Try seeds in another process; a seed that ends the process has failed, too."""
    failed: dict[int, str] = {}
    scan_file(), image_file(), stream()
    context = multiprocessing.get_context("fork")
    while len(seeds):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_many, args=(target, seeds, theirs))
        process.start()
        theirs.close()
        current = seeds[0]
        try:
            while answer := ours.recv():
                current, text = answer
                if text not in (None, "started"):
                    failed[current] = text
            seeds = range(0)
        except EOFError:
            process.join()
            failed[current] = f"the process ended with {process.exitcode}"
            seeds = range(current + 1, seeds.stop)
        process.join()
    return failed


def main(seconds: float, names: list[str]) -> int:
    """Try for some time; return how many seeds failed."""
    ended, count, failures = time.monotonic() + seconds, dict.fromkeys(names, 0), 0
    for block in itertools.count():
        for name in names:
            seeds = range(block * 100, block * 100 + 100)
            for seed, text in trials(name, seeds).items():
                failures += 1
                print(f"--- {name}, seed {seed}:\n{text}", flush=True)
            count[name] += len(seeds)
        if time.monotonic() > ended:
            break
    print(", ".join(f"{name}: {number} trials" for name, number in count.items()) + f"; {failures} failed")
    return failures


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:] or list(TARGETS)) > 0)
