"""B1 and inflow from the first inversion of a scan, which finds the magnetisation at equilibrium (docs/method/t1.md).

A curve of the periodic steady state has amplitude, start and T1*, and cannot tell T1 from the flip angle. The first
period decays to the same steady state with the same T1*, but starts from ``-η`` instead of ``-η M_P``: by how much more
it starts below tells the steady state over equilibrium, ``M_ss ≈ T1*/T1``, and with it T1 and the flip angle.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.errors import DataError
from recon.relaxometry.b1_map import B1Map, smooth_modes
from recon.relaxometry.transient import Curves, transient

INFLOW_DEVIATION = 0.1
"""Standard deviation of the share of fresh spins in flowing blood before it is measured: from 0.6 to all."""

# Scales of the flip angle tried first, as one number for all of the slice.
_FIRST_SCALES = np.arange(0.5, 1.55, 0.1)
# Linearised rounds from the best of them, each with a new fit of the periodic curves.
_ROUNDS = 3
# Changes for finite differences in the scale and in the inflow.
_SCALE_STEP, _INFLOW_STEP = 1e-3, 0.02
# Standard deviation of the receiver's gain in the first period, relative to the later ones.
_GAIN_DEVIATION = 0.1
# How freely the transient of blood may differ from its model, over the prior of B1: by half of it, and smoothly.
_BLOOD_FREEDOM = 2.5
# Standard deviation of the common efficiency of the inversion: its spread over simulated scans and methods.
_EFFICIENCY_DEVIATION = 0.01
# Substitutions for the disturbance of the unknowns; they settle to 1 % in three.
_SUBSTITUTIONS = 5
# Scale below which a flip angle is none.
_LEAST_SCALE = 0.1
# Misfit of the first period over that of later ones, above which the first did not start from equilibrium.
_WORST_MISFIT = 2.5
# Limits of a plausible mean scale in the body.
_PLAUSIBLE = (0.5, 1.4)


@dataclass(frozen=True)
class Period:
    """Data of the spokes of one inversion period, and what they see of recovery curves at rest.

    Attributes
    ----------
    data : (coils, spokes, samples) complex64
    encode : callable
        From coordinates ``(fields, R, N, N)`` of curves in the recovery basis to data ``(fields, ...)``; linear.
    adjoint : callable
        Its adjoint, from data ``(coils, spokes, samples)`` to ``(R, N, N)``.
    """

    data: NDArray
    encode: Callable[[NDArray], NDArray]
    adjoint: Callable[[NDArray], NDArray]


@dataclass(frozen=True)
class FirstInversion:
    """What the first inversion told.

    Attributes
    ----------
    b1 : B1Map
        On the matrix that was asked for.
    inflow, inflow_deviation : float
        Share of fresh spins in flowing blood.
    misfit, usual_misfit : float
        Norm of what the fit leaves over that of the data, in the first period, and in later ones.
    """

    b1: B1Map
    inflow: float
    inflow_deviation: float
    misfit: float
    usual_misfit: float


def fit_first_inversion(
    curves: Curves, first: Period, later: Sequence[Period], inflow: float, is_inflow_known: bool, matrix: int
) -> FirstInversion:
    """Fit a smooth B1 map, and the share of fresh spins in flowing blood, to the data of the first period.

    Gauss-Newton steps on the modes of B1 with their prior. Neither noise nor motion of the body is modelled: how much
    both disturb is measured in later periods, in which the model has nothing left to explain.

    Parameters
    ----------
    curves : Curves
    first : Period
    later : sequence of Period
        Some of the periodic steady state.
    inflow : float
        Share of fresh spins, expected or known.
    is_inflow_known : bool
    matrix : int
        Of the map that is returned.

    Returns
    -------
    FirstInversion

    Raises
    ------
    DataError
        If the data do not look like those of a first inversion from equilibrium.
    """
    modes = smooth_modes(curves.mask.shape[0], curves.fov_mm)[:, curves.mask]
    rest = first.data - first.encode(curves.coordinates[None])[0]
    usual, disturbances = _seen_later(curves, later)
    state = np.r_[np.zeros(len(modes)), inflow]
    state[0] = (_best_scale(curves, first, rest, inflow) - 1) / modes[0, 0]
    prior = _Prior(np.r_[np.zeros(len(modes)), inflow], 1e-6 if is_inflow_known else INFLOW_DEVIATION)
    for number in range(_ROUNDS):
        scale = np.maximum(1 + state[:-1] @ modes, _LEAST_SCALE)
        if number < 2:  # that of the inversion hardly depends on the flip angle
            efficiency = curves.fit(state[-1], scale).efficiency
        step = _linearised(curves, first, rest, modes, scale, float(state[-1]), efficiency)
        noise = step.disturbance(disturbances, prior)
        covariance, change = step.solve(noise, prior, state)
        state = state + change[: len(state)]
    misfit = float(np.linalg.norm(step.residual - step.columns @ change) / np.linalg.norm(first.data))
    _refuse_implausible(misfit, usual, float(np.median(1 + state[:-1] @ modes)))
    covariance = covariance * max(1.0, misfit / usual) ** 2
    by_efficiency = covariance @ (step.columns.T @ step.by_efficiency) / noise**2
    covariance = covariance + _EFFICIENCY_DEVIATION**2 * np.outer(by_efficiency, by_efficiency)
    fine = smooth_modes(matrix, curves.fov_mm)
    of_modes = covariance[: len(fine), : len(fine)]
    # variance at a voxel: hᵀ C h over the modes there
    variance = np.einsum("jyx,jk,kyx->yx", fine, of_modes, fine, optimize=True)
    scale = 1 + np.tensordot(state[:-1], fine, 1)
    return FirstInversion(
        b1=B1Map(scale.astype(np.float32), np.sqrt(variance).astype(np.float32), "first inversion"),
        inflow=float(state[-1]),
        inflow_deviation=0.0 if is_inflow_known else float(np.sqrt(covariance[len(fine), len(fine)])),
        misfit=misfit,
        usual_misfit=usual,
    )


def _seen_later(curves: Curves, later: Sequence[Period]) -> tuple[float, list[NDArray]]:
    """Relative misfit of later periods, and ``E^H`` of what the periodic curves leave of each."""
    misfits, disturbances = [], []
    for period in later:
        left = period.data - period.encode(curves.coordinates[None])[0]
        misfits.append(np.linalg.norm(left) / np.linalg.norm(period.data))
        disturbances.append(period.adjoint(left))
    return float(np.mean(misfits)), disturbances


def _best_scale(curves: Curves, first: Period, rest: NDArray, inflow: float) -> float:
    """One scale for the whole slice: the best of a few."""
    ones = np.ones(np.count_nonzero(curves.mask))
    recovery = curves.fit(inflow, ones)
    tried = [curves.drawn(transient(recovery, curves.sequence, scale * ones, inflow)) for scale in _FIRST_SCALES]
    misfits = np.linalg.norm((rest - first.encode(np.stack(tried))).reshape(len(tried), -1), axis=1)
    return float(_FIRST_SCALES[np.argmin(misfits)])


@dataclass(frozen=True)
class _Prior:
    """Gaussian: weights of the modes; inflow; gain less 1, real and imaginary; weights of the modes of blood."""

    state: NDArray
    inflow_deviation: float

    @property
    def precision(self) -> NDArray:
        modes = np.ones(len(self.state) - 1)
        return np.r_[modes, self.inflow_deviation**-2, _GAIN_DEVIATION**-2, _GAIN_DEVIATION**-2, modes]

    def pull(self, state: NDArray) -> NDArray:
        """Gradient towards the mean."""
        return self.precision * np.r_[self.state - state, np.zeros(len(self.state) + 1)]


@dataclass(frozen=True)
class _Linearised:
    """The first period around a state: residual, and its change with each unknown as data and as curves."""

    residual: NDArray
    columns: NDArray
    by_efficiency: NDArray
    fields: NDArray

    def solve(self, noise: float, prior: _Prior, state: NDArray) -> tuple[NDArray, NDArray]:
        """Posterior covariance, and the change of the unknowns."""
        covariance = np.linalg.inv(self.columns.T @ self.columns / noise**2 + np.diag(prior.precision))
        return covariance, covariance @ (self.columns.T @ self.residual / noise**2 + prior.pull(state))

    def disturbance(self, disturbances: Sequence[NDArray], prior: _Prior) -> float:
        """Standard deviation that white noise would need to disturb the unknowns as much as later periods would.

        Were the fit made in a later period, its gradient g would be that of noise and motion alone. White noise has
        ``E gᵀ C g = σ² tr(C AᵀA)`` for the fit's own covariance C, which holds σ; a few substitutions find it.
        """
        flat = self.fields.reshape(len(self.fields), -1)
        gradients = np.stack([(flat.conj() @ seen.ravel()).real for seen in disturbances])
        gram, noise = self.columns.T @ self.columns, float(np.std(self.residual))
        for _ in range(_SUBSTITUTIONS):
            covariance = np.linalg.inv(gram / noise**2 + np.diag(prior.precision))
            # mean over periods of gᵀ C g
            energy = np.einsum("pj,jk,pk->", gradients, covariance, gradients, optimize=True) / len(gradients)
            noise = float(np.sqrt(energy / np.trace(covariance @ gram)))
        return noise


def _linearised(
    curves: Curves, first: Period, rest: NDArray, modes: NDArray, scale: NDArray, inflow: float, efficiency: float
) -> _Linearised:
    sequence = curves.sequence
    recovery = curves.fit(inflow, scale, efficiency)
    now = transient(recovery, sequence, scale, inflow)
    slope = (transient(recovery, sequence, scale + _SCALE_STEP, inflow) - now) / _SCALE_STEP
    slope[:, recovery.flows] = 0  # blood tells no B1, and what it has beyond its model is free
    blood = _BLOOD_FREEDOM * np.where(recovery.flows, now, 0)
    by_inflow, flows = np.zeros_like(now), np.flatnonzero(recovery.flows)
    if len(flows):
        fresher = curves.fit(inflow + _INFLOW_STEP, scale, efficiency, flows)
        other = transient(fresher, sequence, scale[flows], inflow + _INFLOW_STEP)
        by_inflow[:, flows] = np.where(fresher.flows, other - now[:, flows], 0) / _INFLOW_STEP
    other = transient(recovery, sequence, scale, inflow, efficiency - _EFFICIENCY_DEVIATION)
    by_efficiency = (now - other) / _EFFICIENCY_DEVIATION
    total = curves.coordinates + curves.drawn(now)
    fields = np.stack(
        [curves.drawn(slope * mode) for mode in modes]
        + [curves.drawn(by_inflow), total, 1j * total]
        + [curves.drawn(blood * mode) for mode in modes]
    )
    others = np.stack([curves.drawn(now), curves.drawn(by_efficiency)])
    seen = first.encode(np.concatenate([others, fields]))
    residual, by_efficiency, *columns = (_real(data) for data in (rest - seen[0], *seen[1:]))
    return _Linearised(residual, np.stack(columns, axis=1), by_efficiency, fields)


def _real(data: NDArray) -> NDArray:
    return np.ascontiguousarray(data, np.complex64).ravel().view(np.float32).astype(np.float64)


def _refuse_implausible(misfit: float, usual: float, scale: float) -> None:
    low, high = _PLAUSIBLE
    if misfit > _WORST_MISFIT * usual:
        raise DataError(
            f"the first inversion period is not explained by any B1: {100 * misfit:.1f} % of its data are left, and "
            f"{100 * usual:.1f} % of later periods; it did not start from equilibrium"
        )
    if not low < scale < high:
        raise DataError(f"the first inversion tells a B1 of {100 * scale:.0f} % of the nominal, outside of what exists")
