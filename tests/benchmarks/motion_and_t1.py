"""Gating, temporal tensor and T1 on simulated scans, against the truth.

python tests/benchmarks/motion_and_t1.py [--preset anatomy] [--set NAME=VALUE …] [--seeds 10] [--without-ectopic]
    [--json figures.json] [--figure docs/multitasking.png]
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gadgets.evaluation.regions import compare_regions
from gadgets.evaluation.truth import slice_of_simulation
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.series import SERIES
from gadgets.simulated.radial import protocol_with
from recon.multitasking import EncodedScan, RadialScan, Result, encode, estimate, map_t1
from recon.multitasking.quantitative import find_b1
from recon.quality.metrics import agreement
from recon.relaxometry.b1_map import B1Map
from recon.simulation.chest import Protocol, ScannedSubject, simulate_scan
from recon.stages import StageClock

PARAMETERS = MultitaskingParameters(reconstruction="admm", b1="estimate")  # keeps the first inversion period
SETTINGS = PARAMETERS.settings()
RANK = 32
TOLERANCE_S = 0.1
TRUTH_STEP = 8


def encoded_scan(scan: ScannedSubject) -> tuple[EncodedScan, RadialScan, StageClock]:
    radial, clock = slice_of_simulation(scan, PARAMETERS).scan, StageClock()
    return encode(radial, SETTINGS, clock=clock), radial, clock


def beat_detection(found_s: NDArray, scan: ScannedSubject, start_s: float) -> tuple[float, float]:
    """Sensitivity and precision within 0.1 s, after the constant delay between R wave and trigger is removed."""
    time_s = scan.timeline.time_s
    true_s = time_s[1:][np.diff(scan.motion.cardiac_phase) < 0]
    true_s, found_s = (beats[(beats > start_s + 1) & (beats < time_s[-1] - 1)] for beats in (true_s, found_s))
    gaps = found_s[:, None] - true_s[None, :]
    delays = np.arange(-0.6, 0.6, 0.005)
    delay = delays[np.argmax([np.count_nonzero((np.abs(gaps - d) < TOLERANCE_S).any(axis=0)) for d in delays])]
    close = np.abs(gaps[np.abs(gaps - delay) < TOLERANCE_S])
    delay = np.median(gaps[np.abs(gaps - delay) < TOLERANCE_S]) if close.size else delay
    near = np.abs(gaps - delay) < TOLERANCE_S
    return float(near.any(axis=0).mean()), float(near.any(axis=1).mean())


def gating_figures(encoded: EncodedScan, scan: ScannedSubject) -> dict[str, float]:
    model = encoded.temporal.gated
    start_s = float(encoded.temporal.imaging.time_s[0])
    sensitivity, precision = beat_detection(model.gating.beats.time_s, scan, start_s)
    displacement = np.interp(model.navigator_time_s, scan.timeline.time_s, scan.motion.displacement_mm)
    correlation = np.corrcoef(model.gating.respiration, displacement)[0, 1]
    return {"sensitivity": sensitivity, "precision": precision, "respiration": float(correlation)}


def truth_series(encoded: EncodedScan, radial: RadialScan, scan: ScannedSubject) -> tuple[NDArray, NDArray]:
    """True images at every eighth kept spoke, and Φ there."""
    kept = radial.imaging.index[encoded.temporal.kept]
    chosen = np.arange(0, len(kept), TRUTH_STEP)
    images = scan.truth_images(kept[chosen]).reshape(len(chosen), -1)
    return images.astype(np.complex128 if np.iscomplexobj(images) else np.float64), encoded.temporal.basis[
        :, chosen
    ].real.astype(np.float64)


def basis_figures(images: NDArray, basis: NDArray) -> dict[str, float]:
    total = np.sum(np.abs(images) ** 2)
    values = np.linalg.eigvalsh(images @ images.conj().T)[::-1]
    best = np.sqrt(values[RANK:].sum() / total)
    inside = np.linalg.qr(basis.T)[0].T @ images
    error = np.sqrt(max(0.0, 1 - np.sum(np.abs(inside) ** 2) / total))
    return {"basis_error": float(error), "best_error": float(best), "ratio": float(error / best)}


def true_b1_of(scan: ScannedSubject) -> B1Map | None:
    """B1 of each voxel where it varies; None where one number holds."""
    if not scan.protocol.b1_variation:
        return None
    scale = scan.protocol.flip_angle_scale * scan.truth_maps()["b1"]
    return B1Map(np.where(scale > 0, scale, 1).astype(np.float32), np.full_like(scale, 0.001), "truth")


def one_scan(protocol: Protocol, seed: int) -> tuple[dict, dict]:
    scan = simulate_scan(protocol, seed)
    encoded, radial, clock = encoded_scan(scan)
    figures: dict = gating_figures(encoded, scan) | {"temporal_model_s": clock.seconds["temporal basis"]}
    images, basis = truth_series(encoded, radial, scan)
    figures |= basis_figures(images, basis)
    matrix = scan.protocol.matrix
    projected = np.linalg.lstsq(basis.T, images, rcond=None)[0].reshape(-1, matrix, matrix)
    true_t1, names = scan.truth_maps()["t1_ms"], scan.shape_names
    found = estimate(encoded.problem, SETTINGS, clock)
    factor, true_b1 = found.maps, true_b1_of(scan)
    ways = {"projected": (projected, true_b1), "admm": (factor, None)}
    if true_b1 is not None:
        first, problem = encoded.first, encoded.problem
        estimated = find_b1(found.back_projection, problem, encoded.temporal, SETTINGS, first)
        ways |= {"admm_true_b1": (factor, true_b1), "admm_estimated_b1": (factor, estimated)}
    maps = {}
    for name, (spatial_factor, b1) in ways.items():
        start = time.perf_counter()
        maps[name] = map_t1(spatial_factor, encoded.temporal, SETTINGS, b1)
        figures[f"t1_map_{name}_s"] = time.perf_counter() - start
        regions = compare_regions(maps[name], true_t1, scan.shape_map(), names)
        figures[f"regions_{name}"] = [dataclasses.asdict(region) for region in regions]
    figures["reconstruction_s"] = sum(clock.seconds[stage] for stage in ("back-projection", "Toeplitz kernel", "ADMM"))
    return figures, {"encoded": encoded, "scan": radial, "factor": factor, "t1": maps["admm"], "true_t1": true_t1}


def ectopic_scan(protocol: Protocol, seed: int) -> dict:
    scan = simulate_scan(
        dataclasses.replace(protocol, physiology=dataclasses.replace(protocol.physiology, ectopic_share=0.05)), seed
    )
    encoded, _, _ = encoded_scan(scan)
    in_ectopic = np.interp(encoded.temporal.imaging.time_s, scan.timeline.time_s, scan.motion.is_ectopic) > 0.5
    out = ~encoded.temporal.kept
    figures = gating_figures(encoded, scan)
    figures["ectopic_left_out"] = float(out[in_ectopic].mean()) if in_ectopic.any() else float("nan")
    figures["regular_left_out"] = float(out[~in_ectopic].mean())
    return figures


def draw(kept: dict, path: Path) -> None:
    """README's figure: cine, T1 recovery and T1 map beside the truth."""
    result = Result(
        spatial_factor=kept["factor"],
        back_projection=kept["factor"],
        method="admm",
        temporal=kept["encoded"].temporal,
        t1_map=kept["t1"],
        coil_maps=kept["encoded"].problem.coil_maps,
        settings=SETTINGS,
        provenance={},
        prewhitened=True,
        nufft="finufft",
        device="cpu",
        seconds={},
    )
    shown = {kind: SERIES[kind].make(result, kept["scan"], PARAMETERS) for kind in ("cine_bright", "t1_recovery")}
    figure = Figure(figsize=(15, 5.4))
    grid = figure.add_gridspec(2, 7, width_ratios=[1, 1, 1, 1, 1, 0.05, 1.35], wspace=0.03, hspace=0.12)
    for row, pictures in enumerate(shown.values()):
        peak = np.percentile(np.stack([picture.array for picture in pictures]), 99)
        for column, number in enumerate(np.linspace(0, len(pictures) - 1, 5).round().astype(int)):
            axes = figure.add_subplot(grid[row, column])
            axes.imshow(pictures[number].array[38:118, 46:126], cmap="gray", vmin=0, vmax=peak)
            name, value = (("", "CardiacPhaseMs"), ("TI ", "InversionTime"))[row]
            axes.set_title(f"{name}{float(pictures[number].meta[value]):.0f} ms", fontsize=10)
            axes.axis("off")
    for row, (title, values) in enumerate((("T1 (ms)", kept["t1"].t1_ms), ("true T1 (ms)", kept["true_t1"]))):
        axes = figure.add_subplot(grid[row, 6])
        drawn = axes.imshow(values[22:138, 6:154], cmap="inferno", vmin=0, vmax=2200)
        axes.set_title(title, fontsize=10)
        axes.axis("off")
        figure.colorbar(drawn, ax=axes, shrink=0.85)
    figure.savefig(path, dpi=80, bbox_inches="tight", metadata={"Software": None})


