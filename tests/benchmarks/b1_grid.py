"""T1 of the myocardium with B1 nominal and estimated, over a grid of what a scan may be; back-projection alone.

python tests/benchmarks/b1_grid.py [--whole] [--seeds 1]

Each line changes one property of `standard`; `varying` is a B1 of 0.8 to 1.15 over the slice. Without --whole, five
lines are shown, in some five minutes.
"""

import argparse
import dataclasses

import numpy as np

from gadgets.evaluation.regions import compare_regions
from gadgets.evaluation.truth import slice_of_simulation
from gadgets.multitasking.parameters import MultitaskingParameters
from recon.multitasking import reconstruct
from recon.simulation.chest import PRESETS, simulate_scan
from tests.support.varying_b1 import varying_scan

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


def errors(change: dict, seed: int, b1: str) -> tuple[np.ndarray, float]:
    """Relative errors of T1 in the segments of the wall, and the median B1 that was found."""
    settings = {name: value for name, value in change.items() if name != "varying"}
    draw = varying_scan if change.get("varying") else simulate_scan
    scan = draw(dataclasses.replace(PRESETS["standard"], **settings), seed)
    parameters = MultitaskingParameters(reconstruction="backprojection", b1=b1)
    result = reconstruct(slice_of_simulation(scan, parameters).scan, parameters.settings())
    truth = scan.tissue_map({name: tissue.t1_ms for name, tissue in scan.tissues.items()})
    names = ["air", *(shape.name for shape in scan.phantom.shapes)]
    regions = compare_regions(result.t1_map, truth, scan.shape_map(), names)
    found = 1.0 if result.b1 is None else float(np.median(result.b1.scale[result.t1_map.t1_ms > 0]))
    return np.array([r.t1_ms / r.true_t1_ms - 1 for r in regions if r.tissue == "myocardium"]), found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    print("| scan | B1 | bias | limits | B1 found |\n| --- | --- | --- | --- | --- |")
    for change in CHANGES if arguments.whole else CHANGES[:SUBSET]:
        for b1 in ("nominal", "estimate"):
            each = [errors(change, seed, b1) for seed in range(1, arguments.seeds + 1)]
            wall, found = np.concatenate([one[0] for one in each]), np.mean([one[1] for one in each])
            name = ", ".join(f"{key}={value}" for key, value in change.items()) or "standard"
            limits = 196 * wall.std(ddof=1)
            print(f"| {name} | {b1} | {100 * wall.mean():+.1f} % | ±{limits:.1f} % | {found:.3f} |", flush=True)


if __name__ == "__main__":
    main()
