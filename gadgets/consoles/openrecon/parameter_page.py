"""The parameter page of an OpenRecon application, made of the gadget's own parameters."""

import math
import types
import typing
from collections.abc import Sequence
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from gadgets.configuration import hint_at
from gadgets.consoles.openrecon.application import Application
from gadgets.consoles.openrecon.rules import INT_RANGE, MOST_PARAMETERS, is_multiple_of_a_tenth
from gadgets.errors import ParameterError, shortened

# What changes between patients (images, method, heart rates), and what a converted scan may lack or state wrongly
# (TR, TI, golden angle, navigators, B1). What a site sets once belongs into its configuration.
CHOSEN = {
    "MultitaskingGadget": (
        "reconstruction",
        "images",
        "preview",
        "heart_source",
        "lowest_heart_rate",
        "highest_heart_rate",
        "cardiac_bins",
        "matrix",
        "navigator",
        "golden_angle_deg",
        "tr_ms",
        "ti_ms",
        "flip_angle_scale",
    ),
    "SuperResolutionGadget": (
        "images",
        "stages",
        "acceleration",
        "mismatch",
        "data_consistency",
        "matrix",
        "contrast",
        "coil_combination",
        "output",
    ),
    "AslGadget": (
        "images",
        "order",
        "pairs",
        "tr_ms",
        "pld_ms",
        "tau_ms",
        "slice_time_ms",
        "blood_t1_ms",
        "labelling_efficiency",
        "m0_series",
        "motion_correction",
        "regression",
        "outlier_cleaning",
    ),
    "PerivascularGadget": ("images", "mask", "mask_series", "threshold", "mismatch"),
    "SegmentationGadget": ("images", "views"),
}
"""Parameters on the page, in its order, by gadget."""

_OF_RAW_DATA = ("contrast", "coil_combination", "output")
"""Parameters of super-resolution that say nothing where images come in."""

_UNITS = {"ms": "ms", "s": "s", "deg": "deg", "gb": "GB"}
_RATES = ("lowest_heart_rate", "highest_heart_rate")
_SPELLINGS = {"tr": "TR", "ti": "TI", "t1": "T1", "ecg": "ECG", "cg": "CG", "gpu": "GPU", "nufft": "NUFFT"}

# A line of the form shows about so many characters.
_LONG_TEXT = 40


def page_id(name: str) -> str:
    """A parameter's id on the page, which may have letters and digits alone; the server knows both spellings."""
    return name.replace("_", "")


