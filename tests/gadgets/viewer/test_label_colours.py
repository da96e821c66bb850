"""Colours and windows of label maps in the page, in node."""

import json
import shutil
import subprocess

import pytest

from gadgets.image_tasks.segmentation.series import LABEL_COLOURS, label_colour
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
    """The page's colours are those of the Meta, by turns; ImageData has red in the lowest byte."""
    count = len(LABEL_COLOURS) + 2
    code = f"const out = new Uint32Array({count}); const labels = Float32Array.from(out.keys());"
    code += f"colourise(labels, 0, {count - 1}, labelTable({count - 1}), out);"
    found = in_node(f"{code} return [...out].map((word) => word.toString(16));")
    turned = [colour[5:] + colour[3:5] + colour[1:3] for colour in map(label_colour, range(1, count))]
    assert found == ["ff000000", *(f"ff{word}" for word in turned)]
    assert label_colour(1) == label_colour(len(LABEL_COLOURS) + 1) == "#e69f00"


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
