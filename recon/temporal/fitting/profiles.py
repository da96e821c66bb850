"""Navigators across the field of view, and the sums over them that can be made while they come."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dsyrk

from recon.temporal.navigator import readout_profiles

BLOCK = 256
"""Navigators whose products are summed at once: 1.8 s of a scan in which every other readout is one. Sums over the same
blocks, in their order, are the same bits whenever they were made."""


@dataclass(frozen=True)
class NavigatorProfiles:
    """Navigators of one scan across the field of view.

    Attributes
    ----------
    values : (navigators, coils, pixels) complex64
    gram : (2 · coils · pixels, 2 · coils · pixels) float64
        The lower triangle of ``Σ_t a(t) aᵀ(t)``, a being all real parts and then all imaginary parts of one navigator.
        In double precision, since rounding to single is more than the distance of neighbouring noise components.
    to_coils : (coils, receive coils) complex64
        Prewhitening, or prewhitening and compression, through which they were seen.
    """

    values: NDArray[np.complex64]
    gram: NDArray[np.float64]
    to_coils: NDArray[np.complex64]

    @classmethod
    def of(cls, kspace: NDArray, matrix: int, to_coils: NDArray) -> "NavigatorProfiles":
        """Take them from navigators that are there already.

        Parameters
        ----------
        kspace : (navigators, coils, samples) complex64
        matrix : int
            Pixels to keep.
        to_coils : (coils_out, coils) complex64
            Prewhitening, or prewhitening and compression.
        """
        sums = ProfileSums(matrix, to_coils)
        for start in range(0, len(kspace), BLOCK):
            sums.add(kspace[start : start + BLOCK])
        return sums.profiles()


class ProfileSums:
    """Profiles and their Gram matrix, summed up block by block while navigators come.

    Parameters
    ----------
    matrix : int
        Pixels to keep of each navigator.
    to_coils : (coils_out, coils) complex64
        Prewhitening, or prewhitening and compression.
    """

    def __init__(self, matrix: int, to_coils: NDArray) -> None:
        self._matrix, self._to_coils = matrix, to_coils
        self._values: list[NDArray] = []
        self._gram: NDArray | None = None

    def add(self, kspace: NDArray) -> None:
        """Add the next navigators: a whole block of :data:`BLOCK`, or the last that come.

        Parameters
        ----------
        kspace : (navigators, coils, samples) complex64
        """
        values = readout_profiles(self._to_coils @ kspace, self._matrix)
        flat = values.reshape(len(values), -1)
        parts = np.concatenate([flat.real, flat.imag], axis=1).astype(np.float64)
        if self._gram is None:
            self._gram = np.zeros((parts.shape[1], parts.shape[1]), order="F")
        self._gram = dsyrk(1.0, parts.T, beta=1.0, c=self._gram, lower=1, overwrite_c=1)
        self._values.append(values)

    def profiles(self) -> NavigatorProfiles:
        """What was added so far.

        Raises
        ------
        ValueError
            If nothing was.
        """
        if self._gram is None:
            raise ValueError("no navigator was added")
        self._values = [np.concatenate(self._values)]
        return NavigatorProfiles(self._values[0], self._gram, self._to_coils)
