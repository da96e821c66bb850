"""Navigators across the field of view, and their principal components, found while they come."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dsyrk

from recon.temporal.fitting.eigenvectors import leading_eigenvectors
from recon.temporal.navigator import readout_profiles

BLOCK = 256
"""Navigators whose products are summed at once: 1.8 s of a scan in which every other readout is one. Sums over the same
blocks, in their order, are the same bits whenever they were made."""

SPAN, LONG = 4 * BLOCK, 16 * BLOCK
"""In a long scan, of 30 s where every other readout is a navigator, components are found anew after each span, so that
those of almost the whole scan are there at its end; a shorter one needs all of it."""

FEATURES = 64
"""Components from which the tensor is made: twice the default rank of 32."""


def summed(navigators: int) -> int:
    """Count the leading navigators over which components are found."""
    return navigators - navigators % SPAN if navigators >= LONG else navigators


@dataclass(frozen=True)
class NavigatorProfiles:
    """Navigators of one scan across the field of view.

    Attributes
    ----------
    values : (navigators, coils, pixels) complex64
    components : (2 · coils · pixels, at most FEATURES) float64
        Leading eigenvectors of ``Σ_t a(t) aᵀ(t)``, a being all real parts and then all imaginary parts of one
        navigator: over all whole spans of a long scan, and over all navigators of another.
    to_coils : (coils, receive coils) complex64
        Prewhitening, or prewhitening and compression, through which they were seen.
    """

    values: NDArray[np.complex64]
    components: NDArray[np.float64]
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
        sums = ProfileSums(matrix, to_coils, expected=len(kspace))
        for start in range(0, len(kspace), BLOCK):
            sums.add(kspace[start : start + BLOCK])
        return sums.profiles()


class ProfileSums:
    """Profiles, and sums over them in double precision, block by block while navigators come.

    In double precision, since rounding to single is more than the distance of neighbouring noise components.

    Parameters
    ----------
    matrix : int
        Pixels to keep of each navigator.
    to_coils : (coils_out, coils) complex64
        Prewhitening, or prewhitening and compression.
    expected : int, optional
        Navigators that will come. Without it, components are found after each span, in a thread of their own.
    """

    def __init__(self, matrix: int, to_coils: NDArray, expected: int | None = None) -> None:
        self._matrix, self._to_coils = matrix, to_coils
        self._values: list[NDArray] = []
        self._count, self._gram = 0, np.zeros((0, 0))
        self._last = None if expected is None else summed(expected)
        self._finder = ThreadPoolExecutor(1, thread_name_prefix="malibu-components")
        self._found: Future[NDArray] | None = None

    def add(self, kspace: NDArray) -> None:
        """Add the next navigators: a whole block of :data:`BLOCK`, or the last that come.

        Parameters
        ----------
        kspace : (navigators, coils, samples) complex64
        """
        values = readout_profiles(self._to_coils @ kspace, self._matrix)
        self._values.append(values)
        if self._last is None or self._count < self._last:
            self._sum(values.reshape(len(values), -1))
        self._count += len(values)
        if self._last is None and self._count >= LONG and self._count % SPAN == 0:
            if self._found is not None:
                self._found.cancel()  # if it has not begun: a later span takes its place
            self._found = self._finder.submit(leading_eigenvectors, self._gram.copy(), self._most)

    def _sum(self, flat: NDArray) -> None:
        parts = np.concatenate([flat.real, flat.imag], axis=1).astype(np.float64)
        if not len(self._gram):
            self._gram = np.zeros((parts.shape[1], parts.shape[1]), order="F")
        self._gram = dsyrk(1.0, parts.T, beta=1.0, c=self._gram, lower=1, overwrite_c=1)

    @property
    def _most(self) -> int:
        return min(FEATURES, len(self._gram))

    def profiles(self) -> NavigatorProfiles:
        """What was added; no more can be.

        Raises
        ------
        ValueError
            If nothing was.
        """
        if not self._count:
            raise ValueError("no navigator was added")
        found = self._found.result() if self._found else leading_eigenvectors(self._gram, self._most)
        self._finder.shutdown()
        return NavigatorProfiles(np.concatenate(self._values), found, self._to_coils)
