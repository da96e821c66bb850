"""Images of a connection on their way to the live page; what goes wrong here is logged, and costs the page alone."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import ismrmrd

from gadgets.errors import shortened
from gadgets.mrd.files import ImageFile
from gadgets.mrd.headers.identifiers import anonymous_xml
from gadgets.multitasking.series import SERIES
from gadgets.viewer.explorer import write_explorer
from gadgets.viewer.live.live_server import live_server
from gadgets.viewer.live.spool import ScanFeed, Spool

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Watch:
    """Shows what connections send; can be pickled, so that workers take it along.

    Attributes
    ----------
    folder : Path
        Of the page's server.
    """

    folder: Path

    @contextmanager
    def scan(self, header: ismrmrd.xsd.ismrmrdHeader) -> Iterator[Callable[[ismrmrd.Image], None]]:
        """Begin a scan; in the end its explorer is made, where the factors were sent.

        Parameters
        ----------
        header : ismrmrd.xsd.ismrmrdHeader

        Yields
        ------
        callable
            To be called with each image.
        """
        watched = _WatchedScan(Spool(self.folder).scan())
        try:
            yield watched.image
        except BaseException as problem:
            watched.end(shortened(str(problem) or type(problem).__name__, 300))
            raise
        watched.end("", header)


class _WatchedScan:
    """A scan that is shown until showing fails."""

    def __init__(self, feed: ScanFeed) -> None:
        self._feed, self._images, self._is_shown = feed, list[ismrmrd.Image](), True

    def image(self, image: ismrmrd.Image) -> None:
        if not self._is_shown:
            return
        try:
            self._feed.image(image)
            self._images.append(image)
        except Exception as problem:
            self._is_shown = False
            log.warning("the live page does not show this scan any longer: %s", problem)

    def end(self, problem: str, header: ismrmrd.xsd.ismrmrdHeader | None = None) -> None:
        name = self._explorer(header) if header is not None else ""
        with suppress(OSError):
            self._feed.end(problem, name)

    def _explorer(self, header: ismrmrd.xsd.ismrmrdHeader) -> str:
        """Name of the explorer's page; none where the images do not hold what it needs."""
        if all(image.image_series_index != SERIES["basis_maps"].number for image in self._images):
            return ""
        images = self._feed.spool.folder / f"{self._feed.scan}.h5"
        page = images.with_suffix(".html")
        try:
            with ImageFile(images, anonymous_xml(header)) as file:
                for image in self._images:
                    file.append(image)
            write_explorer(images, page)
        except Exception as problem:
            log.warning("no explorer of this scan: %s", problem)
            return ""
        finally:
            images.unlink(missing_ok=True)
        return page.name


@contextmanager
def watched_here(
    header: ismrmrd.xsd.ismrmrdHeader, say: Callable[[str], None], port: int = 0
) -> Iterator[Callable[[ismrmrd.Image], None]]:
    """Show one scan of this process in a page; a page that was opened stays until its explorer was, or Ctrl-C.

    Parameters
    ----------
    header : ismrmrd.xsd.ismrmrdHeader
    say : callable
        Tells the user where the page is.
    port : int
        0 for any.

    Yields
    ------
    callable
        To be called with each image.
    """
    with live_server(port) as server:
        say(f"watch at {server.address}")
        with Watch(server.folder).scan(header) as show:
            yield show
        if server.was_opened.is_set():
            say("the page stays until its explorer is opened there; Ctrl-C ends it")
            with suppress(KeyboardInterrupt):
                server.was_explored.wait()
