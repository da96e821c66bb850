"""What a killed coordinator has started ends with it; two cannot share a folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nets.federated.lease import FolderInUseError, is_held, leased
from tests.support.replays import ROOT

HOLDER = """
import subprocess, sys, os
from pathlib import Path
from nets.federated.lease import leased
with leased(Path(sys.argv[1])) as lease:
    child = subprocess.Popen([sys.executable, "-c", sys.argv[2]], env=os.environ | lease)
    print(child.pid, flush=True)
    child.wait()
"""
CHILD = """
import time
from nets.federated.lease import end_with_lease
end_with_lease()
print("up", flush=True)
time.sleep(60)
"""


def test_a_child_ends_when_its_holder_is_killed(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HOLDER, str(tmp_path), CHILD]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as holder:
        lines = [holder.stdout.readline() for _ in range(2)]
        assert "up\n" in lines
        holder.send_signal(signal.SIGKILL)
        assert holder.stdout.read() == "", "the pipe closes when the child has ended, too"


def test_a_folder_has_one_holder_and_tells_an_old_one(tmp_path: Path) -> None:
    with leased(tmp_path) as lease:
        (given,) = lease.values()
        assert is_held(given[:16], Path(given[16:]))
        with pytest.raises(FolderInUseError, match="stop it, or take another"), leased(tmp_path):
            pass
    assert not is_held(given[:16], Path(given[16:]))
    with leased(tmp_path):
        assert not is_held(given[:16], Path(given[16:])), "another process holds it now"
