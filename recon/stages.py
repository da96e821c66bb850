"""Seconds per stage, logged and kept for the report."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


class StageClock:
    """Times the stages of one reconstruction.

    Parameters
    ----------
    seconds : dict of str to float, optional
        Seconds of stages that are done.

    Attributes
    ----------
    seconds : dict of str to float
        By stage, in order.
    """

    def __init__(self, seconds: dict[str, float] | None = None) -> None:
        self.seconds: dict[str, float] = {} if seconds is None else seconds

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the enclosed block; the same name again adds to it."""
        start = time.perf_counter()
        yield
        elapsed = time.perf_counter() - start
        self.seconds[name] = self.seconds.get(name, 0.0) + elapsed
        log.info("%s: %.2f s", name, elapsed)
