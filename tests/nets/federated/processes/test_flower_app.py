"""Sites run malibu's own app, which holds no code, and no other."""

import io
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("flwr", reason="the extra federated is not installed")

from flwr.cli.build import build_fab_from_disk
from flwr.supernode.runtime import run_clientapp

from nets.federated.processes.flower_app import ForeignAppError, check_bundle, write_app
from nets.federated.processes.launch import guard_client_app


def bundle(folder: Path, **files: str) -> bytes:
    write_app(folder / "malibu-federation")
    for name, text in files.items():
        (folder / "malibu-federation" / name.replace("_", ".")).write_text(text)
    return build_fab_from_disk(folder / "malibu-federation")


def test_the_own_app_holds_no_code_and_is_taken(tmp_path: Path) -> None:
    data = bundle(tmp_path)
    assert sorted(zipfile.ZipFile(io.BytesIO(data)).namelist()) == [".info/CONTENT", "pyproject.toml"]
    check_bundle(data)


def test_an_app_with_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ForeignAppError, match=r"sent another app than malibu .* pyproject\.toml, steal\.py"):
        check_bundle(bundle(tmp_path, steal_py="import os"))


def test_an_app_of_another_module_is_refused(tmp_path: Path) -> None:
    bundle(tmp_path)
    path = tmp_path / "malibu-federation/pyproject.toml"
    path.write_text(path.read_text().replace("nets.federated.site_app:app", "os:system"))
    with pytest.raises(ForeignAppError, match="use the same version"):
        check_bundle(build_fab_from_disk(path.parent))


def test_flower_unpacks_nothing_before_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[bytes] = []
    monkeypatch.setattr(run_clientapp, "install_from_fab", lambda fab, **_: unpacked.append(fab))
    monkeypatch.setattr(run_clientapp, "Error", run_clientapp.Error)
    guard_client_app()
    own = bundle(tmp_path / "own")
    run_clientapp.install_from_fab(own, skip_prompt=True)
    with pytest.raises(ForeignAppError):
        run_clientapp.install_from_fab(bundle(tmp_path / "foreign", steal_py="import os"), skip_prompt=True)
    assert unpacked == [own]


def test_texts_of_flower_s_own_errors_stay_at_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as that of a folder into which the app cannot be unpacked."""
    monkeypatch.setattr(run_clientapp, "install_from_fab", run_clientapp.install_from_fab)
    monkeypatch.setattr(run_clientapp, "Error", run_clientapp.Error)
    guard_client_app()
    error = run_clientapp.Error(code=11, reason="<class 'OSError'>:<'/home/SURNAME/site: no space left'>")
    assert (error.code, error.reason) == (11, "the training failed; the site's log says why")
