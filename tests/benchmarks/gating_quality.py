"""Whether the quality figures of self-gating and T1 fall where the result is wrong, on simulated scans of 10 to 60 s.

python tests/benchmarks/gating_quality.py [--scans 100] [--first-seed 5000] [--t1-scans 6] [--json figures.jsonl]

Only navigators are simulated for the gating, which takes some seconds a scan on an idle core. Thresholds were tuned on
seeds below 1000.
"""

import argparse
import dataclasses
import json
import logging
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from gadgets.evaluation.truth import slice_of_simulation
from gadgets.multitasking.parameters import MultitaskingParameters
from recon.multitasking import reconstruct
from recon.readouts.timeline import Timeline
from recon.relaxometry.inversion_recovery import recovery_basis
from recon.simulation.chest import PRESETS, SimulatedScan, simulate_scan
from recon.simulation.chest.motion import Physiology, random_motion
from recon.temporal.heart_rate import rate_per_minute
from recon.temporal.motion import NavigatorSeries, navigator_series, principal_features
from recon.temporal.navigator import readout_profiles
from recon.temporal.self_gating import self_gate

TOLERANCE = 0.05
SHORTEST_S, LONGEST_S = 10.0, 60.0
BLOCK = 64
HABITS = (
    {},
    {"ectopic_share": 0.08},
    {"heart_rate_variability": 0.1},
    {"breath_variability": 0.3, "deep_breath_share": 0.3},
    {"breathing": 0.0},
    {"heartbeat": 0.0},
    {"heartbeat": 0.0, "breathing": 0.0, "drift_mm": 0.0},
    {"snr": 8.0},
)
"""Hearts and breaths other than the simulator's; a heart that does not beat has to be unresolved."""


def drawn_scan(seed: int, varied: bool) -> SimulatedScan:
    """Presets by turns, durations even on a logarithmic scale; varied: 45 to 145 beats per minute, and other habits."""
    rng = np.random.default_rng([seed, 99])
    duration_s = float(np.exp(rng.uniform(np.log(SHORTEST_S), np.log(LONGEST_S))))
    protocol = dataclasses.replace(PRESETS[("tiny", "standard")[seed % 2]], duration_s=duration_s)
    if not varied:
        return simulate_scan(protocol, seed)
    habits = dict(HABITS[rng.integers(len(HABITS))])
    protocol = dataclasses.replace(protocol, snr=habits.pop("snr", protocol.snr), physiology=Physiology(**habits))
    scan = simulate_scan(protocol, seed)
    # the simulator's hearts beat 50 to 86 times a minute: time that runs faster makes others
    stretched_s = scan.timeline.time_s * rng.uniform(0.9, 1.7)
    other = random_motion(stretched_s, np.random.default_rng([seed, 2]), protocol.physiology)
    heart = {name: getattr(other, name) for name in ("cardiac_phase", "is_ectopic", "contraction")}
    return dataclasses.replace(scan, motion=dataclasses.replace(scan.motion, **heart))


def navigators(scan: SimulatedScan) -> tuple[NavigatorSeries, NDArray]:
    """Prewhitened navigators as the self-gating sees them, and their numbers among the readouts."""
    protocol, timing = scan.protocol, scan.timeline
    index = np.arange(0, protocol.readouts, 2)
    kept = index
    for skipped in (2, 1):  # as the gadget: no more leading periods than leave half of the scan
        kept = index[timing.inversion[index] >= skipped]
        if 2 * len(kept) >= len(index):
            break
    else:
        kept = index
    k = np.broadcast_to(scan.trajectory()[:1].astype(np.float64), (BLOCK, protocol.samples, 2))
    whitening, rng = np.linalg.inv(scan.noise_factor), np.random.default_rng([scan.seed, 77])
    profiles = []
    for rows in np.split(kept, range(BLOCK, len(kept), BLOCK)):
        clean = whitening @ scan.noiseless(slice(rows[0], rows[-1] + 1, 2), np.ascontiguousarray(k[: len(rows)]))
        noise = (rng.standard_normal(clean.shape) + 1j * rng.standard_normal(clean.shape)) / np.sqrt(2)
        profiles.append(readout_profiles((clean + noise).astype(np.complex64), protocol.matrix))
    timeline = Timeline(timing.time_s[kept], timing.pulse[kept], timing.inversion[kept])
    basis = recovery_basis(protocol.tr_ms, protocol.flip_angle_deg, protocol.readouts_per_inversion, 5)
    features = principal_features(np.concatenate(profiles), 64)
    return navigator_series(features, basis[timeline.pulse], timeline.inversion, timeline.time_s), kept


