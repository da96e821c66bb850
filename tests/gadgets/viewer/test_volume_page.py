"""The page of restored volumes in a real browser: every control does what it says, values are Python's."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ismrmrd
import numpy as np
import pytest
from PIL import Image

from gadgets import RESEARCH_LABEL
from gadgets.viewer.volumes import write_volume_explorer
from tests.support.browser import opened
from tests.support.volume_scans import slices_of

SHAPE = (12, 10, 16)
HTML = "<img src=x onerror=document.title='broken'>"
GENERATOR = np.random.default_rng(7)
VOLUMES = {
    kind: GENERATOR.uniform(0, 100, (2, *SHAPE)).astype(np.float32) for kind in ("zero_filled", "super_resolved")
}
VOLUMES["difference"] = VOLUMES["super_resolved"] - VOLUMES["zero_filled"]


def sent(number: int, kind: str, series: int, **meta: str) -> list[ismrmrd.Image]:
    """Slices with directions of patient's left, back and head, voxels of 1 x 4 x 2 mm."""
    images = slices_of(VOLUMES[kind][number], series=series)
    for image in images:
        head = image.getHead()
        head.repetition = number
        image.setHead(head)
        image.meta = {"SeriesDescription": f"malibu {kind.replace('_', '-')}"} | meta
    return images


def all_series() -> dict[int, list[ismrmrd.Image]]:
    own = {"MalibuReconstruction": "super-resolution", "MalibuNetwork": HTML, "MalibuGeneratedDetail": HTML}
    return {
        1: [image for number in (0, 1) for image in sent(number, "zero_filled", 1)],
        101: [image for number in (0, 1) for image in sent(number, "super_resolved", 101, **own)],
    }


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_volume_explorer(all_series(), tmp_path_factory.mktemp("page") / "volumes.html")


class Workbench:
    """The opened page, and what a test asks of it."""

    def __init__(self, tab: Any) -> None:
        self.tab = tab

    @property
    def state(self) -> dict[str, Any]:
        return self.tab.evaluate("malibu.state")

    def set(self, **state: Any) -> None:
        self.tab.evaluate("state => malibu.set(state)", state)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.tab.keyboard.press(key)

    def picture(self, name: str, kind: str) -> np.ndarray:
        """Values of a plane's picture."""
        values, columns = self.tab.evaluate(
            """([name, kind]) => { const view = malibu.views.find(({plane}) => plane.name === name);
              return [[...view.valuesOf(kind)], malibu.grid.shape[view.plane.across]]; }""",
            [name, kind],
        )
        return np.reshape(values, (-1, columns))

    def told_at(self, places: list[list[int]]) -> list[list[Any]]:
        """Values by kind, their texts, and the place's text at voxels (z, y, x)."""
        return self.tab.evaluate(
            """places => places.map(([z, y, x]) => { malibu.set({at: [x, y, z]});
              const rows = [...document.querySelectorAll('#values tr')];
              return [Object.fromEntries(rows.map((row) => [row.dataset.kind, malibu.value(row.dataset.kind)])),
                Object.fromEntries(rows.map((row) => [row.dataset.kind, row.lastChild.textContent])),
                document.getElementById('place').textContent]; })""",
            places,
        )

    def canvas(self, name: str) -> Any:
        return self.tab.locator(f"[data-plane={name}] canvas")

    def spot(self, name: str, x: float, y: float) -> tuple[float, float]:
        """Where on the screen a place of a plane's picture is, in pixels of the window."""
        box = self.canvas(name).bounding_box()
        left, top, scale_x, scale_y = self.tab.evaluate(
            """name => { const {left, top, scaleX, scaleY} =
              malibu.views.find(({plane}) => plane.name === name).picture.geometry();
              return [left, top, scaleX, scaleY]; }""",
            name,
        )
        return box["x"] + left + x * scale_x, box["y"] + top + y * scale_y

    def colour(self, x: float, y: float) -> list[int]:
        shot = Image.open(io.BytesIO(self.tab.screenshot()))
        return list(shot.getpixel((round(x), round(y)))[:3])

    def drag(self, start: tuple[float, float], by: tuple[float, float], button: str = "left") -> None:
        mouse = self.tab.mouse
        mouse.move(*start)
        mouse.down(button=button)
        mouse.move(start[0] + by[0] / 2, start[1] + by[1] / 2)
        mouse.move(start[0] + by[0], start[1] + by[1])
        mouse.up(button=button)


@pytest.fixture(scope="module")
def bench(page: Path) -> Iterator[Workbench]:
    with opened(page, viewport={"width": 1300, "height": 900}, accept_downloads=True) as tab:
        yield Workbench(tab)


