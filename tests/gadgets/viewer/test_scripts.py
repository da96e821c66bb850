"""The explorer's scripts without a browser: decoding, curves, regions, permalinks."""

import base64
import json
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest

from recon.relaxometry.inversion_recovery import InversionRecovery
from tests.support.replays import ROOT

SCRIPTS = ROOT / "gadgets/viewer/page"


def run(files: tuple[str, ...], expression: str, given: Any = None) -> Any:
    """Value of an expression after some scripts; ``given`` is what Python hands over."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    code = "\n".join((SCRIPTS / name).read_text() for name in files)
    end = f"\nconst given = {json.dumps(given)};\nconsole.log(JSON.stringify({expression}));"
    done = subprocess.run([node, "-"], input=code + end, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def test_numbers_arrive_as_they_left() -> None:
    rng = np.random.default_rng(0)
    half = np.concatenate([rng.normal(size=50), [0, -0.0, 6e-8, 65504, -3e-6]]).astype(np.float16)
    for values in (half, half.astype(np.float32), np.arange(0, 65536, 997, np.uint16), np.arange(256, dtype=np.uint8)):
        given = [base64.b64encode(values.tobytes()).decode(), values.dtype.name]
        found = run(("decode.js",), "Array.from(decode(given[0], given[1], 2, 1))", given)
        assert np.array_equal(np.array(found, np.float32), 2 * values.astype(np.float32) + 1), values.dtype


def test_every_script_stands_alone_as_text() -> None:
    """Small files of readable JavaScript that no ``</script`` can end."""
    for path in SCRIPTS.rglob("*.js"):
        text = path.read_text()
        assert text.startswith('"use strict";'), path
        assert len(text.splitlines()) <= 300, path
        assert "</script" not in text.lower(), path
        assert "innerHTML" not in text, path


def test_colours_run_from_the_first_to_the_last() -> None:
    files = ("colours.js",)
    grey = run(files, "Array.from(colourTable('grey'))")
    assert grey == [(255 << 24) | value * 0x010101 for value in range(256)]
    drawn = "const out = new Uint32Array(6); colourise(given, 10, 20, colourTable('grey'), out); return [...out];"
    code = f"(() => {{ {drawn} }})()"
    shown = run(files, code, [-5, 10, 15, 20, 99, None])
    assert [word & 255 for word in shown] == [0, 0, 128, 255, 255, 0]


def test_the_recovery_is_python_s() -> None:
    sequence, pulses = InversionRecovery(3.6, 5.0, 5.0, 688), np.arange(0, 688, 7)
    for t1_ms, efficiency, inflow in ((300.0, 0.9, 0.0), (1200.0, 0.95, 0.0), (1900.0, 1.0, 0.8)):
        expected = sequence.curves([t1_ms], [efficiency], [inflow], pulses)[0]
        code = "Array.from(new InversionRecovery(3.6, 5, 5, 688).curve(...given))"
        found = run(("explorer/recovery.js",), code, [t1_ms, efficiency, inflow, pulses.tolist()])
        assert np.allclose(found, expected, atol=1e-12)


def test_a_fit_takes_amplitude_phase_and_kind_of_spins() -> None:
    sequence, pulses = InversionRecovery(3.6, 5.0, 5.0, 688), np.arange(0, 688, 4)
    sequence_js = "new InversionRecovery(3.6, 5, 5, 688)"
    known = f"{{sequence: {sequence_js}, t1Ms: given.t1, deviationMs: 50, efficiency: 0.95, inflow: 0.8, scale: 1}}"
    code = (
        "(() => { const t = madeReal(given.re, given.im);"
        f" const f = fittedRecovery(t.real, given.pulses, {known}, given.pulses);"
        " return {...f, fit: [...f.fit], low: [...f.low], high: [...f.high]}; })()"
    )
    for t1_ms, inflow in ((1100.0, 0.0), (1900.0, 0.8), (880.0, 0.8)):
        curve = sequence.curves([t1_ms], [0.95], [inflow], pulses)[0]
        turned = 7.0 * np.exp(2.1j) * curve
        given = {"re": turned.real.tolist(), "im": turned.imag.tolist(), "pulses": pulses.tolist(), "t1": t1_ms}
        found = run(("explorer/recovery.js",), code, given)
        assert found["inflow"] == inflow
        assert found["amplitude"] == pytest.approx(7.0, rel=1e-9)
        assert np.allclose(found["fit"], 7 * curve, atol=1e-9)
        for name, other in (("low", t1_ms - 50), ("high", t1_ms + 50)):
            model = sequence.curves([other], [0.95], [inflow], pulses)[0]
            assert np.allclose(found[name], 7 * (curve @ model) / (model @ model) * model, atol=1e-9)


@pytest.mark.parametrize(("share", "told"), [(0.35, 0.35), (0.95, 0.95), (1.2, 1.0)])
def test_the_curve_of_blood_of_a_known_t1_tells_its_share(share: float, told: float) -> None:
    sequence, pulses = InversionRecovery(3.6, 5.0, 5.0, 688), np.arange(0, 688, 4)
    stays, fresh = (sequence.curves([1800.0], [0.95], [pure], pulses)[0] for pure in (0.0, 1.0))
    known = (
        "{sequence: new InversionRecovery(3.6, 5, 5, 688), t1Ms: 1800, deviationMs: 90, efficiency: 0.95, inflow: 0.8,"
    )
    fit = f"fittedRecovery(given.curve, given.pulses, {known} bloodT1Ms: %s, scale: 1}}, given.pulses)"
    code = f"(() => {{ const f = {fit}; return [f.inflow, ...f.fit]; }})()"
    given = {"curve": (5 * ((1 - share) * stays + share * fresh)).tolist(), "pulses": pulses.tolist()}
    found = run(("explorer/recovery.js",), code % "1800", given)
    assert found[0] == pytest.approx(told, abs=1e-6)
    if share == told:
        assert np.allclose(found[1:], given["curve"], atol=1e-9)
    assert run(("explorer/recovery.js",), code % "1700", given)[0] in (0.0, 0.8)


def test_a_pulse_between_those_that_were_measured_is_shown_as_the_nearest() -> None:
    places = run(
        ("explorer/place.js",), "given.map((wanted) => nearestIndex([1, 3, 5], wanted))", [-4, 1, 3.9, 4.5, 99]
    )
    assert places == [0, 0, 1, 2, 2]


def test_regions_hold_the_pixels_whose_centres_lie_within() -> None:
    files = ("explorer/regions.js",)
    square = [[2, 1], [5, 1], [5, 3], [2, 3]]
    assert run(files, "pixelsWithin(given, 6, 8)", square) == [8 + 2, 8 + 3, 8 + 4, 16 + 2, 16 + 3, 16 + 4]
    circle = {"kind": "circle", "name": "c", "points": [[20, 20], [30, 20]]}
    assert len(run(files, "pixelsWithin(outlines(given)[0].points, 40, 40)", circle)) == pytest.approx(314, abs=4)
    numbers = run(files, "statistics([1, 2, 3, 0], [0, 1, 2, 3], true)")
    assert numbers == {"count": 3, "mean": 2.0, "deviation": 1.0}


def test_the_bullseye_starts_at_the_insertion_and_turns_over_the_septum() -> None:
    """Septum at the left of the image, anterior above: from the insertion at 10 o'clock the first segments lie left."""
    given = {"kind": "bullseye", "name": "b", "points": [[50, 50], [50 - 17.3, 40], [50, 60]]}
    code = (
        "outlines(given).map(({name, points}) => { const p = pixelsWithin(points, 100, 100);"
        " const mean = (f) => p.reduce((s, n) => s + f(n) + 0.5, 0) / p.length;"
        " return [name, p.length, mean((n) => n % 100), mean((n) => Math.floor(n / 100))]; })"
    )
    found = run(("explorer/regions.js",), code, given)
    assert [name.split()[1] for name, *_ in found] == [
        "anteroseptal", "inferoseptal", "inferior", "inferolateral", "anterolateral", "anterior",
    ]  # fmt: skip
    place = {name.split()[1]: (x, y) for name, _, x, y in found}
    assert place["anteroseptal"][0] < 40
    assert place["inferior"][1] > 55
    assert place["anterior"][1] < 45
    assert place["anterolateral"][0] > 55
    area = np.pi * (19.98**2 - 10**2) / 6
    assert all(count == pytest.approx(area, rel=0.06) for _, count, *_ in found)
    turned = run(("explorer/regions.js",), code, given | {"isMirrored": True})
    assert turned[0][3] < 45  # the other way round: above