def gating_row(seed: int, varied: bool) -> dict:
    logging.disable(logging.WARNING)
    scan = drawn_scan(seed, varied)
    series, kept = navigators(scan)
    found = self_gate(series)
    time_s, phase = scan.timeline.time_s, scan.motion.cardiac_phase
    beats = time_s[1:][np.diff(phase) < 0]
    intervals = np.diff(beats[(beats > series.time_s[0] - 1.5) & (beats < series.time_s[-1] + 1.5)])
    row = {"seed": seed, "preset": ("tiny", "standard")[seed % 2], "duration_s": scan.protocol.duration_s}
    row |= {"varied": varied, "beats": bool(np.ptp(scan.motion.contraction)), "habits": str(scan.protocol.physiology)}
    row |= {"true": [60 / float(np.median(intervals)), 60 / float(np.mean(intervals))]}
    row |= {"rate": rate_per_minute(found.heart, series.time_s) if found.heart else None}
    row |= {"heart_quality": found.heart_quality, "respiration_quality": found.respiration_quality}
    if found.respiration is not None and np.ptp(scan.motion.displacement_mm[kept]) > 2:
        row["respiration"] = float(np.corrcoef(found.respiration, scan.motion.displacement_mm[kept])[0, 1])
    return row


def is_right(row: dict) -> bool:
    return row["beats"] and min(abs(row["rate"] / true - 1) for true in row["true"]) < TOLERANCE


def t1_row(seed: int) -> dict:
    """T1 of every pixel of one tissue, less the truth, over its stated standard deviation."""
    logging.disable(logging.WARNING)
    parameters = MultitaskingParameters(reconstruction="admm")
    scan = simulate_scan(dataclasses.replace(PRESETS["tiny"], duration_s=30.0), seed)
    result = reconstruct(slice_of_simulation(scan, parameters).scan, parameters.settings())
    true = scan.tissue_map({name: tissue.t1_ms for name, tissue in scan.tissues.items() if tissue.inflow == 0})
    shapes, fitted = scan.shape_map(), result.t1_map
    inside = (true > 0) & (fitted.t1_ms > 0) & (fitted.inflow == 0)
    for axis in (0, 1):
        for step in (-1, 1):  # pixels whose neighbours belong to another shape mix two tissues
            inside &= np.roll(shapes, step, axis) == shapes
    sigma = fitted.uncertainty_ms[inside] / true[inside]
    error = fitted.t1_ms[inside] / true[inside] - 1
    return {
        "seed": seed,
        "sigma": sigma.tolist(),
        "error": error.tolist(),
        "residual": fitted.residual[inside].tolist(),
    }


