"""Scans on disk: states, bounds in size and age, and nothing that tells who was scanned."""

import stat
import time
from dataclasses import replace
from pathlib import Path

import ismrmrd
import numpy as np
import pytest

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
    with pytest.raises(ScanFileError, match="is being reconstructed already"):
        added(store)
    store.change(KEY, "done", ("running",))
    with pytest.raises(ParameterError, match="is done; only queued and running ones can be cancelled"):
        store.change(KEY, "cancelled", ("queued", "running"))
    store.change(KEY, "queued", ("done",))
    assert store.begin_next().tries == 2
    with pytest.raises(ParameterError, match="there is no job 'other'"):
        store.change("other", "cancelled", ("queued",))


def test_what_was_running_when_the_server_ended_waits_again(tmp_path: Path) -> None:
    added(JobStore(tmp_path))
    JobStore(tmp_path).begin_next()
    JobStore(tmp_path).requeue_running()
    assert JobStore(tmp_path).find(KEY).state == "queued"


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
