"""Quantitative maps as Parametric Maps (DICOM PS3.3 A.75): float32 values beside the integer images."""

import logging
from collections.abc import Sequence

import numpy as np
from highdicom import VOILUTTransformation
from highdicom.enum import ContentQualificationValues
from highdicom.pm import DerivedPixelContrastValues, ImageFlavorValues, ParametricMap, RealWorldValueMapping
from pydicom.dataset import Dataset

from gadgets import RESEARCH_LABEL, __version__
from gadgets.exchange.mr_objects import description
from gadgets.exchange.planes import PlaneSeries
from gadgets.exchange.quantities import Quantity, concepts, unit_code
from gadgets.exchange.stored_values import decimal, real_values, window
from gadgets.exchange.study import copied
from gadgets.exchange.uids import uid

_NO_DATE, _NO_TIME = "19700101", "000000"
"""Stand for a time that nobody knows, or may know, where the standard wants one; a study's own time comes first."""

NUMBER_OFFSET = 500
"""Added to the series number of the integer images, whose series may not hold objects of another kind."""


def parametric_map(series: PlaneSeries, quantity: Quantity, sources: Sequence[Dataset]) -> Dataset:
    """Make the Parametric Map of a quantitative series, all slices in one object.

    Parameters
    ----------
    series : PlaneSeries
    quantity : Quantity
    sources : sequence of pydicom.Dataset
        The MR Image objects of the same planes: patient, study and places are theirs.

    Returns
    -------
    pydicom.Dataset
        The same bytes from the same images: nothing of it tells when or where it was made.
    """
    logging.getLogger("highdicom").setLevel(logging.WARNING)  # it tells each module that it copies
    first = sources[0]
    own_uid = uid(first.SeriesInstanceUID, "parametric map")
    centre, width = window(series, real_values(series))
    data = ParametricMap(
        source_images=sources,
        pixel_array=np.stack(real_values(series)).astype(np.float32),
        series_instance_uid=own_uid,
        series_number=int(first.SeriesNumber) + NUMBER_OFFSET,
        sop_instance_uid=uid(own_uid, 1, "image"),
        instance_number=1,
        manufacturer="malibu",
        manufacturer_model_name="malibu",
        software_versions=__version__,
        device_serial_number="none",
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[_mapping(quantity)],
        voi_lut_transformations=[VOILUTTransformation(window_center=centre, window_width=width)],
        content_description=RESEARCH_LABEL,
        content_label="MAP",
        content_qualification=ContentQualificationValues.RESEARCH,
        image_flavor=ImageFlavorValues.VOLUME,
        derived_pixel_contrast=DerivedPixelContrastValues.QUANTITY,
    )
    data.SeriesDescription = f"RESEARCH {description(series)}, float"[:64]
    data.ImageComments = f"{RESEARCH_LABEL}, {description(series)}"
    data.update(copied(first, "BodyPartExamined Laterality"))  # of which highdicom takes neither
    _set_step(data, series)
    _make_repeatable(data, own_uid)
    return data


def _set_step(data: Dataset, series: PlaneSeries) -> None:
    """Distance of the slices; where there is but one, highdicom writes 1 mm, whatever it is given."""
    plane = series.planes[0]
    step_mm = series.step_mm if series.step_mm is not None else plane.thickness_mm
    data.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices = decimal(step_mm)


def _mapping(quantity: Quantity) -> RealWorldValueMapping:
    largest = float(np.finfo(np.float32).max)
    mapping = RealWorldValueMapping(
        lut_label=quantity.label,
        lut_explanation=f"{quantity.label} ({quantity.unit})",
        unit=unit_code(quantity),
        value_range=(-largest, largest),
        slope=1.0,
        intercept=0.0,
    )
    mapping.QuantityDefinitionSequence = concepts(quantity)
    return mapping


def _make_repeatable(data: Dataset, own_uid: str) -> None:
    """Replace what highdicom draws or takes from the clock."""
    for name in ("InstanceCreationDate", "InstanceCreationTime"):
        if name in data:
            del data[name]
    data.ContentDate = data.get("StudyDate") or _NO_DATE
    data.ContentTime = data.get("StudyTime") or _NO_TIME
    for equipment in data.ContributingEquipmentSequence:
        equipment.pop("ContributionDateTime", None)
    organization = uid(own_uid, "dimensions")
    for sequence in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        for item in data.get(sequence, ()):
            item.DimensionOrganizationUID = organization
