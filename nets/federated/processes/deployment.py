"""Coordinator and sites as processes: Flower's SuperLink and SuperNodes, with TLS, site keys, and malibu's app.

Of the coordinator's ports, sites reach one: Flower's Fleet API over gRPC. The one by which runs are started listens on
loopback alone. Nothing is told to Flower's makers (telemetry, updates).
"""

import json
import logging
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nets.federated.instructions import VARIABLE, Federation, Site, write_settings
from nets.federated.lease import leased
from nets.federated.outcome import LOG, Outcome, read_outcome
from nets.federated.processes.credentials import AUTHORITY, CERTIFICATE, KEY, CredentialsError
from nets.federated.processes.flower_app import write_app

log = logging.getLogger(__name__)

_LOOPBACK = "127.0.0.1"
_CONNECTION = "malibu"
_START_S = 300.0
"""Longest wait for Flower's server: it takes 5 s on two busy cores, two minutes where 30 processes share them."""
_POLL_S = 0.5
_UNKNOWN = "Failed to initialize the connection to the SuperLink"
"""Said by Flower's exit code 305."""
_FAREWELL_S = 10.0
"""A site's last answer, a count, goes out within Flower's 3 s between two looks at the coordinator."""


class FederationError(RuntimeError):
    """A coordinator or a site cannot start, or ended before its time; the text says what to do."""


class UnknownSiteError(FederationError):
    """A coordinator does not let a site in, or not yet."""


@dataclass(frozen=True)
class CoordinatorPorts:
    """Where a coordinator listens.

    Attributes
    ----------
    host : str
        For sites; 127.0.0.1 unless told otherwise.
    port : int
        For sites.
    control_port : int
        For this machine's own processes, on loopback.
    """

    host: str = _LOOPBACK
    port: int = 9092
    control_port: int = 9093


def coordinate(
    federation: Federation,
    credentials: Path,
    site_keys: Sequence[Path],
    ports: CoordinatorPorts,
    tell: Callable[[str], None],
) -> Path:
    """Run a coordinator until its rounds are done.

    Parameters
    ----------
    federation : Federation
    credentials : Path
        Folder that :func:`nets.federated.processes.credentials.write_certificates` filled.
    site_keys : sequence of Path
        Public keys of the sites that may take part.
    ports : CoordinatorPorts
    tell : callable
        Gets each line of the log.

    Returns
    -------
    Path
        Of the weights.

    Raises
    ------
    FederationError, CredentialsError
        If it cannot start or does not reach its end.
    """
    folder = Path(federation.folder)
    ca, certificate, key = (_existing(credentials / name) for name in (AUTHORITY, CERTIFICATE, KEY))
    server = [
        *("flower-superlink", "--enable-supernode-auth", "--disable-runtime-dependency-installation"),
        *("--ssl-ca-certfile", str(ca), "--ssl-certfile", str(certificate), "--ssl-keyfile", str(key)),
        *("--fleet-api-type", "grpc-rere", "--fleet-api-address", f"{ports.host}:{ports.port}"),
        *("--host", _LOOPBACK, "--port", str(ports.control_port), "--database", str(folder / "flower" / "state.db")),
    ]
    keys = [_existing(site_key) for site_key in site_keys]
    with leased(folder) as lease:  # before anything is written: another coordinator may be at work here
        environment = _prepared(folder, federation)
        write_app(folder / "flower" / "app")
        _write_connection(folder / "flower" / "config.toml", ca, f"{_LOOPBACK}:{ports.control_port}")
        with _running(server, folder, environment | lease) as process:
            for site_key in keys:
                _register(site_key, folder, environment, process)
            _flower(["run", str(folder / "flower" / "app"), _CONNECTION], folder, environment)
            tell(f"waiting for {federation.sites} sites at {ports.host}:{ports.port}")
            return Path(_awaited(folder, process, tell).path)


def _write_connection(path: Path, ca: Path, address: str) -> None:
    path.write_text(
        f'[superlink]\ndefault = "{_CONNECTION}"\n\n[superlink.{_CONNECTION}]\naddress = "{address}"\n'
        f"root-certificates = {json.dumps(str(ca.resolve()))}\n",
        encoding="utf-8",
    )


