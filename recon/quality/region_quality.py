"""Image quality within a region of a volume; the measures are scikit-image's."""

from dataclasses import dataclass

import numpy as np
import skimage.metrics
from numpy.typing import NDArray


@dataclass(frozen=True)
class RegionQuality:
    """Agreement of a volume with a reference within a region.

    Attributes
    ----------
    psnr_db : float
        Peak signal to noise; infinite for equal values.
    ssim : float
        Mean of the map of structural similarity over the region; its boxes reach beyond it.
    rrmse : float
        Root mean square error over the root mean square of the reference.
    """

    psnr_db: float
    ssim: float
    rrmse: float


def quality_within(
    volume: NDArray, reference: NDArray, regions: dict[str, NDArray], peak: float
) -> dict[str, RegionQuality]:
    """Compare a volume with a reference in several regions.

    Parameters
    ----------
    volume, reference : (z, y, x) float32
    regions : dict of str to (z, y, x) bool
        None of them empty.
    peak : float
        Of PSNR and SSIM.

    Returns
    -------
    dict of str to RegionQuality
        By the names of the regions.
    """
    _, similarity = skimage.metrics.structural_similarity(reference, volume, data_range=peak, full=True)
    found = {}
    for name, region in regions.items():
        difference = volume[region].astype(np.float64) - reference[region]
        square = float(np.mean(difference**2))
        psnr = float("inf") if square == 0 else 10 * np.log10(peak**2 / square)
        power = float(np.mean(reference[region].astype(np.float64) ** 2))
        found[name] = RegionQuality(float(psnr), float(similarity[region].mean()), float(np.sqrt(square / power)))
    return found
