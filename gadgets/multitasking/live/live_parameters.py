"""What a configuration may set of previews and of results that follow later."""

from typing import TypeVar

from pydantic import Field, ValidationInfo, field_validator

from gadgets.mrd.headers.roles import ReadoutParameters

Parameters = TypeVar("Parameters", bound="LiveParameters")


class LiveParameters(ReadoutParameters):
    """Parameters of what is sent before, and after, the images of a scan."""

    preview: bool = Field(
        False, description="while the scan runs: a real-time frame every second (series 13), and a first cine (14)"
    )
    fast_first: bool = Field(
        False,
        description="with reconstruction=admm: the network's result at once, then ADMM's series, from 1001",
    )

    @field_validator("reconstruction", check_fields=False)
    @classmethod
    def _something_follows(cls, value: str, info: ValidationInfo) -> str:
        if value != "admm" and info.data.get("fast_first"):
            raise ValueError("fast_first=true sends a fast result before that of ADMM: set reconstruction=admm")
        return value

    def at_once(self: Parameters) -> Parameters:
        """Parameters of the result that is sent first: these, or those of the network where ADMM's is to follow."""
        if not self.fast_first:
            return self
        return self.model_copy(update={"reconstruction": "mdcn", "without_weights": "backprojection"})
