"""``malibu federate``: one network from several sites that share no data."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from gadgets.cli.options import SetOption, out, overrides_of
from gadgets.errors import ParameterError

log = logging.getLogger(__name__)

federate = typer.Typer(
    no_args_is_help=True,
    help="Train one network at several sites that share no data (needs the extra federated).",
)

RecipeOption = Annotated[
    Path, typer.Option("--config", help="Recipe of the training, the same at all sites.", show_default=False)
]
PrivateKeyOption = Annotated[Path, typer.Option("--key", help="Private key of this site.", show_default=False)]


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """Name what is missing, and hand on what the room of federated training says, as errors of a parameter."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ParameterError(
            f"this needs {error.name}, which is not installed: pip install -c constraints_federated.txt "
            "'malibu[federated]', in an environment of its own"
        ) from error
    except (ValueError, RuntimeError) as error:
        from nets.federated.lease import FolderInUseError
        from nets.federated.processes.credentials import CredentialsError
        from nets.federated.processes.deployment import FederationError

        if isinstance(error, CredentialsError | FederationError | FolderInUseError):
            raise ParameterError(str(error)) from error
        raise


def recipe_of(config: Path, settings: list[str] | None) -> tuple[str, ...]:
    """Arguments of the training command."""
    if not config.is_file():
        raise ParameterError(f"the recipe {config} does not exist; those of the repository lie in configs/train")
    replaced = [f"--{name}={value}" for name, value in overrides_of(settings).items()]
    return (f"--config={config.resolve()}", "--trainer.enable_progress_bar=false", *replaced)


@federate.command()
def key(path: Annotated[Path, typer.Argument(help="File for the private key.", show_default=False)]) -> None:
    """Make a site's key pair; the coordinator needs PATH.pub, nobody needs PATH."""
    with one_line():
        from nets.federated.processes.credentials import write_site_key

        out.print(f"wrote {path}; give {write_site_key(path)} to the coordinator", soft_wrap=True)


@federate.command()
def certificate(
    folder: Annotated[Path, typer.Argument(help="Folder for the coordinator's files.", show_default=False)],
    host: Annotated[
        list[str] | None, typer.Option("--host", help="Name or address by which sites call it; may be repeated.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="How long it is valid.")] = 365,
) -> None:
    """Make a coordinator's certificate; the sites need FOLDER/ca.pem, nobody needs FOLDER/server.key."""
    with one_line():
        from nets.federated.processes.credentials import write_certificates

        write_certificates(folder, host or [], days)
        out.print(f"wrote {folder}; give {folder / 'ca.pem'} to the sites", soft_wrap=True)


@federate.command()
def coordinator(
    folder: Annotated[
        Path, typer.Argument(help="Folder of the federation; run again, it goes on.", show_default=False)
    ],
    config: RecipeOption,
    credentials: Annotated[
        Path, typer.Option(help="Folder that malibu federate certificate made.", show_default=False)
    ],
    site_key: Annotated[
        list[Path], typer.Option("--site-key", help="Public key of a site; repeat it for each.", show_default=False)
    ],
    rounds: Annotated[int, typer.Option(min=1, help="Rounds.")] = 10,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of a site's samples in a round.")] = 1,
    proximal: Annotated[float, typer.Option(min=0, help="mu of FedProx; 0: FedAvg.")] = 0.0,
    quiet_below: Annotated[
        float, typer.Option(min=0, help="A site sends nothing if |w - w_ref|^2 is at most this; 0: it always sends.")
    ] = 0.0,
    half: Annotated[bool, typer.Option("--half", help="Sites send differences in half precision.")] = False,
    least_sites: Annotated[int, typer.Option(min=1, help="Sites that a round needs at least.")] = 1,
    limit_s: Annotated[float, typer.Option(min=1, help="A site that takes longer is left out of the round.")] = 3600.0,
    largest_change: Annotated[
        float, typer.Option(min=0, help="An update that changes weights by more than so many of their norm is refused.")
    ] = 10.0,
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for other machines.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port for the sites.")] = 9092,
    control_port: Annotated[int, typer.Option(min=1, max=65535, help="Port for this machine alone.")] = 9093,
    set_: SetOption = None,
) -> None:
    """Average what the sites learn, round by round, and write the network."""
    with one_line():
        from nets.federated.instructions import Federation
        from nets.federated.processes.deployment import CoordinatorPorts, coordinate

        told = Federation(
            recipe=recipe_of(config, set_),
            folder=str(folder.resolve()),
            rounds=rounds,
            sites=len(site_key),
            least_sites=least_sites,
            epochs=epochs,
            proximal=proximal,
            quiet_below=quiet_below,
            half=half,
            limit_s=limit_s,
            largest_change=largest_change,
        )
        ports = CoordinatorPorts(host, port, control_port)
        out.print(f"wrote {coordinate(told, credentials, site_key, ports, log.info)}", soft_wrap=True)


@federate.command()
def site(
    address: Annotated[str, typer.Argument(help="HOST:PORT of the coordinator.", show_default=False)],
    folder: Annotated[Path, typer.Argument(help="Folder for checkpoints and the network.", show_default=False)],
    config: RecipeOption,
    key: PrivateKeyOption,
    authority: Annotated[Path, typer.Option(help="The coordinator's ca.pem.", show_default=False)],
    local_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port for this machine alone; another one for each site on it.")
    ] = 9094,
    wait_s: Annotated[
        float, typer.Option(min=0, help="How long it waits for a coordinator that does not let it in yet.")
    ] = 300.0,
    set_: SetOption = None,
) -> None:
    """Train on this site's data; only weights and the count of samples leave it."""
    with one_line():
        from nets.federated.instructions import Site
        from nets.federated.processes.deployment import take_part

        told = Site(recipe_of(config, set_), str(folder.resolve()), wait_s)
        out.print(f"wrote {take_part(told, address, authority, key, local_port, log.info)}", soft_wrap=True)
