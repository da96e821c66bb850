"""The coordinator's side of a round: who is asked, which answers are believed, and their average."""

import logging
import time
from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy
from torch import Tensor

from nets.federated.instructions import Federation
from nets.federated.messages import FAILED, Round, bytes_record, task, update_of
from nets.federated.rounds_on_disk import write_round
from nets.federated.updates import Tensors, Update, UpdateError, averaged, distance_squared, packed

log = logging.getLogger(__name__)

_PAUSES_S = (0, 15, 30, 60)
"""Before the network is handed out: Flower hears of each site every 30 s, and takes one that is late for gone."""


class Averaging(Strategy):
    """FedAvg by samples, with FedProx, dynamic sending and half precision as settings; refuses what cannot be right.

    Parameters
    ----------
    federation : Federation
    asked : Round
        What every round asks of the sites; its number is that of the last round that is done.
    weights : mapping of str to Tensor
        After that round.
    parameters : frozenset of str
        Names of the tensors that learn; the others are batch statistics and counters.
    """

    def __init__(self, federation: Federation, asked: Round, weights: Tensors, parameters: frozenset[str]) -> None:
        self.federation, self.asked, self.parameters = federation, asked, parameters
        self.weights: dict[str, Tensor] = dict(weights)

    def _number(self, server_round: int) -> int:
        """Number of a round, of all rounds; Flower counts from the coordinator's start."""
        return self.asked.number + server_round

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Ask all sites that are there."""
        asked = replace(self.asked, number=self._number(server_round))
        return self._messages(self._present(grid), asked, MessageType.TRAIN)

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Ask nothing: sites tell no figures."""
        return []

    def hand_out(self, grid: Grid) -> None:
        """Send the final network to all sites; once more to those that were out of reach, since they wait for it."""
        asked, left, keeping = replace(self.asked, number=self.federation.rounds, epochs=0), self._present(grid), 0
        for pause in _PAUSES_S:
            time.sleep(pause)
            messages = self._messages(left, asked, MessageType.EVALUATE)
            answers = list(grid.send_and_receive(messages, timeout=self.federation.limit_s))
            keeping += sum(not answer.has_error() for answer in answers)
            left = [a.metadata.src_node_id for a in answers if a.has_error() and a.error.code != FAILED]
            if not left:
                break
        log.info("%d sites keep the network", keeping)
        if left:
            log.warning("%d sites were out of reach; run the same command again to hand it out once more", len(left))

    def _messages(self, nodes: list[int], asked: Round, kind: str) -> list[Message]:
        """One for each site; they end with the round, so that a site that was away does not work through old ones."""
        content = task(bytes_record(packed(self.weights)), asked)
        limit_s, group = self.federation.limit_s, str(asked.number)
        log.info("round %d of %d: %d sites asked", asked.number, self.federation.rounds, len(nodes))
        return [Message(content, dst_node_id=node, message_type=kind, ttl=limit_s, group_id=group) for node in nodes]

    def _present(self, grid: Grid) -> list[int]:
        """Wait for all sites; after the limit, for as many as a round needs."""
        end = time.monotonic() + self.federation.limit_s
        while True:
            nodes = sorted(grid.get_node_ids())
            needed = self.federation.sites if time.monotonic() < end else self.federation.least_sites
            if len(nodes) >= needed:
                return nodes
            time.sleep(1)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Average what is believed, and write the weights of the round."""
        number, answers = self._number(server_round), list(replies)
        updates = [update for update in map(self._believed, answers) if update is not None]
        missing = self.federation.sites - len(answers)
        if missing > 0:
            log.warning("round %d: %d sites left out, no answer in %g s", number, missing, self.federation.limit_s)
        samples = sum(update.samples for update in updates)
        if len(updates) < self.federation.least_sites or not samples:
            log.warning("round %d: %d usable updates of %d samples; weights stay", number, len(updates), samples)
        else:
            moved = self.weights
            self.weights = averaged(sorted(updates, key=_order))
            log.info(
                "round %d: %d updates, %d samples, moved by %.4g",
                number,
                len(updates),
                samples,
                distance_squared(self.weights, moved, self.parameters),
            )
        write_round(Path(self.federation.folder), number, self.weights)
        return bytes_record(packed(self.weights)), None

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        """Expect nothing."""
        return None

    def summary(self) -> None:
        """Say how the sites are averaged."""
        told = self.federation
        log.info("FedAvg by samples, %d epochs a round, mu %g, delta %g", told.epochs, told.proximal, told.quiet_below)

    def _believed(self, answer: Message) -> Update | None:
        """Read an answer; None, and a line in the log, if it is refused."""
        site = answer.metadata.src_node_id
        if answer.has_error():
            log.warning("site %d left out: %s", site, answer.error.reason[:200])
            return None
        try:
            update = update_of(answer.content, self.weights)
            self._check_change(update)
        except UpdateError as error:
            log.warning("site %d refused: %s", site, error)
            return None
        return update

    def _check_change(self, update: Update) -> None:
        zero = {name: value.new_zeros(()) for name, value in self.weights.items()}
        change = distance_squared(update.tensors, self.weights, self.parameters) ** 0.5
        size = distance_squared(self.weights, zero, self.parameters) ** 0.5
        if change > self.federation.largest_change * size:
            raise UpdateError(
                f"it changes weights of norm {size:.3g} by {change:.3g}, more than {self.federation.largest_change:g} "
                "times as much"
            )


def _order(update: Update) -> tuple[int, str]:
    """An order of updates that does not depend on who answered first, so that sums are the same in each run."""
    return update.samples, sha256(packed(update.tensors)).hexdigest()
