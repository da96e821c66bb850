"""Back-projection and mDCN (and ADMM) against the truth on held-out simulated scans.

    python tests/benchmarks/mdcn.py --seeds 10 --methods backprojection,mdcn

    python tests/benchmarks/mdcn.py --vary --methods backprojection,mdcn,unrolled

Seeds 1 to N of the ``standard`` preset, or one seed whose protocol is varied in one thing at a time; shipped weights
were trained on seeds from 1000 on. The cardiac cycles are compared with the truth's spatial factor in the same cells of
the temporal tensor, at its own scale. At the end T1's bias and limits by tissue, over the regions of all scans.
"""

import argparse
from dataclasses import replace
from typing import Any

import numpy as np
import sigpy

from gadgets.evaluation.multitasking import METHODS
from gadgets.evaluation.regions import compare_regions
from gadgets.evaluation.truth import cine_quality, seen_truth, slice_of_simulation
from gadgets.multitasking.network import load_network
from gadgets.multitasking.parameters import MultitaskingParameters
from recon.multitasking import encode, estimate, map_t1
from recon.quality.metrics import agreement, nrmse
from recon.simulation.chest import PRESETS, Protocol, simulate_scan
from recon.stages import StageClock

QUALITY = ("bright SSIM", "bright PSNR", "dark SSIM", "dark PSNR")
COLUMNS = ("U NRMSE", *QUALITY, "T1 R", "T1 bias %", "T1 limits %", "seconds")
LOW_IS_GOOD = ("U NRMSE", "T1 limits %", "seconds")


VARIED: dict[str, dict[str, Any]] = {
    "as it is": {},
    "SNR 10": {"snr": 10},
    "SNR 40": {"snr": 40},
    "30 s": {"duration_s": 30},
    "90 s": {"duration_s": 90},
    "angle 32.04": {"golden_angle_deg": 32.039},
    "matrix 128": {"matrix": 128, "samples": 256},
    "flip angle 3": {"flip_angle_deg": 3},
    "flip angle 8": {"flip_angle_deg": 8},
    "period 500": {"readouts_per_inversion": 500},
    "16 coils": {"coils": 16},
}
"""What is changed of the protocol, one at a time: noise, spokes, trajectory, matrix, contrast, coils."""


def figures(
    protocol: Protocol, seed: int, methods: list[str], parameters: MultitaskingParameters
) -> dict[str, tuple[list[float], dict[str, list[float]]]]:
    """One row of :data:`COLUMNS` per method, and relative errors of T1 in the regions of each tissue."""
    scan, clock = simulate_scan(protocol, seed), StageClock()
    measured = slice_of_simulation(scan, parameters)
    encoded = encode(measured.scan, parameters.settings(), clock=clock)
    shared = sum(clock.seconds.values())
    drawn = scan.truth_readouts
    truth = seen_truth(encoded, measured.scan, scan.truth_images(drawn), scan.coils.maps(protocol.matrix), drawn)
    true_t1 = scan.tissue_map({name: tissue.t1_ms for name, tissue in scan.tissues.items()})
    names = ["air", *(shape.name for shape in scan.phantom.shapes)]
    rows = {}
    for method in methods:
        chosen, clock = parameters.model_copy(update=METHODS[method]), StageClock()
        network = load_network(chosen, sigpy.cpu_device, protocol.matrix)
        factor = estimate(encoded.problem, chosen.settings(), clock, network).maps
        with clock.stage("T1 map"):
            t1_map = map_t1(factor, encoded.temporal, chosen.settings())
        bright, dark = cine_quality(factor, truth.spatial_factor, encoded.temporal, chosen)
        regions = compare_regions(t1_map, true_t1, scan.shape_map(), names)
        found = agreement(*np.array([(region.t1_ms, region.true_t1_ms) for region in regions]).T)
        errors: dict[str, list[float]] = {}
        for region in regions:
            errors.setdefault(region.tissue, []).append(region.t1_ms / region.true_t1_ms - 1)
        row = [
            nrmse(factor, truth.spatial_factor),
            *(bright.ssim, bright.psnr_db, dark.ssim, dark.psnr_db),
            *(found.correlation, 100 * found.bias, 100 * found.half_width),
            shared + sum(clock.seconds.values()),
        ]
        rows[method] = row, errors
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--methods", default="backprojection,mdcn")
    parser.add_argument("--weights")
    parser.add_argument("--vary", action="store_true")
    arguments = parser.parse_args()
    methods = arguments.methods.split(",")
    parameters = MultitaskingParameters(device="cpu", weights=arguments.weights)
    table: dict[str, list[list[float]]] = {method: [] for method in methods}
    tissues: dict[tuple[str, str], list[float]] = {}
    print(f"{'':>12} {'':14}", *(f"{name:>11}" for name in COLUMNS))
    standard = PRESETS["standard"]
    cases = [(str(seed), standard, seed) for seed in range(arguments.first, arguments.first + arguments.seeds)]
    if arguments.vary:
        cases = [(name, replace(standard, **change), arguments.first) for name, change in VARIED.items()]
    for name, protocol, seed in cases:
        for method, (row, errors) in figures(protocol, seed, methods, parameters).items():
            table[method].append(row)
            for tissue, values in errors.items():
                tissues.setdefault((method, tissue), []).extend(values)
            print(f"{name:>12} {method:14}", *(f"{value:11.3f}" for value in row), flush=True)
    for method, rows in table.items():
        print(f"{'mean':>12} {method:14}", *(f"{value:11.3f}" for value in np.mean(rows, axis=0)))
    for method, rows in table.items():
        columns = zip(COLUMNS, zip(*rows, strict=True), strict=True)
        worst = [max(values) if name in LOW_IS_GOOD else min(values) for name, values in columns]
        print(f"{'worst':>12} {method:14}", *(f"{value:11.3f}" for value in worst))
    for (method, tissue), values in tissues.items():
        print(
            f"T1 {method} {tissue}: {len(values)} regions, {100 * np.mean(values):+.1f} ±{196 * np.std(values):.1f} %"
        )


if __name__ == "__main__":
    main()
