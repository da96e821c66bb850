"""Clusters: processes of this machine, jobs of SLURM, or a scheduler that runs already."""

import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gadgets.cluster import cores
from gadgets.cluster.cores import children_have, thread_variables, threads_of_each
from gadgets.cluster.crew import Place
from gadgets.device import gpu_count
from gadgets.errors import ParameterError, RemoteError, shortened
from gadgets.gpu_seats import visible_gpus
from recon.threads import available_cpus

if TYPE_CHECKING:
    from distributed import Client
    from distributed.deploy.cluster import Cluster

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"

_ANSWER_S = 10.0
"""Longest wait for a scheduler: it answers within milliseconds where there is one."""

_NONE_WAITS_AT_A_WORKER = 1.0
"""Tasks at a worker for each of its threads: one that waited there would count as having killed it, too."""

_COMING_S = 120.0
"""Longest wait for the first worker of this machine or of an address: on a busy one, Python takes half a minute."""

_QUEUED_S = 24 * 3600.0
"""Longest wait for the first job of SLURM, which may stand in a queue for hours."""

_SETTINGS = {
    "distributed.scheduler.worker-saturation": _NONE_WAITS_AT_A_WORKER,
    # What no worker can take fails, instead of waiting for ever for one that will not come.
    "distributed.scheduler.no-workers-timeout": "10 minutes",
}


@contextmanager
def opened_cluster(place: Place) -> Iterator[tuple["Client", bool]]:
    """Open a place.

    Parameters
    ----------
    place : Place

    Yields
    ------
    client : distributed.Client
    shares_memory : bool
        Whether all workers are on this machine.

    Raises
    ------
    ParameterError
        If the place makes no sense.
    RemoteError
        If no scheduler answers, or no worker comes.
    """
    import dask
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.ERROR)  # else each worker tells how it starts and ends
    with ExitStack() as closing:
        # What goes wrong in a task comes back with it; at the end, workers tell of connections that we have closed.
        closing.enter_context(children_have({"DASK_LOGGING__DISTRIBUTED": "critical"}))
        closing.enter_context(dask.config.set(_SETTINGS))
        if place.cluster in (None, "local"):
            if place.listen not in (None, LOOPBACK):
                raise ParameterError("workers of this machine need no address: leave --listen out, or say slurm")
            workers = place.workers or available_cpus()
            threads = place.threads or threads_of_each(workers)
            closing.enter_context(children_have(thread_variables(threads)))
            client = Client(closing.enter_context(_local(workers)))
        elif place.cluster == "slurm":
            workers = place.workers or 1
            client = Client(closing.enter_context(_slurm(place, workers)))
        else:
            workers = place.workers or 1
            client = _connected(str(place.cluster))
        closing.callback(_closed, client)
        if place.cluster == "slurm":
            log.info("%d jobs of SLURM are queued; the work begins with the first that starts", workers)
            _await_workers(client, 1, _QUEUED_S)
        else:
            _await_workers(client, workers, _COMING_S)
        yield client, place.cluster in (None, "local")


def _closed(client: "Client") -> None:
    client.close(timeout=5)


def _local(workers: int) -> "Cluster":
    """Processes of this machine, one thread each for tasks; those of a process that ends at once end with it.

    The n-th worker sees the n-th GPU of those that this process sees, which need not be the n-th of the machine.
    """
    from distributed import Nanny, Scheduler, SpecCluster

    gpus = visible_gpus(gpu_count())
    specification = {}
    for number in range(workers):
        options: dict[str, Any] = {"host": LOOPBACK, "nthreads": 1, "dashboard": False, "memory_limit": 0}
        options["preload"] = [cores.__name__]
        if gpus:
            seen = gpus[number] if number < len(gpus) else ""
            options |= {"env": {"CUDA_VISIBLE_DEVICES": seen}, "resources": {"GPU": 1} if seen else {}}
        specification[number] = {"cls": Nanny, "options": options}
    scheduler = {"cls": Scheduler, "options": {"host": LOOPBACK, "dashboard_address": f"{LOOPBACK}:0"}}
    return SpecCluster(scheduler=scheduler, workers=specification)


def _slurm(place: Place, workers: int) -> "Cluster":
    """Jobs of SLURM, one worker each; the connections are encrypted, since they leave this machine."""
    import dask
    from dask_jobqueue import SLURMCluster
    from distributed.security import Security

    if place.listen is None:
        raise ParameterError("workers on other machines must reach this one: name its address with --listen ADDRESS")
    threads = place.threads or 1
    memory_gb = place.memory_gb or dask.config.get("jobqueue.slurm.memory")
    if memory_gb is None:
        raise ParameterError("say what memory a job of SLURM has: --memory-gb GB")
    return SLURMCluster(
        n_workers=workers,
        cores=1,
        job_cpu=threads,
        processes=1,
        memory=f"{memory_gb}GiB" if place.memory_gb else memory_gb,
        protocol="tls://",
        security=Security.temporary(),
        # Without TLS: of nobody's business beyond the worker's own machine.
        worker_extra_args=["--no-dashboard", "--dashboard-address", f"{LOOPBACK}:0"],
        shared_temp_directory=dask.config.get("jobqueue.slurm.shared-temp-directory") or str(Path.cwd()),
        job_script_prologue=[f"export {name}={value}" for name, value in thread_variables(threads).items()],
        scheduler_options={"host": place.listen, "dashboard_address": f"{LOOPBACK}:0"},
    )


def _connected(address: str) -> "Client":
    from distributed import Client
    from distributed.comm import get_address_host_port

    url = address if "://" in address else f"tcp://{address}"
    try:
        with socket.create_connection(get_address_host_port(url, strict=True), timeout=_ANSWER_S):
            pass  # refused at once where nobody listens, which Client would try again and again
        return Client(url, timeout=_ANSWER_S)
    except (OSError, ValueError) as error:
        raise RemoteError(
            f"no Dask scheduler answers at {shortened(address)}: {shortened(error, 200)}; start one (dask scheduler "
            f"--host {LOOPBACK}) and name its address, such as tcp://{LOOPBACK}:8786; or say local, or slurm"
        ) from error


def _await_workers(client: "Client", workers: int, longest_s: float) -> None:
    from distributed import TimeoutError as TooLate

    try:
        client.wait_for_workers(workers, timeout=longest_s)
    except TooLate as error:
        there = len(client.scheduler_info(n_workers=-1)["workers"])
        raise RemoteError(
            f"{there} of {workers} workers came within {longest_s:.0f} s; start more, or ask for fewer (--workers)"
        ) from error
    for address, one in client.scheduler_info(n_workers=-1)["workers"].items():
        if one["nthreads"] != 1:
            raise ParameterError(
                f"the worker at {address} does {one['nthreads']} tasks at once, in one memory: start it with "
                "--nthreads 1, and as many workers as are to work (--nworkers)"
            )
