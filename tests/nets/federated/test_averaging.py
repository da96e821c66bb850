"""A round at the coordinator: who is averaged, who is left out, and what stays after it was killed."""

import logging
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

pytest.importorskip("flwr", reason="the extra federated is not installed")

from flwr.app import Error, Message, RecordDict

from nets.federated.averaging import Averaging
from nets.federated.instructions import Federation
from nets.federated.messages import FAILED, Round, reply
from nets.federated.rounds_on_disk import last_round, name_of, write_round
from tests.support.federation import HereGrid, answer, arrived

START = {"a": torch.full((4,), 1.0), "statistics": torch.full((2,), 5.0)}


def averaging(folder: Path, **options: object) -> Averaging:
    HereGrid([])  # names this process to Flower
    federation = Federation((), str(folder), rounds=9, **options)  # type: ignore[arg-type]
    return Averaging(federation, Round("f" * 32, 2), START, frozenset({"a"}))


def said(value: float, samples: int) -> RecordDict:
    weights = {"a": torch.full((4,), value), "statistics": torch.full((2,), 2 * value)}
    return reply(weights, START, samples, half=False)


def test_a_round_is_the_average_by_samples_and_lies_on_disk(tmp_path: Path) -> None:
    found = averaging(tmp_path)
    found.aggregate_train(1, [answer(said(2.0, 1), 1), answer(said(6.0, 3), 2)])
    assert torch.equal(found.weights["a"], torch.full((4,), 5.0))
    assert torch.equal(found.weights["statistics"], torch.full((2,), 10.0)), "batch statistics count by samples, too"
    number, weights = last_round(tmp_path) or (0, {})
    assert number == 3
    assert torch.equal(weights["a"], found.weights["a"])


def test_a_quiet_site_counts_as_unchanged(tmp_path: Path) -> None:
    found = averaging(tmp_path)
    found.aggregate_train(1, [answer(said(5.0, 1), 1), answer(reply(None, START, 3, half=False), 2)])
    assert torch.equal(found.weights["a"], torch.full((4,), 2.0))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (said(float("nan"), 9), "is not finite"),
        (said(30.0, 9), "changes weights of norm 2 by 58, more than 10 times"),
        (reply({"a": torch.ones(3)}, START, 9, half=False), "statistics is missing"),
    ],
)
def test_a_poisoned_update_is_refused_with_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: RecordDict, reason: str
) -> None:
    found = averaging(tmp_path)
    found.aggregate_train(1, [answer(content, 7), answer(said(2.0, 1), 8)])
    assert torch.equal(found.weights["a"], torch.full((4,), 2.0)), "the other site's weights"
    (line,) = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert line.startswith("site 7 refused")
    assert reason in line


def test_a_straggler_and_a_failure_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = averaging(tmp_path, sites=3, limit_s=60)
    found.aggregate_train(1, [answer(said(2.0, 1), 1), answer(None, 2)])
    assert torch.equal(found.weights["a"], torch.full((4,), 2.0))
    assert "1 sites left out, no answer in 60 s" in caplog.text
    assert "site 2 left out: it failed" in caplog.text


@pytest.mark.parametrize("contents", [[said(2.0, 1)], [said(2.0, 0), said(3.0, 0)], []])
def test_weights_stay_where_too_few_sites_learned(
    tmp_path: Path, contents: list[RecordDict], caplog: pytest.LogCaptureFixture
) -> None:
    found = averaging(tmp_path, least_sites=2)
    found.aggregate_train(1, [answer(content, number) for number, content in enumerate(contents, 1)])
    assert torch.equal(found.weights["a"], START["a"])
    assert "weights stay" in caplog.text


def test_the_order_of_answers_does_not_change_a_bit(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    contents = [
        reply({"a": 1 + torch.randn(4, generator=generator), "statistics": START["statistics"]}, START, count, False)
        for count in (3, 5, 7)
    ]
    orders = []
    for order in ((0, 1, 2), (2, 0, 1)):
        found = averaging(tmp_path)
        found.aggregate_train(1, [answer(contents[number], number) for number in order])
        orders.append(found.weights["a"])
    assert torch.equal(*orders)


def test_messages_end_with_the_round_and_say_what_is_asked(tmp_path: Path) -> None:
    (message,) = averaging(tmp_path, limit_s=77, sites=1).configure_train(1, None, None, HereGrid([None]))  # type: ignore[arg-type,list-item]
    assert isinstance(message, Message)
    assert message.metadata.ttl == 77
    assert message.content.config_records["round"]["number"] == 3


class LossyGrid(HereGrid):
    """Does not reach site 2 the first time; site 3 always fails by itself."""

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        asked = list(messages)
        self.asked.append([message.metadata.dst_node_id for message in asked])
        for message in asked:
            arrived(message)
            site = message.metadata.dst_node_id
            fails = Error(FAILED, "x") if site == 3 else Error(3, "x") if site == 2 and len(self.asked) == 1 else None
            yield Message(fails or RecordDict(), reply_to=message)


def test_the_network_is_handed_out_again_to_who_was_out_of_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("nets.federated.averaging.time.sleep", pauses.append)
    caplog.set_level(logging.INFO)
    grid = LossyGrid([None, None, None])  # type: ignore[list-item]
    grid.asked = []
    averaging(tmp_path, sites=3).hand_out(grid)
    assert grid.asked == [[1, 2, 3], [2]]
    assert sum(pauses) >= 15, "a site is heard of within Flower's 30 s"
    assert "2 sites keep the network" in caplog.text
    assert "out of reach" not in caplog.text


def test_the_folder_keeps_two_rounds_and_one_name(tmp_path: Path) -> None:
    assert last_round(tmp_path) is None
    for number in range(8, 12):
        write_round(tmp_path, number, {"a": torch.full((1,), float(number))})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["round_0010.safetensors", "round_0011.safetensors"]
    assert (last_round(tmp_path) or (0, {}))[0] == 11
    assert name_of(tmp_path) == name_of(tmp_path)
