"""Pictures that say where not to trust the others: standard deviation of frames, and misfit of the data."""

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from gadgets.multitasking.pictures.picture import Choices, Picture
from gadgets.multitasking.pictures.quantitative_maps import quantitative

if TYPE_CHECKING:
    from recon.multitasking import RadialScan, Result

MISFIT_UNIT = "1 % of the receiver noise"
"""Unit of the misfit series: 100 is what noise alone leaves."""


def uncertainty_of(result: "Result", functions: NDArray) -> NDArray:
    """Standard deviation of the magnitude of frames, by columns of Φ: ``(frames, N, N)`` float32."""
    from recon.multitasking.uncertainty import frame_deviation

    return frame_deviation(result, functions)


def uncertainty_meta(result: "Result") -> dict[str, Any]:
    """What its pictures say of themselves."""
    return {
        "DataRole": ["Image", "SD"],
        "MalibuUncertaintySamples": len(result.samples),
        "MalibuUncertaintyCalibrated": "yes" if result.error_model else "no",
    }


def misfit_map(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    """Residual of the data by region, in per cent of what noise alone would leave."""
    if result.misfit is None:
        return []
    unit = MISFIT_UNIT if result.prewhitened else "1 % of receiver unit"
    return [quantitative(100 * result.misfit.by_region, unit, "MISFIT", 200, 400, "Hot Metal", {})]
