"""Control and label images of a simulated brain, with what spoils them: noise, drift, physiology, motion, outliers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter1d
from scipy.spatial.transform import Rotation

from recon.simulation.angiogram.random_fields import Grid, smooth
from recon.simulation.perfusion.brain import PROTON_DENSITY, VOXEL_MM, Brain

_EFFICIENCY, _BLOOD_T1_S, _PARTITION = 0.85, 1.65, 0.9
"""Of pCASL, of arterial blood at 3 T, and the blood-brain partition coefficient in mL/g (Alsop 2015)."""

_T1_S = {"grey": 1.33, "white": 0.83, "fluid": 4.0}
"""Of the tissues at 3 T."""

_RHYTHMS_HZ = (0.1, 0.3, 1.0)
"""Vasomotion, breathing and heartbeat: at a TR of 4 s they are aliased."""


_COMMON = 0.2
"""Share of a rhythm that all of the brain has alike; the rest differs from place to place."""


@dataclass(frozen=True)
class AslProtocol:
    """How the brain is scanned.

    Attributes
    ----------
    pairs : int
    pld_s, duration_s, tr_s, slice_time_s : float
        Post-labelling delay of the first slice, labelling, repetition, and time of each slice.
    tsnr : float
        Signal of grey matter in control images over the thermal noise; 0: no noise. With the rhythms, 120 becomes the
        100 that is measured over time.
    drift : float
        Change of the signal over the scan.
    physiology : float
        Amplitude of rhythms in grey matter, over the signal; thrice that in fluid.
    jitter_mm : float
        Standard deviation of the head's movement from image to image; the same number in degrees.
    outliers : int
        Pairs in whose label images the head jerks by five to twenty times that, or some slices are lost.
    blur_voxels : float
        Standard deviation of the blur along y, which T2* decay of an echo-planar train leaves.
    control_first : bool
    """

    pairs: int = 40
    pld_s: float = 1.5
    duration_s: float = 1.5
    tr_s: float = 4.0
    slice_time_s: float = 0.035
    tsnr: float = 120.0
    drift: float = 0.02
    physiology: float = 0.004
    jitter_mm: float = 0.1
    outliers: int = 4
    blur_voxels: float = 0.4
    control_first: bool = True

    def without_disturbance(self) -> "AslProtocol":
        """The same scan of a head that lies still, without noise or rhythms, of one pair."""
        times = (self.pld_s, self.duration_s, self.tr_s, self.slice_time_s)
        return AslProtocol(1, *times, 0.0, 0.0, 0.0, 0.0, 0, self.blur_voxels, self.control_first)


@dataclass(frozen=True)
class AslScan:
    """What was measured, and what was true of it.

    Attributes
    ----------
    frames : (t, z, y, x) float32
        Magnitudes in the order in which they were measured.
    is_control : (t,) bool
    m0 : (z, y, x) float32
        Proton density, blurred as the frames are, without noise.
    movement : (t, 6) float64
        Shifts in mm along z, y, x and rotation vector in rad.
    spoiled_pairs : (n,) int64
        Outliers, from 0.
    """

    frames: NDArray[np.float32]
    is_control: NDArray[np.bool_]
    m0: NDArray[np.float32]
    movement: NDArray[np.float64]
    spoiled_pairs: NDArray[np.int64]


def labelled_share(brain: Brain, protocol: AslProtocol) -> NDArray[np.float64]:
    """Labelled blood per voxel over its proton density: Buxton's kinetic model of a bolus that decays with T1 of blood.

    For an arrival before the read-out this is equation 1 of Alsop 2015, whatever the arrival time; blood that arrives
    later is missed, as on a scanner.

    Returns
    -------
    (z, y, x) float64
    """
    arrival = brain.arrival_s.astype(np.float64)
    delay = protocol.pld_s + protocol.slice_time_s * np.arange(len(arrival))[:, None, None]
    # The label that reached the voxel left the neck between `oldest` and `latest` seconds before the read-out.
    oldest, latest = delay + protocol.duration_s, np.maximum(delay, arrival)
    stored = np.clip(np.exp(-latest / _BLOOD_T1_S) - np.exp(-oldest / _BLOOD_T1_S), 0, None)
    flow_per_s = brain.cbf / 6000.0
    return 2 * _EFFICIENCY * _BLOOD_T1_S * flow_per_s / _PARTITION * stored


def true_cbf(brain: Brain, protocol: AslProtocol) -> NDArray[np.float32]:
    """Blood flow that a perfect scan of this resolution shows: late arrival and blur are in it, errors of T1 are not.

    Returns
    -------
    (z, y, x) float32
        mL/100 g/min.
    """
    delay = protocol.pld_s + protocol.slice_time_s * np.arange(len(brain.cbf))[:, None, None]
    per_flow = 2 * _EFFICIENCY * _BLOOD_T1_S / 6000.0 / _PARTITION
    per_flow = per_flow * (np.exp(-delay / _BLOOD_T1_S) - np.exp(-(delay + protocol.duration_s) / _BLOOD_T1_S))
    m0 = _blurred(brain.m0, protocol)
    labelled = _blurred(labelled_share(brain, protocol) * brain.m0, protocol)
    return np.divide(labelled, per_flow * m0, out=np.zeros(m0.shape), where=m0 > 1.0).astype(np.float32)


def scan_brain(brain: Brain, protocol: AslProtocol, seed: int) -> AslScan:
    """Scan a brain.

    Parameters
    ----------
    brain : Brain
    protocol : AslProtocol
    seed : int
        Of noise, rhythms and movements.

    Returns
    -------
    AslScan
    """
    rng = np.random.default_rng((seed, 2))
    count = 2 * protocol.pairs
    is_control = (np.arange(count) % 2 == 0) == protocol.control_first
    relaxed = _relaxed(brain, protocol.tr_s)
    control = _blurred(relaxed, protocol)
    label = control - _blurred(labelled_share(brain, protocol) * brain.m0, protocol)
    movement = _movement(protocol, rng, count)
    spoiled, lost = _spoiled(protocol, np.random.default_rng((seed, 3)), movement, is_control, len(brain.cbf))
    courses = _courses(brain, protocol, rng, count)
    grey = PROTON_DENSITY["grey"] * (1 - np.exp(-protocol.tr_s / _T1_S["grey"]))
    deviation = grey / protocol.tsnr if protocol.tsnr else 0.0
    frames = []
    for number in range(count):
        clean = (control if is_control[number] else label) * (1 + courses(number))
        moved = _moved(clean, movement[number]) * lost[number][:, None, None]
        frames.append(_noisy(moved, deviation, rng))
    return AslScan(np.stack(frames).astype(np.float32), is_control, _blurred(brain.m0, protocol), movement, spoiled)


def _relaxed(brain: Brain, tr_s: float) -> NDArray:
    """Signal after excitations every TR: each tissue recovers with its own T1."""
    parts = {"grey": brain.grey, "white": brain.white, "fluid": brain.fluid}
    signals = [PROTON_DENSITY[name] * (1 - np.exp(-tr_s / _T1_S[name])) * share for name, share in parts.items()]
    return np.sum(signals, axis=0)


def _blurred(image: NDArray, protocol: AslProtocol) -> NDArray:
    if not protocol.blur_voxels:
        return image
    return gaussian_filter1d(image, protocol.blur_voxels, axis=1, mode="nearest")


def _courses(brain: Brain, protocol: AslProtocol, rng: np.random.Generator, count: int) -> Callable[[int], NDArray]:
    """Relative change of the signal: number of the frame → (z, y, x), or 0 of a scan without drift and rhythms."""
    times = protocol.tr_s * np.arange(count)
    span = np.linspace(-0.5, 0.5, count)
    drift = protocol.drift * (span * rng.choice([-1, 1]) + rng.normal(0, 0.3) * (span**2 - 1 / 12))
    if not protocol.physiology:
        return lambda number: np.asarray(drift[number])
    grid = Grid(brain.cbf.shape, (VOXEL_MM[0] / VOXEL_MM[1], 1.0, 1.0))
    weight = protocol.physiology * (brain.grey + 0.5 * brain.white + 3 * brain.fluid)
    waves = []
    for rhythm in _RHYTHMS_HZ:
        course = np.sin(2 * np.pi * rhythm * (1 + rng.normal(0, 0.05)) * times + rng.uniform(0, 2 * np.pi))
        waves.append((course * (1 + 0.3 * rng.standard_normal(count)), weight * (_COMMON + smooth(grid, rng, 8.0))))
    return lambda number: drift[number] + sum(course[number] * place for course, place in waves)


def _scale(protocol: AslProtocol) -> NDArray[np.float64]:
    """(6,) deviation of shifts in mm and turns in rad: heads nod more than they turn, and hardly lift."""
    return np.asarray(protocol.jitter_mm * np.array([0.5, 1, 1, *np.deg2rad([1.0, 0.5, 0.5])]))


def _movement(protocol: AslProtocol, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """(t, 6) random walk and jitter, on average 0."""
    movement = np.cumsum(rng.normal(0, 0.2, (count, 6)), axis=0) + rng.normal(0, 1, (count, 6))
    return np.asarray((movement - movement.mean(axis=0)) * _scale(protocol))


def _spoiled(
    protocol: AslProtocol, rng: np.random.Generator, movement: NDArray, is_control: NDArray, slices: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Choose the outliers; add jerks to the movement; (t, z) share of the signal that is left of each slice."""
    spoiled = np.sort(rng.choice(protocol.pairs, min(protocol.outliers, protocol.pairs), replace=False))
    lost = np.ones((len(is_control), slices))
    for place, pair in enumerate(spoiled):
        frame = int(np.flatnonzero(~is_control)[pair])
        if place % 2 == 0 and protocol.jitter_mm:
            movement[frame] += rng.uniform(5, 20) * rng.choice([-1, 1], 6) * _scale(protocol)
        else:
            first = int(rng.integers(0, max(1, slices - 1)))
            lost[frame, first : first + max(2, slices // 4)] = rng.uniform(0.7, 0.92)
    return spoiled, lost


def _moved(image: NDArray, movement: NDArray) -> NDArray:
    """The image of a head that moved: what lay at ``x`` now lies at ``R x + t``."""
    if not movement.any():
        return image
    scale, centre = np.array(VOXEL_MM), (np.array(image.shape) - 1) / 2
    back = Rotation.from_rotvec(movement[3:]).as_matrix().T
    linear = back * scale / scale[:, None]
    offset = centre - linear @ centre - (back @ movement[:3]) / scale
    return affine_transform(image, linear, offset, order=3, mode="nearest")


def _noisy(image: NDArray, deviation: float, rng: np.random.Generator) -> NDArray:
    """Magnitude of the image with complex Gaussian noise."""
    if not deviation:
        return image
    noise = deviation * rng.standard_normal((2, *image.shape))
    return np.hypot(image + noise[0], noise[1])
