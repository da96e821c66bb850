"""Factors as the explorer's page takes them: numbers as base64 of half precision, and a record of where they lie."""

import base64
import json
from typing import Any

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.viewer.slice_factors import Method, SliceFactors, TemporalFactors, gating_rows

_LONGEST_BASIS = 8000
"""Columns of Φ that travel: some 150 a second of a scan of one minute; a longer basis is thinned evenly."""

_LONGEST_GATING = 4000
"""Columns of the gating that travel: three for each pixel of the widest strip."""

_HALF_PEAK = 16384.0
"""Largest value of each block of half precision: far from overflow (65,504) and from the subnormal numbers (6e-5)."""

_SHOWN_META = (
    "MalibuVersion", "MalibuReconstruction", "MalibuNetwork", "MalibuRank", "MalibuCoils", "MalibuSpokes",
    "MalibuSpokesUsed", "MalibuTemporalModel", "MalibuUnresolved", "MalibuBeats", "MalibuEctopicBeats", "MalibuRemarks",
    "MalibuPixelUnit", "RepetitionTimeMs", "FlipAngleDeg",
)  # fmt: skip
"""Meta of malibu's own that the page may show."""


class Packed:
    """Collects numbers for a page; each gets an element, and a record for its reader."""

    def __init__(self) -> None:
        self.elements: list[str] = []

    def add(self, values: NDArray, scales: NDArray | None = None) -> dict[str, Any]:
        """Add an array as it is: float16, float32, uint16 or uint8, little-endian.

        Parameters
        ----------
        values : array
        scales : (blocks,) array, optional
            What each block along the first axis is to be multiplied by.

        Returns
        -------
        dict
            ``id``, ``kind``, ``shape``, and ``scales``.
        """
        name = f"data-{len(self.elements)}"
        data = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        text = base64.b64encode(data.tobytes()).decode()
        self.elements.append(f'<script type="application/octet-stream;base64" id="{name}">{text}</script>')
        record: dict[str, Any] = {"id": name, "kind": data.dtype.name, "shape": list(values.shape)}
        return record if scales is None else record | {"scales": [float(f"{scale:.9g}") for scale in scales]}

    def add_half(self, values: NDArray) -> dict[str, Any]:
        """Add an array in half precision, each block along the first axis scaled by its largest value."""
        flat = np.abs(values.reshape(len(values), -1)).max(axis=1).astype(np.float64)
        scales = np.where(flat > 0, flat, 1.0) / _HALF_PEAK
        shaped = scales.reshape(-1, *[1] * (values.ndim - 1))
        return self.add((values / shaped).astype(np.float16), scales)

    def add_complex(self, values: NDArray) -> dict[str, Any]:
        """Add (blocks, …) complex numbers as (blocks, 2, …): real and imaginary parts."""
        return self.add_half(np.stack([values.real, values.imag], axis=1))


def pack_slice(one: SliceFactors, packed: Packed) -> dict[str, Any]:
    """Pack a slice.

    Parameters
    ----------
    one : SliceFactors
    packed : Packed
        Takes the numbers.

    Returns
    -------
    dict
        JSON: what the page knows of the slice.
    """
    models: list[TemporalFactors] = []
    methods = []
    for method in one.methods:
        known = [index for index, model in enumerate(models) if model.equals(method.factors)]
        if not known:
            models.append(method.factors)
        model = known[0] if known else len(models) - 1
        methods.append({"name": method.name, "maps": packed.add_complex(method.maps), "model": model})
    head = one.reference.getHead()
    rows, columns = one.methods[0].maps.shape[1:]
    meta = one.reference.meta
    return {
        "label": one.label,
        "rows": rows,
        "columns": columns,
        "pixelMm": [head.field_of_view[1] / rows, head.field_of_view[0] / columns],
        "rowDir": [round(float(value), 6) for value in head.read_dir],
        "columnDir": [round(float(value), 6) for value in head.phase_dir],
        "meta": {name: str(meta[name]) for name in _SHOWN_META if name in meta},
        "methods": methods,
        "models": [_packed_model(model, one.time_s, packed) for model in models],
        "maps": [_packed_map(kind, image, packed) for kind, image in one.maps.items()],
        "gating": None if one.gating is None else _packed_gating(one.gating, packed),
        "absent": _absent(one.methods[0], meta),
    }


def _packed_model(model: TemporalFactors, time_s: NDArray | None, packed: Packed) -> dict[str, Any]:
    record: dict[str, Any] = {"tensor": None, "basis": None}
    if model.tensor:
        record["tensor"] = {name: packed.add(array.astype(np.float32)) for name, array in model.tensor.items()}
        record["meta"] = {
            name.removeprefix("Tensor"): float(value)
            for name, value in model.tensor_meta.items()
            if name.startswith("Tensor") and name not in ("TensorFactor", "TensorShape")
        }
    if model.basis is not None and len(model.basis):
        step = -(-model.basis.shape[1] // _LONGEST_BASIS)
        thinned = model.basis[:, ::step]
        is_real = not thinned.imag.any()
        record["basis"] = packed.add_half(thinned.real) if is_real else packed.add_complex(thinned)
        record["step"] = step
        times = time_s is not None and len(time_s) == model.basis.shape[1]
        record["timeS"] = packed.add(time_s[::step].astype(np.float32)) if times and time_s is not None else None
    return record


def _packed_map(kind: str, image: ismrmrd.Image, packed: Packed) -> dict[str, Any]:
    meta = image.meta
    names = ("InversionEfficiency", "TrueFlipAngleDeg", "MalibuUnit", "WindowCenter", "WindowWidth")
    record: dict[str, Any] = {name: str(meta[name]) for name in names if name in meta}
    return record | {"kind": kind, "values": packed.add(image.data[0, 0].astype(np.uint16))}


def _packed_gating(gating: ismrmrd.Image, packed: Packed) -> dict[str, Any]:
    rows = gating_rows(gating)
    step = -(-len(rows["time_s"]) // _LONGEST_GATING)
    values = np.stack([row[::step] for row in rows.values()]).astype(np.float32)
    beats = str(gating.meta.get("BeatTimesS", "")).split()
    ectopic = str(gating.meta.get("EctopicBeats", "none"))
    return {
        "rows": list(rows),
        "values": packed.add(values),
        "beatsS": [float(time) for time in beats],
        "ectopic": [] if ectopic == "none" else [int(number) for number in ectopic.split()],
    }


def _absent(result: Method, meta: Any) -> dict[str, str]:
    """Why an axis has no slider, for people."""
    if not result.factors.tensor:
        model = str(meta.get("MalibuTemporalModel", ""))
        if model.startswith("tensor"):
            why = "the file has no tensor series (19): replay the scan again"
        else:
            why = f"the temporal model is {model}: it knows times, but no states of motion"
        return dict.fromkeys(("cardiac", "respiratory", "recovery"), why)
    reasons = ("no heartbeat was resolved", "no breathing was resolved", "the scan has no inversions")
    sizes = zip(("cardiac", "respiratory", "recovery"), result.factors.axes(), reasons, strict=True)
    return {name: reason for name, size, reason in sizes if size < 2}


def json_element(name: str, record: Any) -> str:
    """Make a JSON element: no ``<`` stands in it, so that no text can end it."""
    text = json.dumps(record, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>'
