"""Scans as other people's software writes them: each program of ../shared/cases prints what its last line asks for.

The programs run malibu as a command; here it runs in this process, which spares a start of Python each time.
"""

import contextlib
import importlib
import io
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.replays import ROOT, needs_torch

CASES = ROOT.parent / "shared" / "cases"
OLD_NAMES = {"nets.volumes": "nets.data.volume_files"}


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found, text
    return float(found[1])


def below(limit: float) -> Callable[[str], bool]:
    return lambda text: "error:" in text or number(r"error[^:]*: ([\d.]+)", text) < limit


def same_t1(tolerance: float) -> Callable[[str], bool]:
    def right(text: str) -> bool:
        values = [float(one) for one in re.findall(r"T1 (\d+) ms", text)]
        return abs(values[1] / values[0] - 1) <= tolerance

    return right


def rates_agree_or_are_unresolved(text: str) -> bool:
    for line in text.splitlines():
        found = re.match(r"seed \d+: self-gated (?:\d+ beats, (\d+)|(no heartbeat)).*ECG \d+ beats, (\d+)", line)
        if found and found[1] and abs(float(found[1]) / float(found[3]) - 1) > 0.05:
            return False
    return "seed 4" in text


RIGHT: dict[str, Callable[[str], bool]] = {
    "dicom_without_orientation_at_the_top": lambda text: "a defect" not in text,
    "every_other_line_reversed": below(0.01),
    "images_without_xml_header": lambda text: "good exit 0" in text and "a defect" not in text,
    "imaging_flagged_for_raw_data_correction": same_t1(0),
    "interpolated_image_matrix": lambda text: 84 <= number(r"and (\d+) of 128 rows", text) <= 88,
    "inversions_not_counted_as_repetitions": lambda text: "set inversion_counter=set" in text,
    "navigator_flagged_as_feedback_too": same_t1(0),
    "nifti_2": lambda text: "two exit 0" in text and "cut exit 1" in text and not re.search("defect|Aborted", text),
    "no_orientation_in_the_readouts": lambda text: "48 slices at 48 position" in text and "direction cosines" in text,
    "one_readout_with_an_empty_head": lambda text: not re.search("defect|hangs", text) and "exit 1" in text,
    "phase_images_beside_magnitudes": lambda text: "exit 0" in text and "no such series" in text,  # 102: restored ones
    "readout_oversampling_removed_upstream": lambda text: "96 samples, not the 192" in text,
    "readouts_lost_on_the_way": same_t1(0.02),
    "rescale_slope_differs_between_slices": below(0.001),
    "samples_to_be_discarded": below(0.015),
    "scan_over_midnight": lambda text: len(set(re.findall(r"([\d.]+) beats per minute", text))) == 1,
    "second_echo_of_each_readout": same_t1(0),
    "short_scan_self_gating": rates_agree_or_are_unresolved,
    "tr_of_the_whole_shot": lambda text: "TR 800 ms: error" in text and same_t1(0)(text.replace("TR 800 ms: e", "")),
}


def command_here(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run ``malibu …`` in this process, as :func:`subprocess.run` would with its output captured as text."""
    from gadgets.cli.main import main

    out, err, code = io.StringIO(), io.StringIO(), 0
    before, sys.argv = sys.argv, ["malibu", *map(str, command[1:])]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.argv = before
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


@needs_torch
@pytest.mark.skipif(not CASES.is_dir(), reason="the cases lie beside the repository, and not here")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "short_scan_self_gating" else name for name in RIGHT]
)
def test_case_is_right(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for old, new in OLD_NAMES.items():
        monkeypatch.setitem(sys.modules, old, importlib.import_module(new))
    monkeypatch.setattr(subprocess, "run", command_here)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "500")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            runpy.run_path(str(CASES / f"{name}.py"), run_name="__main__")
        except SystemExit as ended:
            print(ended.code)
        except LookupError as absent:
            print("no such series:", absent)
    text = printed.getvalue().split("\nright:")[0]
    assert RIGHT[name](text), text


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases lie beside the repository, and not here")
def test_no_case_is_left_out() -> None:
    assert {path.stem for path in CASES.glob("*.py")} == set(RIGHT)
