"""Back-projection against a plain SigPy loop over basis and coils, on the same data in one process.

`python tests/benchmarks/back_projection.py [--rank 4] [--spokes 8256]`. The loop runs twice: with SigPy's default
gridding, and with the finer one (oversampling 2, width 6) that is accurate enough to be compared with.
"""

import argparse
import dataclasses
import time
from collections.abc import Callable

import numpy as np
import sigpy

from recon.readouts.density import ramp_weights
from recon.simulation.chest import PRESETS, simulate_scan
from recon.spatial.encoding import SubspaceNufft, back_projection
from recon.spatial.nufft import plan_nufft


def sigpy_loop(
    kspace: np.ndarray, trajectory: np.ndarray, maps: np.ndarray, basis: np.ndarray, **gridding: float
) -> np.ndarray:
    """U₀ = (Σ|S|²)⁻¹ Σ_j S_j* NUFFTᴴ(W φ_l* d_j), one transform after the other."""
    weights, coord = ramp_weights(trajectory), np.ascontiguousarray(trajectory[..., ::-1])
    result = np.zeros((len(basis), *maps.shape[1:]), dtype=np.complex64)
    for number, row in enumerate(basis):
        for data, coil_map in zip(kspace, maps, strict=True):
            weighted = weights * row.conj()[:, None] * data
            result[number] += coil_map.conj() * sigpy.nufft_adjoint(weighted, coord, maps.shape[1:], **gridding)
    return result / np.sum(np.abs(maps) ** 2, axis=0)


def timed(action: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    start = time.perf_counter()
    return action(), time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rank", type=int, default=4)
    parser.add_argument("--spokes", type=int, default=8256)
    given = parser.parse_args()
    standard = PRESETS["standard"]
    protocol = dataclasses.replace(standard, duration_s=given.spokes * 2 * standard.tr_ms / 1000)
    scan = simulate_scan(protocol, seed=1)
    blocks = [data for _, data in scan.kspace()]
    kspace = np.ascontiguousarray(np.concatenate(blocks)[1::2].swapaxes(0, 1))
    trajectory = np.ascontiguousarray(scan.trajectory()[1::2])
    maps = scan.coils.maps(protocol.matrix)
    noise = np.random.default_rng(0).standard_normal((kspace.shape[1], given.rank))
    basis = np.linalg.qr(noise)[0].T.astype(np.complex64)

    sigpy_loop(kspace[:1, :8], trajectory[:8], maps[:1], basis[:1, :8])  # Numba compiles on the first call
    plain, plain_s = timed(lambda: sigpy_loop(kspace, trajectory, maps, basis))
    fine, fine_s = timed(lambda: sigpy_loop(kspace, trajectory, maps, basis, oversamp=2, width=6))
    print(f"{protocol.matrix}², {kspace.shape[1]} spokes × {kspace.shape[2]}, {len(maps)} coils, rank {given.rank}")
    print(f"SigPy loop, default gridding: {plain_s:7.2f} s")
    print(f"SigPy loop, fine gridding:    {fine_s:7.2f} s")

    def run() -> np.ndarray:
        nufft = SubspaceNufft(plan_nufft(trajectory, protocol.matrix, "finufft"), basis)
        return back_projection(maps, nufft, ramp_weights(trajectory)) * kspace

    ours, ours_s = timed(run)
    print(f"malibu, finufft:              {ours_s:7.2f} s")
    for name, other, seconds in (("default", plain, plain_s), ("fine", fine, fine_s)):
        difference = np.linalg.norm(ours - other) / np.linalg.norm(other)
        print(f"against {name:7} gridding: {seconds / ours_s:5.1f} times faster, relative difference {difference:.1e}")


if __name__ == "__main__":
    main()
