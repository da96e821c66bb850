"""Training pairs: names, splits, resuming, and what is in them."""

import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from gadgets.cluster.shared_work import SharedWork
from gadgets.datasets.jobs import assign_splits, prepare_pairs, scan_jobs, simulation_jobs
from gadgets.datasets.pairs import varied_protocol
from gadgets.errors import ParameterError
from gadgets.multitasking.parameters import MultitaskingParameters
from nets.data import SPLITS
from nets.data.pair_files import pair_files, read_pair
from recon.quality.metrics import nrmse
from recon.simulation.chest import PRESETS

QUICK = MultitaskingParameters(device="cpu", rank=3, temporal_model="realtime", iterations=2, images=("basis_maps",))


def with_patient(scan: Path, path: Path, patient: str) -> Path:
    """Copy a scan and give it a patient."""
    path.write_bytes(scan.read_bytes())
    with h5py.File(path, "r+") as file:
        xml = file["dataset/xml"][0].decode()
        at = xml.index("<measurementInformation")
        subject = f"<subjectInformation><patientID>{patient}</patientID></subjectInformation>"
        file["dataset/xml"][0] = (xml[:at] + subject + xml[at:]).encode()
    return path


@given(st.integers(1, 60), st.integers(1, 60))
@settings(max_examples=25, deadline=None)
def test_splits_keep_their_shares_and_grow(first: int, more: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs = simulation_jobs(100, first + more)
        early = assign_splits(jobs[:first], folder)
        for job in jobs[:first]:
            path = folder / early[job.subject] / f"{job.name}-0.h5"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        late = assign_splits(jobs, folder)
    assert {job.subject: late[job.subject] for job in jobs[:first]} == early
    counts = [list(late.values()).count(split) for split in SPLITS]
    for count, share in zip(counts, (0.8, 0.1, 0.1), strict=True):
        assert abs(count - share * (first + more)) <= 1


def test_one_patient_is_in_one_split_and_unnamed(short_file: Path, tmp_path: Path) -> None:
    scans = [with_patient(short_file, tmp_path / f"Doe_{n}.h5", "DOE-1969") for n in range(3)]
    scans.append(with_patient(short_file, tmp_path / "other.h5", "ROE-1970"))
    jobs = scan_jobs(scans, tmp_path / "pairs", "dataset")
    assert len({job.subject for job in jobs}) == 2
    assert len({job.name for job in jobs}) == 4
    assert not any(word in job.name + job.subject for job in jobs for word in ("Doe", "DOE", "1969", "other"))
    assert jobs == scan_jobs(scans, tmp_path / "pairs", "dataset")
    elsewhere = scan_jobs(scans, tmp_path / "others", "dataset")
    assert {job.subject for job in jobs}.isdisjoint(job.subject for job in elsewhere)
    assert len({assign_splits(jobs, tmp_path / "pairs")[job.subject] for job in jobs[:3]}) == 1


def test_scans_become_pairs_with_admm_as_label_and_a_second_run_keeps_them(
    short_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "broken.h5"
    broken.write_bytes(short_file.read_bytes())
    with h5py.File(broken, "r+") as file:
        del file["dataset/data"]
        file.create_dataset("dataset/data", (0,), dtype=h5py.File(short_file)["dataset/data"].dtype)
    jobs, work = scan_jobs([short_file, broken], tmp_path / "pairs", "dataset"), SharedWork()
    prepare_pairs(jobs, tmp_path / "pairs", PRESETS["tiny"], QUICK, work=work)
    assert list(work.failed) == [jobs[1].name]
    assert f"{jobs[1].name} was left out: " in caplog.text
    (path,) = pair_files(tmp_path / "pairs", "train")
    pair = read_pair(path)
    assert pair.attributes["label"] == "admm"
    assert pair.label.shape == (3, 64, 64)
    assert not np.allclose(pair.label, pair.back_projection, rtol=1e-2)
    before = path.stat().st_mtime_ns
    prepare_pairs(jobs[:1], tmp_path / "pairs", PRESETS["tiny"], QUICK)
    assert path.stat().st_mtime_ns == before


def test_simulated_pairs_have_the_truth_as_label_and_a_second_run_finds_them(tmp_path: Path) -> None:
    finished: list[int] = []
    work = SharedWork(done=lambda: finished.append(1))
    prepare_pairs(simulation_jobs(1001, 2), tmp_path, PRESETS["tiny"], QUICK, work=work)
    for path in pair_files(tmp_path, "train"):
        pair = read_pair(path)
        assert pair.attributes["label"] == "truth"
        assert 0.01 < nrmse(pair.back_projection, pair.label) < 0.6
    prepare_pairs(simulation_jobs(1001, 2), tmp_path, PRESETS["tiny"], QUICK, work=work)
    assert len(finished) == 4
    assert not work.failed


def test_subjects_differ() -> None:
    protocols = [varied_protocol(PRESETS["standard"], seed) for seed in range(40)]
    assert len({protocol.snr for protocol in protocols}) == 40
    assert {protocol.matrix for protocol in protocols} == {96, 112, 128, 160}
    assert {protocol.infarct for protocol in protocols} == {False, True}
    assert varied_protocol(PRESETS["standard"], 3) == protocols[3]


def test_truth_files_beside_scans_are_passed_over(short_file: Path, tmp_path: Path) -> None:
    truth = tmp_path / "scan.truth.h5"
    truth.write_bytes(b"not a scan")
    (job,) = scan_jobs([truth, short_file], tmp_path / "pairs", "dataset")
    assert job.scan == short_file


def test_nothing_to_do_is_said(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="name scan files, or give --simulate"):
        prepare_pairs([], tmp_path, PRESETS["tiny"], QUICK)
