"""Networks (and ADMM) on kinds of bodies that no weights are trained on, by made pairs of courses kept apart.

    malibu prepare-courses courses
    python tests/benchmarks/held_out_kinds.py courses --last 3 --bodies 2 --admm --into-cards

Prints the NRMSE of U over that of the back-projection: geometric mean over bodies, and the worst body; and the same
within the disc of k-space that spokes reach, since what lies in the corners nobody measured. The last course of the
folder is the one that trainings validate on; with ``--last 3`` the folder must hold two more than were trained on.
Scans of one image from few spokes (``single``) are others than those of the training, too.
"""

import argparse
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import sigpy
import torch
from numpy.typing import NDArray

from gadgets.datasets.contents import HELD_OUT, content_of
from gadgets.datasets.courses import read_course, single_image_course
from gadgets.multitasking.network import open_network
from gadgets.multitasking.parameters import MultitaskingParameters
from nets.weights import MULTITASKING, UNROLLED, load_weights, save_weights, shipped
from recon.quality.metrics import nrmse
from recon.simulation.pairs.maker import PairMaker
from recon.spatial.admm import admm, noise_lambda
from recon.spatial.trust.correction import corrected

_BODY_SEED, _SINGLE_SEED = 910_000, 800_000
_WEIGHTS = {"mdcn": MULTITASKING, "unrolled": UNROLLED}


def reached(maps: NDArray) -> NDArray:
    """What of maps lies within the disc of k-space that spokes reach."""
    along = np.fft.fftfreq(maps.shape[-1])
    return np.fft.ifft2(np.fft.fft2(maps) * (np.hypot(along[:, None], along) <= 0.5))


def estimates(
    maker: PairMaker, kind: str, seed: int, snr: float, with_admm: bool
) -> tuple[NDArray, dict[str, NDArray]]:
    """U, and what each method makes of its data; seconds are printed."""
    made = maker.pair(content_of(kind, seed, 2 * maker.course.matrix), snr, np.random.default_rng(seed))
    found, seconds = {"back-projection": made.back_projection}, {}
    for name, weights in _WEIGHTS.items():
        start = time.perf_counter()
        given = made.back_projection, maker.normal, made.adjoint, made.noise_variance
        found[name] = open_network(shipped(weights), sigpy.cpu_device)(*given)
        if name == "unrolled":
            given_back = corrected(maker.normal, made.adjoint, found[name], made.noise_variance)
            found["unrolled, corrected"] = given_back.maps
        seconds[name] = time.perf_counter() - start
    if with_admm:
        start = time.perf_counter()
        penalty = noise_lambda(maker.normal, made.adjoint, made.noise_variance)  # as a noise scan would tell it
        settings = replace(MultitaskingParameters().settings().admm, relative_lambda=penalty)
        found["admm"] = admm(maker.normal, made.adjoint, made.back_projection, settings).spatial_factor
        seconds["admm"] = time.perf_counter() - start
    print("seconds:", ", ".join(f"{name} {value:.1f}" for name, value in seconds.items()))
    return made.label, found


def write_into_cards(means: dict[tuple[str, str, str], float]) -> None:
    """Keep the mean ratios in the cards of the shipped weights."""
    for name, weights in _WEIGHTS.items():
        loaded = load_weights(shipped(weights))
        metrics = {key: value for key, value in loaded.card.metrics.items() if not key.endswith("_ratio")}
        metrics |= {
            f"{scan}_{kind}_ratio": round(means[scan, kind, name], 3) for scan, kind, method in means if method == name
        }
        save_weights(shipped(weights), loaded.network, replace(loaded.card, metrics=metrics), half=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("courses", type=Path)
    parser.add_argument("--last", type=int, default=1)
    parser.add_argument("--bodies", type=int, default=2)
    parser.add_argument("--snr", type=float, default=20.0)
    parser.add_argument("--admm", action="store_true")
    parser.add_argument("--into-cards", action="store_true")
    wanted = parser.parse_args()
    torch.set_num_threads(2)
    courses = {path.stem: read_course(path) for path in sorted(wanted.courses.glob("gated-*.h5"))[-wanted.last :]}
    courses |= {f"single-{seed}": single_image_course(_SINGLE_SEED + seed) for seed in range(3)}
    ratios: dict[tuple[str, str, str], list[tuple[float, float]]] = defaultdict(list)
    for name, course in courses.items():
        maker = PairMaker(course, np.random.default_rng(1))
        for kind in HELD_OUT:
            for body in range(wanted.bodies):
                label, found = estimates(maker, kind, _BODY_SEED + body, wanted.snr, wanted.admm)
                errors = {
                    key: (nrmse(maps, label), nrmse(reached(maps), reached(label))) for key, maps in found.items()
                }
                shown = errors.pop("back-projection")
                text = ", ".join(f"{key} {pair[0]:.4f} ({pair[1]:.4f})" for key, pair in errors.items())
                print(f"{name} {kind} {body}: back-projection {shown[0]:.4f} ({shown[1]:.4f}), {text}", flush=True)
                for key, pair in errors.items():
                    ratios[name.split("-")[0], kind, key].append((pair[0] / shown[0], pair[1] / shown[1]))
    print("\n| scan | kind | method | mean ratio | worst | in the disc: mean | worst |\n|" + 7 * " --- |")
    means = {key: np.exp(np.mean(np.log(values), axis=0)) for key, values in ratios.items()}
    for key, values in ratios.items():
        (mean, inside), worst = means[key], np.max(values, axis=0)
        print(f"| {' | '.join(key)} | {mean:.3f} | {worst[0]:.3f} | {inside:.3f} | {worst[1]:.3f} |")
    if wanted.into_cards:
        write_into_cards({key: float(value[0]) for key, value in means.items()})


if __name__ == "__main__":
    main()
