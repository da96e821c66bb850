"""Where not to trust a result, and how far: pictures and a paragraph of the report."""

import html
from collections.abc import Iterator

import ismrmrd
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gadgets.pages.shell import png_of

# Deviation over the brightest tissue, at which the picture's scale ends.
_DEVIATION_SHOWN = 0.2
# Misfit in per cent of the noise, likewise.
_MISFIT_SHOWN = 400


def trust_pictures(by_kind: dict[str, list[ismrmrd.Image]]) -> Iterator[tuple[str, str, bytes]]:
    """Draw the deviation of the first frame beside it, and the misfit of the data.

    Parameters
    ----------
    by_kind : dict of str to list of ismrmrd.Image
        Images of a slice by the names of their series.

    Yields
    ------
    str, str, bytes
        File name, caption and PNG.
    """
    if by_kind["frame_uncertainty"]:
        deviation = by_kind["frame_uncertainty"][0]
        calibrated = deviation.meta.get("MalibuUncertaintyCalibrated") == "yes"
        caption = f"Standard deviation of a frame, from {deviation.meta['MalibuUncertaintySamples']} turned inputs" + (
            "" if calibrated else "; not calibrated: too small"
        )
        yield "uncertainty.png", caption, _uncertainty(by_kind, np.abs(deviation.data[0, 0]))
    if by_kind["data_misfit"]:
        image = by_kind["data_misfit"][0]
        caption = f"What the result leaves of the data, by region ({image.meta['MalibuUnit']})"
        yield "data_misfit.png", caption, _panels([("data misfit", image.data[0, 0], "magma", _MISFIT_SHOWN)])


def trust_html(first: ismrmrd.Image) -> str:
    """Say how far the result is from the data, and the scan from the training; empty if neither is known."""
    meta, said = first.meta, []
    if "MalibuMisfit" in meta:
        text = f"The result leaves {100 * float(meta['MalibuMisfit']):.2g} % of the data's energy"
        if "MalibuMisfitOverNoise" in meta:
            text += f", {float(meta['MalibuMisfitOverNoise']):.3g} times what noise alone would"
        said.append(text)
    if "MalibuUnlikeTraining" in meta:
        distance = float(meta["MalibuUnlikeTraining"])
        judged = "unlike" if distance > 1 else "like"
        said.append(
            f"The scan is {judged} what the network was trained on: {distance:.2g} of the limit; "
            f"of all statistics, {meta.get('MalibuUnlikeTrainingReason', 'none')}"
        )
    return "".join(f"<p>{html.escape(text)}.</p>" for text in said)


def _uncertainty(by_kind: dict[str, list[ismrmrd.Image]], deviation: NDArray) -> bytes:
    shown = by_kind["cine_bright"] or by_kind["realtime"] or by_kind["time_average"]
    if not shown:
        return _panels([("standard deviation", deviation, "magma", float(deviation.max()) or 1.0)])
    frame = np.abs(shown[0].data[0, 0])
    peak = float(np.percentile(frame, 99.5)) or 1.0
    share = 100 * deviation / peak
    return _panels(
        [("frame", frame, "gray", peak), ("deviation, % of the brightest", share, "magma", 100 * _DEVIATION_SHOWN)]
    )


def _panels(pictures: list[tuple[str, NDArray, str, float]]) -> bytes:
    figure = Figure(figsize=(5.7 * len(pictures), 5), layout="constrained")
    for axes, (title, image, colors, peak) in zip(
        np.atleast_1d(figure.subplots(1, len(pictures))), pictures, strict=True
    ):
        drawn = axes.imshow(image, cmap=colors, vmin=0, vmax=peak)
        axes.set_title(title, fontsize=10)
        axes.axis("off")
        if colors != "gray":
            figure.colorbar(drawn, ax=axes, shrink=0.8)
    return png_of(figure, on_film=True)
