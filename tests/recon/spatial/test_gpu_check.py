import re

import pytest

from tests.benchmarks import gpu_check


def test_table_of_a_small_problem_on_the_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--matrix=32", "--rank=3", "--coils=2", "--spokes=400", "--runs=1"]
    gpu_check.main(["--device=cpu", *sizes])
    table = capsys.readouterr().out
    assert "CPU: 32², 400 spokes, 2 coils, rank 3" in table
    differences = {name: float(value) for name, value in re.findall(r"^(.{18}).* (\S+)$", table, re.M)[2:]}
    assert [name.strip() for name in differences][:4] == [
        "back-projection",
        "coil images",
        "Toeplitz kernel",
        "Toeplitz step",
    ]
    assert all(0 < value < 1e-3 for value in list(differences.values())[:4])
