"""Projective deformation of a stack of slices, the same in image and labels (dissertation 7.2.2)."""

import numpy as np
import torch
from torch import Tensor, nn

from nets.data.augmentation import Augmentation


class Projection(Augmentation):
    """Rotate, shear and tilt planes as a projective map does, in a share of the samples.

    The paper gives ranges, not their coordinates: here, a plane reaches from −1 to 1 along both axes. Labels are those
    of the nearest pixel; outside, the nearest one of the image goes on, without an organ.

    Parameters
    ----------
    share : float
        Of the samples that are deformed.
    rotation_rad, shear, tilt : float
        Largest amounts, of either sign.
    """

    def __init__(self, share: float = 0.5, rotation_rad: float = 0.05, shear: float = 0.3, tilt: float = 0.003) -> None:
        self.share, self.rotation_rad, self.shear, self.tilt = share, rotation_rad, shear, tilt

    def __call__(self, pair: Tensor, rng: np.random.Generator) -> Tensor:
        """Deform (2, slices, y, x): image and labels."""
        if rng.random() >= self.share:
            return pair
        angle, shear = rng.uniform(-1, 1) * self.rotation_rad, rng.uniform(-1, 1) * self.shear
        turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        bent = np.array([[1, shear, 0], [0, 1, 0], [*rng.uniform(-1, 1, 2) * self.tilt, 1]])
        return projected(pair, turn @ bent)


def projected(pair: Tensor, matrix: np.ndarray) -> Tensor:
    """Take each pixel (x, y) from where a homography sends it, in coordinates from −1 to 1.

    Parameters
    ----------
    pair : (2, slices, y, x) Tensor
        Image and labels.
    matrix : (3, 3) float64
        Of homogeneous coordinates (x, y, 1).

    Returns
    -------
    (2, slices, y, x) Tensor
    """
    rows, columns = pair.shape[-2:]
    y, x = torch.meshgrid(torch.linspace(-1, 1, rows), torch.linspace(-1, 1, columns), indexing="ij")
    places = torch.stack([x, y, torch.ones_like(x)], dim=-1) @ torch.from_numpy(matrix.T).float()
    grid = (places[..., :2] / places[..., 2:])[None]
    image, labels = pair.float()
    sample = nn.functional.grid_sample
    image = sample(image[None], grid, mode="bilinear", padding_mode="border", align_corners=True)
    labels = sample(labels[None], grid, mode="nearest", padding_mode="zeros", align_corners=True)
    return torch.cat([image, labels]).to(pair.dtype)
