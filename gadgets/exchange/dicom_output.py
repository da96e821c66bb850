"""An image file, or images as they come, as a folder of DICOM objects."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import ismrmrd
from pydicom.dataset import Dataset

from gadgets.errors import ScanFileError, shortened
from gadgets.exchange.mr_objects import Belonging, mr_objects
from gadgets.exchange.planes import PlaneSeries, plane_series
from gadgets.exchange.quantities import quantity_of
from gadgets.exchange.study import OF_THE_SCANNER, PATIENT_AND_STUDY, anonymous_study, copied, read_template
from gadgets.exchange.uids import measurement_key
from gadgets.files import check_folder, complete_file
from gadgets.mrd.files import ImageSource
from gadgets.mrd.foreign_files import DEFAULT_GROUP
from gadgets.mrd.headers.identifiers import anonymous

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DicomOptions:
    """How images become DICOM.

    Attributes
    ----------
    like : Path or None
        DICOM file of the study to which the objects are to belong; None: of nobody.
    parametric_map : bool
        Write quantitative maps as Parametric Maps of float32 besides.
    """

    like: Path | None = None
    parametric_map: bool = False


def read_pictures(path: Path, group: str = DEFAULT_GROUP) -> tuple[ismrmrd.xsd.ismrmrdHeader, list[ismrmrd.Image]]:
    """Read header and images of an image file.

    Parameters
    ----------
    path : Path
    group : str

    Returns
    -------
    ismrmrd.xsd.ismrmrdHeader, list of ismrmrd.Image

    Raises
    ------
    ScanFileError, DataError
        If it holds no images.
    """
    with ImageSource(path, group) as source:
        return source.header, list(source.items())


def write_dicom(
    header: ismrmrd.xsd.ismrmrdHeader,
    images: Iterable[ismrmrd.Image],
    folder: Path,
    options: DicomOptions = DicomOptions(),
) -> list[Path]:
    """Write images as DICOM objects: a folder for each series, a file for each plane, named by their numbers alone.

    Nothing of the header leaves but what :func:`gadgets.mrd.headers.identifiers.anonymous` keeps; a digest of the
    measurement's ID makes the study's UID.

    Parameters
    ----------
    header : ismrmrd.xsd.ismrmrdHeader
    images : iterable of ismrmrd.Image
    folder : Path
        May hold what an earlier run of the same images wrote.
    options : DicomOptions

    Returns
    -------
    list of Path
        Files, by series and instance.

    Raises
    ------
    DataError
        If no image is a picture, or one cannot be written as such.
    ScanFileError
        If the folder cannot be written or holds DICOM files of something else, or ``like`` is no DICOM file.
    OSError
        If the disk takes no more; no incomplete file is left.
    """
    series = plane_series(images)
    belonging = _belonging(header, series, options)
    _check_free(folder, {name for one in series for name in _names(one, options.parametric_map)})
    return _write(series, belonging, folder, options.parametric_map)


def _belonging(header: ismrmrd.xsd.ismrmrdHeader, series: list[PlaneSeries], options: DicomOptions) -> Belonging:
    key, kept = measurement_key(header, series), anonymous(header)
    nobody = anonymous_study(key)
    if options.like is None:
        return Belonging(nobody, kept)
    return Belonging(of_template(read_template(options.like), nobody), kept, beside_others=True)


def of_template(template: Dataset, nobody: Dataset) -> Dataset:
    """Patient, study and scanner of a template; what it lacks is empty.

    Parameters
    ----------
    template : pydicom.Dataset
        Frame of reference and scanner are taken if it is an MR image.
    nobody : pydicom.Dataset
        From :func:`gadgets.exchange.study.anonymous_study`.

    Returns
    -------
    pydicom.Dataset
    """
    shared = Dataset()
    shared.update(nobody)
    for name in ("SpecificCharacterSet", "PatientIdentityRemoved", "DeidentificationMethod"):
        del shared[name]
    shared.update(copied(template, PATIENT_AND_STUDY))
    if template.get("Modality") == "MR":
        shared.update(copied(template, OF_THE_SCANNER))
    return shared


def write_restored(
    header: ismrmrd.xsd.ismrmrdHeader, images: Iterable[ismrmrd.Image], source: Dataset, folder: Path
) -> list[Path]:
    """Write what a gadget made of a volume that came as DICOM: new series of the same patient and study.

    Parameters
    ----------
    header : ismrmrd.xsd.ismrmrdHeader
    images : iterable of ismrmrd.Image
        Those that went through as they came are not written again.
    source : pydicom.Dataset
        An object of the volume that came: patient, study, frame of reference, scanner and sequence are its.
    folder : Path
        As :func:`write_dicom` takes it; may hold other restored series.

    Returns
    -------
    list of Path

    Raises
    ------
    DataError, ScanFileError, OSError
        As :func:`write_dicom` does.
    """
    series = plane_series(image for image in images if "MalibuReconstruction" in image.meta)
    shared = of_template(source, anonymous_study(measurement_key(header, series)))
    belonging = Belonging(shared, anonymous(header), source, beside_others=True)
    return _write(series, belonging, folder)


def _write(series: list[PlaneSeries], belonging: Belonging, folder: Path, parametric_maps: bool = False) -> list[Path]:
    paths = []
    for one in series:
        objects: list[Dataset] = list(mr_objects(one, belonging))
        quantity = quantity_of(one) if parametric_maps else None
        if quantity:
            from gadgets.exchange.parametric_map import parametric_map

            objects.append(parametric_map(one, quantity, objects))
        for name, data in zip(_names(one, parametric_maps), objects, strict=True):
            with complete_file(folder / name) as partial:
                data.save_as(partial, enforce_file_format=True)
            paths.append(folder / name)
    return paths


def _names(series: PlaneSeries, parametric_maps: bool) -> list[str]:
    folder = f"series{series.number:03d}"
    names = [f"{folder}/{index + 1:05d}.dcm" for index in range(len(series.planes))]
    return [*names, f"{folder}_float/00001.dcm"] if parametric_maps and quantity_of(series) else names


def _check_free(folder: Path, names: set[str]) -> None:
    """Refuse a folder with DICOM files that this run does not write anew: readers would take all for one study."""
    check_folder(folder)
    others = [path for path in sorted(folder.rglob("*.dcm")) if path.relative_to(folder).as_posix() not in names]
    if others:
        raise ScanFileError(
            f"the folder {shortened(folder, 200)} holds {len(others)} DICOM files that are not of these images; "
            "name an empty folder"
        )
