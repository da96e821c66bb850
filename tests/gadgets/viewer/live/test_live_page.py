"""The page that is fed while a scan runs: items, server, page in a browser, replay and server of consoles."""

import http.client
import json
import pickle
import shutil
import subprocess
import threading
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import ismrmrd
import numpy as np
import pytest

from gadgets.mrd.files import open_source
from gadgets.mrd.replay import Progress, configuration_message, hosted, replay
from gadgets.multitasking.gadget import MultitaskingGadget
from gadgets.simulated.radial import protocol_with, write_simulation
from gadgets.viewer.live.live_server import LiveServer, live_server
from gadgets.viewer.live.spool import Spool
from gadgets.viewer.live.watch import Watch, watched_here
from recon.simulation.chest import simulate_scan
from tests.support.browser import chromium, opened, until

PAGE = Path(__file__).parents[4] / "gadgets/viewer/page/live"


def image_of(pixels: np.ndarray, series: int = 13, number: int = 1, **meta: str) -> ismrmrd.Image:
    image = ismrmrd.Image.from_array(pixels, transpose=False, image_series_index=series, image_index=number)
    image.meta = {"SeriesDescription": "malibu preview, real-time", "PatientName": "Doe"} | meta
    return image


def header() -> ismrmrd.xsd.ismrmrdHeader:
    return ismrmrd.xsd.ismrmrdHeader(
        experimentalConditions=ismrmrd.xsd.experimentalConditionsType(H1resonanceFrequency_Hz=123_000_000)
    )


@pytest.fixture
def server() -> Iterator[LiveServer]:
    with live_server() as running:
        yield running


