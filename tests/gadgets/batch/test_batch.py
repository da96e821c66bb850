"""Batches: results are those of a replay, each is made once, and what fails is told and stops nothing."""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gadgets.batch.batch_page import said_of, write_batch_page
from gadgets.batch.batch_run import Batch, Watch, names, run_batch
from gadgets.batch.found import looked_at, scan_paths
from gadgets.batch.order import Order, order_of
from gadgets.batch.results import Results, deliver, opened_results, write_names
from gadgets.batch.scan_work import joined, without_names
from gadgets.cluster.crew import HERE, opened_crew
from gadgets.errors import ParameterError, ScanFileError
from gadgets.mrd.files import read_images
from tests.support.batches import QUICK, content_of, short_scans, with_second_slice
from tests.support.cluster_kills import SCANS, VICTIMS, reference_of, survive
from tests.support.cluster_processes import LoopbackCluster
from tests.support.replays import SHIPPED_XML, replay_here

SETTINGS = dict(setting.split("=", 1) for setting in QUICK)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two scans, one of two slices, and one that is none."""
    first, second = short_scans(tmp_path_factory.mktemp("scans"), 2)
    both = with_second_slice(second, second.with_name("Roe_1970.h5"))
    broken = first.with_name("broken.h5")
    broken.write_bytes(first.read_bytes()[:5000])
    return [first, second, both, broken]


def order(**settings: str) -> Order:
    return order_of(SHIPPED_XML, SETTINGS | settings)


def run(paths: list[Path], folder: Path, wanted: Order) -> tuple[Batch, Results]:
    with opened_results(folder) as results, opened_crew(HERE) as crew:
        batch = run_batch(paths, wanted, results, crew, Watch())
        write_names(results, dict(names(batch)))
        write_batch_page(batch, results)
    return batch, results


@pytest.fixture(scope="module")
def made(scans: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Batch, Results]:
    return run(scans, tmp_path_factory.mktemp("batch") / "out", order())


def test_results_are_those_of_a_replay_to_the_bit(
    scans: list[Path], made: tuple[Batch, Results], tmp_path: Path
) -> None:
    batch, results = made
    files = {paths[0].name: results.images(key) for key, paths in batch.paths.items()}
    for scan in scans[:3]:
        replay_here(scan, tmp_path / scan.name, **SETTINGS)
        assert content_of(files[scan.name]) == content_of(tmp_path / scan.name)
    images = read_images(files["Roe_1970.h5"])
    assert [image.slice for image in images[1]] == [0, 1]
    assert not list(results.folder.glob(".slices/*"))


def test_slices_are_tasks_of_their_own(scans: list[Path]) -> None:
    assert [looked_at(order(), scan).slices for scan in scans[:3]] == [(), (), (0, 1)]


def test_what_fails_is_told_in_one_line_without_a_name(made: tuple[Batch, Results]) -> None:
    batch, results = made
    ((key, reason),) = batch.failed.items()
    assert batch.paths[key][0].name == "broken.h5"
    assert "the scan is not a readable HDF5 file" in reason
    assert "\n" not in reason
    told = json.loads((results.folder / "batch.json").read_text())
    states = {one["name"]: one["state"] for one in told["scans"]}
    assert sorted(states.values()) == ["done", "done", "done", "failed"]
    assert states[f"scan-{key}"] == "failed"
    assert said_of(batch) == "3 of 4 scans are reconstructed; 1 failed."


def test_a_scan_that_is_joined_again_stays(made: tuple[Batch, Results], scans: list[Path]) -> None:
    """As when a worker is lost after it has delivered; slices that it left are removed."""
    results, wanted = made[1], order()
    scan = looked_at(wanted, scans[2])
    before = results.images(scan.key).read_bytes()
    (left := results.slice_images(scan.key, 0)).write_bytes(b"")
    joined(wanted, results, scan)
    assert results.images(scan.key).read_bytes() == before
    assert not left.exists()


@pytest.mark.parametrize("told", ["/data/Roe  Jane/a.h5: gone", "/data/Roe Jane: no folder", "'a.h5' of Roe  Jane"])
def test_no_part_of_a_path_stays_in_an_error(told: str) -> None:
    said = without_names(told, Path("/data/Roe  Jane/a.h5"))
    assert "Roe" not in said
    assert "a.h5" not in said


def test_names_of_files_stay_with_the_owner(made: tuple[Batch, Results]) -> None:
    batch, results = made
    private = results.folder / ".names.json"
    assert {Path(path).name for path in json.loads(private.read_text()).values()} == {
        paths[0].name for paths in batch.paths.values()
    }
    assert private.stat().st_mode & 0o077 == 0
    for path in results.folder.rglob("*"):
        if path.is_file() and path != private:
            content = re.sub(rb'"data:[^"]*"', b"", path.read_bytes())  # letters of a picture may spell anything
            assert not any(name in content or name in path.name.encode() for name in (b"Doe", b"Roe", b"broken"))


def test_the_page_shows_every_slice_with_its_figures(made: tuple[Batch, Results]) -> None:
    batch, results = made
    page = (results.folder / "batch.html").read_text()
    assert "research use only" in page
    assert page.count('<img class="thumb" src="data:image/png;base64,') == 4  # of three scans, one of two slices
    for key in batch.done:
        assert f'href="scan-{key}.h5"' in page
    told = json.loads((results.folder / "batch.json").read_text())
    figures = next(one["slices"][0]["figures"] for one in told["scans"] if one["state"] == "done")
    assert figures["Heartbeat"].startswith("not resolved")
    images = read_images(results.images(batch.done[0]))
    t1_ms, average = (images[series][0].data[0, 0].astype(float) for series in (9, 1))
    tissue = (t1_ms > 0) & (average > 0.5 * average[t1_ms > 0].mean())
    assert figures["Median T1"] == f"{np.median(t1_ms[tissue]):.0f} ms"


def test_a_second_run_does_nothing_twice(scans: list[Path], made: tuple[Batch, Results]) -> None:
    first, results = made
    before = {path: path.stat() for path in results.folder.glob("scan-*.h5")}
    batch, _ = run(scans, results.folder, order())
    assert batch.done == first.done
    assert batch.kept == set(first.done)
    assert list(batch.failed) == list(first.failed)
    after = {path: path.stat() for path in results.folder.glob("scan-*.h5")}
    assert {path: (one.st_ino, one.st_mtime_ns) for path, one in after.items()} == {
        path: (one.st_ino, one.st_mtime_ns) for path, one in before.items()
    }


def test_other_scans_parameters_and_weights_are_other_results(scans: list[Path], tmp_path: Path) -> None:
    key = looked_at(order(), scans[0]).key
    copy = tmp_path / "copy.h5"
    copy.write_bytes(scans[0].read_bytes())
    assert looked_at(order(), copy).key == key
    assert looked_at(order(), scans[1]).key != key
    assert looked_at(order(rank="5"), scans[0]).key != key
    weights, moved = tmp_path / "own.safetensors", tmp_path / "moved.safetensors"
    weights.write_bytes(b"one")
    moved.write_bytes(b"one")
    with_weights = [looked_at(order(weights=str(path)), scans[0]).key for path in (weights, moved)]
    weights.write_bytes(b"two")
    assert with_weights[0] == with_weights[1] != key
    assert looked_at(order(weights=str(weights)), scans[0]).key not in (key, with_weights[0])


def test_copies_of_a_scan_are_reconstructed_once(scans: list[Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy.h5"
    copy.write_bytes(scans[0].read_bytes())
    batch, results = run([scans[0], copy], tmp_path / "out", order())
    assert len(list(results.folder.glob("scan-*.h5"))) == len(batch.done) == 1
    assert said_of(batch) == "1 of 1 scans are reconstructed; 1 files are copies of others."


def test_scans_are_found_by_patterns_and_results_are_no_scans(scans: list[Path], tmp_path: Path) -> None:
    folder = scans[0].parent
    (folder / "deep").mkdir(exist_ok=True)
    deep = folder / "deep" / "one.h5"
    deep.touch()
    out = folder / "out"
    out.mkdir(exist_ok=True)
    (out / "scan-1.h5").touch()
    found = scan_paths([folder / "**" / "*.h5"], out)
    assert sorted(found) == sorted([*scans, deep])  # no truths of simulated scans, either
    assert scan_paths([scans[0], scans[0]], out) == scans[:1]
    with pytest.raises(ParameterError, match="no scan is named by"):
        scan_paths([out / "scan-1.h5"], out)


def test_a_task_of_a_run_that_is_over_cannot_deliver(tmp_path: Path) -> None:
    with opened_results(tmp_path) as results:
        made = results.work / "a.h5"
        made.write_bytes(b"late")
        with pytest.raises(ScanFileError, match="another batch writes"), opened_results(tmp_path):
            pass
        deliver(made, results.images("kept"))
        made.write_bytes(b"again")
        deliver(made, results.images("kept"))
    assert results.images("kept").read_bytes() == b"late"
    with pytest.raises(OSError, match="No such file"):
        deliver(made, results.images("new"))
    assert not results.images("new").exists()
    assert not [*tmp_path.glob(".work-*"), *tmp_path.glob(".gone-*")]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, LoopbackCluster, dict[str, object]]]:
    """Five scans, a scheduler with two workers, and the results that they make undisturbed."""
    pytest.importorskip("distributed")
    folder = tmp_path_factory.mktemp("cluster")
    short_scans(folder / "scans", SCANS)
    with LoopbackCluster(folder) as running:
        yield folder, running, reference_of(folder, running)


@pytest.mark.parametrize(
    "victim", [victim if victim == "client" else pytest.param(victim, marks=pytest.mark.slow) for victim in VICTIMS]
)
def test_a_kill_loses_and_doubles_nothing(
    cluster: tuple[Path, LoopbackCluster, dict[str, object]], victim: str, tmp_path: Path
) -> None:
    folder, running, reference = cluster
    came = survive(folder, tmp_path / "out", running, victim, reference, random.Random(VICTIMS.index(victim)))
    assert came.codes[1] == 0


def test_workers_give_what_a_replay_gives(
    cluster: tuple[Path, LoopbackCluster, dict[str, object]], tmp_path: Path
) -> None:
    folder, _, reference = cluster
    scan = folder / "scans" / "Doe_0.h5"
    replay_here(scan, tmp_path / "replay.h5", **SETTINGS)
    assert content_of(tmp_path / "replay.h5") == reference[f"scan-{looked_at(order(), scan).key}.h5"]
