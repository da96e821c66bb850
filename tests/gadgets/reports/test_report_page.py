"""The report of a scan: summary before pictures before parameters; readable light, dark and on a phone."""

import re
from pathlib import Path

import ismrmrd
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from gadgets.mrd.files import read_images
from gadgets.multitasking.series import SERIES
from gadgets.pages import shell
from gadgets.reports import foreign, motion, multitasking, super_resolution, trust_pictures
from gadgets.reports.multitasking import EXPLORER, write_report
from gadgets.reports.scan_summary import resolved_facts, scanned_facts, t1_deviation_share
from tests.support.browser import opened

SMALLEST_TEXT = """() => [...document.querySelectorAll("body *")].filter(one => one.checkVisibility() &&
  [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
  .map(one => parseFloat(getComputedStyle(one).fontSize)).reduce((a, b) => Math.min(a, b))"""

# Contrast of a text with the nearest ground below it that is not transparent (WCAG 2.2).
CONTRAST = """selector => [...document.querySelectorAll(selector)].filter(one => one.checkVisibility()).map(one => {
  const light = text => { const [r, g, b] = text.match(/[\\d.]+/g).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = one => getComputedStyle(one).backgroundColor;
  let below = one; while (/, 0\\)$|transparent/.test(ground(below))) below = below.parentElement;
  const [a, b] = [getComputedStyle(one).color, ground(below)].map(light).sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05); }).reduce((a, b) => Math.min(a, b))"""


@pytest.fixture(scope="module")
def images(tiny_file: Path, tiny_images: dict[int, list[ismrmrd.Image]]) -> Path:
    """The file that the replay of ``tiny_images`` wrote."""
    return tiny_file.with_name("images.h5")


