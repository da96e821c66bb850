"""Where a slice or volume lies in the patient."""

from dataclasses import dataclass

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Geometry:
    """Field of view, position and directions in the patient's coordinate system (LPS, as ISMRMRD has it).

    Attributes
    ----------
    fov_mm : (3,) tuple of float
        Field of view of the image along x and y, and along z: thickness of a slice, or extent of a volume.
    position_mm : (3,) tuple of float
        Centre of a slice, or the voxel at n // 2 of each axis of a volume, where the Fourier transform has its centre.
    read_dir, phase_dir, slice_dir : (3,) tuple of float
        Unit vectors of x, y and z.
    """

    fov_mm: Vector
    position_mm: Vector = (0.0, 0.0, 0.0)
    read_dir: Vector = (1.0, 0.0, 0.0)
    phase_dir: Vector = (0.0, 1.0, 0.0)
    slice_dir: Vector = (0.0, 0.0, 1.0)
