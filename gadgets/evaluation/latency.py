"""How long a console waits: a scan is sent at its own rate through the wire, and the clock runs on this side of it."""

import json
import logging
import threading
import time
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from gadgets.errors import RemoteError, StreamError
from gadgets.mrd.files import ScanFile
from gadgets.mrd.header import read_header
from gadgets.mrd.headers.identifiers import anonymous_xml
from gadgets.mrd.headers.roles import is_flagged
from gadgets.mrd.wire.gadget_process import GadgetProcess, as_message

log = logging.getLogger(__name__)

_UNKNOWN_RATE_HZ = 280.0
"""Readouts per second of a console, where the header has no TR."""

_TURN_S = 0.005
"""How often the sender looks which readouts are due."""

_PAUSE_S = 3.0
"""Silence after which a first scan has sent all of its images."""

_EARLY_SHARE = 0.01
"""Of the readouts: when so many are taken, more than the sockets' buffers hold, the gadget is receiving."""


@dataclass
class Run:
    """One scan that was sent, and when its images came.

    Attributes
    ----------
    name : str
        ``cold``: the process starts with the scan; ``warm``: another scan of the same process.
    device : str
    accepted_s, taken_s : float or None
        From the start of the process to its connection, and to its having taken the first hundredth of the readouts;
        None if it was there.
    sending_s : float
        From the first readout to the last.
    first_image_s, last_image_s : float
        After the last readout.
    images : int
    stages : dict of str to float
        Seconds of the gadget's stages, by its own clock.
    """

    name: str
    device: str = ""
    accepted_s: float | None = None
    taken_s: float | None = None
    sending_s: float = 0.0
    first_image_s: float = 0.0
    last_image_s: float = 0.0
    images: int = 0
    stages: dict[str, float] = field(default_factory=dict)


def measure_latency(scan: ScanFile, configuration: bytes, speed: float, warm_runs: int = 1) -> list[Run]:
    """Send a scan to a fresh process, and again to the one that is warm by then.

    Parameters
    ----------
    scan : ScanFile
    configuration : bytes
        XML of the gadget's ``<configuration>``.
    speed : float
        Times the rate at which the scan was measured.
    warm_runs : int

    Returns
    -------
    list of Run
        The cold one first.

    Raises
    ------
    RemoteError
        If the gadget reports an error, or sends no image.
    StreamError
        If its process dies.
    """
    header = read_header(scan.header)
    rate_hz = speed * (1000 / header.tr_ms[0] if header.tr_ms and header.tr_ms[0] > 0 else _UNKNOWN_RATE_HZ)
    messages = [as_message(readout) for readout in scan.acquisitions()]
    is_noise = is_flagged(scan.heads(), "ACQ_IS_NOISE_MEASUREMENT")
    noise, readouts = ([messages[row] for row in np.flatnonzero(which)] for which in (is_noise, ~is_noise))
    log.info("%d readouts are sent at %.0f per second", len(readouts), rate_hz)
    with GadgetProcess(configuration, anonymous_xml(scan.header)) as gadget:
        runs = [Run("cold", accepted_s=gadget.accepted_s)]
        gadget.write(b"".join(noise))
        expected = _once(gadget, readouts, rate_hz, runs[0], None)
        for _ in range(warm_runs):
            runs.append(Run("warm"))
            _once(gadget, readouts, rate_hz, runs[-1], expected)
        gadget.end_stream()
    return runs


def _once(gadget: GadgetProcess, readouts: list[bytes], rate_hz: float, run: Run, expected: int | None) -> int:
    """Send the readouts and take the images of one scan; without a number, until nothing comes any more."""
    failures: list[StreamError] = []

    def send() -> None:
        try:
            _send(gadget, readouts, rate_hz, run)
        except StreamError as error:
            failures.append(error)

    sender = threading.Thread(target=send, name="malibu-latency-sender", daemon=True)
    sender.start()
    sender.join()
    last_readout_s, times_s = time.perf_counter(), _receive(gadget, run, 1 if expected is None else expected)
    while expected is None and gadget.waits(_PAUSE_S):
        times_s += _receive(gadget, run, 1)
    if failures or not times_s:
        raise failures[0] if failures else RemoteError("no image came back")
    run.first_image_s, run.last_image_s = times_s[0] - last_readout_s, times_s[-1] - last_readout_s
    run.images = len(times_s)
    return run.images


def _send(gadget: GadgetProcess, readouts: list[bytes], rate_hz: float, run: Run) -> None:
    """Send readouts when they are due; note when the first were taken, and the time that all took."""
    start_s, sent, early = time.perf_counter(), 0, max(1, round(_EARLY_SHARE * len(readouts)))
    while sent < len(readouts):
        due = min(len(readouts), 1 + int((time.perf_counter() - start_s) * rate_hz))
        if due == sent:
            time.sleep(_TURN_S)
            continue
        gadget.write(b"".join(readouts[sent:due]))
        if sent < early <= due and run.accepted_s is not None:
            run.taken_s = time.perf_counter() - gadget.started_s
        sent = due
    run.sending_s = time.perf_counter() - start_s


def _receive(gadget: GadgetProcess, run: Run, count: int) -> list[float]:
    """Take images; when each came."""
    times_s = []
    for image in islice(gadget.images(), count):
        times_s.append(time.perf_counter())
        if not run.stages and "MalibuStageSeconds" in image.meta:
            run.stages = json.loads(image.meta["MalibuStageSeconds"])
            run.device = str(image.meta["MalibuDevice"])
    return times_s
