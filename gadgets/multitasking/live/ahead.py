"""Work on navigators while they come: prewhitened, across the field of view, and summed up into their Gram matrix."""

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gadgets.mrd.header import ScanHeader
from gadgets.mrd.headers.roles import roles_of
from gadgets.mrd.intake.measurement import Measurement
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.readouts import MeasuredSlice
from recon.errors import DataError
from recon.multitasking import NoiseScan, prewhitening_of
from recon.temporal.fitting.profiles import BLOCK, ProfileSums

log = logging.getLogger(__name__)

_LOOKED_AT = 2 * BLOCK
"""Readouts after which new navigators are looked for: a block of them, where every other readout is one."""


class Ahead:
    """Takes the navigators of a scan of one slice as they come, guessing by their heads alone which will be used.

    What is used is decided when the scan has ended. If the guess was right, the sums are there by then; if not, they
    are made anew, over the same blocks, and the result is the same.

    Parameters
    ----------
    measurement : Measurement
        Filled by others.
    parameters : MultitaskingParameters
    read_header : callable
        Gives the header, or raises what is wrong with it.
    """

    def __init__(
        self, measurement: Measurement, parameters: MultitaskingParameters, read_header: Callable[[], ScanHeader]
    ) -> None:
        self._measurement, self._parameters, self._read_header = measurement, parameters, read_header
        self._sums: ProfileSums | None = None
        self._slice: int | None = None
        self._looked_at, self._period, self._counter = 0, 0, -1
        self._waiting = np.zeros(0, dtype=int)
        self._summed: list[NDArray] = []
        self._sizes = (0, 0)
        self._is_guessing = (
            parameters.temporal_model == "tensor"
            and parameters.basis is None
            and parameters.navigator == "flag"
            and parameters.inversion_counter != "none"
            and parameters.readouts_per_inversion is None
        )

    def __call__(self) -> None:
        """Take what has come; to be called after each item."""
        if not self._is_guessing or len(self._measurement.stored) - self._looked_at < _LOOKED_AT:
            return
        try:
            self._waiting = np.concatenate([self._waiting, self._new_navigators()])
            while len(self._waiting) >= BLOCK:
                self._sum(self._waiting[:BLOCK])
                self._waiting = self._waiting[BLOCK:]
        except Exception as problem:  # what is wrong with the scan is told when it has ended
            log.debug("navigators are not summed up while they come: %s", problem)
            self._is_guessing, self._sums = False, None

    def _new_navigators(self) -> NDArray:
        """Rows of navigators that came since the last look, after the inversion periods that are dropped."""
        rows = np.arange(self._looked_at, len(self._measurement.stored))
        self._looked_at = len(self._measurement.stored)
        heads = self._measurement.stored.at(rows).heads
        slices = heads["idx"]["slice"]
        self._slice = int(slices[0]) if self._slice is None else self._slice
        if np.any(slices != self._slice):
            raise DataError("there are several slices")
        roles = roles_of(heads, self._parameters)
        counter = heads["idx"][self._parameters.inversion_counter].astype(int)
        before = counter[0] if self._counter < 0 else self._counter
        period = self._period + np.cumsum(np.diff(counter, prepend=before) != 0)
        self._period, self._counter = int(period[-1]), int(counter[-1])
        return rows[roles.navigator & (period >= self._parameters.skip_inversions)]

    def _sum(self, rows: NDArray) -> None:
        kspace = self._measurement.stored.at(rows).samples()
        if self._sums is None:
            if kspace.shape[1] > self._parameters.coils:
                raise DataError("coils are compressed by what the whole scan shows")
            header = self._read_header()
            noise = self._measurement.noise(header.relative_noise_bandwidth)
            self._sums = ProfileSums(header.matrix, prewhitening_of(noise and NoiseScan(*noise), kspace.shape[1]))
            self._sizes = (header.matrix, kspace.shape[2])
        self._sums.add(kspace)
        self._summed.append(rows)

    def lent_to(self, measured: MeasuredSlice) -> MeasuredSlice:
        """Give a slice the sums over its navigators, if those were guessed; else the slice as it is.

        Parameters
        ----------
        measured : MeasuredSlice

        Returns
        -------
        MeasuredSlice
        """
        navigators, rows = measured.scan.navigators, measured.navigator_rows
        if self._sums is None or navigators is None or rows is None or not self._is_guessing:
            return measured
        done = np.concatenate(self._summed)
        sizes = (measured.scan.matrix, navigators.kspace.shape[2])
        if not np.array_equal(done, rows[: len(done)]) or sizes != self._sizes:
            log.info("other navigators are used than those that were summed up while they came")
            self._sums = None
            return measured
        for start in range(len(done), len(rows), BLOCK):
            self._sums.add(navigators.kspace[start : start + BLOCK])
        self._is_guessing = False  # the sums are complete
        return replace(measured, scan=replace(measured.scan, profiles=self._sums.profiles()))
