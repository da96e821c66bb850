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
        description="with reconstruction=admm or unrolled: mdcn's result at once, then the other's series, from 1001",
    )

    @field_validator("reconstruction", check_fields=False)
    @classmethod
    def _something_follows(cls, value: str, info: ValidationInfo) -> str:
        if value not in ("admm", "unrolled") and info.data.get("fast_first"):
            raise ValueError(
                "fast_first=true sends a fast result before a slow one: set reconstruction=admm or unrolled"
            )
        return value

    def at_once(self: Parameters) -> Parameters:
        """Parameters of the result that is sent first: these, or those of mDCN where a slower one is to follow."""
        if not self.fast_first:
            return self
        return self.model_copy(update={"reconstruction": "mdcn", "without_weights": "backprojection"})
