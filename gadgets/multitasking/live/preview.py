"""The heart while it is being scanned: a real-time frame every second, and a cine once the gating has locked."""

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import sigpy
from numpy.typing import NDArray

from gadgets.errors import StreamError
from gadgets.mrd.connection import GadgetStream
from gadgets.mrd.header import ScanHeader
from gadgets.mrd.headers.places import geometry_of, oriented
from gadgets.mrd.headers.roles import roles_of
from gadgets.mrd.image_meta import window_of
from gadgets.mrd.intake.measurement import Measurement
from gadgets.mrd.intake.store import StoredReadouts
from gadgets.multitasking.images import SERIES_PER_MEASUREMENT, image_of, multitasking_images
from gadgets.multitasking.navigators import find_navigators
from gadgets.multitasking.network import ArrayNetwork
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.readouts import header_like, slices_of
from gadgets.multitasking.samples import finite_samples, kept_samples, trajectory_of
from gadgets.multitasking.series import SERIES, Picture
from gadgets.multitasking.timing import inversion_periods
from recon.multitasking import reconstruct
from recon.multitasking.sliding_window import LEAST_SPOKES, sliding_window_image, spokes_needed
from recon.readouts.noise import apply_to_coils, prewhitening_matrix
from recon.stages import StageClock

log = logging.getLogger(__name__)

REALTIME_SERIES, CINE_SERIES = 13, 14
"""Series numbers of the preview: real-time frames, and the first cine."""

_FRAME_S = 1.0
_GATED_AT_S = (21.0, 26.0, 32.0, 40.0, 50.0, 60.0)
"""Scan times at which the gating is tried: 15 s after two inversion periods (GatingSettings.least_breaths); each
trial costs as much as the temporal model of the scan."""

_UNKNOWN_TR_MS = 3.6
_AFTER_INVERSION = 26
"""Spokes after an inversion, beyond the window of the centre of k-space, in which the contrast passes its null."""


