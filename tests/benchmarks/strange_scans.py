"""Scans that the default network should call unlike its training, and the same scans as they should be.

    malibu prepare-courses courses
    python tests/benchmarks/strange_scans.py courses --last 2

Made pairs of the last courses of the folder: bottles (a disc of one T1, at rest), and bodies whose back-projection was
made with the square root of the density compensation, at the best scale, beside the right one. Prints the distance over
the limit (above 1, the scan is called strange) and the error of the default over the back-projection's.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import sigpy
from numpy.typing import NDArray

from gadgets.datasets.contents import content_of
from gadgets.datasets.courses import read_course
from gadgets.multitasking.network import open_network
from gadgets.multitasking.trust.familiarity import verdict_of
from nets.weights import UNROLLED, shipped
from recon.quality.map_statistics import map_statistics
from recon.quality.metrics import nrmse
from recon.readouts.density import ramp_weights
from recon.simulation.pairs import maker as pair_maker
from recon.simulation.pairs.content import Content
from recon.simulation.pairs.maker import MadePair, PairMaker
from recon.spatial.trust.correction import corrected

_SNR, _BODY_SEED = 20.0, 920_000
_BODIES = "short_axis", "abdomen", "brain", "long_axis", "legs"
# Radius and middle over the field of view, T1 in ms.
_BOTTLES = (0.12, (0.05, -0.1), 300.0), (0.15, (-0.15, 0.1), 1200.0), (0.3, (0.02, 0.03), 2500.0), (0.42, (0, 0), 800.0)


def bottle(pixels: int, seed: int) -> Content:
    """A disc with a smooth phase that neither moves nor flows."""
    radius, (row, column), t1_ms = _BOTTLES[seed]
    y, x = np.mgrid[:pixels, :pixels] / pixels - 0.5
    disc = np.clip((radius - np.hypot(y - row, x - column)) * pixels + 0.5, 0, 1)
    base, even = content_of("shapes", seed, pixels), np.ones((pixels, pixels), np.float32)
    return replace(
        base,
        kind="bottle",
        density=(disc * np.exp(1j * (2 * x - 1.5 * y + 3 * x * y))).astype(np.complex64),
        t1_ms=t1_ms * even,
        b1=even,
        inflow=0 * even,
        shifts=np.zeros_like(base.shifts),
        appearance=np.ones_like(base.appearance),
    )


def root_of_ramp(trajectory: NDArray) -> NDArray:
    """Half of the density compensation that a spoke needs."""
    weights = ramp_weights(trajectory)
    return np.sqrt(np.maximum(weights, 0) * np.median(weights))


def scans(maker: PairMaker, wrong: PairMaker) -> Iterator[tuple[str, NDArray, MadePair]]:
    """Name, back-projection and pair of each scan."""
    pixels = 2 * maker.course.matrix
    for seed in range(len(_BOTTLES)):
        made = maker.pair(bottle(pixels, seed), _SNR, np.random.default_rng(seed))
        yield f"bottle {seed}", made.back_projection, made
    for seed, kind in enumerate(_BODIES):
        content = content_of(kind, _BODY_SEED + seed, pixels)
        for name, by in (("right", maker), ("root of the density", wrong)):
            made = by.pair(content, _SNR, np.random.default_rng(seed))
            shown = made.back_projection
            scale = np.vdot(shown, made.label).real / np.vdot(shown, shown).real if by is wrong else 1.0
            yield f"{kind}, {name}", np.float32(scale) * shown, made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("courses", type=Path)
    parser.add_argument("--last", type=int, default=1)
    wanted = parser.parse_args()
    network = open_network(shipped(UNROLLED), sigpy.cpu_device)
    for path in sorted(wanted.courses.glob("gated-*.h5"))[-wanted.last :]:
        course = read_course(path)
        maker = PairMaker(course, np.random.default_rng(1))
        pair_maker.ramp_weights = root_of_ramp
        wrong = PairMaker(course, np.random.default_rng(1))
        pair_maker.ramp_weights = ramp_weights
        for name, shown, made in scans(maker, wrong):
            found = network(shown, maker.normal, made.adjoint, made.noise_variance)
            maps = corrected(maker.normal, made.adjoint, found, made.noise_variance).maps
            verdict = verdict_of(network.training_statistics, map_statistics(shown, maps), len(maps))
            ratio = nrmse(maps, made.label) / nrmse(shown, made.label)
            print(f"{path.stem} {name}: {verdict.distance:.2f} of the limit, error {ratio:.2f} times", flush=True)


if __name__ == "__main__":
    main()
