import re

import pytest

from tests.benchmarks import gpu_check


def test_table_of_a_small_problem_on_the_cpu_with_the_goals(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--matrix=32", "--rank=3", "--coils=2", "--spokes=400", "--runs=1", "--iterations=2"]
    gpu_check.main(["--device=cpu", *sizes])
    shown = capsys.readouterr().out
    assert "32², 400 spokes of 64, 2 coils, rank 3" in shown
    goals = dict(re.findall(r"^(\w[\w -]+?)  .*  (0\.\d+)$", shown, re.M))
    assert goals == {"back-projection": "0.015", "Toeplitz kernel": "0.06", "Toeplitz step": "0.0025"}
