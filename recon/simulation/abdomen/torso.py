"""A torso that fills step by step: what is placed first keeps its room, and later organs leave a gap of fat."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recon.simulation.abdomen.implicit_shapes import FAR_MM, WarpedGrid
from recon.simulation.abdomen.organ_labels import LABEL


@dataclass
class Torso:
    """Signals and labels of a body while it is drawn.

    Attributes
    ----------
    grid : WarpedGrid
    rng : numpy.random.Generator
    signals : dict of str to float
        By tissue, over that of liver.
    wide_mm, deep_mm : float
        Half axes of the trunk along x and y.
    spine_mm : float
        Place of the vertebral bodies along y.
    image : (z, y, x) float32
    labels : (z, y, x) uint8
    room_mm : (z, y, x) float32
        Depth in what is free for organs: within the wall of the abdomen and below the diaphragm.
    taken_mm : (z, y, x) float32
        Depth in whatever has been placed.
    """

    grid: WarpedGrid
    rng: np.random.Generator
    signals: dict[str, float]
    wide_mm: float
    deep_mm: float
    spine_mm: float
    image: NDArray = field(init=False)
    labels: NDArray = field(init=False)
    room_mm: NDArray = field(init=False)
    taken_mm: NDArray = field(init=False)

    def __post_init__(self) -> None:
        self.image = np.zeros(self.grid.shape, dtype=np.float32)
        self.labels = np.zeros(self.grid.shape, dtype=np.uint8)
        self.room_mm = np.full(self.grid.shape, np.inf, dtype=np.float32)
        self.taken_mm = np.full(self.grid.shape, FAR_MM, dtype=np.float32)

    def paint(self, depth_mm: NDArray, signal: float | NDArray) -> None:
        """Cover what lies within a depth; the share of voxels at its edge goes by the depth of their centres."""
        share = np.clip(depth_mm / np.float32(self.grid.voxel_mm) + np.float32(0.5), 0, 1)
        self.image += share * (signal - self.image)

    def free(self, depth_mm: NDArray, gap_mm: float = 1.5, confined: bool = True) -> NDArray:
        """Depth of what a shape has for itself.

        Parameters
        ----------
        depth_mm : (z, y, x) float32
        gap_mm : float
            Of fat, to what was placed before.
        confined : bool
            Whether it has to stay in the room of organs.

        Returns
        -------
        (z, y, x) float32
        """
        depth_mm = np.minimum(depth_mm, -self.taken_mm - np.float32(gap_mm))
        return np.minimum(depth_mm, self.room_mm) if confined else depth_mm

    def place(self, depth_mm: NDArray, signal: float | NDArray, organ: str | None = None) -> None:
        """Paint a free shape and take its room; label it, if it is one of the organs.

        Parameters
        ----------
        depth_mm : (z, y, x) float32
        signal : float or (z, y, x) float32
        organ : str, optional
        """
        self.paint(depth_mm, signal)
        np.maximum(self.taken_mm, depth_mm, out=self.taken_mm)
        if organ is not None:
            self.labels[depth_mm > 0] = LABEL[organ]
