"""Work of the commands over many subjects: the same whoever does it, and what fails is told and stops nothing."""

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from gadgets.cluster import clusters
from gadgets.cluster.crew import Crew, Here, Place, opened_crew
from gadgets.cluster.shared_work import SharedWork
from gadgets.cluster.tasks import Need
from gadgets.datasets.jobs import prepare_pairs, simulation_jobs
from gadgets.datasets.labelled.labelled_subjects import HEADS, prepare_labelled
from gadgets.datasets.perfusion import prepare_perfusion
from gadgets.datasets.volumes import prepare_volumes
from gadgets.errors import ParameterError
from gadgets.evaluation.image_tasks.perfusion import evaluate_perfusion
from gadgets.evaluation.image_tasks.segmentation import evaluate_organs, simulated_subjects
from gadgets.evaluation.several_scans import benchmark_scans
from gadgets.evaluation.super_resolution import evaluate_volumes, loaded_subjects
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.super_resolution.parameters import SuperResolutionParameters
from recon.errors import DataError
from recon.simulation.abdomen.organ_labels import ORGANS
from recon.simulation.chest import PRESETS
from tests.support.batches import short_scans
from tests.support.replays import needs_torch

QUICK = MultitaskingParameters(device="cpu", rank=3, temporal_model="realtime", iterations=2, images=("basis_maps",))
VISIBLE = ("GPU-b", "3")


def halved(number: int) -> int:
    if number % 2:
        raise DataError(f"{number} is\nodd")
    if number == 8:
        raise ZeroDivisionError("eight")
    return number // 2


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """Two processes on a machine that is told to have two GPUs, of which this process sees some."""
    pytest.importorskip("distributed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clusters, "gpu_count", lambda: 2)
        patch.setenv("CUDA_VISIBLE_DEVICES", ",".join(VISIBLE))
        with opened_crew(Place(workers=2, threads=1)) as crew:
            yield crew


def told(crew: Crew) -> tuple[list[int], dict[str, str], int]:
    done: list[int] = []
    work = SharedWork(crew, lambda: done.append(1))
    values = list(work.values(halved, [6, 5, 4, 8, 2, 7], lambda number: f"number {number}"))
    return values, work.failed, len(done)


def test_values_come_in_order_and_what_fails_is_one_line(two: Crew, caplog: pytest.LogCaptureFixture) -> None:
    expected = {
        "number 5": "5 is odd",
        "number 7": "7 is odd",
        "number 8": "ZeroDivisionError: eight (a defect of malibu)",
    }
    for crew in (Here(), two):
        caplog.clear()
        with caplog.at_level(logging.ERROR, "gadgets"):
            assert told(crew) == ([3, 2, 1], expected, 6)
        lines = [record.getMessage() for record in caplog.records if record.name == "gadgets.cluster.shared_work"]
        assert sorted(lines) == [f"{name} was left out: {reason}" for name, reason in sorted(expected.items())]


def test_where_nothing_comes_of_it_the_first_error_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DataError, match=r"^3 is\nodd"):
        SharedWork().do(halved, [3, 5], str)
    caplog.clear()
    with pytest.raises(DataError, match=r"^5 is\nodd"):
        SharedWork().do(halved, [5], str)
    assert "left out" not in caplog.text  # the command tells it
    SharedWork().do(halved, [], str)


def visible(number: int) -> str:
    return os.environ["CUDA_VISIBLE_DEVICES"]


def test_worker_n_sees_the_nth_of_the_gpus_that_are_visible(two: Crew) -> None:
    assert two.gpus == 2
    assert (two.gpus_for("auto"), two.gpus_for("cuda:0"), two.gpus_for("cpu")) == (1, 1, 0)
    seen = {one.value for one in two.run(visible, range(8), lambda number: Need(gpus=1))}
    assert seen == set(VISIBLE)


def test_one_worker_has_no_threads_of_its_own() -> None:
    for place in (Place(threads=2), Place(workers=1, listen="10.0.0.5")):
        with pytest.raises(ParameterError, match="leave --threads and --listen out"), opened_crew(place):
            pass


def content(folder: Path) -> dict[str, dict[str, object]]:
    """All that HDF5 files hold, by name."""
    found = {}
    for path in sorted(folder.rglob("*.h5")):
        values: dict[str, object] = {}

        def keep(name: str, item: h5py.Dataset | h5py.Group, values: dict[str, object] = values) -> None:
            values[name] = (item[()].tobytes() if isinstance(item, h5py.Dataset) else b"", str(dict(item.attrs)))

        with h5py.File(path) as file:
            file.visititems(keep)
            values["/"] = str(dict(file.attrs))
        found[str(path.relative_to(folder))] = values
    return found


def pairs(folder: Path, work: SharedWork) -> None:
    protocol = replace(PRESETS["tiny"], duration_s=2.0)
    prepare_pairs(simulation_jobs(1001, 2), folder, protocol, QUICK, work=work)


