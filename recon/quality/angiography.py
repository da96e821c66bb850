"""What a cardiologist looks for in an angiogram: how much of a vessel is seen, how bright, how wide, how sharp."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.quality.cross_sections import RING_STEP, ring_radii, signal_on_rings

# A vessel must stand out of what surrounds it by twice the spread there (visible, if barely), and by a tenth of the
# window that a reader sets, or it is one grey level among others.
_LEAST_CONTRAST_TO_SPREAD = 2.0
_LEAST_SHARE_OF_PEAK = 0.1
# Voxels beyond the vessel's radius where its surroundings begin: past the fat beside it and the blur of a full scan.
_GAP = 2.0
# Every fourth point of the centreline, two voxels apart, and vessels that are no thinner than a voxel.
_EVERY, _THINNEST = 4, 0.5
# The spread of normally distributed values over their median absolute deviation.
_NORMAL = 1.4826


@dataclass(frozen=True)
class Look:
    """A vessel at one point of its centreline, as a volume shows it.

    Attributes
    ----------
    contrast : float
        Signal in its middle over that around it.
    spread : float
        Robust standard deviation of the surroundings.
    diameter : float
        Full width at half of the contrast in voxels; not a number where there is none.
    slope : float
        Steepest fall of the signal from the middle outwards, per voxel.
    """

    contrast: float
    spread: float
    diameter: float
    slope: float

    def seen(self, peak: float) -> bool:
        """Whether it stands out.

        Parameters
        ----------
        peak : float
            Brightest signal of the window in which the volume is shown.

        Returns
        -------
        bool
        """
        return self.contrast > max(_LEAST_CONTRAST_TO_SPREAD * self.spread, _LEAST_SHARE_OF_PEAK * peak)


def look_at(volume: NDArray, centreline: NDArray, point: int, radius: float) -> Look:
    """See how a volume shows a vessel at a point.

    Parameters
    ----------
    volume : (z, y, x) float32
    centreline : (points, 3) float64
        (z, y, x) in voxels.
    point : int
    radius : float
        True one, in voxels: it tells where to look, not what is found.

    Returns
    -------
    Look
    """
    reach = radius + _GAP
    signal, radii = signal_on_rings(volume, centreline, point, reach), ring_radii(reach)
    around = signal[radii > reach]
    surroundings = float(np.median(around))
    spread = _NORMAL * float(np.median(np.abs(around - surroundings)))
    profile = signal.mean(axis=1)
    contrast = float(profile[radii <= max(0.5 * radius, RING_STEP)].mean()) - surroundings
    return Look(contrast, spread, _width(profile - surroundings, radii, contrast), _steepest(profile))


def _width(profile: NDArray, radii: NDArray, contrast: float) -> float:
    below = np.flatnonzero(profile < 0.5 * contrast)
    if contrast <= 0 or not len(below) or below[0] == 0:
        return float("nan")
    outer = below[0]
    inner_signal, outer_signal = profile[outer - 1 : outer + 1]
    share = (inner_signal - 0.5 * contrast) / max(inner_signal - outer_signal, 1e-12)
    return float(2 * (radii[outer - 1] + share * RING_STEP))


def _steepest(profile: NDArray) -> float:
    return float(-np.diff(profile).min() / RING_STEP)


@dataclass(frozen=True)
class VesselFigures:
    """Vessels in a volume against the same ones in the original, where the original shows them.

    Attributes
    ----------
    recall : float
        Share of their length that is still seen.
    contrast : float
        Contrast over the original's; median.
    diameter_error : float
        Difference of the diameter from the original's, over that; mean magnitude where both show one.
    sharpness : float
        Steepest slope of the wall over the original's; median.
    points : int
        Places that were looked at.
    """

    recall: float
    contrast: float
    diameter_error: float
    sharpness: float
    points: int


def vessel_figures(
    volume: NDArray, original: NDArray, vessels: Iterable[tuple[NDArray, NDArray]]
) -> VesselFigures | None:
    """Compare the vessels of a volume with those of its original.

    Parameters
    ----------
    volume, original : (z, y, x) float32
    vessels : iterable of (points, 3) float64 and (points,) float64
        Centreline (z, y, x) and true radius of each, in voxels.

    Returns
    -------
    VesselFigures or None
        None if the original shows none of them.
    """
    peak = float(np.percentile(original, 99.9))
    pairs = [
        (look_at(volume, centreline, point, radius[point]), true)
        for centreline, radius in vessels
        for point in _places(original.shape, centreline, radius)
        if (true := look_at(original, centreline, point, radius[point])).seen(peak)
    ]
    if not pairs:
        return None
    widths = np.array([(found.diameter, true.diameter) for found, true in pairs if found.seen(peak)])
    errors = np.abs(widths[:, 0] / widths[:, 1] - 1) if len(widths) else np.array([np.nan])
    known = errors[np.isfinite(errors)]
    return VesselFigures(
        recall=float(np.mean([found.seen(peak) for found, _ in pairs])),
        contrast=float(np.median([found.contrast / true.contrast for found, true in pairs])),
        diameter_error=float(known.mean()) if len(known) else float("nan"),
        sharpness=float(np.median([found.slope / true.slope for found, true in pairs])),
        points=len(pairs),
    )


def _places(shape: Sequence[int], centreline: NDArray, radius: NDArray) -> list[int]:
    """Points of a centreline whose surroundings lie inside the volume."""
    away = radius[:, None] + _GAP + 2
    inside = ((centreline > away) & (centreline < np.array(shape) - 1 - away)).all(axis=1) & (radius >= _THINNEST)
    return [int(point) for point in np.flatnonzero(inside) if point % _EVERY == 0]


def seen_points(volume: NDArray, centreline: NDArray, radius: NDArray) -> list[int]:
    """List the points of a vessel that a volume shows, some two voxels apart.

    Parameters
    ----------
    volume : (z, y, x) float32
    centreline : (points, 3) float64
        (z, y, x) in voxels.
    radius : (points,) float64
        In voxels.

    Returns
    -------
    list of int
    """
    peak = float(np.percentile(volume, 99.9))
    places = _places(volume.shape, centreline, radius)
    return [point for point in places if look_at(volume, centreline, point, radius[point]).seen(peak)]