def summary(rows: list[dict], ectopic: list[dict]) -> None:
    def line(name: str, values: list[float], worst: float) -> None:
        print(f"{name}: mean {np.mean(values):.4f}, worst {worst:.4f}")

    for name in ("sensitivity", "precision", "respiration"):
        line(name, [row[name] for row in rows], min(row[name] for row in rows))
    for name in ("basis_error", "best_error", "ratio", "temporal_model_s", "t1_map_admm_s", "reconstruction_s"):
        line(name, [row[name] for row in rows], max(row[name] for row in rows))
    for name in ("sensitivity", "precision", "respiration", "ectopic_left_out"):
        values = [row[name] for row in ectopic if not np.isnan(row[name])]
        if values:
            line(f"5 % ectopic beats: {name}", values, min(values))
    if values := [r["regular_left_out"] for r in ectopic]:
        line("5 % ectopic beats: regular_left_out", values, max(values))
    sources = [name.removeprefix("regions_") for name in rows[0] if name.startswith("regions_")]
    for source in sources:
        everything = [region for row in rows for region in row[f"regions_{source}"]]
        for tissue in ("myocardium", "blood", "liver"):
            mine = [region for region in everything if region["tissue"] == tissue]
            if not mine:
                continue
            found = agreement(np.array([r["t1_ms"] for r in mine]), np.array([r["true_t1_ms"] for r in mine]))
            print(
                f"T1 {source}, {tissue}: {len(mine)} regions, bias {100 * found.bias:+.2f} %, "
                f"limits ±{100 * found.half_width:.2f} %"
            )
        found = agreement(np.array([r["t1_ms"] for r in everything]), np.array([r["true_t1_ms"] for r in everything]))
        print(f"T1 {source}, all: bias {100 * found.bias:+.2f} %, R {found.correlation:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="standard")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="of the simulated protocol")
    parser.add_argument("--without-ectopic", action="store_true")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    protocol = protocol_with(arguments.preset, dict(one.split("=", 1) for one in arguments.set))
    rows, ectopic = [], []
    for seed in range(1, arguments.seeds + 1):
        figures, kept = one_scan(protocol, seed)
        rows.append(figures)
        if arguments.figure and seed == 1:
            draw(kept, arguments.figure)
        del kept
        if not arguments.without_ectopic:
            ectopic.append(ectopic_scan(protocol, seed))
        shown = {name: round(value, 4) for name, value in figures.items() if isinstance(value, float)}
        print(f"seed {seed}: {shown}, ectopic: {ectopic[-1:]}", flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps({"scans": rows, "ectopic": ectopic}, indent=1))
    summary(rows, ectopic)


if __name__ == "__main__":
    main()
