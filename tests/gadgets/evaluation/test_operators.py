"""The operators' table: every row with its references and small differences, the limit, and what is said of peers."""

import json
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
import sigpy

from gadgets.cli.benchmarks import benchmark
from gadgets.errors import ParameterError
from gadgets.evaluation.operator_figures import Operator, OperatorTable, Sizes
from gadgets.evaluation.operators import measure_operators
from gadgets.evaluation.peers import backends, grid_elsewhere
from gadgets.reports.operators_page import HEADER, description, table_rows, write_operators_page
from recon.readouts.trajectory import golden_angles_rad, radial_trajectory
from recon.spatial.nufft import plan_nufft
from tests.support.command import malibu

SIZES = Sizes(matrix=24, rank=2, coils=2, spokes=60)
# N = 24 has a fan of 116 lines on 49 radii: with 60 golden angles each spoke is a line of its own, and no fold errs
EXACT, BY_THE_FAN = 2e-5, 1e-3


@pytest.fixture(scope="module")
def table() -> OperatorTable:
    return measure_operators(SIZES, "cpu", repeat=1, iterations=2)


def test_every_operator_stands_beside_its_references(table: OperatorTable) -> None:
    compared = {row.name: [one.library for one in row.comparisons] for row in table.rows}
    both = ["SigPy", "FINUFFT"]
    assert compared == {
        "fold": ["sparse matrices"],
        "gridding of 4 images": both,
        "back-projection": both,
        "coil images": both,
        "Toeplitz kernel": both,
        "Toeplitz step": both,
        "ADMM 2×2, 6 steps": ["FINUFFT"],
    }
    for row in table.rows:
        assert row.seconds > 0
        assert row.times_limit == pytest.approx(row.seconds / row.limit_s)
        assert all(one.seconds > 0 for one in row.comparisons)


@pytest.mark.parametrize(("spokes", "allowed"), [(60, EXACT), (300, BY_THE_FAN)])
def test_results_agree(spokes: int, allowed: float) -> None:
    found = measure_operators(Sizes(24, 3, 2, spokes), "cpu", repeat=1, iterations=2)
    for row in found.rows:
        for one in row.comparisons:
            assert 0 < one.difference < (EXACT if row.name.startswith(("fold", "gridding")) else allowed), (row, one)


def test_the_limit_is_that_of_a_hand_count(table: OperatorTable) -> None:
    moved = {row.name: row.moved_bytes for row in table.rows}
    kernel, maps, factor = 48 * 48 * 2 * 2, 2 * 24 * 24, 2 * 24 * 24
    assert moved["Toeplitz step"] == 8 * (kernel + maps + 2 * factor)
    assert moved["ADMM 2×2, 6 steps"] == 6 * moved["Toeplitz step"]
    kspace, basis = 2 * 60 * 48, 2 * 60
    assert moved["back-projection"] == 8 * (kspace + basis + maps + factor)
    assert moved["Toeplitz kernel"] == 8 * (basis + kernel)
    step = next(row for row in table.rows if row.name == "Toeplitz step")
    assert step.limit_s == pytest.approx(moved["Toeplitz step"] / (1e9 * table.bandwidth_gb_s))


def test_a_comparison_scales_seconds_and_takes_the_difference_over_the_other() -> None:
    row = Operator("gridding", 2.0, 100, 0.5)
    row.compare("SigPy", np.array([4.0, 0.0]), 3.0, np.array([4.0, 3.0]), 8.0, "2 of 16 images")
    assert (row.comparisons[0].seconds, row.comparisons[0].difference, row.times_limit) == (24.0, 0.75, 4.0)
    row.compare("FINUFFT", np.array([1.0]), 1.0, np.array([1.0]), 1.0, "all")
    shown = table_rows(OperatorTable(SIZES, "a machine", 0.0, 10.0, {}, {}, [row]))
    assert shown[0] == ["gridding", "2", "0.5", "4", "SigPy", "24", "12", "7.5e-01", "2 of 16 images"]
    assert shown[1][:5] == ["", "", "", "", "FINUFFT"]
    assert len(shown[0]) == len(HEADER)


