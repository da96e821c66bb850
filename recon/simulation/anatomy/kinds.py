"""Kinds of bodies, and a random one of each."""

import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from recon.errors import DataError
from recon.simulation.anatomy.body import Body
from recon.simulation.anatomy.pictures import photograph, shapes, texture
from recon.simulation.anatomy.sections import abdomen, brain, legs
from recon.simulation.anatomy.views import great_vessels, long_axis, short_axis

KINDS: Mapping[str, Callable[[np.random.Generator, int, float, float], Body]] = MappingProxyType(
    {
        "short_axis": short_axis,
        "long_axis": long_axis,
        "great_vessels": great_vessels,
        "abdomen": abdomen,
        "brain": brain,
        "legs": legs,
        "shapes": shapes,
        "texture": texture,
        "photograph": photograph,
    }
)
"""Each draws a body from a random generator, the number of pixels, the field of view in mm and the field in T."""


def random_body(kind: str, seed: int, pixels: int = 320, fov_mm: float = 270.0, field_t: float = 3.0) -> Body:
    """Draw a body; equal arguments give equal bodies, bit for bit.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    seed : int
        Non-negative.
    pixels : int
        Of the fine grid, at least 64.
    fov_mm, field_t : float

    Returns
    -------
    Body

    Raises
    ------
    DataError
        For an unknown kind, or too small a grid.
    """
    if kind not in KINDS:
        raise DataError(f"no kind of body is called {kind!r}; known are {', '.join(KINDS)}")
    if pixels < 64:
        raise DataError(f"a body needs a grid of at least 64 pixels, not {pixels}")
    return KINDS[kind](np.random.default_rng([seed, zlib.crc32(kind.encode())]), pixels, fov_mm, field_t)
