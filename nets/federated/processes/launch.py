"""``python -m nets.federated.processes.launch PROGRAM …``: one of Flower's programs; it ends with malibu.

At sites, ``flwr-clientapp`` runs malibu's own app alone, whatever a coordinator sends.
"""

import sys
from importlib import import_module
from typing import Any

from nets.federated.lease import end_with_lease
from nets.federated.outcome import UNTOLD
from nets.federated.processes.flower_app import check_bundle

_PROGRAMS = {
    "flower-superlink": ("flwr.superlink.cli", "flower_superlink"),
    "flower-supernode": ("flwr.supernode.cli", "flower_supernode"),
    "flwr-clientapp": ("flwr.supernode.cli", "flwr_clientapp"),
}


def guard_client_app() -> None:
    """Check each app before Flower unpacks it, and send no texts of Flower's own errors.

    Flower's own check takes apps that are signed for its hub; here, none but malibu's is to run. Errors on the way to
    the app (a full disk, a folder that cannot be written) name files of the site.
    """
    from flwr.app.error import Error
    from flwr.supernode.runtime import run_clientapp

    def untold(code: int, reason: str | None = None) -> Error:
        return Error(code, UNTOLD)

    run_clientapp.Error = untold
    install = run_clientapp.install_from_fab

    def checked(fab: bytes, *arguments: Any, **options: Any) -> Any:
        check_bundle(fab)
        return install(fab, *arguments, **options)

    run_clientapp.install_from_fab = checked


def main() -> None:
    """Run the program."""
    program, *arguments = sys.argv[1:]
    module, function = _PROGRAMS[program]
    end_with_lease()
    if program == "flwr-clientapp":
        guard_client_app()
    sys.argv = [program, *arguments]
    getattr(import_module(module), function)()


if __name__ == "__main__":
    main()
