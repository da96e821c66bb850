"""T1 of myocardium, blood and liver with B1 nominal and estimated, over a grid of what a scan may be.

python -m tests.benchmarks.b1_grid [--preset anatomy] [--set NAME=VALUE …] [--lines 5] [--whole] [--seeds 1]
[--first-seed 1] [--method backprojection]

Each line changes one property of the preset; `varying` is a B1 of 0.8 to 1.15 over the slice of a chest of ellipses
(bodies vary in B1 anyway). Without --whole, five lines are shown, in some five minutes.
"""

import argparse

import numpy as np
import sigpy

from gadgets.evaluation.regions import compare_regions
from gadgets.evaluation.truth import slice_of_simulation
from gadgets.multitasking.network import load_network
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.simulated.radial import protocol_with
from recon.multitasking import reconstruct
from recon.simulation.chest import Protocol, ScannedSubject, simulate_scan
from tests.support.varying_b1 import b1_map, varying_scan

CHANGES: list[dict] = [
    {},
    {"flip_angle_scale": 0.8},
    {"flip_angle_scale": 0.85},
    {"flip_angle_scale": 1.15},
    {"varying": True},
    {"flip_angle_scale": 0.9},
    {"flip_angle_scale": 1.1},
    {"flip_angle_scale": 0.85, "inversion_efficiency": 0.8},
    {"flip_angle_scale": 0.85, "snr": 10.0},
    {"flip_angle_scale": 0.85, "tr_ms": 5.0, "readouts_per_inversion": 496},
    {"flip_angle_scale": 0.85, "flip_angle_deg": 8.0},
    {"flip_angle_scale": 0.85, "coils": 16},
    {"flip_angle_scale": 0.85, "matrix": 128, "samples": 256},
]
SUBSET = 5
TISSUES = "myocardium", "blood", "liver"


def true_b1(scan: ScannedSubject, is_varying: bool) -> np.ndarray:
    """True flip angle over the nominal one at each voxel."""
    maps, scale = scan.truth_maps(), scan.protocol.flip_angle_scale
    if is_varying:
        return b1_map(scan.protocol.matrix)
    return scale * maps["b1"] if "b1" in maps and scan.protocol.b1_variation else np.full_like(maps["t1_ms"], scale)


def errors(
    protocol: Protocol, is_varying: bool, seed: int, b1: str, method: str
) -> tuple[dict[str, list[float]], np.ndarray]:
    """Relative errors of T1 in the regions of each tissue, and those of B1 in the heart's voxels."""
    scan = (varying_scan if is_varying else simulate_scan)(protocol, seed)
    parameters = MultitaskingParameters(device="cpu", reconstruction=method, b1=b1)
    network = load_network(parameters, sigpy.cpu_device, protocol.matrix)
    result = reconstruct(slice_of_simulation(scan, parameters).scan, parameters.settings(), network)
    names, shapes, truth = scan.shape_names, scan.shape_map(), scan.truth_maps()["t1_ms"]
    tissues: dict[str, list[float]] = {name: [] for name in TISSUES}
    for region in compare_regions(result.t1_map, truth, shapes, names):
        tissues.setdefault(region.tissue, []).append(region.t1_ms / region.true_t1_ms - 1)
    heart = np.isin(shapes, [number for number, name in enumerate(names) if "ventricle" in name])
    heart &= (result.t1_map.t1_ms > 0) & (truth > 0)
    found = np.ones_like(truth) if result.b1 is None else result.b1.scale
    return tissues, found[heart] / true_b1(scan, is_varying)[heart] - 1


def shown(values: np.ndarray) -> str:
    """Bias and limits of agreement in per cent."""
    limits = 196 * values.std(ddof=1) if len(values) > 1 else float("nan")
    return f"{100 * values.mean():+.1f} ±{limits:.1f} %" if len(values) else "none"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="standard")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="of the simulated protocol")
    parser.add_argument("--lines", type=int, default=SUBSET)
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--method", choices=("backprojection", "mdcn", "unrolled", "admm"), default="backprojection")
    arguments = parser.parse_args()
    given = dict(one.split("=", 1) for one in arguments.set)
    is_body = bool(protocol_with(arguments.preset, given).kind)
    changes = [change for change in CHANGES if not (is_body and change.get("varying"))]
    titles = ["scan", "B1", *(f"T1 of {tissue}" for tissue in TISSUES), "B1 in the heart"]
    print(f"| {' | '.join(titles)} |\n|{' --- |' * len(titles)}")
    for change in changes if arguments.whole else changes[: arguments.lines]:
        settings = {name: value for name, value in change.items() if name != "varying"}
        protocol = protocol_with(arguments.preset, given | settings)
        name = ", ".join(f"{key}={value}" for key, value in change.items()) or arguments.preset
        for b1 in ("nominal", "estimate"):
            seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
            each = [errors(protocol, "varying" in change, seed, b1, arguments.method) for seed in seeds]
            found = [shown(np.array([error for one in each for error in one[0][tissue]])) for tissue in TISSUES]
            heart = shown(np.concatenate([one[1] for one in each]))
            print(f"| {' | '.join([name, b1, *found, heart])} |", flush=True)


if __name__ == "__main__":
    main()
