"""Scans on disk: states, bounds in size and age, and nothing that tells who was scanned."""

import stat
import time
from dataclasses import replace
from pathlib import Path

import ismrmrd
import numpy as np
import pytest

from gadgets.consoles.jobs import runner
from gadgets.consoles.jobs.job_store import JobStore, key_of
from gadgets.errors import ParameterError, ScanFileError
from gadgets.mrd.header import parse_header
from gadgets.mrd.intake.measurement import Measurement

SECRET = "45387_12345678_12345679_77"
HEADER = f"""<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
<subjectInformation><patientName>DOE^JANE</patientName></subjectInformation>
<measurementInformation><measurementID>{SECRET}</measurementID><patientPosition>HFS</patientPosition>
</measurementInformation>
<experimentalConditions><H1resonanceFrequency_Hz>123200000</H1resonanceFrequency_Hz></experimentalConditions>
</ismrmrdHeader>"""
KEY = key_of(SECRET)


def measurement(samples: int = 64) -> Measurement:
    readout = ismrmrd.Acquisition.from_array(np.ones((2, samples), np.complex64))
    return Measurement.of([readout])


def added(store: JobStore, key: str = KEY, samples: int = 64, **state: str) -> None:
    store.add(key, measurement(samples), parse_header(HEADER), "MultitaskingGadget", b"<configuration/>", **state)


def test_states_go_their_ways(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs")
    added(store)
    assert store.begin_next().state == "running"
    assert store.begin_next() is None
    with pytest.raises(ScanFileError, match="is running as job"):
        added(store)
    store.change(KEY, "done", ("running",))
    with pytest.raises(ParameterError, match="is done; only queued and running ones can be cancelled"):
        store.change(KEY, "cancelled", ("queued", "running"))
    store.change(KEY, "queued", ("done",))
    assert store.begin_next().tries == 1
    with pytest.raises(ParameterError, match="there is no job 'other'"):
        store.change("other", "cancelled", ("queued",))


def test_what_was_running_when_the_server_ended_waits_again(tmp_path: Path) -> None:
    added(JobStore(tmp_path))
    JobStore(tmp_path).begin_next()
    JobStore(tmp_path).requeue_running()
    assert JobStore(tmp_path).find(KEY).state == "queued"
    assert JobStore(tmp_path).begin_next().tries == 2


def test_oldest_comes_first(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    for number, name in enumerate("bca"):
        added(store, name)
        store.note(replace(store.find(name), made_s=1000.0 + number))
    assert [store.begin_next().key for _ in range(3)] == ["b", "c", "a"]


def test_results_go_by_age_and_size_and_what_waits_stays(tmp_path: Path) -> None:
    store = JobStore(tmp_path, limit_gb=1e6 / 2**30, longest_days=1.0)
    for name, state in (("old", "done"), ("oldwaiting", "queued"), ("new", "done")):
        added(store, name, 20000)
        age_s = 2 * 86400 if name.startswith("old") else 0
        store.note(replace(store.find(name), state=state, made_s=time.time() - age_s))
    store.tidy()
    assert {job.key for job in store.jobs()} == {"oldwaiting", "new"}
    added(store, "large", 30000)  # 480 kB beside two of 320 kB
    assert {job.key for job in store.jobs()} == {"oldwaiting", "large"}
    with pytest.raises(ScanFileError, match="full"):
        added(store, "another", 30000)
    assert {job.key for job in store.jobs()} == {"oldwaiting", "large"}


def test_nothing_tells_who_was_scanned(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs")
    added(store)
    everything = b"".join(path.read_bytes() for path in store.folder.rglob("*") if path.is_file())
    names = " ".join(str(path) for path in store.folder.rglob("*"))
    for part in ("DOE", "12345678", "45387"):
        assert part.encode() not in everything
        assert part not in names
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(store.scan(store.find(KEY)).stat().st_mode) == 0o600


@pytest.mark.parametrize("key", ["../x", "", ".", "a/b"])
def test_keys_are_no_paths(tmp_path: Path, key: str) -> None:
    assert JobStore(tmp_path).find(key) is None


def test_what_a_process_left_that_died_is_removed(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    added(store)
    (tmp_path / "orphan").mkdir()
    (tmp_path / "orphan/scan.h5").write_bytes(bytes(1000))
    store.tidy()
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [KEY]


def test_a_kept_measurement_does_not_take_the_place_of_a_queued_one(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    added(store)
    with pytest.raises(ScanFileError, match="is queued as job"):
        added(store, state="kept")
    assert store.find(KEY).state == "queued"


def test_one_process_runs_the_jobs_of_a_store(tmp_path: Path) -> None:
    with JobStore(tmp_path).only_runner() as first, JobStore(tmp_path).only_runner() as second:
        assert (first, second) == (True, False)
    with JobStore(tmp_path).only_runner() as third:
        assert third


def test_images_are_kept_without_what_tells_of_somebody(tmp_path: Path) -> None:
    store, image = JobStore(tmp_path), ismrmrd.Image.from_array(np.ones((4, 4), np.float32), transpose=False)
    image.meta = ismrmrd.Meta({"PatientName": "DOE^JANE", "IceMiniHead": "RE9FXkpBTkU=", "RescaleSlope": "0.5"})
    came = Measurement()
    came.images.append(image)
    store.add(KEY, came, parse_header(HEADER), "SuperResolutionGadget", b"<configuration/>")
    text = store.scan(store.find(KEY)).read_bytes()
    for part in (b"DOE", b"RE9FX", b"IceMiniHead", b"PatientName"):
        assert part not in text
    assert b"RescaleSlope" in text
    assert stat.S_IMODE(store.scan(store.find(KEY)).stat().st_mode) == 0o600


def test_a_runner_survives_what_cannot_be_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_AGAIN_AFTER_S", 0.05)
    store = JobStore(tmp_path)
    tries = iter([OSError(28, "No space left on device")])

    def tidy() -> None:
        for error in tries:
            raise error

    monkeypatch.setattr(store, "tidy", tidy)
    working = runner.JobRunner(store)
    working.start()
    added(store)
    store.change(KEY, "cancelled", ("queued",))
    until_s = time.monotonic() + 20
    while next(tries, None) is not None:
        assert time.monotonic() < until_s
    time.sleep(0.3)
    assert working.is_alive()
    working.stop()
    assert not working.is_alive()
