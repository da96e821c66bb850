"""Colours of labels: told from each other by all eyes, and from grey anatomy."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from gadgets.image_tasks.segmentation.series import LABEL_COLOURS
from recon.simulation.abdomen.organ_labels import ORGANS

# Of linear RGB, severity 1.0: table 1 of Machado, Oliveira and Fernandes, IEEE TVCG 15:1291, 2009.
EYES = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
}


def seen(colours: tuple[str, ...], eyes: str) -> NDArray:
    """CIELAB (colours, 3), by the curve of sRGB."""
    rgb = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    changed = np.clip(linear @ np.asarray(EYES[eyes]).T, 0, 1)
    return rgb2lab(np.where(changed <= 0.0031308, 12.92 * changed, 1.055 * changed ** (1 / 2.4) - 0.055))


@pytest.mark.parametrize("eyes", EYES)
def test_each_organ_has_a_colour_that_all_eyes_tell_from_the_others(eyes: str) -> None:
    """A difference of 1 is just visible side by side; tab10 has two at 1.3 for protanopia."""
    assert len(LABEL_COLOURS) == len(ORGANS) - 1
    lab = seen(LABEL_COLOURS, eyes)
    first, second = np.triu_indices(len(lab), 1)
    assert deltaE_ciede2000(lab[first], lab[second]).min() > 9.5


def test_no_colour_is_grey_or_as_dark_as_the_background() -> None:
    lightness, a, b = seen(LABEL_COLOURS, "normal").T
    assert np.hypot(a, b).min() > 30
    assert lightness.min() > 20