@pytest.fixture(scope="module")
def page(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (folder / "explorer.html").write_text("<p>explorer</p>")
    return write_report(images, folder)


def by_kind(images: Path) -> dict[str, list[ismrmrd.Image]]:
    series = read_images(images)
    return {kind: series.get(record.number, []) for kind, record in SERIES.items()}


def test_summary_stands_before_pictures_and_parameters(page: Path) -> None:
    text = page.read_text()
    places = [text.index(f"<h2>{title}") for title in ("Summary", "Pictures", "Seconds per stage", "How it was made")]
    assert places == sorted(places)
    assert text.index('class="verdicts"') < text.index('href="explorer.html"') < text.index("<img")
    assert text.index("<details><summary>Parameters") < text.index("<td>cardiac_bins</td>")
    assert len(re.findall(r"<h1>", text)) == 1


def test_facts_are_those_of_the_scan(images: Path) -> None:
    scanned, resolved = scanned_facts(by_kind(images)), resolved_facts(by_kind(images))
    assert scanned["Matrix"].startswith("64 × 64 pixels")
    assert scanned["TR"] == "5 ms"
    assert float(scanned["Duration"].split()[0]) == pytest.approx(12, abs=0.1)
    assert scanned["Readouts"] == "800 imaging spokes; 800 navigators"
    assert scanned["Coils"] == "4 virtual coils"
    assert scanned["Inversions"].startswith("about every 2.00 s, efficiency 0.9")
    assert resolved["Heartbeat"].startswith("not resolved")
    assert "Air" not in resolved
    assert resolved["States"] == "1 cardiac × 1 respiratory, each at any of 400 pulses after the inversion"


def test_air_that_was_cleared_is_a_fact(images: Path) -> None:
    shown = by_kind(images)
    for image in (series[0] for series in shown.values() if series):
        image.attribute_string = ismrmrd.Meta({**image.meta, "MalibuAirCleared": "0.412"}).serialize()
    assert resolved_facts(shown)["Air"].startswith("41% of the pixels hold no more than noise")


def test_deviation_of_t1_leaves_out_what_is_dark() -> None:
    shown = {kind: [] for kind in SERIES} | {
        kind: [ismrmrd.Image.from_array(np.array([[row]], np.float32), transpose=False)]
        for kind, row in {
            "time_average": [100, 100, 100, 10, 10, 10, 10],
            "t1_map": [1000, 1000, 0, 500, 500, 500, 500],
            "t1_uncertainty": [20, 60, 900, 400, 400, 400, 400],
        }.items()
    }
    assert t1_deviation_share(shown) == pytest.approx(0.04)
    shown["time_average"] = []
    assert t1_deviation_share(shown) is None


def test_no_text_of_a_figure_is_smaller_than_twelve_pixels(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[float] = []

    def looked_at(figure: Figure, on_film: bool = False) -> bytes:
        picture = shell.png_of(figure, on_film)
        found.extend(text.get_fontsize() for text in figure.findobj(Text) if text.get_text())
        assert not [text.get_text() for text in figure.findobj(Text) if "^" in text.get_text()], "exponents are small"
        return picture

    for module in (foreign, motion, multitasking, super_resolution, trust_pictures):
        monkeypatch.setattr(module, "png_of", looked_at)
    assert EXPLORER not in write_report(images, tmp_path / "report").read_text(), "none lies beside it"
    assert len(found) > 20
    assert min(found) * 96 / 72 >= 12


def test_text_of_files_is_escaped(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoilt = {number: series for number, series in read_images(images).items() if number in (1, 11)}
    for image in (one for series in spoilt.values() for one in series):
        changed = {"MalibuReconstruction": "<script>alert(1)</script>", "MalibuCoils": "<b>4", "MalibuRemarks": "<i>r"}
        image.meta = dict(image.meta) | changed | {"MalibuStageSeconds": '{"<u>s": 1}'}
    monkeypatch.setattr(multitasking, "read_images", lambda path, group: spoilt)
    text = write_report(images, tmp_path / "report").read_text()
    for tag in ("<script", "<b>4", "<i>r", "<u>s"):
        assert tag not in text
    assert "&lt;b&gt;4 virtual coils" in text


def test_the_page_can_be_read_light_and_dark_on_a_desk_and_on_a_phone(page: Path) -> None:
    with opened(page, color_scheme="light", reduced_motion="reduce") as tab:
        tab.locator("summary").evaluate_all("all => all.forEach(one => one.click())")
        for viewport in ({"width": 1280, "height": 900}, {"width": 390, "height": 844}):
            tab.set_viewport_size(viewport)
            for theme in ("light", "dark"):
                tab.locator(f"#theme-{theme}").focus()
                tab.keyboard.press("Space")
                assert tab.evaluate("document.querySelector(':checked').id") == f"theme-{theme}"
                for selector in ("main p, dd, dt, li span, td, th, figcaption, summary", ".label strong", ".onward"):
                    assert tab.evaluate(CONTRAST, selector) >= 4.5, (theme, selector)
                assert tab.evaluate(SMALLEST_TEXT) >= 12
            assert tab.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
            assert tab.evaluate(
                "[...document.images].every(one => one.alt && one.getBoundingClientRect().width >= 250)"
            )
            assert tab.evaluate(
                "[...document.querySelectorAll('img.drawn')].every(one => one.clientWidth == one.getAttribute('width'))"
            )
        assert tab.evaluate("[...document.images].every(one => !one.currentSrc.startsWith('data:image/gif'))")


def test_images_that_malibu_did_not_make_are_told_volume_by_volume_and_not_judged(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign_series = {number: series for number, series in read_images(images).items() if number in (1, 7)}
    for image in (one for series in foreign_series.values() for one in series):
        image.meta = {}
    monkeypatch.setattr(multitasking, "read_images", lambda path, group: foreign_series)
    text = write_report(images, tmp_path / "report").read_text()
    assert "knows nothing of their quality" in text
    assert text.count("<h3>Volume ") == text.count("<img") == 2
    assert "<dd>64 × 64</dd>" in text
    assert 'class="verdicts"' not in text
    assert text.index("<h2>Summary") < text.index("<h2>Pictures")


def test_slices_have_summaries_and_pictures_of_their_own(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = ({1: read_images(images)[1][:1]} for _ in range(2))
    other[1][0].slice = 2
    other[1][0].meta = dict(other[1][0].meta) | {"MalibuHeartQuality": "0.777"}
    monkeypatch.setattr(multitasking, "read_images", lambda path, group: {1: one[1] + other[1]})
    text = write_report(images, tmp_path / "report").read_text()
    assert {path.name for path in (tmp_path / "report").glob("*.png")} == {
        "time_average.png",
        "time_average_slice2.png",
    }
    assert text.index("Summary of slice 0") < text.index("Summary of slice 2") < text.index("Pictures of slice 0")
    assert text.count("(0.78)") == 1
