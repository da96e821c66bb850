"""What the back-projection needs of a scan's geometry, made from its first spokes while the others come."""

import logging
from collections.abc import Callable

import numpy as np
import sigpy

from gadgets.mrd.header import ScanHeader
from gadgets.mrd.headers.roles import roles_of
from gadgets.mrd.intake.measurement import Measurement
from gadgets.multitasking.navigators import find_navigators
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.samples import kept_samples, trajectory_of
from recon.readouts.trajectory import samples_within
from recon.readouts.turning_spoke import sample_spacing
from recon.spatial.plans import plan_ahead

log = logging.getLogger(__name__)

_SEEN_AT = 64
"""Readouts whose imaging spokes tell where the samples of all lie, if these are straight."""


class PlansAhead:
    """Makes the gridding of straight spokes' lines, once; of other spokes it is made when all have come.

    Parameters
    ----------
    measurement : Measurement
        Filled by others.
    parameters : MultitaskingParameters
    device : sigpy.Device
    read_header : callable
        Gives the header, or raises what is wrong with it.
    """

    def __init__(
        self,
        measurement: Measurement,
        parameters: MultitaskingParameters,
        device: sigpy.Device,
        read_header: Callable[[], ScanHeader],
    ) -> None:
        self._measurement, self._parameters = measurement, parameters
        self._device, self._read_header = device, read_header
        self._is_due = parameters.gridding == "folded"

    def __call__(self) -> None:
        """Look whether enough has come; to be called after each item."""
        if not self._is_due or len(self._measurement.stored) < _SEEN_AT:
            return
        self._is_due = False
        try:
            self._plan(self._read_header())
        except Exception as problem:  # what is wrong with the scan is told when it has ended
            log.debug("gridding is not planned ahead: %s", problem)

    def _plan(self, header: ScanHeader) -> None:
        stored = self._measurement.stored.all()
        used = stored.at(np.flatnonzero(roles_of(stored.heads, self._parameters).used))
        spokes = used.at(np.flatnonzero(~find_navigators(used, self._parameters)))
        if not len(spokes):
            return
        trajectory, _ = trajectory_of(spokes, spokes.heads, 0, self._parameters, header)
        trajectory = trajectory[:, kept_samples(spokes.heads)]
        trajectory = trajectory[:, samples_within(trajectory, header.matrix)]
        spacing = sample_spacing(trajectory)
        center = round(2 * float(np.linalg.norm(trajectory[0, 0])) / spacing) / 2
        samples = trajectory.shape[1]
        if abs(samples - 1 - 2 * center) <= 1:
            plan_ahead(samples, header.matrix, spacing, center, self._parameters.nufft, self._device)
