"""What an image file holds of one slice that frames can be made of: maps, temporal model, gating, quantitative maps."""

import re
from dataclasses import dataclass, field
from typing import Any

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.errors import ScanFileError
from gadgets.multitasking.images import FOLLOWING_SERIES, SERIES_PER_MEASUREMENT
from gadgets.multitasking.series import SERIES

Images = dict[int, list[ismrmrd.Image]]

QUANTITATIVE = ("t1_map", "t1_uncertainty", "b1_map", "b1_uncertainty", "data_misfit")
"""Series of one map each, stored as whole numbers of their unit."""

_REPLAY = (
    "replay the scan again with images=… basis_maps temporal_basis tensor gating, or leave images out: they are sent"
)


@dataclass(frozen=True)
class TemporalFactors:
    """How columns of Φ come about: from cells of a tensor, or as they were at the spokes.

    Attributes
    ----------
    tensor : mapping of str to array
        ``core`` (L, R_c, R_r, T), ``cardiac`` (R_c, C), ``respiratory`` (R_r, R), ``recovery`` (T, pulses) and
        ``imaging_pulses`` (pulses,), float32; empty without a tensor.
    tensor_meta : mapping of str to str
        What its series says of itself.
    basis : (L, kept spokes) complex64 or None
        Φ as it was measured.
    """

    tensor: dict[str, NDArray]
    tensor_meta: dict[str, Any]
    basis: NDArray[np.complex64] | None

    def axes(self) -> tuple[int, ...]:
        """Cardiac phases, respiratory states and pulses; nothing without a tensor."""
        return tuple(self.tensor[name].shape[1] for name in ("cardiac", "respiratory", "recovery") if self.tensor)

    def equals(self, other: "TemporalFactors") -> bool:
        """Whether every value is the same."""
        if self.tensor.keys() != other.tensor.keys() or (self.basis is None) != (other.basis is None):
            return False
        same_basis = self.basis is None or np.array_equal(self.basis, other.basis)  # type: ignore[arg-type]
        return same_basis and all(np.array_equal(self.tensor[name], other.tensor[name]) for name in self.tensor)


@dataclass(frozen=True)
class Method:
    """One spatial factor, and the temporal model that it belongs to.

    Attributes
    ----------
    name : str
        What made it.
    maps : (L, rows, columns) complex64
    factors : TemporalFactors
    """

    name: str
    maps: NDArray[np.complex64]
    factors: TemporalFactors


@dataclass
class SliceFactors:
    """All that the explorer shows of one slice of one measurement.

    Attributes
    ----------
    label : str
    methods : list of Method
        The result first.
    maps : mapping of str to ismrmrd.Image
        Quantitative maps by the names of their series.
    gating : ismrmrd.Image or None
    time_s : (kept spokes,) float64 or None
        Times of the columns of Φ.
    reference : ismrmrd.Image
        Whose Meta and place hold for all.
    """

    label: str
    methods: list[Method]
    maps: dict[str, ismrmrd.Image]
    gating: ismrmrd.Image | None
    time_s: NDArray[np.float64] | None
    reference: ismrmrd.Image
    warnings: list[str] = field(default_factory=list)


def slices_of(series: Images, source: object) -> list[SliceFactors]:
    """Sort the images of a file by measurement and slice.

    Parameters
    ----------
    series : mapping of int to list of ismrmrd.Image
        From :func:`gadgets.mrd.files.read_images`.
    source : object
        File, for messages.

    Returns
    -------
    list of SliceFactors

    Raises
    ------
    ScanFileError
        If there are no basis maps, or nothing that says how they move.
    """
    number = SERIES["basis_maps"].number
    own = {index: images for index, images in series.items() if any("MalibuVersion" in one.meta for one in images)}
    if not own:
        raise ScanFileError(f"{source} holds images that malibu did not make: of those there is a report, no explorer")
    bases = [index - number for index in own if index % FOLLOWING_SERIES % SERIES_PER_MEASUREMENT == number]
    if not bases:
        raise ScanFileError(f"{source} holds no basis maps (series {number}), of which frames are made; {_REPLAY}")
    first = [base for base in bases if base < FOLLOWING_SERIES]
    found = []
    for base in sorted(first or bases):
        following = base + FOLLOWING_SERIES
        for slice_index in sorted({image.slice for image in own[base + number]}):
            one = _one_slice(own, base, slice_index, source)
            if base < FOLLOWING_SERIES and following in bases:
                later = _one_slice(own, following, slice_index, source)
                names = {method.name for method in later.methods}
                one.methods = later.methods + [method for method in one.methods if method.name not in names]
                one.maps, one.reference = later.maps or one.maps, later.reference
            found.append(one)
    for one in found:
        one.label = _label(one.label, len(first or bases) > 1, len(found) > len(first or bases))
    return found


