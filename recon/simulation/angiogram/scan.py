"""Simulated 3-D Cartesian scans: coils, oversampled readout, the outer lines left out, noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.cartesian import centre_region, lines_measured, to_kspace
from recon.simulation.angiogram.volume import Angiogram

# Readout oversampling of simulated Cartesian scans, as scanners do it.
OVERSAMPLING = 2


@dataclass(frozen=True)
class CartesianScan:
    """Measured lines of a volume.

    Attributes
    ----------
    kspace : (coils, z, y, 2x) complex64
        Measured lines alone: the centre of the encoded matrix.
    encoded : (3,) tuple of int
        Matrix (z, y, 2x) in which they lie.
    noise : (coils, samples) complex64
        Samples of the noise scan.
    coil_maps : (coils, z, y, x) complex64
    """

    kspace: NDArray
    encoded: tuple[int, int, int]
    noise: NDArray
    coil_maps: NDArray


def volume_coil_maps(coils: int, shape: tuple[int, int, int], rng: np.random.Generator) -> NDArray:
    """Loops around the volume: smooth fields with a phase that turns, unit root sum of squares.

    Parameters
    ----------
    coils : int
    shape : (3,) tuple of int
    rng : numpy.random.Generator

    Returns
    -------
    (coils, z, y, x) complex64
    """
    z, y, x = np.meshgrid(*[np.linspace(-0.5, 0.5, size) for size in shape], indexing="ij", sparse=True)
    angle = 2 * np.pi * (np.arange(coils) + rng.random()) / coils
    maps = []
    for number in range(coils):
        position = (0.3 * (-1) ** number, 0.7 * np.sin(angle[number]), 0.7 * np.cos(angle[number]))
        distance = (z - position[0]) ** 2 + (y - position[1]) ** 2 + (x - position[2]) ** 2
        turn = rng.uniform(1, 2) * (z * position[0] + y * position[1] + x * position[2]) + rng.uniform(0, 2 * np.pi)
        maps.append((1 + distance / 0.3) ** -1.5 * np.exp(1j * turn))
    stacked = np.stack(maps)
    return (stacked / np.sqrt((np.abs(stacked) ** 2).sum(axis=0))).astype(np.complex64)


def scan_angiogram(
    angiogram: Angiogram, factors: tuple[float, float], coils: int, snr: float, seed: int
) -> CartesianScan:
    """Measure the centre of a volume's k-space.

    Parameters
    ----------
    angiogram : Angiogram
    factors : (2,) tuple of float
        How many times fewer lines along slice (z) and phase direction (y).
    coils : int
    snr : float
        Signal of blood in the fully sampled image, about 1, over the standard deviation of the complex noise.
    seed : int

    Returns
    -------
    CartesianScan
    """
    rng = np.random.default_rng([seed, 7])
    z, y, x = angiogram.image.shape
    maps = volume_coil_maps(coils, (z, y, x), rng)
    encoded = (z, y, OVERSAMPLING * x)
    wide = np.zeros((coils, *encoded), dtype=np.complex64)
    wide[..., centre_region((encoded[2],), (x,))[0]] = maps * angiogram.image
    lines = (lines_measured(z, factors[0]), lines_measured(y, factors[1]), encoded[2])
    region = centre_region(encoded, lines)
    kspace = to_kspace(wide)[(slice(None), *region)]
    level = 1 / snr  # a unitary transform keeps the deviation; oversampling spreads it over a wider image
    kspace = kspace + level * _noise(rng, kspace.shape)
    return CartesianScan(kspace.astype(np.complex64), encoded, level * _noise(rng, (coils, 2048)), maps)


def _noise(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray:
    white = rng.standard_normal((2, *shape), dtype=np.float32) / np.float32(np.sqrt(2))
    return (white[0] + 1j * white[1]).astype(np.complex64)