@pytest.fixture(autouse=True)
def _afresh(request: pytest.FixtureRequest) -> None:
    if "bench" in request.fixturenames:
        workbench = request.getfixturevalue("bench")
        workbench.set(scan=0)
        workbench.tab.evaluate("malibu.reset(); document.activeElement.blur()")


def test_values_at_the_crosshair_are_pythons(bench: Workbench) -> None:
    quanta = {kind: np.ptp(volumes, axis=(1, 2, 3)) / 65535 for kind, volumes in VOLUMES.items()}
    quanta["difference"] = quanta["super_resolved"] + quanta["zero_filled"]
    for number in (0, 1):
        bench.tab.select_option("#scan", str(number))
        places = GENERATOR.integers(0, SHAPE, (20, 3)).tolist()
        for (z, y, x), (values, texts, place) in zip(places, bench.told_at(places), strict=True):
            for kind, volumes in VOLUMES.items():
                half = 0.5001 * float(quanta[kind][number]) + 1e-5
                assert values[kind] == pytest.approx(float(volumes[number, z, y, x]), abs=half)
                assert float(texts[kind].replace("−", "-")) == pytest.approx(values[kind], abs=1e-3)
            assert f"voxel x {x}, y {y}, z {z}" in place
    bench.set(at=[0, 0, 0])
    assert "R 3.0  A 26.0  F 5.0 mm" in bench.tab.inner_text("#place")
    assert "exact to ±0.00076" in bench.tab.text_content("#facts")


def test_planes_and_projections_are_numpys(bench: Workbench) -> None:
    volume, difference = VOLUMES["super_resolved"][0], VOLUMES["difference"][0]
    bench.set(at=[3, 4, 6])
    assert np.allclose(bench.picture("axial", "super_resolved"), volume[6], atol=2e-3)
    assert np.allclose(bench.picture("coronal", "super_resolved"), volume[::-1, 4], atol=2e-3)
    assert np.allclose(bench.picture("sagittal", "super_resolved"), volume[::-1, :, 3], atol=2e-3)
    bench.tab.check("#mode [value=max]", force=True)
    bench.set(slab=6.0)
    assert np.allclose(bench.picture("axial", "super_resolved"), volume[5:8].max(0), atol=2e-3)
    assert np.allclose(bench.picture("coronal", "super_resolved"), volume[::-1, 4:6].max(1), atol=2e-3)
    assert np.allclose(bench.picture("sagittal", "super_resolved"), volume[::-1, :, 1:7].max(2), atol=2e-3)
    slab = difference[5:8]
    farthest = np.where(slab.max(0) > -slab.min(0), slab.max(0), slab.min(0))
    assert np.allclose(bench.picture("axial", "difference"), farthest, atol=4e-3)
    bench.press("m")
    assert np.allclose(bench.picture("axial", "super_resolved"), volume[5:8].mean(0), atol=2e-3)
    bench.press("m", "t")
    assert bench.state["mode"] == "max", "a thicker slab is one that is looked through"
    assert bench.state["slab"] == pytest.approx(7.5)
    bench.press("T")
    assert bench.state["slab"] == pytest.approx(6.0)
    bench.tab.fill("#slab", "24")
    assert bench.tab.inner_text("#slab-told") == "24.0 mm"
    assert np.allclose(bench.picture("axial", "super_resolved"), volume[1:].max(0), atol=2e-3)


def test_what_is_on_the_screen_are_the_windowed_values_at_their_true_aspect(bench: Workbench) -> None:
    bench.set(isSmooth=False, at=[2, 2, 6], window=[10, 60], beside="difference", swipe=0.5, spread=40)
    for x, y in ((4, 7), (6, 4)):
        grey = np.clip((VOLUMES["super_resolved"][0, 6, y, x] - 10) / 50, 0, 1) * 255
        assert np.allclose(bench.colour(*bench.spot("axial", x + 0.5, y + 0.5)), grey, atol=1.5)
    for x, y in ((10, 7), (11, 4), (12, 6), (13, 3)):
        red, _, blue = bench.colour(*bench.spot("axial", x + 0.5, y + 0.5))
        value = VOLUMES["difference"][0, 6, y, x]
        assert abs(value) < 5 or (red > blue) == (value > 0), "warm where more, cold where less"
    assert bench.tab.inner_text("#difference-scale output").split() == ["−40.00", "0", "+40.00"]
    (x0, y0), (x1, y1) = bench.spot("axial", 0, 0), bench.spot("axial", 16, 10)
    assert (x1 - x0) / (y1 - y0) == pytest.approx(16 * 1.0 / (10 * 4.0), rel=1e-3)
    (x0, y0), (x1, y1) = bench.spot("coronal", 0, 0), bench.spot("coronal", 16, 12)
    assert (x1 - x0) / (y1 - y0) == pytest.approx(16 * 1.0 / (12 * 2.0), rel=1e-3)


