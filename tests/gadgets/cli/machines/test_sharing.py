"""Commands over many scans or subjects have the same options of where their work is done."""

import importlib.util
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gadgets.cli.main import app
from gadgets.errors import ParameterError

SHARED = (
    *("batch", "benchmark", "prepare", "prepare-pairs", "prepare-courses", "prepare-volumes", "prepare-perfusion"),
    *("prepare-abdomens", "prepare-brains", "prepare-perivascular"),
    *("evaluate.sr", "evaluate.asl", "evaluate.pvs", "evaluate.segmentation", "evaluate.reading"),
)


@pytest.mark.parametrize("name", SHARED)
def test_every_command_over_many_has_the_options(name: str) -> None:
    command = typer.main.get_command(app)
    for part in name.split("."):
        command = command.commands[part]
    options = {option for one in command.params for option in one.opts}
    assert {"--cluster", "--workers", "--threads", "--memory-gb", "--listen"} <= options
    assert "place" not in {one.name for one in command.params}


def test_several_workers_without_dask_name_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "distributed" else found(name))
    command = ["prepare-volumes", str(tmp_path), "--count", "1", "--shape", "8x9x10"]
    refused = CliRunner().invoke(app, [*command, "--workers", "2"])
    assert isinstance(refused.exception, ParameterError)
    assert 'pip install "malibu[cluster]"; or use one worker' in str(refused.exception)
    assert CliRunner().invoke(app, command).exit_code == 0
    assert list(tmp_path.glob("train/*.h5"))