def heart_tables(rows: list[dict]) -> None:
    for low, high in ((10, 15), (15, 20), (20, 25), (25, 61)):
        some = [row for row in rows if low <= row["duration_s"] < high and row["beats"]]
        seen = [row for row in some if row["rate"]]
        wrong = sum(not is_right(row) for row in seen)
        print(f"{low} to {high} s: {len(some)} scans with a heartbeat, {len(seen)} resolved, {wrong} of them wrong")
    still = [row for row in rows if not row["beats"]]
    print(f"no heartbeat: {len(still)} scans, {sum(bool(row['rate']) for row in still)} resolved")
    held = sum(not row["rate"] or is_right(row) for row in rows)
    print(f"right within 5 % or said to be unresolved: {held} of {len(rows)}")
    for low, high in ((0, 0.35), (0.35, 0.6), (0.6, 0.8), (0.8, 0.95), (0.95, 1.01)):
        some = [row for row in rows if row["rate"] and low <= row["heart_quality"] < high]
        wrong = sum(not is_right(row) for row in some)
        unresolved = sum(not row["rate"] and low <= row["heart_quality"] < high for row in rows)
        print(f"heart quality {low} to {high}: {len(some)} rates, {wrong} wrong; {unresolved} unresolved")
    right, wrong = (
        np.array([row["heart_quality"] for row in rows if row["rate"] and is_right(row) == wanted])
        for wanted in (True, False)
    )
    if len(right) and len(wrong):
        above = np.mean(right[:, None] > wrong) + 0.5 * np.mean(right[:, None] == wrong)
        print(f"a right rate has the higher quality of a right and a wrong one in {100 * above:.0f} % of all pairs")
    for row in rows:
        if row["rate"] and not is_right(row):
            print(
                "wrong:",
                {name: row[name] for name in ("seed", "duration_s", "true", "rate", "heart_quality", "habits")},
            )


def respiration_table(rows: list[dict]) -> None:
    seen = [row for row in rows if "respiration" in row]
    for low, high in ((0, 0.5), (0.5, 0.8), (0.8, 0.9), (0.9, 1.01)):
        values = np.array([row["respiration"] for row in seen if low <= row["respiration_quality"] < high])
        if len(values):
            print(
                f"respiration quality {low} to {high}: {len(values)} signals, correlation median "
                f"{np.median(values):.2f}, least {values.min():.2f}, {np.count_nonzero(values < 0.8)} below 0.8"
            )
    if len(seen) > 2:
        pairs = np.array([(row["respiration_quality"], row["respiration"]) for row in seen])
        print(f"rank correlation of quality and correlation: {spearmanr(*pairs.T).statistic:.2f}")


def t1_table(rows: list[dict]) -> None:
    sigma, error, residual = (np.concatenate([row[name] for row in rows]) for name in ("sigma", "error", "residual"))
    for low, high in ((0, 0.02), (0.02, 0.04), (0.04, 0.08), (0.08, 0.16), (0.16, 0.32), (0.32, np.inf)):
        some = (sigma >= low) & (sigma < high)
        if some.any():
            ratio = np.abs(error[some]) / sigma[some]
            print(
                f"stated deviation {100 * low:g} to {100 * high:g} %: {np.count_nonzero(some)} pixels, error median "
                f"{100 * np.median(np.abs(error[some])):.1f} %, bias {100 * np.median(error[some]):+.1f} %, "
                f"{100 * np.mean(ratio < 1):.0f} % within 1 and {100 * np.mean(ratio < 2):.0f} % within 2 deviations"
            )
    for name, values in (("stated deviation", sigma), ("residual", residual)):
        print(f"rank correlation of {name} and error: {spearmanr(values, np.abs(error)).statistic:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=100)
    parser.add_argument("--varied-scans", type=int, default=60)
    parser.add_argument("--first-seed", type=int, default=5000)
    parser.add_argument("--t1-scans", type=int, default=6)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    first = arguments.first_seed
    cases = [(first + number, False) for number in range(arguments.scans)]
    cases += [(first + 500 + number, True) for number in range(arguments.varied_scans)]
    with ProcessPoolExecutor(arguments.processes) as pool:
        gated = list(pool.map(gating_row, *zip(*cases, strict=True))) if cases else []
        t1 = list(pool.map(t1_row, range(first, first + arguments.t1_scans)))
    if arguments.json:
        arguments.json.write_text("".join(json.dumps(row) + "\n" for row in gated + t1))
    for title, varied in (("Simulated hearts and breaths", False), ("Other hearts and breaths", True)):
        rows = [row for row in gated if row["varied"] == varied]
        if rows:
            print(f"\n{title}")
            heart_tables(rows)
            respiration_table(rows)
    if t1:
        print(f"\nT1 of {len(t1)} scans, pixel by pixel")
        t1_table(t1)


if __name__ == "__main__":
    main()
