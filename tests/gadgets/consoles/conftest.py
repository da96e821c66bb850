"""A server without its process: one connection at a time, over a socket pair."""

import socket
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from gadgets.consoles.serving.configurations import Configurations
from gadgets.consoles.serving.turns import Turns
from gadgets.consoles.serving.worker import Service, serve
from gadgets.mrd.files import ScanFile
from gadgets.simulated.radial import protocol_with, write_simulation
from recon.simulation.chest import simulate_scan
from tests.support.fire import FireAnswer, FireReader, items_of, send
from tests.support.peer import scan_messages

Spoken = Callable[..., FireAnswer]

QUICK = {"reconstruction": "backprojection", "rank": "4", "temporal_model": "realtime", "frames": "0:40:4"}
QUICK_IMAGES = {"images": "time_average realtime"}


@pytest.fixture(scope="session")
def small_scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fire") / "scan.h5"
    write_simulation(simulate_scan(protocol_with("tiny", {"duration_s": "1.2", "coils": "2"}), 1), path)
    return path


@pytest.fixture(scope="session")
def xml(small_scan: Path) -> bytes:
    with ScanFile(small_scan) as file:
        return file.header_xml


@pytest.fixture(scope="session")
def readouts(small_scan: Path) -> list[bytes]:
    return items_of(scan_messages(small_scan))


@pytest.fixture
def spoken(tmp_path: Path) -> Spoken:
    """Sends parts over one connection and gives all that comes back; the server has ended by then."""

    def speak(parts: Iterable[bytes], hang_up: bool = False, **overrides: str) -> FireAnswer:
        service = Service(configurations=Configurations(overrides={"message_timeout_s": "5"} | overrides))
        client, server = socket.socketpair()
        client.settimeout(60)
        serving = threading.Thread(target=serve, args=(server, service, Turns(tmp_path, alone=True)))
        serving.start()
        sending = threading.Thread(target=_send, args=(client, list(parts), hang_up))
        sending.start()
        answer = FireReader(client).answer()
        for thread in (sending, serving):
            thread.join(60)
            assert not thread.is_alive()
        client.close()
        return answer

    return speak


def _send(client: socket.socket, parts: list[bytes], hang_up: bool) -> None:
    send(client, parts)
    if hang_up:
        client.shutdown(socket.SHUT_WR)
