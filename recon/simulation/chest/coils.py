"""Receive coils around the chest whose sensitivities are small Fourier series, so that k-space stays closed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CoilModel:
    """``S_j(r) = Σ_m a_jm exp(2πi κ_m · r)``: in k-space, each term shifts the object by κ_m.

    Attributes
    ----------
    coefficients : (coils, terms) complex128
    shift_cycles_per_fov : (terms, 2) float64
        κ as (x, y).
    """

    coefficients: NDArray
    shift_cycles_per_fov: NDArray

    def maps(self, matrix: int) -> NDArray:
        """Sensitivities on the image grid.

        Parameters
        ----------
        matrix : int

        Returns
        -------
        (coils, N, N) complex64
        """
        position = (np.arange(matrix) - matrix // 2) / matrix
        x_terms = np.exp(2j * np.pi * self.shift_cycles_per_fov[:, 0, None] * position)
        y_terms = np.exp(2j * np.pi * self.shift_cycles_per_fov[:, 1, None] * position)
        # S_c(y,x) = Σ_m a[c,m] e^{2πi κ_m,y y} e^{2πi κ_m,x x}
        return np.einsum("cm,my,mx->cyx", self.coefficients, y_terms, x_terms).astype(np.complex64)


def loop_coils(coils: int, rng: np.random.Generator) -> CoilModel:
    """Loops on a ring around the chest, their fields fitted by a Fourier series over twice the field of view.

    The field falls with distance as on the axis of a loop, ``(1 + d²/w²)^(-3/2)``, with a phase that turns across
    the body; the fitted series, not the loop, is the truth.

    Parameters
    ----------
    coils : int
    rng : numpy.random.Generator

    Returns
    -------
    CoilModel
        Root sum of squares near 1 at the centre.
    """
    order = 1 if coils <= 8 else 2
    steps = np.arange(-order, order + 1) / 2
    shifts = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    grid = np.stack(np.meshgrid(*2 * [np.linspace(-0.5, 0.5, 33)]), axis=-1).reshape(-1, 2)
    series = np.exp(2j * np.pi * grid @ shifts.T)
    angles = 2 * np.pi * (np.arange(coils) + rng.uniform(0, 1)) / coils
    positions = 0.62 * np.stack([np.cos(angles), 0.85 * np.sin(angles)], axis=-1)
    distance = np.linalg.norm(grid[None] - positions[:, None], axis=-1)
    # phase gradient: r_g · place_c, turning across the body towards coil c
    turn = np.einsum("gd,cd->cg", grid, positions) * rng.uniform(1.5, 3.0, size=(coils, 1))
    field = (1 + (distance / 0.45) ** 2) ** -1.5 * np.exp(1j * (turn + rng.uniform(0, 2 * np.pi, size=(coils, 1))))
    coefficients = np.linalg.lstsq(series, field.T, rcond=1e-6)[0].T
    center = np.linalg.norm(coefficients.sum(axis=1))
    return CoilModel(coefficients / center, shifts)