def _label(places: str, measurements: bool, slices: bool) -> str:
    measurement, slice_number = places.split()
    named = [f"measurement {measurement}"] * measurements + [f"slice {slice_number}"] * slices
    return ", ".join(named)


def _one_slice(series: Images, base: int, slice_index: int, source: object) -> SliceFactors:
    kinds = {
        kind: [image for image in series.get(base + record.number, ()) if image.slice == slice_index]
        for kind, record in SERIES.items()
    }
    reference = kinds["basis_maps"][0]
    tensor = {str(image.meta["TensorFactor"]): _factor(image) for image in kinds["tensor"]}
    tensor_meta = dict(kinds["tensor"][0].meta) if tensor else {}
    basis = _unfilled(kinds["temporal_basis"][0]) if kinds["temporal_basis"] else None
    if not tensor and basis is None:
        raise ScanFileError(f"{source} says how nothing moves: it has neither tensor nor temporal_basis; {_REPLAY}")
    factors = TemporalFactors(tensor, tensor_meta, None if basis is None else basis.astype(np.complex64))
    methods = [Method(str(reference.meta["MalibuReconstruction"]), _stacked(kinds["basis_maps"]), factors)]
    if kinds["basis_maps_before"]:
        methods.append(Method("backprojection", _stacked(kinds["basis_maps_before"]), factors))
    gating = kinds["gating"][0] if kinds["gating"] else None
    return SliceFactors(
        label=f"{base % FOLLOWING_SERIES // SERIES_PER_MEASUREMENT + 1} {slice_index + 1}",
        methods=methods,
        maps={kind: kinds[kind][0] for kind in QUANTITATIVE if kinds[kind]},
        gating=gating,
        time_s=_times(gating, kinds["realtime"], basis),
        reference=reference,
    )


def _stacked(images: list[ismrmrd.Image]) -> NDArray[np.complex64]:
    ordered = sorted(images, key=lambda image: int(image.meta["BasisIndex"]))
    return np.stack([image.data[0, 0] for image in ordered]).astype(np.complex64)


def _factor(image: ismrmrd.Image) -> NDArray:
    """Without the zeros that fill it."""
    shape = tuple(int(size) for size in str(image.meta["TensorShape"]).split("x"))
    array = image.data[0, 0][: shape[0], : int(np.prod(shape[1:]))].reshape(shape)
    return array[0] if image.meta["TensorFactor"] == "imaging_pulses" else array


def _unfilled(image: ismrmrd.Image) -> NDArray:
    array = image.data[0, 0]
    found = re.fullmatch(r"(\d+)x(\d+)", str(image.meta.get("MalibuFilledFrom", "")))
    return array[: int(found[1]), : int(found[2])] if found else array


def _times(gating: ismrmrd.Image | None, frames: list[ismrmrd.Image], basis: NDArray | None) -> NDArray | None:
    """Times of the columns of Φ: by the gating, else by the line through the times of real-time frames."""
    if basis is None:
        return None
    if gating is not None:
        rows = gating_rows(gating)
        return rows["time_s"][rows["kept"] > 0][: basis.shape[1]].astype(np.float64)
    known = [int(image.meta["FrameSpoke"]) for image in frames]
    if len(known) < 2:
        return None
    slope, offset = np.polyfit(known, [float(image.meta["FrameTimeMs"]) / 1000 for image in frames], 1)
    return slope * np.arange(basis.shape[1]) + offset


def gating_rows(gating: ismrmrd.Image) -> dict[str, NDArray]:
    """Rows of the gating image by their names, one value for each imaging spoke."""
    names = gating.meta["Rows"]
    return dict(zip(names, _unfilled(gating), strict=False))
