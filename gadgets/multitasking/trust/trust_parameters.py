"""What a configuration may set of how much a result is to be trusted."""

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from gadgets.multitasking.live.live_parameters import LiveParameters
from recon.multitasking.settings import Settings
from recon.spatial.trust.symmetries import MOST


class TrustParameters(LiveParameters):
    """Parameters of error bars, and of scans unlike those that a network was trained on."""

    uncertainty_samples: int = Field(
        Settings.uncertainty_samples,
        ge=0,
        le=MOST,
        description="turned inputs of the network that give deviations of frames and T1, each for its time; 0: none",
    )
    unlike_training: Literal["warn", "admm", "ignore"] = Field(
        "warn", description="a scan unlike the network's training: say so, reconstruct it by ADMM, or do not look"
    )

    @field_validator("reconstruction", check_fields=False)
    @classmethod
    def _samples_are_of_a_network(cls, value: Any, info: ValidationInfo) -> Any:
        if value in ("backprojection", "admm") and info.data.get("uncertainty_samples") and not info.data["fast_first"]:
            raise ValueError("uncertainty_samples are of a network: set reconstruction=unrolled or leave them out")
        return value

    @property
    def data_misfit(self) -> bool:
        """Whether the residual of the data is wanted as a map."""
        return "data_misfit" in getattr(self, "images", ())
