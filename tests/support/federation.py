"""Coordinator and sites in one process: what Flower would carry is turned into bytes and back."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from flwr.app import Error, Message, MessageType, RecordDict
from flwr.common.serde import recorddict_from_proto, recorddict_to_proto
from flwr.proto.recorddict_pb2 import RecordDict as RecordDictProto
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

from nets.federated.instructions import Site
from nets.federated.site_app import answered, kept, trained


class HereGrid(Grid):
    """Answers messages by sites of this process, one after the other.

    Parameters
    ----------
    sites : list of Site
    spoil : callable, optional
        Changes what a site sends, by its number and its content.
    """

    def __init__(self, sites: list[Site], spoil: Callable[[int, RecordDict], RecordDict] | None = None) -> None:
        TaskIdentity.run_id = TaskIdentity.node_id = TaskIdentity.task_id = 1  # Flower sets them in its processes
        self.sites, self.spoil = sites, spoil
        self.sent: list[bytes] = []
        self.quiet = 0

    def set_run(self, run: object) -> None:
        raise NotImplementedError

    @property
    def run(self) -> object:
        raise NotImplementedError

    def create_message(self, *arguments: object, **options: object) -> Message:
        raise NotImplementedError

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        raise NotImplementedError

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        raise NotImplementedError

    def get_node_ids(self) -> Iterable[int]:
        return range(1, len(self.sites) + 1)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        return [self._answer(message) for message in messages]

    def _answer(self, message: Message) -> Message:
        number = message.metadata.dst_node_id
        arrived(message)
        answering = trained if message.metadata.message_type == MessageType.TRAIN else kept
        found = answered(message, self.sites[number - 1], answering)
        if found.has_error():
            return found
        if self.spoil and message.metadata.message_type == MessageType.TRAIN:
            found.content = self.spoil(number, found.content)
        data = recorddict_to_proto(found.content).SerializeToString()
        self.sent.append(data)
        found.content = recorddict_from_proto(RecordDictProto.FromString(data))
        return found


def site(folder: Path, recipe: list[str]) -> Site:
    return Site(tuple(recipe), str(folder))


def answer(content: RecordDict | None, node: int) -> Message:
    """A site's answer with a content, or with an error."""
    asked = Message(RecordDict(), dst_node_id=node, message_type=MessageType.TRAIN)
    arrived(asked)
    return Message(Error(1, "it failed") if content is None else content, reply_to=asked)


def arrived(message: Message) -> None:
    """Give a message what Flower gives it on its way."""
    message.metadata.__dict__["_message_id"] = "1"
    message.metadata.delivered_at = str(time.time())
