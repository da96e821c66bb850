"""A site as Flower's ClientApp: weights in, weights and a count out; all else stays, errors' texts included."""

import logging
from collections.abc import Callable
from pathlib import Path

from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from safetensors.torch import load_file, save_file

from nets.federated.instructions import Site, settings_of_process
from nets.federated.local_training import FromAllSites, before, command_of_round, forget, learned, made
from nets.federated.messages import CHOSEN, FAILED, WEIGHTS, Round, asked_of, bytes_of, reply
from nets.federated.outcome import UNTOLD, Outcome, logged, write_outcome
from nets.federated.updates import Tensors, Update, distance_squared, state_of, unpacked
from nets.training.export import card_of, figures_of
from nets.weights import save_weights

log = logging.getLogger(__name__)

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Answer a round, with the settings of this process."""
    return _here(message, lambda site: answered(message, site, trained))


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Keep the final network, with the settings of this process."""
    return _here(message, lambda site: _kept_here(message, site))


def _here(message: Message, act: Callable[[Site], Message]) -> Message:
    """Act with the settings of this process; these, and the folder that they name, are files that may fail, too."""
    try:
        site = settings_of_process(Site)
        with logged(Path(site.folder)):
            return act(site)
    except (Exception, SystemExit) as error:
        return _failure(message, error)


def _kept_here(message: Message, site: Site) -> Message:
    answer = answered(message, site, kept)
    failed = "the final network came, but could not be kept" if answer.has_error() else ""
    found = sorted(Path(site.folder).glob("*.safetensors"), key=lambda path: path.stat().st_mtime)
    write_outcome(Path(site.folder), Outcome(str(found[-1]) if found else "", failed))
    return answer


def answered(message: Message, site: Site, answer: Callable[[RecordDict, Site], RecordDict]) -> Message:
    """Answer a message; of what fails, the coordinator is told nothing but that it did.

    Flower would send the text of an error, in which names of files may stand.
    """
    try:
        return Message(answer(message.content, site), reply_to=message)
    except (Exception, SystemExit) as error:
        return _failure(message, error)


def _failure(message: Message, error: BaseException) -> Message:
    """Log an error here; what a process raises that was told to end goes on."""
    if isinstance(error, SystemExit) and not isinstance(error.code, str):
        raise error
    log.error("this site leaves the round out", exc_info=error)
    return Message(Error(FAILED, UNTOLD), reply_to=message)


def trained(content: RecordDict, site: Site) -> RecordDict:
    """Train a round, and say what changed, if it is enough.

    What is not sent, whether the site is quiet or half precision rounds, is added to the weights of the next round:
    nothing that was learned is lost.
    """
    asked = asked_of(content)
    folder = Path(site.folder) / asked.federation
    folder.mkdir(parents=True, exist_ok=True)
    start = FromAllSites(asked.proximal, asked.epochs)
    command = command_of_round(site.recipe, folder, asked, start)
    parameters = frozenset(name for name, _ in command.model.named_parameters())
    reference = unpacked(bytes_of(content.array_records[WEIGHTS]), state_of(command.model))
    start.take(_with_rest(reference, folder, asked), reference)
    found = learned(command, folder, asked, start)
    moved = distance_squared(found.tensors, reference, parameters)
    is_quiet = moved <= asked.quiet_below and asked.quiet_below > 0
    log.info("round %d: %d samples, moved by %.4g%s", asked.number, found.samples, moved, ": quiet" * is_quiet)
    sent = reply(None if is_quiet else found.tensors, reference, found.samples, asked.half)
    _keep_rest(found, reference, sent, folder, asked, parameters)
    return sent


def _with_rest(reference: Tensors, folder: Path, asked: Round) -> Tensors:
    """The weights of all sites, and what this one did not send before."""
    path = before(folder, "rest", asked.number)
    rest = load_file(path) if path else {}
    return {name: value + rest[name] if name in rest else value for name, value in reference.items()}


def _keep_rest(
    found: Update, reference: Tensors, sent: RecordDict, folder: Path, asked: Round, parameters: frozenset[str]
) -> None:
    """Write what the coordinator does not know, of parameters: batch statistics follow the data by themselves."""
    arrays = sent.array_records
    known = reference
    if arrays:
        ((name, record),) = arrays.items()
        known = unpacked(bytes_of(record), reference, name != WEIGHTS)
    rest = {name: found.tensors[name] - known[name] for name in sorted(parameters)}
    partial = folder / ".rest.partial"
    save_file({name: value.contiguous() for name, value in rest.items() if bool(value.any())}, partial)
    partial.replace(folder / f"unsent-{asked.number:04d}.rest")
    forget(folder, "rest")


def kept(content: RecordDict, site: Site) -> RecordDict:
    """Write the final network with the card of this site: how good it is here, and what inference must do."""
    command = made(site.recipe)
    weights = unpacked(bytes_of(content.array_records[WEIGHTS]), state_of(command.model))
    command.model.load_state_dict(weights)
    figures = figures_of(command.model, command.datamodule)
    log.info("the final network, judged here: %s", ", ".join(f"{name} {value:.4g}" for name, value in figures.items()))
    trained_on = f"sites without shared data; here: {command.datamodule.describe()}"
    card = card_of(command.model, command.datamodule, figures, CHOSEN, trained_on)
    save_weights(Path(site.folder) / f"{command.run.name}.safetensors", command.model.network, card)
    return reply(None, weights, 0, False)
