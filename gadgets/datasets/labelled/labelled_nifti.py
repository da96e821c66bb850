"""A person's outlines as training or test data: an image and its labels as NIfTI, brought to a network's grid."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadgets import __version__
from gadgets.errors import ScanFileError
from gadgets.files import complete_file
from recon.organs.outlining import labels_on
from recon.organs.patient_grid import PatientGrid, resampled, upright_grid
from recon.simulation.abdomen.organ_labels import ORGANS

_LPS_OF_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def import_labelled(image: Path, labels: Path, output: Path, spacing_mm: tuple[float, float, float]) -> PatientGrid:
    """Write a labelled volume whose axes point to the head, the back and the patient's left.

    Labels are resampled class by class, so that the most frequent one in a larger voxel wins.

    Parameters
    ----------
    image, labels : Path
        NIfTI files of equal matrix and affine; labels are the numbers of
        :data:`~recon.simulation.abdomen.organ_labels.ORGANS`.
    output : Path
        ``.h5``. It holds neither names nor dates.
    spacing_mm : (3,) tuple of float
        (z, y, x).

    Returns
    -------
    PatientGrid
        Of what was written.

    Raises
    ------
    ScanFileError
        If a file cannot be read, does not say where it lies, or the labels do not fit.
    """
    import torch

    from nets.data.organs.labelled_files import LabelledVolume, write_labelled

    voxels, grid = _read(image)
    numbers, other = _read(labels)
    if grid.shape != other.shape or not np.allclose(grid.affine, other.affine, atol=1e-2):
        raise ScanFileError(f"{labels.name} does not lie on the voxels of {image.name}; export both on one grid")
    if (numbers != np.round(numbers)).any() or numbers.min() < 0 or numbers.max() >= len(ORGANS):
        known = ", ".join(f"{number} {organ}" for number, organ in enumerate(ORGANS))
        raise ScanFileError(f"{labels.name} holds {numbers.min():g} to {numbers.max():g}; labels are {known}")
    target = upright_grid(grid, spacing_mm)
    shares = (numbers == number for number in range(len(ORGANS)))
    written = LabelledVolume(
        torch.from_numpy(np.maximum(resampled(voxels, grid, target), 0)),
        torch.from_numpy(labels_on(shares, grid, target)),
        ORGANS,
        spacing_mm,
        {"domain": "abdomen", "version": __version__},
    )
    with complete_file(output) as partial:
        write_labelled(partial, written)
    return target


def _read(path: Path) -> tuple[NDArray, PatientGrid]:
    """Voxels (z, y, x), and where they lie."""
    import nibabel

    from nets.data.formats.nifti_files import read_nifti

    try:
        voxels = read_nifti(path)
    except (ValueError, OSError) as error:
        raise ScanFileError(f"{path}: {error}") from error
    header = nibabel.load(path)
    if not (header.header["sform_code"] or header.header["qform_code"]):
        raise ScanFileError(f"{path.name} does not say where it lies in the patient (sform and qform are 0); set one")
    if not np.isfinite(voxels).all():
        raise ScanFileError(f"{path.name} holds NaN or Inf; repair it")
    affine = _LPS_OF_RAS @ header.affine[:, [2, 1, 0, 3]]  # indices (z, y, x), not (x, y, z)
    z, y, x = voxels.shape
    return voxels, PatientGrid((z, y, x), affine)
