"""ADMM that follows a fast result, and the next scan that does not wait for it."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from gadgets.errors import ParameterError
from gadgets.mrd.replay import hosted
from gadgets.multitasking.gadget import MultitaskingGadget
from gadgets.multitasking.images import FOLLOWING_SERIES
from gadgets.multitasking.live import answers
from gadgets.multitasking.parameters import parse_parameters
from gadgets.registry import gadget_entry
from recon.multitasking import solve
from tests.support.peer import CLOSE, Reader, message, scan_messages, series_of
from tests.support.replays import needs_torch, replay_here

QUICK = {"temporal_model": "realtime", "images": "time_average basis_maps", "rank": "4", "iterations": "3"}


def configuration(**parameters: str) -> bytes:
    given = QUICK | {"reconstruction": "admm", "fast_first": "true"} | parameters
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in given.items())
    return f"<configuration>{inner}</configuration>".encode()


@needs_torch
@pytest.mark.parametrize(("reconstruction", "name"), [("admm", "admm"), ("unrolled", "mdcn_unrolled")])
def test_the_fast_result_comes_first_and_the_slow_one_follows_in_series_of_its_own(
    short_file: Path, tmp_path: Path, reconstruction: str, name: str
) -> None:
    both = replay_here(short_file, tmp_path / "both.h5", reconstruction=reconstruction, fast_first="true", **QUICK)
    fast = replay_here(short_file, tmp_path / "fast.h5", reconstruction="mdcn", **QUICK)
    slow = replay_here(short_file, tmp_path / "slow.h5", reconstruction=reconstruction, **QUICK)
    assert set(both) == set(fast) | {FOLLOWING_SERIES + series for series in slow}
    for expected, offset in ((fast, 0), (slow, FOLLOWING_SERIES)):
        for series, images in expected.items():
            for one, other in zip(images, both[series + offset], strict=True):
                assert one.data.tobytes() == other.data.tobytes()
    methods = [both[series][0].meta["MalibuReconstruction"] for series in (1, 1 + FOLLOWING_SERIES)]
    assert methods == ["mdcn", name]


def test_the_next_scan_is_answered_while_admm_runs(short_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ADMM of the first scan never ends; the second scan's images come, and closing ends everything."""
    pytest.importorskip("torch")

    def endless(encoded: Any, settings: Any, network: Any, clock: Any, watch: Any = None) -> Any:
        while settings.reconstruction == "admm":
            watch()
            time.sleep(0.01)
        return solve(encoded, settings, network, clock)

    monkeypatch.setattr(answers, "solve", endless)
    messages = scan_messages(short_file, configuration(images="time_average"))
    with hosted(MultitaskingGadget()) as sock:
        sock.settimeout(60)
        reader = Reader(sock)
        sock.sendall(b"".join(messages))
        assert series_of(reader.image()[0]) == 1
        sock.sendall(b"".join(messages[2:]))
        assert series_of(reader.image()[0]) == 21
    deadline = time.monotonic() + 10
    while any(thread.name.startswith("malibu-") for thread in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("malibu-")]


def test_a_failing_follower_is_an_error_after_the_fast_images(short_file: Path) -> None:
    pytest.importorskip("torch")
    messages = scan_messages(short_file, configuration(memory_gb="0.001", images="time_average"))
    with hosted(MultitaskingGadget()) as sock:
        sock.settimeout(60)
        reader = Reader(sock)
        sock.sendall(b"".join(messages) + message(CLOSE))
        assert series_of(reader.image()[0]) == 1
        assert "memory_gb" in reader.error()


def test_fast_first_of_a_fast_reconstruction_is_refused() -> None:
    for fast in ("mdcn", "backprojection"):
        with pytest.raises(ParameterError, match="set reconstruction=admm"):
            parse_parameters(None, {"fast_first": "true", "reconstruction": fast})
    assert parse_parameters(None, {"fast_first": "true"}).at_once().reconstruction == "mdcn"
    assert gadget_entry("MultitaskingGadget").parse(None, {"fast_first": "true", "reconstruction": "admm"}).fast_first
