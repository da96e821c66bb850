"""A real browser for tests of pages: Debian's Chromium by playwright; skipped with a reason elsewhere."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


def chromium() -> str:
    """Path of the browser; the test is skipped where it or playwright is missing."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no chromium (Debian package chromium)")
    return path


@contextmanager
def opened(page: Path | str, **context: Any) -> Iterator[Any]:
    """A page in a browser; in the end its console may hold no error, and it may have asked for nothing but itself.

    Parameters
    ----------
    page : Path or str
        File, or address.
    **context
        Of playwright's ``new_context``: ``viewport``, ``color_scheme``, ``has_touch``, ``reduced_motion`` …
    """
    path = chromium()
    from playwright.sync_api import sync_playwright

    address = page.resolve().as_uri() if isinstance(page, Path) else page
    origin = address if isinstance(page, Path) else "/".join(address.split("/")[:3]) + "/"
    problems: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        try:
            tab = browser.new_context(**context).new_page()
            tab.on("console", lambda message: message.type == "error" and problems.append(message.text))
            tab.on("pageerror", lambda error: problems.append(str(error)))
            tab.on("request", lambda request: _note(request.url, origin, problems))
            tab.goto(address)
            yield tab
        finally:
            browser.close()
    assert not problems, problems


def until(tab: Any, expression: str, seconds: float = 20.0) -> None:
    """Wait until an expression is true (playwright's own way is forbidden by the pages' policy)."""
    end = time.monotonic() + seconds
    while not tab.evaluate(expression):
        assert time.monotonic() < end, f"never true: {expression}"
        tab.wait_for_timeout(20)


def _note(url: str, origin: str, problems: list[str]) -> None:
    if not url.startswith((origin, "data:", "blob:")):
        problems.append(f"asked for {url}")
