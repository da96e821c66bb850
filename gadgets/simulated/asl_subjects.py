"""Simulated subjects of perfusion, scanned and quantified: for training and evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from recon.perfusion import AslSeries, Labelling, PerfusionMaps, PerfusionSettings, perfusion_maps
from recon.simulation.perfusion import AslProtocol, Brain, Lesion, scan_brain, simulate_brain
from recon.simulation.perfusion.brain import VOXEL_MM

_REFERENCE_FWHM_MM = 3.0

_TSNR = (160.0, 320.0)


@dataclass(frozen=True)
class Subject:
    """A subject.

    Attributes
    ----------
    brain : Brain
    protocol : AslProtocol
    maps : PerfusionMaps
        What was measured.
    """

    brain: Brain
    protocol: AslProtocol
    maps: PerfusionMaps

    def noise_free(self) -> NDArray[np.float32]:
        """(z, y, x) blood flow that the same quantification finds without noise, rhythms and movement."""
        protocol = self.protocol.without_disturbance()
        maps = _quantified(self.brain, protocol, 0, PerfusionSettings(False, False, False))
        return np.where(self.maps.brain, maps.cbf, np.float32(0))


def drawn_protocol(rng: np.random.Generator) -> AslProtocol:
    """Draw a scan: how noisy, restless and spoiled it is differs from subject to subject.

    The noise is such that the mean of 40 pairs, smoothed by 3 mm, has the SNR that Xie 2020 prints of 60 people, 5.87:
    voxels are not interpolated to those of an atlas here, which smooths, too.
    """
    return AslProtocol(
        tsnr=float(rng.uniform(*_TSNR)),
        drift=float(rng.uniform(0, 0.03)),
        physiology=float(rng.uniform(0.001, 0.006)),
        jitter_mm=float(rng.uniform(0.03, 0.15)),
        outliers=int(rng.integers(2, 7)),
        slice_time_s=float(rng.uniform(0.0, 0.05)),
    )


def measured_subject(
    shape: tuple[int, int, int],
    seed: int,
    lesions: int | Sequence[Lesion] = 0,
    protocol: AslProtocol | None = None,
) -> Subject:
    """Simulate a subject, scan it, and quantify its blood flow.

    Parameters
    ----------
    shape : (3,) tuple of int
        (z, y, x) voxels.
    seed : int
        Equal ones give the same brain, noise and movements, whatever the lesions.
    lesions : int or sequence of Lesion
        Small ones, or those that are wanted.
    protocol : AslProtocol, optional
        Default: drawn.
    """
    brain = simulate_brain(shape, seed, lesions)
    protocol = protocol or drawn_protocol(np.random.default_rng((seed, 4)))
    return Subject(brain, protocol, _quantified(brain, protocol, seed))


def _quantified(
    brain: Brain, protocol: AslProtocol, seed: int, settings: PerfusionSettings | None = None
) -> PerfusionMaps:
    labelling = Labelling(protocol.pld_s, protocol.duration_s, protocol.tr_s, protocol.slice_time_s)
    scan = scan_brain(brain, protocol, seed)
    return perfusion_maps(AslSeries(scan.frames, scan.is_control, labelling, VOXEL_MM), settings)


def smoothed_reference(maps: PerfusionMaps) -> NDArray[np.float32]:
    """Pseudo gold standard of Xie 2020: mean of all kept pairs, smoothed in the plane by 3 mm at half height."""
    sigma = _REFERENCE_FWHM_MM / 2.355 / VOXEL_MM[1]
    return np.asarray(gaussian_filter(maps.cbf, (0, sigma, sigma)), np.float32)
