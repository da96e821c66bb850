"""The shell of all pages: escaped titles, the label, nothing that leaves the page, light and dark."""

from pathlib import Path

import pytest

from gadgets import RESEARCH_LABEL
from gadgets.pages.shell import figure_html, page_html, table_html, write_page
from tests.support.browser import opened


def test_what_comes_from_files_is_shown_as_text() -> None:
    page = page_html("<b>scan</b>", table_html(("a<i>",), [("<u>", "<s>")]) + figure_html(b"GIF", '"><script>'))
    assert "&lt;b&gt;scan" in page
    assert not any(tag in page for tag in ("<b>scan", "a<i>", "<u>", "<s>", '"><script>'))


def test_a_script_cannot_end_its_own_element() -> None:
    with pytest.raises(ValueError, match="must not contain"):
        page_html("t", "", scripts=["x = '</SCRIPT><b>'"])


def test_only_a_live_page_may_ask_and_only_where_it_came_from() -> None:
    assert "connect-src 'none'" in page_html("t", "")
    assert "connect-src 'self'" in page_html("t", "", is_live=True)
    assert "default-src 'none'" in page_html("t", "", is_live=True)


def test_a_page_in_a_browser_is_labelled_dark_and_light_and_asks_for_nothing(tmp_path: Path) -> None:
    path = write_page(tmp_path / "p.html", "page", ["<p id=p>text</p>"], "#p{margin:0}", ["document.title = 'run'"])
    ground = "getComputedStyle(document.body).backgroundColor"
    with opened(path, color_scheme="dark") as tab:
        assert RESEARCH_LABEL in tab.inner_text("body")
        assert tab.title() == "run"
        dark = tab.evaluate(ground)
        tab.evaluate("document.documentElement.dataset.theme = 'light'")
        assert tab.evaluate(ground) != dark
