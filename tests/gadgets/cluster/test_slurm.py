"""Jobs of SLURM, of which stand-ins for its commands start and end the processes."""

import contextlib
import os
from pathlib import Path

import psutil
import pytest

from gadgets.cluster.crew import Place, opened_crew
from recon.threads import available_cpus
from tests.support.replays import ROOT

pytest.importorskip("dask_jobqueue")

SBATCH = """#!/bin/bash
cp "$1" "$0.job"
setsid bash "$0.job" > "$0.log" 2>&1 < /dev/null &
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/bash
echo "$1" >> "$0.log"
kill -TERM -- "-$1"
"""


def process_and_threads(number: int) -> tuple[int, int]:
    return os.getpid(), available_cpus()


@pytest.mark.slow
def test_a_job_works_encrypted_and_is_cancelled_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, script in {"sbatch": SBATCH, "scancel": SCANCEL}.items():
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    with opened_crew(Place("slurm", workers=1, memory_gb=8, listen="127.0.0.1", threads=1)) as crew:
        seen = {one.value for one in crew.run(process_and_threads, range(4))}
    ((process, threads),) = seen
    assert process != os.getpid()
    assert threads == 1
    job = (tmp_path / "sbatch.job").read_text()
    assert "#SBATCH --mem=8G" in job
    assert "export OMP_NUM_THREADS=1" in job
    assert "tls://127.0.0.1" in job
    assert (tmp_path / "scancel.log").exists()
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(process).wait(timeout=30)  # it is told to end, and takes its time
