"""How a volume was cut, compared with what the networks were trained for and with what the operator says."""

import logging
from collections.abc import Sequence

from gadgets.errors import ParameterError
from recon.errors import DataError
from recon.super_resolution import UNCUT, CartesianVolume

log = logging.getLogger(__name__)

_TOLERATED = 1.25
"""Ratio of two accelerations that still count as alike: a network for 4x4 also serves 52/12 = 4.33 and 77/20 = 3.85."""


def check_acceleration(
    volume: CartesianVolume,
    given: tuple[float, float] | None,
    trained: Sequence[tuple[float, float, float]],
    mismatch: str = "error",
) -> None:
    """Compare how a volume was cut with how the network's training volumes were.

    Parameters
    ----------
    volume : CartesianVolume
    given : (2,) tuple of float, or None
        What the operator says.
    trained : sequence of (3,) tuple of float
        Accelerations (z, y, x) that the network knows.
    mismatch : {"error", "warn"}
        What to do if they differ.

    Raises
    ------
    DataError
        If nothing tells how it was cut, it was not cut at all, or otherwise than the training volumes, unless
        ``mismatch=warn``.
    ParameterError
        If the parameter ``acceleration`` contradicts the data.
    """
    of_data = volume.factors
    if of_data and given and volume.is_cut and not _alike(of_data, given):
        raise ParameterError(
            f"acceleration={_text(given)}, but header and data say {_text(of_data)} (slice x phase); "
            "correct it, or leave it at auto"
        )
    factors = given or of_data
    try:
        if factors is None:
            raise DataError(
                "neither header nor data tell how much was cut; set matrix, the full one as ZxYxX, or acceleration, as "
                "4x4 (slice x phase)"
            )
        if max(factors) <= UNCUT:
            raise DataError(
                "the volume was not cut at all: nothing is to be restored; if it was zero-filled upstream, "
                "set acceleration, as 4x4 (slice x phase)"
            )
        check_trained_for(factors, trained)
    except DataError as error:
        if mismatch == "error":
            raise
        log.warning("%s", error)


def check_trained_for(factors: tuple[float, float], trained: Sequence[tuple[float, float, float]]) -> None:
    """Refuse an acceleration that the network was not trained for.

    Parameters
    ----------
    factors : (2,) tuple of float
        Along slice and phase direction.
    trained : sequence of (3,) tuple of float
        Accelerations (z, y, x) that the network knows.

    Raises
    ------
    DataError
        If it is none of these.
    """
    if not _is_known(factors, trained):
        raise DataError(
            f"the lines were cut by {_text(factors)} (slice x phase), those of the network's training by "
            f"{_texts(trained)}; give weights for that as first_stage (`malibu nets` lists those shipped), or set "
            "mismatch=warn"
        )


def trained_mark(factors: tuple[float, float], trained: Sequence[tuple[float, float, float]]) -> str:
    """What stands beside the name of a network that was not trained for an acceleration; else nothing."""
    return "" if _is_known(factors, trained) else f" (trained for {_texts(trained)})"


def _is_known(factors: tuple[float, float], trained: Sequence[tuple[float, float, float]]) -> bool:
    return any(_alike(factors, known[:2]) for known in trained)


def _texts(trained: Sequence[tuple[float, float, float]]) -> str:
    return " or ".join(_text(known[:2]) for known in trained)


def _alike(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    return all(1 / _TOLERATED <= a / b <= _TOLERATED for a, b in zip(first, second, strict=True))


def _text(factors: tuple[float, ...]) -> str:
    return "x".join(f"{factor:.3g}" for factor in factors)