def asked(server: LiveServer, path: str, host: str | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    connection.request("GET", path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_pixels_come_back_to_half_a_step_and_nothing_of_the_patient_goes_along(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((5, 7), dtype=np.float32)
    feed = Spool(tmp_path).scan()
    feed.image(image_of(values, InversionTime="300"))
    feed.image(image_of(values.astype(np.complex64)))
    begin, item = Spool(tmp_path).items()
    assert begin["kind"] == "begin"
    stored = np.frombuffer(b64decode(item["pixels"]), "<u2").reshape(item["shape"])
    np.testing.assert_allclose(stored * item["scale"], values, atol=0.51 * item["scale"])
    assert item["meta"] == {"InversionTime": "300"}
    assert "Doe" not in json.dumps(item)


def test_items_are_asked_for_in_turn_and_old_scans_are_forgotten(tmp_path: Path) -> None:
    spool, image = Spool(tmp_path), image_of(np.ones((2, 2), np.float32))
    feeds = []
    for _ in range(3):
        feeds.append(spool.scan())
        feeds[-1].image(image)
    items = spool.items()
    assert [one["scan"] for one in items] == [feeds[1].scan] * 2 + [feeds[2].scan] * 2
    assert spool.items(items[0]["item"], limit=2) == items[1:3]
    assert spool.items(items[-1]["item"]) == []


def test_only_who_knows_the_address_is_answered(server: LiveServer) -> None:
    path, port = urlsplit(server.address).path, server.server_address[1]
    assert server.server_address[0] == "127.0.0.1"
    assert asked(server, path)[0] == 200
    assert asked(server, "/")[0] == asked(server, "/guess/items")[0] == 404
    assert asked(server, path + "items", host=f"evil.example:{port}")[0] == 404
    (server.folder / "secret.json").write_text("{}")
    (server.folder / "scan.html").write_text("explorer")
    assert asked(server, path + "scan.html") == (200, b"explorer")
    assert [asked(server, path + wanted)[0] for wanted in ("secret.json", "../scan.html", "%2e%2e/x.html")] == [404] * 3


def test_what_cannot_be_shown_costs_the_page_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watch = pickle.loads(pickle.dumps(Watch(tmp_path)))
    with watch.scan(header()) as show:
        show(image_of(np.ones((2, 2), np.float32)))
        show("no image")
        show(image_of(np.ones((2, 2), np.float32)))
    assert [one["kind"] for one in Spool(tmp_path).items()] == ["begin", "image", "end"]
    assert "does not show this scan any longer" in caplog.text


def test_a_scan_that_failed_ends_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no <b>data"), Watch(tmp_path).scan(header()):
        raise ValueError("no <b>data")
    assert Spool(tmp_path).items()[-1] | {"item": 0, "scan": 0} == {
        "kind": "end", "problem": "no <b>data", "explorer": "", "item": 0, "scan": 0,
    }  # fmt: skip


def test_the_page_shows_what_comes(server: LiveServer) -> None:
    feed = server.spool.scan()
    ramp = np.arange(12, dtype=np.float32).reshape(3, 4)
    with opened(server.address, reduced_motion="reduce") as tab:
        until(tab, "document.getElementById('state').textContent.startsWith('Running')")
        feed.image(image_of(ramp, number=1, FrameTimeMs="1000"))
        hostile = {"SeriesDescription": "malibu <img src=x>", "WindowCenter": "5", "WindowWidth": "10"}
        feed.image(image_of(ramp, 14, 1, MalibuHeartRatePerMinute="62", MalibuHeartQuality="0.9", **hostile))
        until(tab, "document.querySelectorAll('#tiles button').length === 2")
        until(tab, "document.getElementById('now').width === 4")
        pixel = "[...document.getElementById('now').getContext('2d').getImageData(2, 2, 1, 1).data]"
        # the window goes from 0 to 10, and the pixel in the third row and column is 10
        until(tab, f"{pixel}[0] === 255")
        assert "62 per minute" in tab.inner_text("#state")
        assert "<img" in tab.inner_text("#tiles")
        tab.keyboard.press("Tab")
        tab.click("#tiles button >> nth=0")
        assert tab.get_attribute("#hold", "aria-pressed") == "true"
        # held: 10 of 11, the brightest pixel
        until(tab, f"{pixel}[0] === 232")
        until(tab, "document.getElementById('caption').textContent.includes('real-time')")
        (server.folder / "all.html").write_text('<link rel=icon href="data:,"><title>explorer</title>')
        feed.end(explorer="all.html")
        tab.click("text=Open the explorer")
        until(tab, "document.title === 'explorer'")
    assert server.was_explored.is_set()


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_state_is_that_of_the_newest_scan() -> None:
    script = f"""
    const {{emptyScan, taken, stateText, frameMs, windowOf}} = require({json.dumps(str(PAGE / "feed.js"))});
    const image = (scan, number, meta = {{}}) =>
      ({{kind: "image", scan, series: 5, slice: 0, number, name: "cine", scale: 2, meta}});
    const heart = {{CardiacPhaseMs: "0", MalibuHeartRatePerMinute: "60", MalibuHeartQuality: "0.8"}};
    let scan = emptyScan();
    scan = taken(scan, {{kind: "begin", scan: "2"}});
    scan = taken(scan, image("2", 1, heart));
    scan = taken(scan, image("1", 7));
    scan = taken(scan, image("2", 2, {{CardiacPhaseMs: "50"}}));
    const said = [stateText(emptyScan()), stateText(scan)];
    const pace = frameMs(scan.series.get("5/0").images);
    said.push(stateText(taken(scan, {{kind: "end", scan: "2", problem: "cut", explorer: ""}})));
    said.push(stateText(taken(scan, {{kind: "begin", scan: "3"}})));
    const windows = [windowOf(image("1", 1)), windowOf(image("1", 1, {{WindowCenter: "5", WindowWidth: "4"}}))];
    console.log(JSON.stringify([said, pace, windows]));
    """
    said, pace, windows = json.loads(subprocess.run(["node", "-e", script], capture_output=True, check=True).stdout)
    assert said == [
        "Waiting for a scan.",
        "Running: 2 images so far. Heart: 60 per minute (quality 0.8).",
        "Ended with an error after 2 images: cut",
        "Running: 0 images so far.",
    ]
    assert pace == 50
    assert windows == [[0, 131070], [3, 7]]


def test_a_replay_is_watched_and_ends_when_its_explorer_is_open(tmp_path: Path) -> None:
    chromium()
    scan, images = tmp_path / "scan.h5", tmp_path / "images.h5"
    write_simulation(simulate_scan(protocol_with("tiny", {}), 1), scan)
    parameters = {"reconstruction": "backprojection", "preview": "true"}
    said: list[str] = []

    def look(image: ismrmrd.Image) -> None:
        """Open the page at the first image, as a user would."""
        if not looking:
            looking.append(threading.Thread(target=explore, args=(said[0].split()[-1],)))
            looking[0].start()
            open_by_now.wait(120)  # a browser may take longer to start than the scan takes
        show(image)

    def explore(address: str) -> None:
        with opened(address) as tab:
            open_by_now.set()
            until(tab, "document.querySelector('#state a') !== null", 60)
            tab.click("#state a")
            titles.append(tab.title())

    open_by_now = threading.Event()
    looking: list[threading.Thread] = []
    titles: list[str] = []
    with (
        open_source(scan, "dataset") as file,
        watched_here(file.header, said.append) as show,
        hosted(MultitaskingGadget()) as sock,
    ):
        replay(file, images, configuration_message(None, parameters), sock, 60, Progress(image=look))
    looking[0].join()
    assert "explorer" in titles[0]
