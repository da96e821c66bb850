"""Trigger now, fetch later, over the wire; and a noise scan that came with an earlier connection."""

import re
import time
from pathlib import Path

import ismrmrd
import numpy as np
import pytest

from gadgets.configuration import executed_gadget
from gadgets.consoles.fire.connection import Choice
from gadgets.consoles.jobs.desk import JobDesk, Ticket
from gadgets.consoles.jobs.job_store import JobStore, key_of
from gadgets.mrd.files import ScanFile
from gadgets.mrd.intake.measurement import Measurement
from tests.gadgets.consoles.conftest import QUICK, QUICK_IMAGES
from tests.support.command import malibu
from tests.support.fire import by_name, header, parameters, slices
from tests.support.peer import CLOSE, IMAGE, message, series_of
from tests.support.replays import needs_torch, replay_here
from tests.support.server import Server

END = message(CLOSE)
ID = "45387_12345678_12345679_77"
ADMM = {"reconstruction": "admm", "iterations": "2", "cg_iterations": "2"}


def with_id(xml: bytes, measurement: str, *others: str) -> bytes:
    dependencies = "".join(
        f"<measurementDependency><dependencyType>any</dependencyType><measurementID>{one}</measurementID>"
        "</measurementDependency>"
        for one in others
    )
    about = f"<measurementID>{measurement}</measurementID><patientPosition>HFS</patientPosition>{dependencies}"
    whole = rb"<measurementInformation>.*?</measurementInformation>"
    return re.sub(whole, f"<measurementInformation>{about}</measurementInformation>".encode(), xml, flags=re.S)


def without_encoding(xml: bytes) -> bytes:
    """A header that says nothing of a full matrix."""
    return re.sub(rb"<encoding>.*</encoding>", b"", xml, flags=re.S)


@needs_torch
def test_a_long_reconstruction_is_fetched_later(
    xml: bytes, readouts: list[bytes], small_scan: Path, tmp_path: Path
) -> None:
    """The first answer is the network's; after a restart of the server the other one is there, ADMM's as replayed."""
    folder, shown = tmp_path / "jobs", QUICK | QUICK_IMAGES | ADMM
    spelt = {name.replace("_", ""): value for name, value in shown.items()}  # as OpenRecon has it
    opening = [by_name("multitasking"), header(with_id(xml, ID)), parameters(**spelt, Later="True", fastfirst="false")]
    fetching = [by_name("retrieve"), header(with_id(xml, "other", ID)), END]
    with Server(tmp_path / "log", "--jobs", str(folder)) as server:
        assert "no job of this measurement" in server.speak(fetching).errors[0]
        answer = server.speak([*opening, *readouts, END])
    assert server.exit_code == 0
    assert (len(answer.images), answer.errors, answer.closes) == (11, [], 1)
    assert "mdcn" in answer.images[0][1]
    key = key_of(ID)
    assert any(f"job {key}" in line for line in answer.lines)
    with Server(tmp_path / "log2", "--jobs", str(folder)) as server:
        until_s = time.monotonic() + 400
        while JobStore(folder).find(key).state in ("queued", "running"):
            assert time.monotonic() < until_s
            time.sleep(0.3)
        answer = server.speak(fetching)
        by_parameter = server.speak([by_name("retrieve"), header(xml), parameters(measurement=ID), END])
    assert answer.errors == []
    expected = replay_here(small_scan, tmp_path / "images.h5", dialect="fire", **shown)
    for one in (answer, by_parameter):
        assert [series_of(head) for head, *_ in one.images] == [n for n, images in expected.items() for _ in images]
    for (_, attributes, pixels), image in zip(answer.images, [i for s in expected.values() for i in s], strict=True):
        np.testing.assert_array_equal(pixels, image.data)
        assert "admm" in attributes
    listed, _ = malibu("jobs", "list", "--jobs", folder)
    assert key in listed
    assert "done" in listed


