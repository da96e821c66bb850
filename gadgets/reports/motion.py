"""The report's pictures of motion and relaxation: gating, animations, wall motion, T1 map."""

import io
from collections.abc import Iterator, Sequence

import ismrmrd
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image as PilImage
from scipy.ndimage import gaussian_filter

from gadgets.multitasking.series import GATING_ROWS, SERIES
from gadgets.pages.shell import png_of

# Each voxel is drawn as 3 x 3 pixels.
_ENLARGE = 3
# Time that each frame of an animation is shown, in ms.
_FRAME_MS = 80
# Seconds of the scan that the gating plot shows.
_SHOWN_S = 20.0
# Top of the T1 colour scale in ms, just above blood at 3 T.
_T1_LIMIT_MS = 2200
# Ends of the colour scale of B1 in per cent: the range over a heart at 3 T.
_B1_LIMITS = (70, 130)
# Top of the colour scale of T1's standard deviation, in ms.
_DEVIATION_LIMIT_MS = 200


def motion_pictures(by_kind: dict[str, list[ismrmrd.Image]]) -> Iterator[tuple[str, str, bytes]]:
    """Make the pictures that one slice's series allow.

    Parameters
    ----------
    by_kind : dict of str to list of ismrmrd.Image
        By kind; lists may be empty.

    Yields
    ------
    str, str, bytes
        File name, caption, PNG or GIF.
    """
    for kind, record in SERIES.items():
        if record.animation and by_kind[kind]:
            yield f"{kind}.gif", f"{record.animation}, {len(by_kind[kind])} frames", animation(by_kind[kind])
    if by_kind["cine_bright"]:
        yield (
            "wall_motion.png",
            "Signal along a line through the heart over two beats",
            _wall_motion(by_kind["cine_bright"]),
        )
    if by_kind["t1_map"]:
        yield "t1_map.png", "T1 and its standard deviation (ms)", _t1(by_kind["t1_map"], by_kind["t1_uncertainty"])
    if by_kind["b1_map"]:
        caption = f"B1 and its standard deviation, from the {by_kind['b1_map'][0].meta['MalibuB1Source']}"
        yield (
            "b1_map.png",
            f"{caption} (% of the nominal flip angle)",
            _b1(by_kind["b1_map"], by_kind["b1_uncertainty"]),
        )
    if by_kind["gating"]:
        yield (
            "gating.png",
            "Motion signals at the imaging spokes, coloured by bin; grey: left out",
            _gating(by_kind["gating"][0]),
        )


def grey(image: ismrmrd.Image) -> NDArray:
    """Magnitude in the image's own window, enlarged: ``(y, x)`` uint8."""
    center, width = float(image.meta["WindowCenter"]), float(image.meta["WindowWidth"])
    scaled = (np.abs(image.data[0, 0]) - (center - width / 2)) / width
    pixels = (255 * np.clip(scaled, 0, 1)).astype(np.uint8)
    return pixels.repeat(_ENLARGE, axis=0).repeat(_ENLARGE, axis=1)


def animation(images: list[ismrmrd.Image]) -> bytes:
    """Endless GIF of a series."""
    buffer = io.BytesIO()
    first, *others = [PilImage.fromarray(grey(image)) for image in images]
    first.save(buffer, format="GIF", save_all=True, append_images=others, duration=_FRAME_MS, loop=0)
    return buffer.getvalue()


def heart_center(cine: NDArray) -> tuple[int, int]:
    """Row and column around which a cine, ``(phases, y, x)``, changes most, streaks of single phases smoothed out."""
    pixels = cine.shape[1]
    smooth = gaussian_filter(cine.astype(float), (1, pixels / 160, pixels / 160), mode=("wrap", "nearest", "nearest"))
    change = gaussian_filter(smooth.var(axis=0), pixels / 16)
    row, column = np.unravel_index(np.argmax(change), change.shape)
    return int(row), int(column)