def test_csv_is_quoted_and_starts_no_formula() -> None:
    text = run(("explorer/regions.js",), "csvOf(given)", [["a,b", 'say "x"', "=1+1", -2.5]])
    assert text == '"a,b","say ""x""",\'=1+1,-2.5\r\n'


def test_a_permalink_holds_the_state_and_survives_damage() -> None:
    files = ("explorer/place.js",)
    given = {"cardiac": 3, "respiratory": 1, "windows": {"frame": [0, 2.5]}, "regions": [{"name": "<b>&=#"}]}
    first = {"cardiac": 0, "respiratory": 1, "windows": {}, "regions": []}
    code = "[hashOf(given[0], given[1]), stateOf('#' + hashOf(given[0], given[1])), stateOf('#c=7&w={\"frame\":[0')]"
    text, state, damaged = run(files, code, [given, first])
    assert state == {name: value for name, value in given.items() if name != "respiratory"}
    assert "<" not in text
    assert damaged == {"cardiac": 7}


def test_sides_of_the_patient() -> None:
    code = "given.map((d) => [sideOf(d), opposite(sideOf(d))])"
    directions = [[1, 0, 0], [0, 1, 0], [0, 0, -1], [0.7, -0.7, 0], [0, 0, 0]]
    assert run(("explorer/place.js",), code, directions) == [
        ["L", "R"], ["P", "A"], ["F", "H"], ["LA", "RP"], ["", ""],
    ]  # fmt: skip


def test_a_tool_is_named_by_one_key_only() -> None:
    keys = run(
        ("explorer/keys.js",),
        "[...TOOLS.map(([, , key]) => key), ...PAGE_KEYS.map(([key]) => key), ...FORWARDED]",
    )
    assert len(keys) == len(set(keys))


def test_ticks_are_round_and_within() -> None:
    assert run(("explorer/plots.js",), "[ticksOf(0, 10, 4), ticksOf(-0.3, 0.3, 3), ticksOf(5, 5, 3)]") == [
        [0, 5, 10], [-0.2, 0, 0.2], [5],
    ]  # fmt: skip