def test_the_crosshair_is_moved_by_mouse_keys_wheel_and_sliders(bench: Workbench) -> None:
    bench.tab.mouse.click(*bench.spot("axial", 5.5, 3.5))
    assert bench.state["at"] == [5, 3, 6]
    bench.tab.mouse.click(*bench.spot("coronal", 7.5, 2.5))
    assert bench.state["at"] == [7, 3, 9], "the head is at the top"
    bench.press("ArrowDown", "ArrowRight", "Shift+ArrowLeft")
    assert bench.state["at"] == [0, 3, 8]
    bench.canvas("axial").focus()
    bench.press("PageUp", "ArrowRight", "ArrowDown")
    assert bench.state["at"] == [1, 4, 9], "Page Up goes to the head"
    bench.tab.mouse.move(*bench.spot("sagittal", 5, 5))
    bench.tab.mouse.wheel(0, -100)
    assert bench.state["at"] == [0, 4, 9], "to the right"
    bench.tab.fill("[data-plane=coronal] input", "9")
    assert bench.state["at"] == [0, 9, 9]
    assert bench.tab.inner_text("[data-plane=coronal] output") == "10 of 10"
    bench.press("PageDown")
    assert bench.state["at"] == [0, 8, 9], "a slider keeps its own keys"


def test_window_zoom_and_pan_by_drag_and_keys(bench: Workbench) -> None:
    spot = bench.spot("axial", 5, 5)
    low, high = bench.state["window"]
    bench.drag(spot, (60, 0), "right")
    changed = bench.state["window"]
    assert changed[1] - changed[0] > high - low
    bench.drag(spot, (0, -60), "right")
    assert sum(bench.state["window"]) < sum(changed), "upwards: brighter"
    bench.press("w")
    width = np.ptp(bench.state["window"])
    bench.drag(spot, (-60, 0))
    assert np.ptp(bench.state["window"]) < width
    bench.tab.fill("#level", "50")
    bench.tab.fill("#width", "80")
    bench.press("Enter")
    assert bench.state["window"] == pytest.approx([10, 90])
    bench.tab.fill("#width", "-3")
    bench.press("Enter")
    assert bench.state["window"] == pytest.approx([10, 90]), "nothing impossible"
    bench.tab.fill("#spread", "12.5")
    bench.press("Enter")
    assert bench.state["spread"] == 12.5
    bench.canvas("axial").focus()
    bench.press("+", "+")
    views = bench.state["views"]
    assert [view["zoom"] for view in views.values()] == pytest.approx([1.44] * 3), "all planes zoom together"
    bench.tab.check("#tool [value=pan]", force=True)
    bench.drag(spot, (40, 20))
    assert bench.state["views"]["axial"]["x"] < views["axial"]["x"]
    assert bench.state["views"]["coronal"] == views["coronal"]
    assert bench.state["at"] == [8, 5, 6], "panning leaves the crosshair"
    bench.press("0")
    assert bench.state["views"]["sagittal"]["zoom"] == 1
    bench.tab.click("#reset")
    assert bench.state["window"] == pytest.approx([low, high])


def test_versions_and_the_swipe_between_two(bench: Workbench) -> None:
    bench.press("1")
    assert bench.state["shown"] == "zero_filled"
    bench.press("d", "d")
    assert bench.state["shown"] == "zero_filled"
    bench.press("d")
    assert bench.tab.is_checked("#shown [value=difference]")
    bench.tab.check("#shown [value=super_resolved]", force=True)
    assert not bench.tab.is_visible("[data-plane=axial] .divider")
    bench.tab.select_option("#beside", "zero_filled")
    divider = bench.tab.locator("[data-plane=axial] .divider")
    divider.focus()
    bench.press("ArrowRight", "PageUp")
    assert divider.get_attribute("aria-valuenow") == "62"
    assert divider.get_attribute("aria-valuetext") == "62 %: super-resolved left, zero-filled right"
    box, canvas = divider.bounding_box(), bench.canvas("axial").bounding_box()
    bench.drag((box["x"] + box["width"] / 2, box["y"] + 50), (-0.3 * canvas["width"], 0))
    assert bench.state["swipe"] == pytest.approx(0.32, abs=0.01)
    bench.tab.click("#exchange")
    assert (bench.state["shown"], bench.state["beside"]) == ("zero_filled", "super_resolved")
    bench.press("x", "s")
    assert (bench.state["shown"], bench.state["beside"]) == ("super_resolved", "")


