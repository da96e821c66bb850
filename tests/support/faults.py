"""Faults that a physicist would make, tried before the random ones."""

import dataclasses
import difflib


def unified(name: str, path: str, source: str, changed: str) -> str:
    """A fault as a unified diff under its name."""
    lines = difflib.unified_diff(source.splitlines(), changed.splitlines(), f"a/{path}", f"b/{path}", lineterm="", n=1)
    return "\n".join([f"# {name}", *lines, ""])


@dataclasses.dataclass(frozen=True)
class Fault:
    """A fault made by hand.

    Attributes
    ----------
    path : str
        Of the file, from the root of the repository.
    old, new : str
        What stands in the file once, and what stands there instead.
    """

    path: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.path}: {self.old!r} -> {self.new!r}"

    @property
    def line(self) -> int:
        """None is known before the source is."""
        return 0

    def applied(self, source: str) -> str:
        """Source with the fault."""
        if source.count(self.old) != 1:
            raise ValueError(f"{self.path} has changed: {self.old!r} stands there {source.count(self.old)} times")
        return source.replace(self.old, self.new)

    def diff(self, source: str) -> str:
        """The fault as a unified diff."""
        return unified(str(self), self.path, source, self.applied(source))


FAULTS: tuple[Fault, ...] = (
    Fault("recon/spatial/admm.py", "lambda_ / rho)", "lambda_ * rho)"),
    Fault("recon/spatial/admm.py", "lambda_ / rho)", "lambda_ / rho**3)"),
)