class Preview:
    """Shows one measurement while it arrives; what goes wrong is logged, and costs the preview alone.

    Parameters
    ----------
    stream : GadgetStream
    measurement : Measurement
        Filled by others.
    parameters : MultitaskingParameters
    device : sigpy.Device
    read_header : callable
        Gives the header, or raises what is wrong with it.
    network : callable
        Gives the network for the first cine, None for the back-projection, or raises why there is none.
    """

    def __init__(
        self,
        stream: GadgetStream,
        measurement: Measurement,
        parameters: MultitaskingParameters,
        device: sigpy.Device,
        read_header: Callable[[], ScanHeader],
        network: Callable[[], ArrayNetwork | None],
    ) -> None:
        self._stream, self._measurement = stream, measurement
        self._parameters, self._device = parameters, device
        self._read_header, self._network = read_header, network
        self._frames, self._is_possible = 0, True
        gates = parameters.temporal_model == "tensor" and parameters.basis is None
        self._trials_s = list(_GATED_AT_S) if gates else []

    def __call__(self) -> None:
        """Look whether it is time for a frame or a trial of the gating; to be called after each item."""
        received = self._measurement.received
        if not self._is_possible:
            return
        try:
            header = self._read_header()
            tr_s = (self._parameters.tr_ms or next(iter(header.tr_ms), None) or _UNKNOWN_TR_MS) / 1000
            if received * tr_s >= (self._frames + 1) * _FRAME_S:
                self._show_frame(header)
            if self._trials_s and received * tr_s >= self._trials_s[0]:
                self._trials_s.pop(0)
                self._try_gating(header)
        except StreamError:
            raise  # the peer is gone
        except Exception as problem:  # whatever a preview meets that the whole scan may not: it must not cost the scan
            self._is_possible = False
            log.warning("no preview of this scan: %s", problem or type(problem).__name__)

    def _show_frame(self, header: ScanHeader) -> None:
        """Send the present moment; one in which the contrast passes through its null is passed over for the last."""
        self._frames += 1
        imaging = self._imaging_spokes()
        if not len(imaging):
            return
        last = self._settled_spoke(imaging, header)
        needed = spokes_needed(header.matrix)
        if last + 1 < needed:
            return
        window = imaging.at(np.arange(last + 1 - needed, last + 1))
        with self._device:
            image = sigpy.to_device(self._image(window, imaging, last, header), sigpy.cpu_device)
        spoke = max(0, last - LEAST_SPOKES // 2)
        head = header_like(imaging.heads[spoke])
        meta = window_of(image) | {
            "MalibuReconstruction": "preview: sliding window",
            "FrameSpoke": spoke,
            "DataRole": ["Image", "PREVIEW"],
        }
        series = REALTIME_SERIES + SERIES_PER_MEASUREMENT * self._measurement.number
        fov_mm = geometry_of(oriented(head), header.fov_mm).fov_mm
        self._stream.send(image_of(Picture(image), "preview, real-time", (series, self._frames), head, fov_mm, meta))

    def _imaging_spokes(self) -> StoredReadouts:
        """Imaging spokes so far, of the slice that came last."""
        received = self._measurement.stored.all()
        roles = roles_of(received.heads, self._parameters)
        used = received.at(np.flatnonzero(roles.used))
        number = used.heads["idx"]["slice"]
        mine = used.at(np.flatnonzero(number == number[-1]))
        return mine.at(np.flatnonzero(~find_navigators(mine, self._parameters)))

    def _settled_spoke(self, imaging: StoredReadouts, header: ScanHeader) -> int:
        period = inversion_periods(imaging.heads, self._parameters, header)
        first = int(np.searchsorted(period, period[-1]))
        inverted = period[-1] > 0 and len(period) - first < LEAST_SPOKES + _AFTER_INVERSION
        return (first if inverted else len(period)) - 1

    def _image(self, window: StoredReadouts, imaging: StoredReadouts, last: int, header: ScanHeader) -> NDArray:
        heads = window.heads
        kept = kept_samples(heads)
        if np.all(heads["trajectory_dimensions"] >= 2):
            trajectory, _ = trajectory_of(window, heads, 0, self._parameters, header)
        else:  # computed angles count from the first spoke of the scan
            everything, _ = trajectory_of(imaging, imaging.heads, 0, self._parameters, header)
            trajectory = everything[last + 1 - len(window) : last + 1]
        samples = finite_samples(window, kept)
        noise = self._measurement.noise(header.relative_noise_bandwidth)
        if noise is not None:
            samples = apply_to_coils(prewhitening_matrix(*noise), samples)
        kspace = sigpy.to_device(np.ascontiguousarray(samples.swapaxes(0, 1)), self._device)
        spokes = sigpy.to_device(np.ascontiguousarray(trajectory[:, kept]), self._device)
        return sliding_window_image(kspace, spokes, header.matrix, self._parameters.nufft)

    def _try_gating(self, header: ScanHeader) -> None:
        """Reconstruct what came so far; if a heartbeat is resolved, send its cine and try no more."""
        parameters, clock = self._parameters, StageClock()
        latest = self._measurement.stored.all().heads["idx"]["slice"][-1]
        measured = next(
            one for one in slices_of(self._measurement, header, parameters) if one.scan.slice_index == latest
        )
        settings = replace(parameters.settings(), t1_map=False, consistency_steps=0)
        if settings.reconstruction == "admm":
            settings = replace(settings, reconstruction="network")
        result = reconstruct(measured.scan, settings, self._network(), self._device, clock)
        if not result.beats:
            log.info("preview: no heartbeat is resolved yet")
            return
        self._trials_s.clear()
        stated = {"preview": True} | parameters.model_dump(mode="json", include={"rank", "cardiac_bins"})
        choices = parameters.model_copy(update={"images": ("cine_bright",)})
        offset = CINE_SERIES - SERIES["cine_bright"].number
        for image in multitasking_images(
            result, measured, choices, stated, clock, self._measurement.number, first_series=offset
        ):
            self._stream.send(image)
