"""The number of threads decides nothing: beats, basis, images and T1 of one scan with one thread and with two."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

PROGRAM = """
import dataclasses, sys
import numpy as np
from gadgets.evaluation.truth import slice_of_simulation
from gadgets.multitasking.parameters import MultitaskingParameters
from recon.multitasking import reconstruct
from recon.simulation.chest import PRESETS, simulate_scan

parameters = MultitaskingParameters(reconstruction="backprojection", rank=12)
scan = simulate_scan(dataclasses.replace(PRESETS["tiny"], duration_s=19.0), 2)
result = reconstruct(slice_of_simulation(scan, parameters).scan, parameters.settings())
gating, fitted = result.gated.gating, result.t1_map
np.savez(
    sys.argv[1], beats=gating.beats.time_s, basis=result.temporal.basis, factor=result.spatial_factor,
    weights=result.gated.weights.cardiac, t1=fitted.t1_ms, sigma=fitted.uncertainty_ms,
)
"""


def test_one_thread_and_two_give_the_same(tmp_path: Path) -> None:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    found = []
    for threads in ("1", "2"):
        output = tmp_path / f"{threads}.npz"
        environment = os.environ | dict.fromkeys(names, threads)
        subprocess.run([sys.executable, "-c", PROGRAM, output], check=True, capture_output=True, env=environment)
        found.append(np.load(output))
    one, two = found
    assert np.allclose(one["beats"], two["beats"], rtol=0, atol=1e-9)  # a path that took one other step moves by 1e-2
    assert np.allclose(one["weights"], two["weights"], rtol=0, atol=1e-7)
    for name in ("basis", "factor"):
        assert np.abs(one[name] - two[name]).max() < 1e-5 * np.abs(one[name]).max()
    seen = one["sigma"] > 0
    assert np.array_equal(seen, two["sigma"] > 0)
    assert np.all(np.abs(one["t1"] - two["t1"])[seen] < 0.01 * one["sigma"][seen] + 1e-3)  # and the last bit of float32
