"""Colours and windows of label maps in the page, in node."""

import json
import shutil
import subprocess

import pytest

from tests.support.replays import ROOT

PAGE = ROOT / "gadgets/viewer/page"


def in_node(code: str) -> object:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node")
    program = (
        f"Object.assign(globalThis, require({json.dumps(str(PAGE / 'colours.js'))}));"
        f"const {{ VolumePage }} = require({json.dumps(str(PAGE / 'volumes/volume_page.js'))});"
        f"process.stdout.write(JSON.stringify((() => {{ {code} }})()));"
    )
    done = subprocess.run([node, "-e", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_each_label_has_its_own_colour_within_its_window() -> None:
    """As matplotlib's tab10: label 1 is #1f77b4, label 2 #ff7f0e; ImageData has red in the lowest byte."""
    code = "const out = new Uint32Array(3); colourise(Float32Array.of(0, 1, 2), 0, 10, labelTable(10), out);"
    found = in_node(f"{code} return [...out].map((word) => word.toString(16));")
    assert found == ["ff000000", "ffb4771f", "ff0e7fff"]


def test_versions_have_windows_and_colours_of_their_own() -> None:
    code = """
      const page = Object.create(VolumePage.prototype);
      page.scan = { main: "received", volumes: [{ kind: "received" },
        { kind: "spaces", window: [0, 3], colours: "viridis" },
        { kind: "labels", window: [0, 2], names: ["background", "liver", "spleen"] }] };
      page.state = { window: [0, 9], spread: 4 };
      page.tables = { grey: colourTable("grey") };
      page.samplers = { labels: { value: () => 2 } };
      const kinds = ["received", "spaces", "labels", "difference"];
      const first = (kind) => page.tableOf(kind)[255];
      return [kinds.map((kind) => page.windowOf(kind)), first("spaces") === colourTable("viridis")[255],
        first("labels") === labelTable(2)[255], kinds.map((kind) => page.isOfLabels(kind)),
        page.valueText("labels", 0)];
    """
    windows, is_viridis, is_of_labels, labels, text = in_node(code)  # type: ignore[misc]
    assert windows == [[0, 9], [0, 3], [0, 2], [-4, 4]]
    assert is_viridis
    assert is_of_labels
    assert labels == [False, False, True, False]
    assert text == "2 spleen"
