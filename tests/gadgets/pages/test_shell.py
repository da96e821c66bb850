"""The shell of all pages: escaped titles, the label, nothing that leaves the page, light and dark."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from gadgets import RESEARCH_LABEL
from gadgets.pages.shell import figure_html, page_html, png_of, table_html, write_page
from tests.support.browser import opened


def a_gif(levels: tuple[int, ...] = (40, 200)) -> bytes:
    buffer = io.BytesIO()
    first, *others = [Image.fromarray(np.full((8, 8), level, np.uint8)) for level in levels]
    first.save(buffer, format="GIF", save_all=True, append_images=others, duration=80, loop=0)
    return buffer.getvalue()


def test_what_comes_from_files_is_shown_as_text() -> None:
    page = page_html("<b>scan</b>", table_html(("a<i>",), [("<u>", "<s>")]) + figure_html(a_gif(), '"><script>'))
    assert "&lt;b&gt;scan" in page
    assert not any(tag in page for tag in ("<b>scan", "a<i>", "<u>", "<s>", '"><script>'))


def test_a_script_cannot_end_its_own_element() -> None:
    with pytest.raises(ValueError, match="must not contain"):
        page_html("t", "", scripts=["x = '</SCRIPT><b>'"])


def test_only_a_live_page_may_ask_and_only_where_it_came_from() -> None:
    assert "connect-src 'none'" in page_html("t", "")
    assert "connect-src 'self'" in page_html("t", "", is_live=True)
    assert "default-src 'none'" in page_html("t", "", is_live=True)


def test_an_animation_stands_still_for_whoever_wants_less_motion() -> None:
    shown = figure_html(a_gif(), "cine")
    found = re.search(
        r'<source media="\(prefers-reduced-motion: reduce\)" srcset="data:image/png;base64,([^"]+)"', shown
    )
    assert found
    with Image.open(io.BytesIO(base64.b64decode(found[1]))) as still:
        assert abs(int(still.convert("L").getpixel((0, 0))) - 40) <= 1, "the first frame"
    assert shown.count("<img") == 1
    assert '<img class="still" src="data:image/gif' in shown


def test_a_figure_is_shown_at_the_size_for_which_it_was_drawn() -> None:
    for on_film, ground in ((True, "film"), (False, "paper")):
        figure = Figure(figsize=(5, 2))
        axes = figure.subplots()
        axes.set_title("title", fontsize=9)
        picture = png_of(figure, on_film)
        with Image.open(io.BytesIO(picture)) as image:
            width_inches = image.width / image.info["dpi"][0]
        shown = figure_html(picture, "figure")
        found = re.search(r'class="drawn" width="(\d+)"', shown)
        assert found
        assert int(found[1]) == round(96 * width_inches), "9 points, an eighth of an inch, are 12 pixels"
        assert width_inches == pytest.approx(5, abs=0.7)
        assert f'<div class="{ground}">' in shown


def test_a_page_in_a_browser_is_labelled_dark_and_light_and_asks_for_nothing(tmp_path: Path) -> None:
    path = write_page(tmp_path / "p.html", "page", ["<p id=p>text</p>"], "#p{margin:0}", ["document.title = 'run'"])
    ground = "getComputedStyle(document.body).backgroundColor"
    with opened(path, color_scheme="dark") as tab:
        assert RESEARCH_LABEL in tab.inner_text("body")
        assert tab.title() == "run"
        dark = tab.evaluate(ground)
        tab.evaluate("document.documentElement.dataset.theme = 'light'")
        assert tab.evaluate(ground) != dark
        tab.evaluate("delete document.documentElement.dataset.theme")
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.id") == "theme-system"
        tab.keyboard.press("ArrowRight")
        light = tab.evaluate(ground)
        assert light != dark
        tab.keyboard.press("ArrowRight")
        assert tab.evaluate(ground) == dark
        tab.emulate_media(media="print")
        assert tab.evaluate(ground) == light, "paper is light"
        assert RESEARCH_LABEL in tab.inner_text(".label")