def test_enlarging_saving_and_the_link(bench: Workbench) -> None:
    assert bench.state["large"] == "sagittal", "which shows most, 40 x 24 mm"
    bench.tab.click("[data-plane=axial] .enlarge")
    assert bench.canvas("axial").bounding_box()["width"] > bench.canvas("sagittal").bounding_box()["width"]
    bench.press("e")
    assert bench.state["large"] == "coronal"
    bench.tab.mouse.dblclick(*bench.spot("sagittal", 5, 5))
    assert bench.state["large"] == "sagittal"
    bench.set(at=[1, 2, 3], shown="difference", mode="mean", slab=8, beside="zero_filled", isSmooth=False)
    with bench.tab.expect_download() as download:
        bench.tab.click("#png")
    saved = Image.open(download.value.path())
    frame = bench.tab.locator("#views").bounding_box()
    assert saved.size == (round(frame["width"]), round(frame["height"] + 80))
    assert download.value.suggested_filename == "malibu-difference.png"
    legend = bench.tab.evaluate("legendOf(malibu).join()")
    assert RESEARCH_LABEL in legend
    assert "super-resolved − zero-filled" in legend
    state = bench.state
    bench.tab.click("#link")
    bench.tab.wait_for_function("document.getElementById('said').textContent.includes('ink')")
    address = bench.tab.url
    bench.tab.goto("about:blank")
    bench.tab.goto(address)
    assert _alike(bench.state, state)
    bench.tab.evaluate("location.hash = '#scan=1&at=4,5,6&mode=max&show=zero_filled'")
    bench.tab.wait_for_function("malibu.state.scan === 1")
    assert [bench.state[name] for name in ("at", "mode", "shown")] == [[4, 5, 6], "max", "zero_filled"]


def _alike(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Equal but for the rounding of numbers in the address."""
    return a.keys() == b.keys() and all(
        a[key] == b[key] if not isinstance(a[key], list | float) else np.allclose(a[key], b[key], rtol=1e-4)
        for key in a
    )


def test_texts_of_the_file_are_text_and_all_can_be_found_and_named(bench: Workbench) -> None:
    assert HTML in bench.tab.inner_text("#mind")
    bench.tab.click("summary")
    assert HTML in bench.tab.inner_text("#facts")
    assert bench.tab.title() == "Super-resolved volumes"
    assert RESEARCH_LABEL in bench.tab.inner_text("body")
    assert bench.tab.locator("#scan option").all_inner_texts() == ["series 1, repetition 0", "series 1, repetition 1"]
    bench.press("?")
    assert "Page Up" in bench.tab.inner_text("#help")
    bench.press("Escape")
    unnamed = bench.tab.evaluate(
        """[...document.querySelectorAll('input, select, button, canvas, [role=slider]')].filter((control) =>
          !(control.labels?.length || control.getAttribute('aria-label') || control.textContent.trim()))
          .map((control) => control.outerHTML)"""
    )
    assert not unnamed


def test_on_a_phone_fingers_do_it_and_nothing_is_too_small(bench: Workbench, page: Path) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "color_scheme": "dark"}
    context = bench.tab.context.browser.new_context(**phone)
    tab = context.new_page()
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(page.as_uri() + "#large=axial&at=1,1,1")
    phone_bench = Workbench(tab)
    tab.touchscreen.tap(*phone_bench.spot("axial", 5.5, 3.5))
    assert phone_bench.state["at"] == [5, 3, 1]
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    small = tab.evaluate(
        """[...document.querySelectorAll('body *')].filter((element) => element.offsetParent
          && parseFloat(getComputedStyle(element).fontSize) < 12).map((element) => element.outerHTML)"""
    )
    assert not small
    assert re.fullmatch(r"rgb\(\d\d, \d\d, \d\d\)", tab.evaluate("getComputedStyle(document.body).backgroundColor"))
    buttons = tab.evaluate("[...document.querySelectorAll('button, select')].map((one) => one.offsetHeight)")
    assert min(height for height in buttons if height) >= 30
    context.close()
    assert not errors


def test_what_does_not_fit_is_left_out_and_told(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gadgets.viewer.volumes_packed.LARGEST_BYTES", 3 * np.prod(SHAPE))
    path = write_volume_explorer(all_series(), tmp_path / "small.html")
    context = bench.tab.context.browser.new_context()
    tab = context.new_page()
    tab.goto(path.as_uri())
    assert "holds the first 1 of the file's 2 volumes" in tab.inner_text("#mind")
    assert "8 bits, exact to ±0.20" in tab.text_content("#facts")
    value = tab.evaluate("malibu.value('zero_filled', [3, 2, 1])")
    assert value == pytest.approx(float(VOLUMES["zero_filled"][0, 1, 2, 3]), abs=0.5001 * 100 / 255)
    context.close()