def parameter_page(application: Application, names: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Make the page of an application.

    Parameters
    ----------
    application : Application
        Its configuration's values are the defaults, so that an untouched page changes nothing.
    names : sequence of str, optional
        Parameters to show; default: those of :data:`CHOSEN`.

    Returns
    -------
    list of dict
        ``parameters`` of the application's specification. The first names the configuration.

    Raises
    ------
    ParameterError
        If a name is unknown or there twice, or there are more than a page takes.
    """
    values = application.parameters
    fields = type(values).model_fields
    chosen = _chosen(application) if names is None else list(names)
    for name in chosen:
        if name not in fields:
            raise ParameterError(f"unknown parameter {shortened(name)!r}; {hint_at(name, list(fields))}")
    if len(set(chosen)) < len(chosen):
        raise ParameterError("a parameter is named twice for the page; name each once")
    if len(chosen) >= MOST_PARAMETERS:
        raise ParameterError(
            f"{len(chosen)} parameters are too many: a page takes {MOST_PARAMETERS}, one of which names the "
            "configuration; leave some out"
        )
    return [_configuration(application), *(_entry(name, fields[name], getattr(values, name)) for name in chosen)]


def _chosen(application: Application) -> list[str]:
    left_out = _OF_RAW_DATA if application.emitter == "image" else ()
    return [name for name in CHOSEN[application.gadget] if name not in left_out]


def _configuration(application: Application) -> dict[str, Any]:
    """One value: what a console sends as configuration besides is its own affair."""
    return {
        "id": "config",
        "label": {"en": "Configuration"},
        "type": "choice",
        "values": [{"id": application.configuration, "name": {"en": application.name}}],
        "default": application.configuration,
        "information": {"en": "Configuration of malibu that runs"},
    }


def _entry(name: str, field: FieldInfo, value: Any) -> dict[str, Any]:
    """One parameter: a number with bounds, a choice, or a switch where the form has one for it, else a text."""
    kind = _without_none(field.annotation)
    entry = {"id": page_id(name), "label": {"en": _label(name)}, "information": {"en": _information(field, kind)}}
    if isinstance(value, bool):
        return entry | {"type": "boolean", "default": value}
    if get_origin(kind) is Literal and value is not None:
        values = [{"id": one, "name": {"en": one.replace("_", " ")}} for one in get_args(kind)]
        return entry | {"type": "choice", "values": values, "default": value}
    numeric = _number(name, field, kind, value) if value is not None else None
    return entry | (numeric or _text(name, entry, value))


def _number(name: str, field: FieldInfo, kind: Any, value: Any) -> dict[str, Any] | None:
    if kind is int:
        smallest, largest = _int_bounds(field)
        if smallest is None or largest is None or not INT_RANGE[0] <= smallest <= largest <= INT_RANGE[1]:
            return None
        return {"type": "int", "minimum": smallest, "maximum": largest, "default": value} | _unit(name)
    if kind is not float:
        return None
    low, high = _double_bounds(field)
    if low is None or high is None or not all(map(is_multiple_of_a_tenth, (low, high, float(value)))):
        return None
    return {"type": "double", "minimum": low, "maximum": high, "default": float(value)} | _unit(name)


def _bound(field: FieldInfo, kinds: tuple[type, ...]) -> tuple[float | None, bool]:
    """Bound of a field, and whether it is allowed itself."""
    for rule in field.metadata:
        if isinstance(rule, kinds):
            open_ = isinstance(rule, Gt | Lt)
            return next(getattr(rule, name) for name in ("ge", "gt", "le", "lt") if hasattr(rule, name)), not open_
    return None, True


def _int_bounds(field: FieldInfo) -> tuple[int | None, int | None]:
    (low, low_counts), (high, high_counts) = _bound(field, (Ge, Gt)), _bound(field, (Le, Lt))
    smallest = None if low is None else math.ceil(low) + (not low_counts and low == math.ceil(low))
    largest = None if high is None else math.floor(high) - (not high_counts and high == math.floor(high))
    return smallest, largest


def _double_bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    """Bounds in the form's steps of 0.1, inside those of the field."""
    (low, low_counts), (high, high_counts) = _bound(field, (Ge, Gt)), _bound(field, (Le, Lt))
    smallest = None if low is None else math.ceil(low * 10) + (not low_counts and low * 10 == math.ceil(low * 10))
    largest = None if high is None else math.floor(high * 10) - (not high_counts and high * 10 == math.floor(high * 10))
    return (None if smallest is None else smallest / 10), (None if largest is None else largest / 10)


def _text(name: str, entry: dict[str, Any], value: Any) -> dict[str, Any]:
    """Text; empty where nothing is set, which the server takes as such."""
    given, unit = _as_text(value), _unit(name).get("unit")
    label = entry["label"]["en"] + (f" ({unit['en']})" if unit else "")
    information = entry["information"]["en"] + ("" if given else " (empty: not set)")
    shown: dict[str, Any] = {"label": {"en": label}, "information": {"en": information}}
    return shown | {"type": "string", "default": given, "isLargeText": len(given) > _LONG_TEXT}


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return str(value)


def _unit(name: str) -> dict[str, Any]:
    unit = "bpm" if name in _RATES else _UNITS.get(name.rsplit("_", 1)[-1])
    return {"unit": {"en": unit}} if unit else {}


def _label(name: str) -> str:
    words = name.split("_")
    if len(words) > 1 and words[-1] in _UNITS:
        words.pop()
    text = " ".join(_SPELLINGS.get(word, word) for word in words)
    return text[0].upper() + text[1:]


def _information(field: FieldInfo, kind: Any) -> str:
    """What it means, and what a list may hold where that is not said yet."""
    text = field.description or ""
    kinds = get_args(get_args(kind)[0]) if get_origin(kind) is tuple else ()
    if kinds and not all(one in text for one in map(str, kinds)):
        text += f": any of {', '.join(map(str, kinds))}"
    return text[:1].upper() + text[1:]


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (types.UnionType, typing.Union):
        kinds = [one for one in get_args(annotation) if one is not type(None)]
        return kinds[0] if len(kinds) == 1 else str
    return annotation
