"""Seconds and memory of both stages on a coronary volume of the paper's size, and the seams that margins leave.

    python tests/benchmarks/super_resolution.py --shape 72x218x350
    python tests/benchmarks/super_resolution.py --shape 512x512x512 --margins ""

Seams: the largest difference between patches of 96×96 (z, y) with a margin and the whole volume, over the 99.9th
percentile, on a simulated volume of 128×128×32. Volumes of more than 400 voxels along an axis repeat a smaller one.
"""

import argparse
import resource
import time

import numpy as np

from gadgets.super_resolution.network import load_restorer
from gadgets.super_resolution.parameters import SuperResolutionParameters
from recon.cartesian import to_image, to_kspace, truncate
from recon.simulation.angiogram.volume import simulate_angiogram
from recon.threads import available_cpus

_LARGEST = 400


def zero_filled(shape: tuple[int, int, int], seed: int) -> np.ndarray:
    simulated = tuple(min(size, 128) for size in shape) if max(shape) > _LARGEST else shape
    image = simulate_angiogram("coronary", simulated, seed).image  # type: ignore[arg-type]
    kept = (2 * round(simulated[0] / 8), 2 * round(simulated[1] / 8), simulated[2])
    low = np.abs(to_image(truncate(to_kspace(image), kept))).astype(np.float32)
    repeated = [(0, size - part) for size, part in zip(shape, simulated, strict=True)]
    return np.pad(low, repeated, mode="wrap")


def restorer(**settings: object):
    import sigpy

    return load_restorer(SuperResolutionParameters(device="cpu", **settings), sigpy.cpu_device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="72x218x350")
    parser.add_argument("--margins", default="3,8,16,40")
    arguments = parser.parse_args()
    shape = tuple(int(size) for size in arguments.shape.split("x"))
    volume = zero_filled(shape, 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    both = restorer()
    start = time.perf_counter()
    both(volume)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    margins = both.meta[-1]["MalibuMargins"]
    print(f"{arguments.shape}, both stages, {available_cpus()} cores: {seconds:.0f} s, margins {margins}")
    print(f"peak {peak:.2f} GiB, before the networks {before:.2f} GiB")
    if not arguments.margins:
        return
    small = zero_filled((128, 128, 32), 2)
    scale = float(np.percentile(small, 99.9))
    whole = restorer(patch=(128, 128, 32))(small)
    for margin in map(int, arguments.margins.split(",")):
        cut = restorer(patch=(96, 96, 32), margin=margin)(small)
        seams = [float(np.abs(a - b).max()) / scale for a, b in zip(cut, whole, strict=True)]
        print(f"margin {margin:3}: largest seam after stage 1 {seams[0]:.1e}, after stage 2 {seams[1]:.1e}")


if __name__ == "__main__":
    main()