def take_part(
    site: Site, superlink: str, authority: Path, key: Path, local_port: int, tell: Callable[[str], None]
) -> Path:
    """Run a site until the coordinator hands out the final network.

    Parameters
    ----------
    site : Site
    superlink : str
        HOST:PORT of the coordinator.
    authority : Path
        The coordinator's ``ca.pem``.
    key : Path
        The site's private key.
    local_port : int
        For this machine's own processes, on loopback; another one for each site of a machine.
    tell : callable
        Gets each line of the log.

    Returns
    -------
    Path
        Of the weights.

    Raises
    ------
    FederationError, CredentialsError
        If it cannot start, or the coordinator does not know its key.
    """
    folder = Path(site.folder)
    node = [
        *("flower-supernode", "--superlink", superlink, "--root-certificates", str(_existing(authority))),
        *("--auth-supernode-private-key", str(_existing(key)), "--host", _LOOPBACK, "--port", str(local_port)),
    ]
    end = time.monotonic() + site.wait_s
    while True:
        try:
            with leased(folder) as lease:
                environment = _prepared(folder, site)
                environment["PATH"] = str(_own_programs(folder / "flower" / "bin"))
                with _running(node, folder, environment | lease) as process:
                    outcome = _awaited(folder, process, tell)
                    time.sleep(_FAREWELL_S)
                    return Path(outcome.path)
        except UnknownSiteError:
            if time.monotonic() > end:
                raise
        time.sleep(_POLL_S)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise CredentialsError(
            f"{path} does not exist; make it by malibu federate certificate (coordinator) or malibu federate key (site)"
        )
    return path.resolve()


def _prepared(folder: Path, settings: Federation | Site) -> dict[str, str]:
    """Make the folder, write the settings; give the environment of Flower's processes."""
    (folder / "flower").mkdir(parents=True, exist_ok=True)
    (folder / "outcome.json").unlink(missing_ok=True)
    write_settings(settings, folder / "settings.json")
    own = {
        VARIABLE: str((folder / "settings.json").resolve()),
        "FLWR_HOME": str((folder / "flower").resolve()),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))),
    }
    return {**os.environ, **own}


def _own_programs(folder: Path) -> Path:
    """A folder with all programs that Flower may start at a site: a coordinator that asks for others gets nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    superexec = Path(sys.executable).with_name("flower-superexec")
    launch = shlex.join([sys.executable, "-m", "nets.federated.processes.launch"])
    scripts = {
        "flower-superexec": f'exec {shlex.quote(str(superexec))} "$@"',
        "flwr-clientapp": f'exec {launch} flwr-clientapp "$@"',
    }
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder.resolve()


@contextmanager
def _running(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """One of Flower's programs, which ends with this process, however that ends."""
    launch = [sys.executable, "-m", "nets.federated.processes.launch", *command]
    with (folder / "flower.log").open("ab") as output:
        process = subprocess.Popen(launch, env=dict(environment), stdout=output, stderr=output)  # noqa: S603
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _flower(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Run Flower's command.

    Raises
    ------
    FederationError
        If it fails, with what it said at the end, without the frames that Flower draws.
    """
    command = [str(Path(sys.executable).with_name("flwr")), *arguments]
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False)  # noqa: S603
    said = f"{done.stdout}\n{done.stderr}".strip()
    with (folder / "flower.log").open("a", encoding="utf-8") as output:
        output.write(said + "\n")
    if done.returncode:
        lines = [line.strip(" │") for line in said.splitlines() if re.search(r"\w", line)]
        raise FederationError(f"flwr {arguments[0]} failed: {lines[-1] if lines else 'it gave no reason'}")


def _register(key: Path, folder: Path, environment: Mapping[str, str], process: subprocess.Popen[bytes]) -> None:
    """Let a site take part, once the server answers; a key that it knows from before is no error."""
    end = time.monotonic() + _START_S
    while True:
        try:
            return _flower(["supernode", "register", str(key), _CONNECTION], folder, environment)
        except FederationError as error:
            if "already" in str(error):
                return None
            _check_alive(process, folder)
            if time.monotonic() > end:
                raise
        time.sleep(_POLL_S)


def _check_alive(process: subprocess.Popen[bytes], folder: Path) -> None:
    if process.poll() is not None:
        said = (
            (folder / "flower.log")
            .read_text(encoding="utf-8", errors="replace")
            .rsplit("Starting Flower SuperNode", 1)[-1]
        )
        if _UNKNOWN in said:
            raise UnknownSiteError(
                "the coordinator cannot be reached, has another certificate, or does not know this site: check its "
                "address, its ca.pem, and that it has the .pub file that malibu federate key made"
            )
        raise FederationError(f"Flower ended with code {process.returncode}; {folder / 'flower.log'} says why")


def _awaited(folder: Path, process: subprocess.Popen[bytes], tell: Callable[[str], None]) -> Outcome:
    """Wait for the end, and hand on the log.

    Raises
    ------
    FederationError
        If Flower's program ends before.
    """
    path = folder / LOG
    path.touch()
    with path.open(encoding="utf-8") as lines:
        lines.seek(0, os.SEEK_END)
        while True:
            outcome = read_outcome(folder)
            for line in lines.readlines():
                tell(line.rstrip())
            if outcome is not None:
                if outcome.error:
                    raise FederationError(outcome.error)
                return outcome
            _check_alive(process, folder)
            time.sleep(_POLL_S)
