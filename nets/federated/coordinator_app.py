"""The coordinator as Flower's ServerApp: rounds until the last one, then the network with its card."""

import logging
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from nets.data.formats.errors import VolumeError
from nets.federated.averaging import Averaging
from nets.federated.instructions import Federation, settings_of_process
from nets.federated.lease import end_with_lease
from nets.federated.local_training import RoundCommand, made
from nets.federated.messages import CHOSEN, Round, bytes_record
from nets.federated.outcome import Outcome, logged, write_outcome
from nets.federated.rounds_on_disk import last_round, name_of
from nets.federated.updates import packed, state_of, unpacked
from nets.training.export import card_of
from nets.weights import ModelCard, save_weights

log = logging.getLogger(__name__)

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Coordinate, with the settings of this process."""
    end_with_lease()  # two of them, of which one was to be dead, would write the same rounds
    federation = settings_of_process(Federation)
    folder = Path(federation.folder)
    with logged(folder):
        try:
            outcome = Outcome(str(coordinated(grid, federation)))
        except (Exception, SystemExit) as error:
            if isinstance(error, SystemExit) and not isinstance(error.code, str):
                raise  # told to end; a successor may have begun
            log.exception("the coordinator ends")
            outcome = Outcome(error=f"the coordinator ended: {error}")
    write_outcome(folder, outcome)


def coordinated(grid: Grid, federation: Federation) -> Path:
    """Run the rounds that are left, and write the network.

    Parameters
    ----------
    grid : flwr.serverapp.Grid
    federation : Federation

    Returns
    -------
    Path
        Of the weights.

    Raises
    ------
    SystemExit
        If the recipe cannot be used; the text is one line.
    """
    folder = Path(federation.folder)
    folder.mkdir(parents=True, exist_ok=True)
    command = made(federation.recipe)
    card = _card(command, federation)  # asked for before rounds of hours
    initial = state_of(command.model)
    done, weights = last_round(folder) or (0, initial)
    weights = unpacked(packed(weights), initial)
    if done:
        log.info("%d of %d rounds were done before", done, federation.rounds)
    asked = Round(
        name_of(folder), done, federation.epochs, federation.proximal, federation.quiet_below, federation.half
    )
    parameters = frozenset(name for name, _ in command.model.named_parameters())
    averaging = Averaging(federation, asked, weights, parameters)
    if done < federation.rounds:
        averaging.start(grid, bytes_record(packed(weights)), federation.rounds - done, federation.limit_s)
    command.model.load_state_dict(averaging.weights)
    path = folder / f"{command.run.name}.safetensors"
    save_weights(path, command.model.network, card)
    log.info("wrote %s", path)
    averaging.hand_out(grid)
    return path


def _card(command: RoundCommand, federation: Federation) -> ModelCard:
    trained_on = f"{federation.sites} sites without shared data, {federation.rounds} rounds"
    try:
        return card_of(command.model, command.datamodule, {}, CHOSEN, trained_on)
    except VolumeError as error:
        raise SystemExit(
            f"{error}; what inference must do depends on the data: give the coordinator some that are alike, simulated "
            "for example, by --data.folder"
        ) from error
