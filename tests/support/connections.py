"""Connections in a row to one server, every fifth broken in another way: ``python -m tests.support.connections 500``.

Prints what the worker holds after a warm-up and at the end; exits 1 if memory grew by more than 5 %, or threads or open
files by any, or a good console got other images than the first one.
"""

import itertools
import logging
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gadgets.mrd.files import ScanFile
from gadgets.simulated.radial import protocol_with, write_simulation
from recon.simulation.chest import simulate_scan
from tests.support.fire import CONFIG_TEXT, DUMMY_HEADER, FireAnswer, by_name, by_text, header, items_of, parameters
from tests.support.peer import ACQUISITION, CLOSE, TEXT, message, scan_messages, with_length
from tests.support.server import Server, held_by

WARM_UP = 20
LARGEST_GROWTH = 0.05
QUICK = {
    "reconstruction": "backprojection",
    "temporal_model": "static",
    "images": "time_average",
    "skipinversions": "0",
    "rank": "4",
}
END = message(CLOSE)


@dataclass(frozen=True)
class Scan:
    """A scan as messages."""

    xml: bytes
    readouts: list[bytes]

    def whole(self) -> list[bytes]:
        return [by_name("multitasking"), header(self.xml), parameters(**QUICK), *self.readouts, END]


def small_scan(folder: Path) -> Scan:
    path = folder / "scan.h5"
    write_simulation(simulate_scan(protocol_with("tiny", {"duration_s": "0.6", "coils": "2"}), 1), path)
    with ScanFile(path) as file:
        return Scan(file.header_xml, items_of(scan_messages(path)))


def broken(scan: Scan) -> dict[str, tuple[list[bytes], bool]]:
    """Ways in which a console may go wrong: what it sends, and whether it hangs up then."""
    name, xml, given, readouts = by_name("multitasking"), header(scan.xml), parameters(**QUICK), scan.readouts
    begun = [name, xml, given, *readouts[:20]]
    claim = bytearray(readouts[0][:342])
    struct.pack_into("<HHH", claim, 36, 65535, 65535, 65535)
    return {
        "nothing": ([], True),
        "close at once": ([END], True),
        "close before the header": ([name, END], True),
        "half a name": ([name[:500]], True),
        "unknown configuration": ([by_name("nobody"), xml, given, *readouts, END], False),
        "configuration that is no XML": ([by_text("<configuration><rank>"), xml, *readouts, END], False),
        "JSON that is none": ([name, xml, message(TEXT, with_length(b"{\0")), *readouts, END], False),
        "unknown parameter": ([name, xml, parameters(CONFIG_TEXT, rnak=3), *readouts, END], False),
        "impossible parameter": ([name, xml, parameters(rank=-1), *readouts, END], False),
        "header that is no header": ([name, header(b"<html/>"), given, *readouts, END], False),
        "placeholder for a header": ([name, header(DUMMY_HEADER), given, *readouts, END], False),
        "length of 4 GiB": ([name, message(3, struct.pack("<I", 2**32 - 1))], True),
        "no readouts": ([name, xml, given, END], False),
        "unknown message": ([*begun, message(1001, b"abc"), END], False),
        "cut inside a readout": ([*begun, readouts[20][:99]], True),
        "no end": (begun, True),
        "impossible readout": ([*begun, bytes(claim), END], False),
        "readouts of two lengths": ([*begun, *readouts[20:60], shorter(readouts[60]), *readouts[61:], END], False),
        "noise": ([name, xml, given, bytes(range(256)) * 40], True),
    }


def shorter(readout: bytes) -> bytes:
    """A readout with a sample less for each coil; the bytes are of the right number for its head."""
    head = bytearray(readout[2:342])
    (samples,), (coils,) = struct.unpack_from("<H", head, 34), struct.unpack_from("<H", head, 38)
    (dimensions,) = struct.unpack_from("<H", head, 176)
    struct.pack_into("<H", head, 34, samples - 1)
    return message(ACQUISITION, bytes(head)) + readout[342 : len(readout) - 8 * coils - 4 * dimensions]


def consoles(scan: Scan) -> Iterator[tuple[str, list[bytes], bool]]:
    """Four good consoles and a broken one, for ever."""
    ways = itertools.cycle(broken(scan).items())
    while True:
        for _ in range(4):
            yield "", scan.whole(), False
        way, (parts, hangs_up) = next(ways)
        yield way, parts, hangs_up


def run(count: int) -> tuple[list[str], tuple[float, int, int], tuple[float, int, int]]:
    """Serve so many connections; give what went wrong, and what the worker held after the warm-up and at the end."""
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scan = small_scan(folder)
        with Server(folder / "log", "--set", "message_timeout_s=5") as server:
            first, warm, worker = None, (0.0, 0, 0), 0
            for number, (way, parts, hangs_up) in enumerate(itertools.islice(consoles(scan), count), start=1):
                answer = server.speak(parts, hangs_up)
                first = first or answer
                if fault := fault_of(answer, way, first):
                    faults.append(f"connection {number} ({way or 'good'}): {fault}")
                if number == min(WARM_UP, count // 2):
                    (worker,) = server.workers()
                    warm = held_by(worker)
            if server.workers() != [worker]:
                faults.append("the worker died")
                return faults, warm, warm
            return faults, warm, held_when_settled(worker, warm)


def held_when_settled(worker: int, before: tuple[float, int, int]) -> tuple[float, int, int]:
    """What a worker holds once the last connection, of which the console has all, is closed on its side, too."""
    until_s = time.monotonic() + 60
    while (held := held_by(worker))[1:] > before[1:] and time.monotonic() < until_s:
        time.sleep(0.1)
    return held


def fault_of(answer: FireAnswer, way: str, first: FireAnswer) -> str:
    if way:
        return f"{len(answer.images)} images came" if answer.images else ""
    if answer.errors or answer.closes != 1 or len(answer.images) != 1:
        return f"{answer.errors or answer.lines}, {len(answer.images)} images, {answer.closes} CLOSE"
    return "" if np.array_equal(answer.images[0][2], first.images[0][2]) else "another image came"


def main(count: int) -> int:
    logging.disable(logging.ERROR)
    try:
        faults, warm, end = run(count)
    finally:
        logging.disable(logging.NOTSET)
    print(f"{count} connections; after {WARM_UP}: {warm[0]:.0f} MB, {warm[1]} files, {warm[2]} threads;", end=" ")
    print(f"at the end: {end[0]:.0f} MB, {end[1]} files, {end[2]} threads")
    print("\n".join(faults) or "every good console got its image, and no broken one any")
    grew = end[0] > (1 + LARGEST_GROWTH) * warm[0] or end[1] > warm[1] or end[2] > warm[2]
    return int(bool(faults) or grew)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500))
