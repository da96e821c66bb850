"""Seconds and memory of both stages on a coronary volume of the paper's size, and the seams that margins leave.

    python tests/benchmarks/super_resolution.py --shape 72x218x350

Seams: the largest difference between patches of 48³ with a margin and the whole volume, over the 99.9th percentile, on
a simulated volume of 64³.
"""

import argparse
import resource
import time

import numpy as np
import torch

from gadgets.restorer import load_restorer
from gadgets.super_resolution_parameters import SuperResolutionParameters
from recon.cartesian import to_image, to_kspace, truncate
from recon.simulation.volumes import simulate_angiogram
from recon.threads import available_cpus


def zero_filled(shape: tuple[int, int, int], seed: int) -> torch.Tensor:
    image = simulate_angiogram("coronary", shape, seed).image
    kept = (2 * round(shape[0] / 8), 2 * round(shape[1] / 8), shape[2])
    return torch.from_numpy(np.abs(to_image(truncate(to_kspace(image), kept))).astype(np.float32))


def restorer(**settings: object):
    import sigpy

    return load_restorer(SuperResolutionParameters(device="cpu", **settings), sigpy.cpu_device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="72x218x350")
    parser.add_argument("--margins", default="3,5,8,13")
    arguments = parser.parse_args()
    shape = tuple(int(size) for size in arguments.shape.split("x"))
    volume = zero_filled(shape, 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    both = restorer()
    start = time.perf_counter()
    both(volume)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{arguments.shape}, both stages, {available_cpus()} cores: {seconds:.0f} s, margins {both.margins}")
    print(f"peak {peak:.2f} GiB, before the networks {before:.2f} GiB")
    small = zero_filled((64, 64, 64), 2)
    scale = float(np.percentile(small.numpy(), 99.9))
    whole = restorer(patch=(64, 64, 64))(small)
    for margin in map(int, arguments.margins.split(",")):
        cut = restorer(patch=(48, 48, 48), margin=margin)(small)
        seams = [float((a - b).abs().max()) / scale for a, b in zip(cut, whole, strict=True)]
        print(f"margin {margin:3}: largest seam after stage 1 {seams[0]:.1e}, after stage 2 {seams[1]:.1e}")


if __name__ == "__main__":
    main()