def test_jobs_are_cancelled_and_tried_again(xml: bytes, readouts: list[bytes], tmp_path: Path) -> None:
    """An impossible job fails with its cause, and says so to who fetches it."""
    folder, key = tmp_path / "jobs", key_of(ID)
    given = parameters(**QUICK, **QUICK_IMAGES, later="true")
    opening = [by_name("keep"), header(with_id(xml, ID)), *readouts[:80], END]
    with Server(tmp_path / "log", "--jobs", str(folder)) as server:
        answer = server.speak(opening)
        assert [pixels.shape for _, _, pixels in answer.images] == [(1, 1, 256, 256)]
        assert answer.images[0][2].max() > 200
        assert JobStore(folder).find(key).state == "kept"
        no_id = [by_name("multitasking"), header(with_id(xml, "")), given, *readouts, END]
        assert "names no measurementID" in server.speak(no_id).errors[0]
    store = JobStore(folder)
    with ScanFile(store.scan(store.find(key))) as file:
        assert file.item_count >= 80
    malibu("jobs", "cancel", key, "--jobs", folder, code=1)
    store.change(key, "queued", ("kept",))
    malibu("jobs", "cancel", key, "--jobs", folder)
    assert store.find(key).state == "cancelled"
    malibu("jobs", "retry", key, "--jobs", folder)
    store.configuration(store.find(key)).write_text("<configuration><rank>0</rank></configuration>")
    with Server(tmp_path / "log2", "--jobs", str(folder)) as server:
        until_s = time.monotonic() + 300
        while store.find(key).state in ("queued", "running"):
            assert time.monotonic() < until_s
            time.sleep(0.3)
        answer = server.speak([by_name("retrieve"), header(with_id(xml, ID)), END])
    assert store.find(key).state == "failed"
    assert "rank" in store.find(key).error
    assert any("is failed" in line and "rank" in line for line in answer.lines)
    assert len(answer.images) == 1


def test_headers_that_are_none_are_told(tmp_path: Path, readouts: list[bytes]) -> None:
    with Server(tmp_path / "log", "--jobs", str(tmp_path / "jobs")) as server:
        answer = server.speak([by_name("multitasking"), header(b"<html/>"), *readouts, END])
    assert "the ISMRMRD header" in answer.errors[0]


def test_a_server_without_jobs_says_so(xml: bytes, readouts: list[bytes], spoken) -> None:
    told = "start it with malibu serve --jobs FOLDER"
    assert told in spoken([by_name("retrieve"), header(xml), END]).errors[0]
    answer = spoken([by_name("multitasking"), header(xml), parameters(later=True), *readouts, END])
    assert told in answer.errors[0]
    answer = spoken([by_name("multitasking"), header(xml), parameters(later="soon"), *readouts, END])
    assert "later is true or false" in answer.errors[0]


def test_noise_of_an_earlier_connection_counts(
    xml: bytes, readouts: list[bytes], small_scan: Path, tmp_path: Path
) -> None:
    """A scan without noise readouts, which depends on a kept one, is that with them, pixel by pixel."""
    flags = [int.from_bytes(one[4:12], "little") for one in readouts]
    is_noise = [bool(flag >> (ismrmrd.ACQ_IS_NOISE_MEASUREMENT - 1) & 1) for flag in flags]
    noise = [one for one, is_one in zip(readouts, is_noise, strict=True) if is_one]
    scan = [one for one, is_one in zip(readouts, is_noise, strict=True) if not is_one]
    assert noise
    shown = parameters(**QUICK, **QUICK_IMAGES)
    with Server(tmp_path / "log", "--jobs", str(tmp_path / "jobs")) as server:
        kept = server.speak([by_name("keep"), header(with_id(xml, "noise 1")), *noise, END])
        assert kept.errors == []
        answer = server.speak([by_name("multitasking"), header(with_id(xml, ID, "noise 1")), shown, *scan, END])
        without = server.speak([by_name("multitasking"), header(with_id(xml, ID)), shown, *scan, END])
    expected = replay_here(small_scan, tmp_path / "images.h5", dialect="fire", **QUICK, **QUICK_IMAGES)
    images = [image for series in expected.values() for image in series]
    for (_, _, pixels), image in zip(answer.images, images, strict=True):
        np.testing.assert_array_equal(pixels, image.data)
    assert "receiver noise standard deviation" in answer.images[0][1]
    assert "receiver noise standard deviation" not in without.images[0][1]


