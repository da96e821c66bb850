"""``malibu serve`` in a process of its own, and what its workers hold."""

import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.support.command import MALIBU
from tests.support.fire import FireAnswer, FireReader, send


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


class Server:
    """A server with its log in a file; a context manager that ends it as an operator does.

    Attributes
    ----------
    exit_code : int
        After the block.
    """

    def __init__(self, log: Path, *options: str) -> None:
        self.port, self.log = free_port(), log
        command = [str(MALIBU), "serve", "--port", str(self.port), *options]
        with log.open("w") as file:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)

    def connect(self, patience_s: float = 30.0) -> socket.socket:
        """Connect as a console does: again and again, since the server may be starting."""
        until_s = time.monotonic() + patience_s
        while True:
            try:
                sock = socket.create_connection(("127.0.0.1", self.port), timeout=120)
            except ConnectionRefusedError:
                assert time.monotonic() < until_s, self.log.read_text()
                time.sleep(0.05)
            else:
                return sock

    def speak(self, parts: list[bytes], hang_up: bool = False) -> FireAnswer:
        with self.connect() as sock:
            send(sock, parts)
            if hang_up:
                sock.shutdown(socket.SHUT_WR)
            return FireReader(sock).answer()

    def workers(self) -> list[int]:
        """Process ids of the workers: of the server's children, those that were spawned."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = re.search(r"PPid:\s+(\d+)", (folder / "status").read_text())
                is_worker = b"spawn_main" in (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if parent and int(parent.group(1)) == self.process.pid and is_worker:
                found.append(int(folder.name))
        return found

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *error: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.exit_code = self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


def held_by(worker: int) -> tuple[float, int, int]:
    """Resident MB, open files and threads of a process."""
    folder = Path(f"/proc/{worker}")
    status = (folder / "status").read_text()
    resident = int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024
    threads = int(re.search(r"Threads:\s+(\d+)", status).group(1))
    return resident, len(list((folder / "fd").iterdir())), threads