def test_missing_libraries_are_told_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    found, missing = backends(sigpy.cpu_device)
    assert list(found) == ["SigPy"]
    assert missing["FINUFFT"] == "it is not installed: pip install finufft"
    assert "--device cuda:0" in missing["cuFINUFFT"]
    gridded, missing = grid_elsewhere(np.zeros((1, 3, 4)), np.zeros((3, 4, 2)), 4, sigpy.cpu_device)
    assert not gridded
    assert missing == {
        "MRpro": "it is not installed: pip install mrpro",
        "BART": "it is not installed: apt-get install bart",
    }


BART = '''#!{python}
"""bart nufft -a by its definition: Σ exp(+2πi k·x) d(k) / N, k in units of 1/FOV, x first in memory."""
import sys
import numpy as np

def read(name):
    shape = [int(size) for size in open(name + ".hdr").read().splitlines()[1].split()]
    return np.fromfile(name + ".cfl", np.complex64).reshape(shape, order="F")

assert sys.argv[1:5] == ["nufft", "-a", "-d", "6:6:1"], sys.argv
points, data = read(sys.argv[5]), read(sys.argv[6])
places = (np.arange(6) - 3) / 6
ex, ey = (np.exp(2j * np.pi * np.multiply.outer(places, points[axis].real)) for axis in (0, 1))
images = np.einsum("xst,yst,stc->xyc", ex, ey, data[0]) / 6
images.astype(np.complex64).ravel(order="F").tofile(sys.argv[7] + ".cfl")
'''


def with_bart(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = folder / "bart"
    command.write_text(text.format(python=sys.executable))
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))


def test_bart_gets_its_axes_and_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the command, which computes what BART's documentation says."""
    with_bart(BART, tmp_path, monkeypatch)
    rng = np.random.default_rng(1)
    trajectory = radial_trajectory(golden_angles_rad(np.arange(7)), 12, 6)
    data = (rng.standard_normal((2, 7, 12)) + 1j * rng.standard_normal((2, 7, 12))).astype(np.complex64)
    found, _ = grid_elsewhere(data, trajectory, 6, sigpy.cpu_device)
    images, seconds = found["BART"]
    expected = plan_nufft(trajectory, 6, "finufft").adjoint(data)
    assert np.linalg.norm(images - expected) < 1e-4 * np.linalg.norm(expected)
    assert seconds > 0


def test_a_library_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_bart("#!{python}\nraise SystemExit(1)\n", tmp_path, monkeypatch)
    found, missing = grid_elsewhere(np.zeros((1, 3, 4)), np.zeros((3, 4, 2)), 4, sigpy.cpu_device)
    assert "BART" not in found
    assert missing["BART"].startswith("it failed: CalledProcessError: ")


def test_page_and_description_say_where_and_with_what(table: OperatorTable, tmp_path: Path) -> None:
    page = write_operators_page(table, tmp_path / "operators.html").read_text()
    said = "\n".join(description(table))
    for word in ("24², 60 spokes of 48, 2 coils, rank 2", "GB/s", "load ", f"SigPy {sigpy.__version__}", "cuFINUFFT"):
        assert word in said
        assert word in page
    assert page.count("<tr>") == 1 + sum(len(row.comparisons) for row in table.rows)


def test_more_maps_than_spokes_are_refused() -> None:
    with pytest.raises(ParameterError, match="3 spokes do not hold 4 basis functions"):
        measure_operators(Sizes(24, 4, 1, 3), "cpu")


def test_the_command_prints_the_table_and_writes_page_and_figures(tmp_path: Path) -> None:
    page, figures = tmp_path / "operators.html", tmp_path / "operators.json"
    sizes = ("--size", "24", "--rank", "2", "--coils", "2", "--spokes", "60")
    shown, _ = malibu("benchmark", "--operators", *sizes, "--device", "cpu", "-o", page, "--json", figures)
    for row in ("fold", "gridding of 4", "back-projection", "coil images", "Toeplitz kernel", "Toeplitz step", "ADMM"):
        assert row in shown
    assert "not compared: BART: it is not installed" in shown
    assert page.is_file()
    written = json.loads(figures.read_text())
    assert len(written["rows"]) == 7
    assert written["sizes"] == {"matrix": 24, "rank": 2, "coils": 2, "spokes": 60}


def test_the_command_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"give a scan to compare methods on .*, or --operators"):
        benchmark(None)
    with pytest.raises(ParameterError, match="leave scan, --latency"):
        benchmark([tmp_path / "scan.h5"], operators=True)
    with pytest.raises(ParameterError, match="device"):
        benchmark(None, tmp_path / "page.html", operators=True, device="gpu")
