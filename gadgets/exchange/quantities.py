"""What the pixels of quantitative maps mean: quantity and unit, coded as DICOM wants it."""

from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from gadgets.exchange.planes import PlaneSeries, words
from gadgets.exchange.stored_values import StoredValues


@dataclass(frozen=True)
class Quantity:
    """A quantity that pixels hold.

    Attributes
    ----------
    role : str
        Last word of DataRole, as in ``Quantitative T1MAP``.
    label : str
        For people; at most 16 characters.
    image_type : str
        Third value of Image Type.
    unit : str
        UCUM's.
    name : pydicom.sr.coding.Code
        Of the quantity.
    statistic : pydicom.sr.coding.Code or None
        Where the pixels are a statistic of it.
    """

    role: str
    label: str
    image_type: str
    unit: str
    name: Code
    statistic: Code | None = None


_T1 = Code("113063", "DCM", "T1")
_UNKNOWN = Code("246205007", "SCT", "Quantity")
_SPREAD = Code("386136009", "SCT", "Standard Deviation")

_KNOWN = {
    "T1MAP": Quantity("T1MAP", "T1", "T1 MAP", "ms", _T1),
    "T1SD": Quantity("T1SD", "T1 SD", "OTHER", "ms", _T1, _SPREAD),
}
"""By the second word of DataRole."""


def quantity_of(series: PlaneSeries) -> Quantity | None:
    """Say what a series' pixels are a measure of.

    Parameters
    ----------
    series : PlaneSeries

    Returns
    -------
    Quantity or None
        None for pictures: a DataRole without ``Quantitative``. Quantities that malibu does not know get the unit that
        the Meta states for milliseconds, else none.
    """
    role = series.role
    if role[0].lower() != "quantitative":
        return None
    kind = role[1].upper() if len(role) > 1 else "MAP"
    unit = words(series.planes[0].meta.get("MalibuUnit", ""))[0]
    if kind in _KNOWN:
        return _KNOWN[kind]
    return Quantity("MAP", "map", "OTHER", "ms" if unit == "ms" else "1", _UNKNOWN)


def unit_code(quantity: Quantity) -> Code:
    """Unit as a code."""
    return Code("ms", "UCUM", "millisecond") if quantity.unit == "ms" else Code("1", "UCUM", "no units")


def coded(code: Code) -> Dataset:
    """A code as an item of a sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


def concepts(quantity: Quantity) -> list[Dataset]:
    """Items of Quantity Definition Sequence: what is measured, and the statistic if it is one."""
    pairs = [(Code("246205007", "SCT", "Quantity"), quantity.name)]
    if quantity.statistic is not None:
        pairs.append((Code("121401", "DCM", "Derivation"), quantity.statistic))
    items = []
    for name, value in pairs:
        item = Dataset()
        item.ValueType = "CODE"
        item.ConceptNameCodeSequence, item.ConceptCodeSequence = [coded(name)], [coded(value)]
        items.append(item)
    return items


def real_world_value_mapping(quantity: Quantity, stored: StoredValues) -> Dataset:
    """Item of Real World Value Mapping Sequence for stored values.

    Parameters
    ----------
    quantity : Quantity
    stored : StoredValues

    Returns
    -------
    pydicom.Dataset
    """
    item = Dataset()
    item.RealWorldValueSlope, item.RealWorldValueIntercept = stored.slope, stored.intercept
    first, last = (-32768, 32767) if stored.is_signed else (0, 65535)
    vr = "SS" if stored.is_signed else "US"
    item.add_new("RealWorldValueFirstValueMapped", vr, first)
    item.add_new("RealWorldValueLastValueMapped", vr, last)
    item.LUTExplanation = f"{quantity.label} ({quantity.unit})" if quantity.unit != "1" else quantity.label
    item.LUTLabel = quantity.label
    item.MeasurementUnitsCodeSequence = [coded(unit_code(quantity))]
    item.QuantityDefinitionSequence = concepts(quantity)
    return item
