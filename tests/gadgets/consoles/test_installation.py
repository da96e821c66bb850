"""Installing into a Gadgetron, and the check of what it needs."""

import os
import sys
from pathlib import Path

import pytest

from gadgets.consoles.installation import checks, gadgetron_prefix, install_configurations, shipped_configurations
from gadgets.errors import ParameterError, ScanFileError
from tests.support.command import malibu
from tests.support.replays import SHIPPED_XML, needs_torch


@pytest.fixture
def server_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with this interpreter as ``python`` alone."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    prefix = tmp_path / "prefix"
    prefix.mkdir()
    return prefix


@needs_torch
def test_an_installed_malibu_passes_and_an_edited_one_is_told(server_path: Path) -> None:
    written = install_configurations(server_path)
    assert (server_path / "share/gadgetron/config/multitasking.xml").read_text() == SHIPPED_XML
    assert len(written) == 8
    written[1].write_text("<edited/>")
    written[2].unlink()
    found = list(checks(server_path))
    wrong = {check.text for check in found if not check.passed and check.what == "configuration"}
    assert wrong == {
        f"{written[1]} is not the one of this version, or was edited; malibu install-gadgetron {server_path}",
        f"{written[2]} is missing; malibu install-gadgetron {server_path}",
    }
    passed = {check.what: check.text for check in found if check.passed}
    assert passed["interpreter"] == str(Path(sys.executable).parent / "python")
    assert "gadgetron, ismrmrd" in passed["imports"]
    takeover = next(check for check in found if check.what == "takeover")
    if takeover.passed:  # else this malibu was installed before it had one
        assert passed["simulated scan"].endswith("images")


def test_an_interpreter_without_malibu_is_told(server_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = server_path / "bin"
    folder.mkdir()
    (folder / "python").write_text("#!/bin/sh\necho \"ModuleNotFoundError: No module named 'gadgets'\" >&2\nexit 1\n")
    (folder / "python").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    found = list(checks(server_path))
    assert next(check.what for check in found if not check.passed) == "imports"
    assert f"No module named 'gadgets'; install malibu for it, in malibu's own folder: {folder}/python" in found[1].text
    assert "simulated scan" not in [check.what for check in found]
    monkeypatch.setenv("PATH", "/nowhere")
    (only,) = checks(server_path)
    assert "there is neither python nor python3 on the PATH" in only.text


def test_where_gadgetron_is(server_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="no Gadgetron was found"):
        gadgetron_prefix(None)
    with pytest.raises(ParameterError, match="is no folder"):
        gadgetron_prefix(tmp_path / "nowhere")
    server = tmp_path / "local" / "bin" / "gadgetron"
    server.parent.mkdir(parents=True)
    server.write_text("#!/bin/sh\n")
    server.chmod(0o755)
    monkeypatch.setenv("PATH", str(server.parent))
    assert gadgetron_prefix(None) == tmp_path / "local"
    monkeypatch.setenv("CONDA_PREFIX", "/conda")
    assert gadgetron_prefix(None) == Path("/conda")


def test_the_command(tmp_path: Path) -> None:
    stdout, _ = malibu("install-gadgetron", tmp_path)
    assert stdout.count("wrote ") == len(shipped_configurations())
    _, stderr = malibu("install-gadgetron", code=1)
    assert "name its prefix: malibu install-gadgetron PREFIX" in stderr
    stdout, _ = malibu("install-gadgetron", tmp_path, "--check", code=1)  # the command of these tests has no PATH
    assert "there is neither python nor python3 on the PATH" in stdout
    (tmp_path / "file").touch()
    with pytest.raises(ScanFileError, match="cannot be written"):
        install_configurations(tmp_path / "file")