@pytest.mark.parametrize(
    ("prepare", "subjects", "files"),
    [
        pytest.param(pairs, 2, 2, id="pairs", marks=pytest.mark.slow),
        pytest.param(lambda folder, work: prepare_volumes(folder, "brain", (8, 9, 10), 5, 3, work), 3, 3, id="volumes"),
        pytest.param(lambda folder, work: prepare_labelled(folder, HEADS, (14, 18, 14), 5, 3, work), 3, 3, id="heads"),
        pytest.param(
            lambda folder, work: prepare_perfusion(folder, (3, 40, 40), 10, 2, work),
            2,
            6,
            id="perfusion",
            marks=pytest.mark.slow,
        ),
    ],
)
@needs_torch
def test_prepared_files_are_the_same_whoever_makes_them_and_go_on_where_they_were(
    prepare: Callable[[Path, SharedWork], None], subjects: int, files: int, two: Crew, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    prepare(here, SharedWork())
    prepare(there, SharedWork(two))
    made = content(there)
    assert len(made) == files
    assert made == content(here)
    before = {path: path.stat().st_mtime_ns for path in there.rglob("*.h5")}
    first = min(before)
    subject = first.name.rsplit("-", 1)[0]
    markers = list(first.parent.glob(f".{subject}.done"))  # of a subject that has several files
    for path in (first, *markers):
        path.unlink()
    done: list[int] = []
    prepare(there, SharedWork(two, lambda: done.append(1)))
    assert content(there) == made
    anew = {path for path in before if path.stat().st_mtime_ns != before[path]}
    assert anew == ({path for path in before if path.name.startswith(subject)} if markers else {first})
    assert len(done) == subjects


@needs_torch
def test_evaluations_are_the_same_whoever_makes_them(two: Crew, tmp_path: Path) -> None:
    """And of three volumes, one of which cannot be read, the others are judged."""
    prepare_volumes(tmp_path, "coronary", (16, 24, 16), 1, 2)
    paths = sorted(tmp_path.rglob("*.h5"))
    (tmp_path / "broken.h5").write_bytes(b"none")
    subjects = loaded_subjects([paths[0], tmp_path / "broken.h5", paths[1]])
    found = []
    for crew in (Here(), two):
        work = SharedWork(crew)
        result = evaluate_volumes(subjects, (4.0, 4.0), SuperResolutionParameters(stages="one", device="cpu"), work)
        assert list(work.failed) == ["volume 2"]
        for rows in result.figures.values():
            for row in rows:
                row.pop("seconds", None)
        found.append((result.figures, {name: volume.tobytes() for name, volume in result.last_volumes.items()}))
    assert found[0] == found[1]
    assert len(found[0][0]["bicubic"]) == 2


class Guess:
    """A network of the test: everything bright is liver."""

    organs, spacing_mm = ORGANS, (10.0, 10.0, 12.0)

    def of_array(self, volume: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shares = np.zeros((len(ORGANS), *volume.shape), np.float32)
        shares[0], shares[1] = volume < volume.mean(), volume >= volume.mean()
        return shares, np.zeros(volume.shape, np.float32)


def guesses() -> dict[str, Guess]:
    return {"guess": Guess()}


def test_networks_are_loaded_where_they_are_used(two: Crew) -> None:
    subjects = simulated_subjects((20, 24, 30), (10.0, 10.0, 12.0), 41, 3)
    here, there = (evaluate_organs(subjects, guesses, SharedWork(crew)) for crew in (Here(), two))  # type: ignore[arg-type]
    assert here.figures == there.figures
    assert here.figures["guess"][0]["liver"].dice > 0
    assert here.last_subject.name == there.last_subject.name == "abdomen 43"
    assert np.array_equal(here.last_maps["guess"], there.last_maps["guess"])


@pytest.mark.slow  # forty pairs of images for each subject
def test_blood_flow_is_the_same_whoever_measures_it(two: Crew) -> None:
    here, there = (evaluate_perfusion((3, 40, 40), 2, 2, dict, SharedWork(crew)) for crew in (Here(), two))
    assert here.figures == there.figures
    assert {name: each.tobytes() for name, each in here.last_maps.items()} == {
        name: each.tobytes() for name, each in there.last_maps.items()
    }


@pytest.mark.slow  # every method of two scans, twice
def test_scans_are_compared_alike_whoever_does_it(two: Crew, tmp_path: Path) -> None:
    scans = short_scans(tmp_path, 2)
    (tmp_path / "broken.h5").write_bytes(b"none")
    found = []
    for crew in (Here(), two):
        work = SharedWork(crew)
        paths = [scans[0], tmp_path / "broken.h5", scans[1]]
        results = benchmark_scans(paths, "dataset", QUICK, ["backprojection", "admm"], 1, work)
        assert list(work.failed) == ["scan 2"]
        assert [result.scan for result in results] == ["scan 1", "scan 3"]
        found.append([[asdict(row) | {"seconds": 0, "peak_memory_gb": 0} for row in one.rows] for one in results])
    assert found[0] == found[1]