def _wall_motion(images: list[ismrmrd.Image]) -> bytes:
    cine = np.stack([np.abs(image.data[0, 0]) for image in images])
    row, column = heart_center(cine)
    half = cine.shape[2] // 5
    left, right = max(0, column - half), min(cine.shape[2], column + half)
    line = cine[:, row, left:right]
    interval_ms = 60_000 / float(images[0].meta["MalibuHeartRatePerMinute"])
    figure = Figure(figsize=(11.4, 4.6), layout="constrained")
    still, moving = figure.subplots(1, 2, width_ratios=(1, 1.4))
    still.imshow(cine[0], cmap="gray", vmax=np.percentile(cine, 99.5))
    still.plot([left, right], [row, row], color="tab:orange", linewidth=1)
    still.axis("off")
    twice = np.concatenate([line, line]).T
    moving.imshow(twice, cmap="gray", aspect="auto", extent=(0, 2 * interval_ms, right, left))
    moving.set(xlabel="time (ms)", ylabel="pixel along the line")
    return png_of(figure, on_film=True)


def _t1(maps: list[ismrmrd.Image], deviations: list[ismrmrd.Image]) -> bytes:
    panels = [(maps[0].data[0, 0], "T1 (ms)", (0, _T1_LIMIT_MS), "inferno")]
    panels += [
        (image.data[0, 0], "standard deviation (ms)", (0, _DEVIATION_LIMIT_MS), "viridis") for image in deviations[:1]
    ]
    return _side_by_side(panels)


def _b1(maps: list[ismrmrd.Image], deviations: list[ismrmrd.Image]) -> bytes:
    """B1 in per cent, of series in tenths of a per cent."""
    panels = [(maps[0].data[0, 0] / 10, "B1 (%)", _B1_LIMITS, "coolwarm")]
    panels += [(image.data[0, 0] / 10, "standard deviation (%)", (0, 5), "viridis") for image in deviations[:1]]
    return _side_by_side(panels)


def _side_by_side(panels: Sequence[tuple[NDArray, str, tuple[float, float], str]]) -> bytes:
    figure = Figure(figsize=(5.7 * len(panels), 5), layout="constrained")
    for axes, (values, title, (low, high), colors) in zip(
        np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True
    ):
        drawn = axes.imshow(np.ma.masked_equal(values, 0) if low else values, cmap=colors, vmin=low, vmax=high)
        axes.set_title(title, fontsize=10)
        axes.axis("off")
        figure.colorbar(drawn, ax=axes, shrink=0.85)
    return png_of(figure, on_film=True)


def _gating(image: ismrmrd.Image) -> bytes:
    rows = dict(zip(GATING_ROWS, image.data[0, 0], strict=True))
    figure = Figure(figsize=(11.4, 5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    start = float(rows["time_s"][0])
    inside = rows["time_s"] < start + _SHOWN_S
    for axes, name, label in ((upper, "respiration", "respiration"), (lower, "cardiac_phase", "cardiac phase")):
        bins = "respiratory_bin" if name == "respiration" else "cardiac_bin"
        quality = image.meta["MalibuRespirationQuality" if name == "respiration" else "MalibuHeartQuality"]
        _signal(axes, {key: values[inside] for key, values in rows.items()}, name, bins)
        axes.set_ylabel(label)
        axes.set_title(f"quality {quality}", fontsize=10, loc="right")
    for number, beat_s in enumerate(float(time) for time in str(image.meta.get("BeatTimesS", "")).split()):
        if start <= beat_s < start + _SHOWN_S:
            ectopic = str(number) in str(image.meta.get("EctopicBeats", "")).split()
            lower.axvline(beat_s, color="tab:red" if ectopic else "0.7", linewidth=1.5 if ectopic else 0.7, zorder=0)
    lower.set_xlabel("time (s); lines: beats, ectopic ones red")
    return png_of(figure)


def _signal(axes: Axes, rows: dict[str, NDArray], name: str, bins: str) -> None:
    if np.all(rows[bins] < 0):
        axes.text(0.5, 0.5, "not resolved", transform=axes.transAxes, ha="center")
        return
    kept = rows["kept"] > 0
    axes.scatter(rows["time_s"][~kept], rows[name][~kept], s=3, color="0.75")
    colors = "viridis" if name == "respiration" else "twilight"
    axes.scatter(rows["time_s"][kept], rows[name][kept], s=3, c=rows[bins][kept], cmap=colors)
