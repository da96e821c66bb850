"""What a batch of scans of one size costs, from runs of it by one worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np

from gadgets.errors import ParameterError

SHARED = 0.8
"""Share of a scan's work that several cores do together: a standard scan takes 35 core-seconds after its last readout
(docs/scaling.md), and 21 s on two idle cores (docs/figures.md): 35 (1 - SHARED / 2) = 21."""


@dataclass(frozen=True)
class BatchCost:
    """Core-seconds of a batch: a start for each process, and a cost for each scan.

    Attributes
    ----------
    start_s : float
        Of a process: its imports, the network, and the plans that its first scan leaves for the others.
    scan_s : float
        Of a scan: looking at the file, reconstruction, quality figures, its line of the page.
    """

    start_s: float
    scan_s: float

    @classmethod
    def learned(cls, runs: Mapping[int, float]) -> "BatchCost":
        """Learn from runs by one worker, which need no scheduler.

        Parameters
        ----------
        runs : mapping of int to float
            Core-seconds by the number of scans.

        Returns
        -------
        BatchCost

        Raises
        ------
        ParameterError
            If there are not two runs of different length at least.
        """
        if len(runs) < 2:
            raise ParameterError("start and scan cannot be told apart: measure batches of two lengths at least")
        scan_s, start_s = np.polyfit(list(runs), list(runs.values()), 1)
        return cls(max(0.0, float(start_s)), max(0.0, float(scan_s)))

    def core_s(self, scans: int, workers: int) -> float:
        """Core-seconds that a batch takes, whoever else has the machine.

        Several workers have a process more, which holds scheduler and client; workers beyond the scans count alike,
        since they start before it is known who gets one.
        """
        return (workers + (workers > 1)) * self.start_s + scans * self.scan_s

    def makespan_s(self, scans: int, workers: int, cores: int, shared: float = SHARED) -> float:
        """Seconds that a batch takes on one machine that is idle but for it.

        Parameters
        ----------
        scans, workers, cores : int
        shared : float
            Share of a scan's work that several cores of a worker do together.

        Returns
        -------
        float
            Starts, by one core each, those of several workers after that of the client; then the rounds of scans, each
            as long as one takes on a worker's share of the cores.
        """
        own, slowed = max(1.0, cores / workers), max(1.0, workers / cores)
        scan_s = self.scan_s * (1 - shared + shared / own)
        client_s = self.start_s if workers > 1 else 0.0
        return client_s + slowed * (self.start_s + ceil(scans / workers) * scan_s)
