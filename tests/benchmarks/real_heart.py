"""Streaks in the air, and edges of the left ventricle, of a real heart of 25 spokes, by method.

    python tests/benchmarks/real_heart.py heart.h5 heart_air.npy

The scan and the mask of air (bits of 256² pixels, far from the body) belong to others and are not in the repository;
docs/figures.md says where the data are from. Streaks are the root mean square in the air over the maximum, of the mean
over time. Edges are the steepest slope along each of 72 rays from the middle of the left ventricle, their median, over
that of ADMM's image at the same scale.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from gadgets.multitasking.series import SERIES
from tests.support.replays import replay_here

METHODS = ("backprojection", "mdcn", "unrolled", "admm")
# Row and column of the middle of the left ventricle; its wall lies within so many pixels.
_MIDDLE, _FARTHEST = (133.0, 153.0), 36.0
_RAYS = 72


def air_of(path: Path, matrix: int) -> NDArray[np.bool_]:
    """The mask of air."""
    return np.unpackbits(np.load(path), count=matrix**2).reshape(matrix, matrix).astype(bool)


def edges(image: NDArray) -> float:
    """Median over rays of the steepest slope, per pixel."""
    radius = np.arange(0, _FARTHEST, 0.25)
    angle = 2 * np.pi * np.arange(_RAYS)[:, None] / _RAYS
    places = _MIDDLE[0] + radius * np.sin(angle), _MIDDLE[1] + radius * np.cos(angle)
    along = map_coordinates(image, places, order=1)
    return float(np.median(np.abs(np.diff(along, axis=1)).max(axis=1)) / 0.25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path)
    parser.add_argument("air", type=Path)
    wanted = parser.parse_args()
    images, seconds = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for method in METHODS:
            start = time.perf_counter()
            settings = {"temporal_model": "realtime", "images": "time_average", "reconstruction": method}
            made = replay_here(wanted.scan, Path(folder) / f"{method}.h5", **settings)
            images[method] = made[SERIES["time_average"].number][0].data[0, 0].astype(np.float64)
            seconds[method] = time.perf_counter() - start
    reference = images["admm"]
    for method, image in images.items():
        air = air_of(wanted.air, len(image))
        streaks = np.sqrt(np.mean(image[air] ** 2)) / image.max()
        scaled = image * np.sum(image * reference) / np.sum(image**2)
        ratio = edges(scaled) / edges(reference)
        print(f"{method}: streaks {streaks:.4f}, edges {ratio:.2f} of ADMM's, {seconds[method]:.1f} s")


if __name__ == "__main__":
    main()
