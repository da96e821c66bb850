"""Pairs through a trained network and its turned inputs: what it errs by, and what it could have known of that."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import sigpy
from numpy.typing import NDArray

from gadgets.datasets.contents import content_of
from gadgets.multitasking.network import ArrayNetwork
from recon.errors import DataError
from recon.multitasking.spatial_factor import turned_estimates
from recon.multitasking.uncertainty import frame_spread, t1_spread
from recon.quality.map_statistics import map_statistics
from recon.relaxometry.inversion_recovery import InversionRecovery, recovery_basis
from recon.relaxometry.t1 import T1Map, fit_t1
from recon.simulation.pairs.course import Course
from recon.simulation.pairs.maker import MadePair, PairMaker
from recon.spatial.frames import body_mask, frames, time_average
from recon.spatial.trust.correction import corrected

# Noise of a fully sampled image, as training draws it.
_SNR = (8.0, 40.0)
# Frames at random times that are judged of a scan in motion.
_FRAMES = 3
# Every fourth pulse enters the T1 fit, as in recon.multitasking.quantitative.
_T1_STEP = 4


@dataclass(frozen=True)
class JudgedPair:
    """What is known of a pair's result, and what is true.

    Attributes
    ----------
    kind, course : str
    rank : int
        Basis maps of the course.
    statistics : dict of str to float
    frames, initial, true : (frames, N, N) float32, or None
        Magnitudes of the result, of the back-projection, and of the truth, where samples were taken.
    spread : (frames, N, N) float32, or None
        Mean square of what the samples differ by.
    body : (N, N) bool, or None
    t1 : dict of str to (N, N) float32, or None
        ``found``, ``true``, ``deviation`` of the fit and mean square ``spread``; empty without recovery.
    """

    kind: str
    course: str
    rank: int
    statistics: dict[str, float]
    frames: NDArray | None = None
    initial: NDArray | None = None
    true: NDArray | None = None
    spread: NDArray | None = None
    body: NDArray | None = None
    t1: dict[str, NDArray] | None = None


def judged_pairs(
    network: ArrayNetwork,
    name: str,
    course: Course,
    kinds: Sequence[str],
    each: int,
    samples: int,
    seed: int,
    device: sigpy.Device = sigpy.cpu_device,
) -> Iterator[JudgedPair]:
    """Make pairs of a course and judge the network's results.

    Parameters
    ----------
    network : ArrayNetwork
    name : str
        Of the course.
    course : Course
    kinds : sequence of str
    each : int
        Pairs of each kind; the first one is sampled.
    samples : int
        Turned inputs of it; 0: none.
    seed : int
    device : sigpy.Device
        Where pairs are made: the network's.

    Yields
    ------
    JudgedPair
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    with device:
        maker = PairMaker(course.on(device), rng, noises=4)
    for kind in kinds:
        for number in range(each):
            content = content_of(kind, int(rng.integers(2**31)), 2 * course.matrix)
            with device:
                pair = maker.pair(content.on(device), float(rng.uniform(*_SNR)), rng)
                answers = _answers(network, maker, pair, samples if number == 0 else 0)
            yield _judged(course, pair, answers, (kind, name), rng)


def _answers(network: ArrayNetwork, maker: PairMaker, pair: MadePair, samples: int) -> list[NDArray]:
    """What the network says of a pair, then of its turned inputs, in host memory."""
    given = (maker.normal, pair.adjoint, pair.noise_variance) if network.sees_data else ()
    said = [network(pair.back_projection, *given)]
    if samples:
        said += turned_estimates(network, pair.back_projection, samples, *given)
    if network.sees_data:
        said = [corrected(maker.normal, pair.adjoint, maps, pair.noise_variance).maps for maps in said]
    return [sigpy.to_device(maps, sigpy.cpu_device) for maps in said]


def _judged(
    course: Course, pair: MadePair, answers: Sequence[NDArray], names: tuple[str, str], rng: np.random.Generator
) -> JudgedPair:
    found, *turned = answers
    back_projection, label = (sigpy.to_device(maps, sigpy.cpu_device) for maps in (pair.back_projection, pair.label))
    statistics = map_statistics(back_projection, found)
    if not turned:
        return JudgedPair(*names, course.rank, statistics)
    times = rng.integers(0, course.temporal_basis.shape[1], _FRAMES if course.rank > 1 else 1)
    phi = course.temporal_basis[:, times]
    shown = np.abs(frames(found, phi))
    spread = frame_spread(shown, turned, phi)
    body = body_mask(np.abs(time_average(found, course.temporal_basis)))
    initial, true = (np.abs(frames(maps, phi)) for maps in (back_projection, label))
    t1 = _judged_t1(course, found, label, turned, body)
    return JudgedPair(*names, course.rank, statistics, shown, initial, true, spread, body, t1)


def _judged_t1(
    course: Course, found: NDArray, label: NDArray, turned: Sequence[NDArray], body: NDArray
) -> dict[str, NDArray]:
    if course.cells is None or course.sequence is None:
        return {}
    cell, sequence = course.cells[0], course.sequence
    try:
        best, true, *others = (_t1_of(cell, sequence, course.pulse, maps, body) for maps in (found, label, *turned))
    except DataError:
        return {}
    spread = t1_spread(best.t1_ms, [one.t1_ms for one in others])
    values = {"found": best.t1_ms, "true": true.t1_ms, "deviation": best.uncertainty_ms, "spread": spread}
    return {name: value.astype(np.float32) for name, value in values.items()}


def _t1_of(cell: NDArray, sequence: InversionRecovery, pulse: NDArray, maps: NDArray, body: NDArray) -> T1Map:
    """T1 at one state of motion, as the gadget fits it."""
    pulses = np.unique(pulse)[::_T1_STEP]
    basis = recovery_basis(sequence.tr_ms, sequence.flip_angle_deg, sequence.pulses, cell.shape[-1])[pulses]
    return fit_t1(frames(maps, cell), basis, pulses, sequence, body, cell.T @ cell)
