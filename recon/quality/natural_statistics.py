"""How natural planes look, without a pixel to compare with: the statistics of NIQE, fitted on own originals.

Mittal 2012 and 2013 ("Blind/referenceless", BRISQUE; "Completely blind", NIQE): the signal over its local mean and
deviation has a known histogram in pictures that were not spoilt, and so have the products of neighbours. Their models
were fitted on photographs; an MR image is none. Here the model is that of originals that are handed in.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import gamma

# Of both papers: a Gaussian window of 7/6 pixels, a constant of one of 255 grey levels, two scales, four neighbours.
_WINDOW, _LEVEL, _SCALES = 7 / 6, 1 / 255, 2
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
# Pixels of a patch at the first scale (96 in photographs; the planes here are smaller).
_PATCH = 24
# Patches with less local contrast than this share of the busiest one are air, or flat (0.75 in photographs).
_BUSY = 0.25
_SHAPES = np.arange(0.2, 10, 0.001)
"""Exponents that a fit may have, as in both papers."""
_RATIO = gamma(2 / _SHAPES) ** 2 / (gamma(1 / _SHAPES) * gamma(3 / _SHAPES))
"""Squared mean magnitude over mean square of a generalised Gaussian of each exponent; it grows."""


def normalised(plane: NDArray, peak: float) -> tuple[NDArray, NDArray]:
    """Take from a plane its local mean, and divide by its local deviation (MSCN).

    Parameters
    ----------
    plane : (rows, columns) float
    peak : float
        Signal of the brightest grey level.

    Returns
    -------
    (rows, columns) float64, (rows, columns) float64
        Normalised plane, and local deviation over the peak.
    """
    grey = plane.astype(np.float64) / peak
    mean = gaussian_filter(grey, _WINDOW, mode="nearest")
    deviation = np.sqrt(np.abs(gaussian_filter(grey**2, _WINDOW, mode="nearest") - mean**2))
    return (grey - mean) / (deviation + _LEVEL), deviation


def generalised_gaussian(values: NDArray) -> tuple[float, float]:
    """Fit exponent and variance by moments: 2 is a Gaussian, 1 a Laplacian.

    Parameters
    ----------
    values : array of float

    Returns
    -------
    float, float
    """
    square = float(np.mean(values**2))
    ratio = float(np.mean(np.abs(values))) ** 2 / max(square, 1e-12)
    return float(_SHAPES[np.searchsorted(_RATIO, ratio).clip(0, len(_SHAPES) - 1)]), square


def asymmetric_gaussian(values: NDArray) -> tuple[float, float, float, float]:
    """Fit exponent, mean, and the variances to the left and right of zero, by moments.

    Parameters
    ----------
    values : array of float

    Returns
    -------
    float, float, float, float
    """
    left, right = (np.sqrt(np.mean(half**2)) if len(half) else 0.0 for half in (values[values < 0], values[values > 0]))
    slant = left / max(right, 1e-9)
    plain = float(np.mean(np.abs(values))) ** 2 / max(float(np.mean(values**2)), 1e-12)
    ratio = plain * (slant**3 + 1) * (slant + 1) / (slant**2 + 1) ** 2
    shape = float(_SHAPES[np.searchsorted(_RATIO, ratio).clip(0, len(_SHAPES) - 1)])
    mean = (right - left) * gamma(2 / shape) / np.sqrt(gamma(1 / shape) * gamma(3 / shape))
    return shape, float(mean), float(left**2), float(right**2)


def features(planes: NDArray, peak: float) -> NDArray:
    """Statistics of the busy patches of planes: 18 at each of two scales.

    Parameters
    ----------
    planes : (planes, rows, columns) float
        At least 24 pixels a side.
    peak : float

    Returns
    -------
    (patches, 36) float64
    """
    rows = []
    for plane in planes:
        pictures = [plane.astype(np.float64)]
        for _ in range(1, _SCALES):
            pictures.append(_halved(pictures[-1]))
        maps = [normalised(picture, peak) for picture in pictures]
        for top in range(0, plane.shape[0] - _PATCH + 1, _PATCH):
            for left in range(0, plane.shape[1] - _PATCH + 1, _PATCH):
                windows = [
                    tuple(slice(at >> scale, (at + _PATCH) >> scale) for at in (top, left)) for scale in range(_SCALES)
                ]
                busy = float(maps[0][1][windows[0]].mean())
                statistics = [_statistics(maps[scale][0][windows[scale]]) for scale in range(_SCALES)]
                rows.append([busy, *statistics[0], *statistics[1]])
    found = np.array(rows).reshape(-1, 1 + 18 * _SCALES)
    return found[found[:, 0] > _BUSY * found[:, 0].max(initial=0.0), 1:]


def _halved(plane: NDArray) -> NDArray:
    return gaussian_filter(plane, 0.5)[::2, ::2]


def _statistics(patch: NDArray) -> list[float]:
    found = [*generalised_gaussian(patch)]
    for down, right in _NEIGHBOURS:
        first = patch[: patch.shape[0] - down, max(0, -right) : patch.shape[1] - max(0, right)]
        second = patch[down:, max(0, right) : patch.shape[1] + min(0, right)]
        found.extend(asymmetric_gaussian((first * second).ravel()))
    return found


@dataclass(frozen=True)
class NaturalModel:
    """Mean and covariance of the features of originals.

    Attributes
    ----------
    mean : (36,) float64
    covariance : (36, 36) float64
    """

    mean: NDArray
    covariance: NDArray

    @classmethod
    def fitted(cls, found: Iterable[NDArray]) -> "NaturalModel":
        """Fit to the features of originals.

        Parameters
        ----------
        found : iterable of (patches, 36) float64
            At least two patches together.

        Returns
        -------
        NaturalModel
        """
        together = np.concatenate(list(found))
        return cls(together.mean(axis=0), np.cov(together, rowvar=False))

    def distance(self, found: NDArray) -> float:
        """How far the features of a volume lie from those of the originals: 0 is as natural; NIQE's equation 10.

        Parameters
        ----------
        found : (patches, 36) float64

        Returns
        -------
        float
            Not a number for fewer than two patches.
        """
        if len(found) < 2:
            return float("nan")
        other = type(self).fitted([found])
        offset = self.mean - other.mean
        inverse = np.linalg.pinv((self.covariance + other.covariance) / 2)
        return float(np.sqrt(max(offset @ inverse @ offset, 0.0)))
