"""T1-VIBE: signals of tissues at 3 T, and what coils, point spread, breathing and noise make of them."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.signal.windows import tukey

from recon.cartesian import centre_region, to_image, to_kspace
from recon.simulation.abdomen.spline_fields import SplineField

# T1 in ms at 3 T and proton density over that of water. Liver, spleen, pancreas, kidney, marrow and fat: de Bazelaire
# 2004; blood, cord and muscle: Stanisz 2005; fluids, bowel and its content: ranges wide enough for what was eaten.
_TISSUES: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "liver": ((700, 900), (0.75, 0.85)),
    "spleen": ((1200, 1400), (0.8, 0.9)),
    "pancreas": ((620, 800), (0.75, 0.85)),
    "cortex": ((1000, 1250), (0.85, 0.9)),
    "medulla": ((1400, 1700), (0.9, 0.95)),
    "stomach": ((900, 1200), (0.8, 0.9)),
    "bowel": ((850, 1200), (0.8, 0.9)),
    "cord": ((900, 1050), (0.75, 0.85)),
    "marrow": ((500, 680), (0.5, 0.8)),
    "disc": ((900, 1400), (0.5, 0.8)),
    "bone": ((500, 900), (0.05, 0.2)),
    "muscle": ((1000, 1420), (0.75, 0.85)),
    "blood": ((1500, 1950), (0.85, 0.95)),
    "vessel": ((300, 1950), (0.85, 0.95)),
    "water": ((2500, 4000), (0.95, 1.0)),
    "meal": ((250, 2500), (0.7, 1.0)),
    "stool": ((300, 1500), (0.3, 0.8)),
    "gas": ((1000, 1000), (0.0, 0.02)),
    "lung": ((1100, 1300), (0.02, 0.12)),
    "fat": ((340, 420), (0.9, 1.0)),
}


def spoiled_signal(t1_ms: float, density: float, tr_ms: float, flip_deg: float) -> float:
    """Steady state of a spoiled gradient echo: ``ρ sin α (1 − E₁) / (1 − E₁ cos α)``, E₁ = exp(−TR/T1)."""
    e1, flip = np.exp(-tr_ms / t1_ms), np.deg2rad(flip_deg)
    return float(density * np.sin(flip) * (1 - e1) / (1 - e1 * np.cos(flip)))


def draw_signals(rng: np.random.Generator) -> dict[str, float]:
    """Signal of each tissue in one scan, over that of liver.

    TR 3 to 4.5 ms, flip angle 9 to 12°; fat is suppressed to 5 to 30 % of its signal.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to float
    """
    tr_ms, flip_deg = rng.uniform(3.0, 4.5), rng.uniform(9.0, 12.0)
    found = {
        tissue: spoiled_signal(rng.uniform(*t1_ms), rng.uniform(*density), tr_ms, flip_deg)
        for tissue, (t1_ms, density) in _TISSUES.items()
    }
    found["fat"] *= rng.uniform(0.05, 0.3)
    return {tissue: signal / found["liver"] for tissue, signal in found.items()}


def scanned(
    image: NDArray, axes_mm: tuple[NDArray, NDArray, NDArray], rng: np.random.Generator, thickness_mm: float
) -> NDArray:
    """What a scan shows of a body: uneven coils, fewer measured lines than voxels, a ghost of breathing, noise.

    Parameters
    ----------
    image : (z, y, x) float32
        Signals over that of liver.
    axes_mm : tuple of (n,) float
        Places of the voxels along z, y, x.
    rng : numpy.random.Generator
    thickness_mm : float
        Of the measured slices; the image shows as much, if its own are thinner.

    Returns
    -------
    (z, y, x) float32
        Magnitude.
    """
    shaded = image * _shading(axes_mm, rng)
    shaded = _ghosted(_point_spread(shaded, axes_mm, rng, thickness_mm), rng)
    level = 1 / rng.uniform(15, 45)
    noise = level * rng.standard_normal((2, *image.shape), dtype=np.float32)
    return np.hypot(shaded + noise[0], noise[1]).astype(np.float32)


def _shading(axes_mm: tuple[NDArray, NDArray, NDArray], rng: np.random.Generator) -> NDArray:
    """Brighter near the coils, and dielectric shading of 3 T over some 20 cm."""
    waves = rng.uniform(0.05, 0.15) * SplineField(rng, 160.0).on(axes_mm)
    _, y, x = np.meshgrid(*axes_mm, indexing="ij", sparse=True)
    rim = rng.uniform(0.0, 0.35) * ((y / 110) ** 2 + (x / 165) ** 2) / 2
    slope = rng.uniform(-0.15, 0.15) * y / 110
    return np.maximum(1 + waves + rim + slope, 0.2).astype(np.float32)


def _point_spread(
    image: NDArray, axes_mm: tuple[NDArray, NDArray, NDArray], rng: np.random.Generator, thickness_mm: float
) -> NDArray:
    """k-space ends where slices are as thick as they are, and in the plane at 70 to 100 % of the matrix."""
    spacing = [float(places[1] - places[0]) for places in axes_mm]
    shares = [min(1.0, spacing[0] / thickness_mm), rng.uniform(0.7, 1.0), rng.uniform(0.85, 1.0)]
    lines = [max(8, min(size, round(size * share))) for size, share in zip(image.shape, shares, strict=True)]
    slope, kspace = rng.uniform(0.1, 0.6), to_kspace(image)
    for axis, (size, count) in enumerate(zip(image.shape, lines, strict=True)):
        profile = np.zeros(size, dtype=np.float32)
        profile[centre_region((size,), (count,))[0]] = tukey(count + 2, slope)[1:-1]
        kspace = kspace * profile.reshape([-1 if other == axis else 1 for other in range(3)])
    return gaussian_filter(np.abs(to_image(kspace)), rng.uniform(0.1, 0.4)).astype(np.float32)


def _ghosted(image: NDArray, rng: np.random.Generator) -> NDArray:
    """Breathing repeats the body faintly along y, the phase direction."""
    strength, shift = rng.uniform(0.0, 0.04), int(rng.integers(image.shape[1] // 6, image.shape[1] // 2))
    return image + np.float32(strength) * (np.roll(image, shift, axis=1) + np.roll(image, -shift, axis=1))
