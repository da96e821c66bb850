"""Pages of benchmarks and evaluations: who was best, the tables in groups, the picture, all of it as text."""

from pathlib import Path

import numpy as np

from gadgets.evaluation.multitasking import Benchmark, Row
from gadgets.evaluation.restorations import ORIGINAL
from gadgets.evaluation.super_resolution import Evaluation
from gadgets.pages.page_parts import bars_html, facts_html, section_html
from gadgets.reports.benchmark import write_benchmark_page
from gadgets.reports.evaluation import write_evaluation_page
from recon.quality.metrics import Quality
from tests.support.browser import opened


def a_benchmark() -> Benchmark:
    noise = np.random.default_rng(0)
    series = {name: noise.random((4, 32, 32)) for name in ("truth", "fast", "exact<b>")}
    rows = [
        Row("fast", {"gridding": 0.5}, 1.0, truth=Quality(0.7, 25.0, 0.2)),
        Row("exact<b>", {"iterations": 5.0}, 1.2, truth=Quality(0.9, 35.0, 0.05)),
    ]
    pairs = np.array([[1000.0, 1010.0], [1200.0, 1190.0], [1500.0, 1520.0]])
    t1 = {row.method: (["blood", "blood", "liver"], pairs) for row in rows}
    return Benchmark("scan<i>", "<CPU Device>", {"matrix": 32}, {"coil maps": 0.3}, rows, series, t1, "truth")


def test_a_benchmark_says_first_who_was_closest_and_who_was_fastest(tmp_path: Path) -> None:
    path = write_benchmark_page(a_benchmark(), tmp_path / "b.html")
    text = path.read_text()
    assert "Closest to the truth: exact&lt;b&gt;, NRMSE of frames 0.050, in 5.00 s. Fastest: fast, 0.50 s." in text
    places = [text.index(f"<h2>{title}") for title in ("Summary", "Figures", "Pictures", "T1 against", "Seconds per")]
    assert places == sorted(places)
    assert "scan&lt;i&gt; on &lt;CPU Device&gt;" in text
    assert "The cardiac cycle" not in text, "nothing is known of it"
    assert not any(tag in text for tag in ("exact<b>", "scan<i>", "<CPU"))


def test_its_tables_and_pictures_scroll_in_themselves(tmp_path: Path) -> None:
    path = write_benchmark_page(a_benchmark(), tmp_path / "b.html")
    with opened(path) as tab:
        for width in (390, 1280):
            tab.set_viewport_size({"width": width, "height": 800})
            assert tab.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
            assert tab.evaluate(
                "[...document.images].every(one => one.alt && one.clientWidth == one.getAttribute('width'))"
            )
            wide = "[...document.querySelectorAll('table, img')].filter(one => !one.closest('.scroll[tabindex]'))"
            assert tab.evaluate(f"{wide}.every(one => one.offsetWidth < 340)")


def test_an_evaluation_says_first_what_came_closest(tmp_path: Path) -> None:
    noise = np.random.default_rng(1)
    volumes = {name: noise.random((12, 24, 24)).astype(np.float32) for name in ("zero-filled", "L1<b>", ORIGINAL)}
    figures = {
        "zero-filled": [{"NRMSE": 0.1, "SSIM": 0.8}, {"NRMSE": 0.3, "SSIM": 0.7}],
        "L1<b>": [{"NRMSE": 0.15, "SSIM": 0.9}, {"NRMSE": 0.05, "SSIM": 0.9}],
        ORIGINAL: [{"blur": 0.4}, {"blur": 0.5}],
    }
    result = Evaluation(figures=figures, last_volumes=volumes)
    text = write_evaluation_page(result, tmp_path / "e.html").read_text()
    assert "Closest to the originals: L1&lt;b&gt;, NRMSE 0.100." in text
    assert "2 volumes" in text
    assert "L1<b>" not in text
    assert "vessel recall" not in text.split("</table>")[-2], "no vessel is known"
    assert text.count("<img") == 1


def test_parts_are_empty_where_nothing_is_known_and_escaped_where_it_is() -> None:
    assert section_html("Title", "", "") == bars_html(("a", "b"), {}) == facts_html("Title", {}) == ""
    assert "&lt;b&gt;" in facts_html("<b>", {"<b>": "<b>"})
    bars = bars_html(("stage", "seconds"), {"one<b>": 2.0, "two": 0.5})
    assert "one&lt;b&gt;" in bars
    assert [part.split("%")[0] for part in bars.split("width:")[1:]] == ["100.0", "25.0"]
    assert "2.50" in bars
    assert "<b>" not in bars + facts_html("<b>", {"<b>": "<b>"})
