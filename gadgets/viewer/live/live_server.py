"""A small server for the live page: on this machine alone, behind an address that nobody guesses."""

import json
import secrets
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from gadgets.viewer.live.live_page import live_page
from gadgets.viewer.live.spool import Spool

_LOOPBACK = "127.0.0.1"
_TOKEN_BYTES = 16


class LiveServer(ThreadingHTTPServer):
    """Serves the live page, its items and explorers until it is closed.

    Parameters
    ----------
    folder : Path
        Where items and explorers lie.
    port : int
        0 for any.

    Attributes
    ----------
    spool : Spool
    was_opened : threading.Event
        Whether a browser has asked for the page.
    was_explored : threading.Event
        Whether one has taken an explorer.
    """

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__((_LOOPBACK, port), _Handler)
        self.folder, self.spool = folder, Spool(folder)
        self.token = secrets.token_urlsafe(_TOKEN_BYTES)
        self.was_opened, self.was_explored = threading.Event(), threading.Event()
        self.page = live_page().encode()

    @property
    def address(self) -> str:
        """Where a browser finds the page."""
        return f"http://{_LOOPBACK}:{self.server_address[1]}/{self.token}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """How a browser may call this server: another name would be a page of others that was pointed here."""
        port = self.server_address[1]
        return f"{_LOOPBACK}:{port}", f"localhost:{port}"


class _Handler(BaseHTTPRequestHandler):
    server: LiveServer

    def do_GET(self) -> None:
        """Answer; whoever does not know the token learns nothing."""
        path, _, query = self.path.partition("?")
        token, _, wanted = path.lstrip("/").partition("/")
        if self.headers.get("Host") not in self.server.hosts or not secrets.compare_digest(
            token.encode(), self.server.token.encode()
        ):
            self._answer(HTTPStatus.NOT_FOUND, b"not here", "text/plain")
        elif wanted == "":
            self.server.was_opened.set()
            self._answer(HTTPStatus.OK, self.server.page, "text/html; charset=utf-8")
        elif wanted == "items":
            after = parse_qs(urlsplit(f"?{query}").query).get("after", [""])[0]
            self._answer(HTTPStatus.OK, json.dumps(self.server.spool.items(after)).encode(), "application/json")
        else:
            self._explorer(wanted)

    def _explorer(self, wanted: str) -> None:
        """Hand out one of the explorers that lie in the folder, and nothing else."""
        path = next((one for one in self.server.folder.glob("*.html") if one.name == wanted), None)
        if path is None:
            self._answer(HTTPStatus.NOT_FOUND, b"not here", "text/plain")
        else:
            self._answer(HTTPStatus.OK, path.read_bytes(), "text/html; charset=utf-8")
            self.server.was_explored.set()

    def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a log of requests would hold the token."""


@contextmanager
def live_server(port: int = 0) -> Iterator[LiveServer]:
    """A server in the background, with a folder of its own that is gone in the end.

    Raises
    ------
    OSError
        If the port is taken.
    """
    with tempfile.TemporaryDirectory(prefix="malibu-view-") as folder, LiveServer(Path(folder), port) as server:
        thread = threading.Thread(target=server.serve_forever, name="malibu-view", daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
