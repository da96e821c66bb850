"""What fails at a site outside of the training: the coordinator is told nothing of it but that it did."""

import json
import logging
from pathlib import Path

import pytest

pytest.importorskip("flwr", reason="the extra federated is not installed")

from flwr.app import Context, Message, MessageType, RecordDict

from nets.federated.instructions import VARIABLE
from nets.federated.site_app import evaluate, train
from tests.support.federation import HereGrid, arrived


def missing(folder: Path) -> Path:
    return folder / "SURNAME.json"


def no_settings(folder: Path) -> Path:
    path = folder / "settings.json"
    path.write_text("SURNAME")
    return path


def no_folder(folder: Path) -> Path:
    """The site's folder is a file."""
    path, taken = folder / "settings.json", folder / "SURNAME"
    taken.write_text("")
    path.write_text(json.dumps({"recipe": [], "folder": str(taken)}))
    return path


@pytest.mark.parametrize("settings", [missing, no_settings, no_folder])
@pytest.mark.parametrize("answering", [train, evaluate])
def test_settings_that_cannot_be_read_leave_no_names(
    settings: object,
    answering: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    HereGrid([])  # names this process to Flower
    monkeypatch.setenv(VARIABLE, str(settings(tmp_path)))
    message = Message(RecordDict(), dst_node_id=1, message_type=MessageType.TRAIN)
    arrived(message)
    caplog.set_level(logging.ERROR)
    answer = answering(message, Context(1, 1, {}, RecordDict(), {}))
    assert answer.error.reason == "the training failed; the site's log says why"
    assert "this site leaves the round out" in caplog.text
    assert str(tmp_path) in caplog.text or settings is no_settings, "the site's own log says it"