@pytest.mark.slow  # the way of the reconstruction above, with another gadget
def test_a_restoration_is_fetched_later(xml: bytes, tmp_path: Path, identity_network: Path) -> None:
    """The console's own images go back at once, even if there is no room for them; the restored come later."""
    given = {"stages": "one", "first_stage": str(identity_network), "acceleration": "4x4"}
    images = [message(IMAGE, image.to_bytes()) for image in slices()]
    opening = [by_name("super_resolution_coronary_images"), header(without_encoding(with_id(xml, ID)))]
    parts = [*opening, parameters(**given, later="true"), *images, END]
    with Server(tmp_path / "log", "--jobs", str(tmp_path / "jobs")) as server:
        answer = server.speak(parts)
        assert ([series_of(head) for head, *_ in answer.images], answer.errors) == ([1] * 8, [])
        store, key = JobStore(tmp_path / "jobs"), key_of(ID)
        until_s = time.monotonic() + 300
        while store.find(key).state in ("queued", "running"):
            assert time.monotonic() < until_s
            time.sleep(0.2)
        fetched = server.speak([by_name("retrieve"), opening[1], END])
    assert store.find(key).error == ""
    assert [series_of(head) for head, *_ in fetched.images] == [101] * 8
    with Server(tmp_path / "log2", "--jobs", str(tmp_path / "full"), "--jobs-gb", "0.0000001") as server:
        answer = server.speak(parts)
    assert [series_of(head) for head, *_ in answer.images] == [1] * 8
    assert "full" in answer.errors[0]


def test_noise_is_found_among_several_dependencies(tmp_path: Path) -> None:
    store, conditions = JobStore(tmp_path), ismrmrd.xsd.experimentalConditionsType(H1resonanceFrequency_Hz=1)
    empty = ismrmrd.xsd.ismrmrdHeader(experimentalConditions=conditions)
    for name, flags in (("reference", []), ("noise", [ismrmrd.ACQ_IS_NOISE_MEASUREMENT])):
        readout = ismrmrd.Acquisition.from_array(np.ones((2, 8), np.complex64))
        for flag in flags:
            readout.set_flag(flag)
        store.add(name, Measurement.of([readout]), empty, "", b"", state="kept")
    desk = JobDesk(store)
    assert [len(desk.before(Ticket(None, keys))) for keys in (("reference", "noise"), ("noise",), ("none",))] == [
        1,
        1,
        0,
    ]


def test_each_measurement_of_a_connection_is_a_job(xml: bytes, tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    fast = Choice(lambda: None, b"<configuration/>")
    choice = JobDesk(store).later(Ticket("abc", ()), "MultitaskingGadget", b"<configuration/>", fast, xml)
    for number, count in enumerate((5, 3)):
        readouts = [ismrmrd.Acquisition.from_array(np.ones((2, 8), np.complex64)) for _ in range(count)]
        one = Measurement.of(readouts)
        one.number = number
        choice.keep(one)
    assert {job.key for job in store.jobs()} == {"abc", "abcx1"}
    for job, count in zip(sorted(store.jobs(), key=lambda job: job.key), (5, 3), strict=True):
        with ScanFile(store.scan(job)) as file:
            assert file.item_count == count
        assert executed_gadget(store.configuration(job).read_text()) == "MultitaskingGadget"
