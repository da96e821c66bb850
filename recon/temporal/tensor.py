"""The low-rank tensor model of time: A = G ×₁ U ×₂ U_c ×₃ U_r ×₄ U_τ (docs/method/time.md).

Axes are always in the order (features or rank, cardiac, respiratory, recovery).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.errors import DataError
from recon.temporal.fitting.rows import products

# Most rounds of alternating least squares; one linear solution is exact at full ranks.
_ALTERNATIONS = 30
# The alternation ends when the residual falls by less than this share.
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class BinWeights:
    """Where each readout lies on the axes of the tensor.

    Attributes
    ----------
    cardiac : (times, C) float64
        Weights of the cardiac bins, rows adding to one; a single column of ones if the heart was not resolved.
    respiratory : (times, R) float64
        The same for respiration.
    recovery : (times, T) float64
        U_τ at each readout.
    """

    cardiac: NDArray[np.float64]
    respiratory: NDArray[np.float64]
    recovery: NDArray[np.float64]

    def at(self, rows: NDArray | slice) -> "BinWeights":
        """BinWeights of some of the readouts."""
        return BinWeights(self.cardiac[rows], self.respiratory[rows], self.recovery[rows])

    def products(self) -> NDArray:
        """(times, C·R·T) float64: Kronecker products, recovery fastest."""
        return products(products(self.cardiac, self.respiratory), self.recovery)


def complete(features: NDArray, weights: BinWeights, ranks: tuple[int, int], smoothness: float = 0.03) -> NDArray:
    """Fill the tensor whose cells the readouts touch, most of them not at all, at low multilinear rank.

    Least squares over the readouts plus a small roughness penalty between neighbouring bins, by alternation over
    U_c, U_r and the rest, with U_τ fixed. At full ranks one linear solution is exact.

    Parameters
    ----------
    features : (times, K) float64
        Navigators.
    weights : BinWeights
    ranks : (2,) tuple of int
        Multilinear ranks of the cardiac and the respiratory axis.
    smoothness : float
        Penalty on differences between neighbouring bins, over the mean weight of a cell.

    Returns
    -------
    (K, C, R, T) float64
        Coefficients of U_τ in every cell.
    """
    bins = (weights.cardiac.shape[1], weights.respiratory.shape[1])
    ranks = (min(ranks[0], bins[0]), min(ranks[1], bins[1]))
    factors = [_smooth_basis(bins[0], ranks[0], periodic=True), _smooth_basis(bins[1], ranks[1], periodic=False)]
    rough = (_roughness(bins[0], periodic=True), _roughness(bins[1], periodic=False))
    last = np.inf
    for _ in range(_ALTERNATIONS if ranks != bins else 0):
        core = _solve_core(features, weights, factors, rough, smoothness)
        for axis in range(2):
            if ranks[axis] < bins[axis]:
                factors[axis], core = _solve_factor(features, weights, factors, core, axis, rough[axis], smoothness)
        error = float(np.linalg.norm(features - _predict(weights, factors, core)))
        if last - error <= _TOLERANCE * max(error, 1e-300):
            break
        last = error
    core = _solve_core(features, weights, factors, rough, smoothness)
    # X = G ×₂ U_c ×₃ U_r: X[k,c,r,τ] = Σ_ab G[k,a,b,τ] U_c[c,a] U_r[r,b]
    return np.einsum("kabt,ca,rb->kcrt", core, factors[0], factors[1])


def _smooth_basis(bins: int, rank: int, periodic: bool) -> NDArray:
    if rank == bins:
        return np.eye(bins)
    return np.linalg.eigh(_roughness(bins, periodic))[1][:, :rank]


def _roughness(bins: int, periodic: bool) -> NDArray:
    if bins == 1:
        return np.zeros((1, 1))
    difference = np.eye(bins) - np.roll(np.eye(bins), 1, axis=1)
    if not periodic:
        difference = difference[:-1]
    return difference.T @ difference


def _solve_core(
    features: NDArray, weights: BinWeights, factors: list[NDArray], rough: tuple[NDArray, NDArray], smoothness: float
) -> NDArray:
    cardiac, respiratory = factors
    reduced = BinWeights(weights.cardiac @ cardiac, weights.respiratory @ respiratory, weights.recovery)
    design = reduced.products()
    orders = weights.recovery.shape[1]
    spread = np.kron(cardiac.T @ rough[0] @ cardiac, respiratory.T @ respiratory)
    spread += np.kron(cardiac.T @ cardiac, respiratory.T @ rough[1] @ respiratory)
    gram = design.T @ design
    energy = np.diag((weights.recovery**2).sum(axis=0)) / (len(cardiac) * len(respiratory))
    gram += smoothness * np.kron(spread, energy)
    gram[np.diag_indices_from(gram)] += 1e-9 * np.trace(gram) / len(gram)
    solution = np.linalg.solve(gram, design.T @ features)
    return solution.T.reshape(-1, cardiac.shape[1], respiratory.shape[1], orders)


def _solve_factor(
    features: NDArray,
    weights: BinWeights,
    factors: list[NDArray],
    core: NDArray,
    axis: int,
    rough: NDArray,
    smoothness: float,
) -> tuple[NDArray, NDArray]:
    """One factor by least squares, then made orthonormal; the core takes the change."""
    if axis == 0:
        solved, other, turned = weights.cardiac, weights.respiratory, core
    else:
        solved, other, turned = weights.respiratory, weights.cardiac, core.transpose(0, 2, 1, 3)
    # S[n,k,a,τ] = Σ_b G[k,a,b,τ] w[n,b]: the other axis at reading n, w = weights · factor
    seen = np.einsum("kabt,nb->nkat", turned, other @ factors[1 - axis], optimize=True)
    # S[n,k,a] = Σ_τ S[n,k,a,τ] U_τ[n,τ]: and the recovery at reading n
    seen = np.einsum("nkat,nt->nka", seen, weights.recovery)
    # s[n,a] = Σ_k S[n,k,a] y[n,k]: Sₙᵀ yₙ
    inner = np.einsum("nc,na->ca", solved, np.einsum("nka,nk->na", seen, features))
    # P[n,a,b] = Σ_k S[n,k,a] S[n,k,b]: Sₙᵀ Sₙ
    pairs = np.einsum("nka,nkb->nab", seen, seen)
    bins, rank = solved.shape[1], seen.shape[2]
    # Gram matrix: N[(c,a),(d,b)] = Σ_n w[n,c] w[n,d] (Sₙᵀ Sₙ)[a,b]
    gram = np.einsum("nc,nd,nab->cadb", solved, solved, pairs, optimize=True).reshape(bins * rank, -1)
    scale = np.trace(gram) / len(gram)
    gram += smoothness * scale * np.kron(rough, np.eye(rank)) + 1e-9 * scale * np.eye(len(gram))
    factor, change = np.linalg.qr(np.linalg.solve(gram, inner.ravel()).reshape(bins, rank))
    # the core takes what QR took from the factor: G ← G ×₂ R, R[c,a]
    return factor, np.einsum("kabt,ca->kcbt" if axis == 0 else "kbat,ca->kbct", core, change)


def _predict(weights: BinWeights, factors: list[NDArray], core: NDArray) -> NDArray:
    reduced = BinWeights(weights.cardiac @ factors[0], weights.respiratory @ factors[1], weights.recovery)
    return reduced.products() @ core.reshape(len(core), -1).T


@dataclass(frozen=True)
class TemporalTensor:
    """Core and factors of the temporal model; Φ at any readout or cell is read from it.

    Attributes
    ----------
    core : (L, R_c, R_r, T) float64
        G; its rows make Φ orthonormal over the imaging readouts.
    cardiac : (C, R_c) float64
        U_c.
    respiratory : (R, R_r) float64
        U_r.
    recovery : (pulses, T) float64
        U_τ at every excitation pulse since the inversion.
    """

    core: NDArray[np.float64]
    cardiac: NDArray[np.float64]
    respiratory: NDArray[np.float64]
    recovery: NDArray[np.float64]

    @property
    def rank(self) -> int:
        """L."""
        return len(self.core)

    def at(self, weights: BinWeights) -> NDArray:
        """Φ at readouts: ``(L, times)`` float64."""
        reduced = BinWeights(weights.cardiac @ self.cardiac, weights.respiratory @ self.respiratory, weights.recovery)
        return self.core.reshape(self.rank, -1) @ reduced.products().T

    def cells(self, cardiac: NDArray, respiratory: NDArray, pulses: NDArray) -> NDArray:
        """Φ at cells, ``G₍₁₎ (U_c ⊗ U_r ⊗ U_τ)ᵀ``, recovery fastest.

        Parameters
        ----------
        cardiac, respiratory : (cells,) int
            Bins.
        pulses : (cells,) int
            Excitation pulses since the inversion.

        Returns
        -------
        (L, cells) float64
        """
        rows = BinWeights(self.cardiac[cardiac], self.respiratory[respiratory], self.recovery[pulses])
        return self.core.reshape(self.rank, -1) @ rows.products().T

    def recovery_of(self, cardiac: int, respiratory: int) -> NDArray:
        """What takes basis maps to recovery curves at one state of motion: ``(L, T)``, Φ = this · U_τᵀ."""
        # Φ at one state of motion: M[l,τ] = Σ_ab G[l,a,b,τ] U_c[c,a] U_r[r,b], Φ = M U_τᵀ
        return np.einsum("labt,a,b->lt", self.core, self.cardiac[cardiac], self.respiratory[respiratory])

    def mean_recovery(self, weights: BinWeights) -> NDArray:
        """Average what takes basis maps to recovery curves over the states of motion of readouts: ``(L, T)``."""
        cardiac, respiratory = weights.cardiac @ self.cardiac, weights.respiratory @ self.respiratory
        # M[l,τ] = Σ_ab G[l,a,b,τ] ⟨w_c[a] w_r[b]⟩
        return np.einsum("labt,ab->lt", self.core, cardiac.T @ respiratory / len(cardiac))


def temporal_tensor(
    completed: NDArray, imaging: BinWeights, recovery: NDArray, rank: int, energy: float | None = None
) -> tuple[TemporalTensor, NDArray]:
    """Core, factors and singular values of a completed tensor.

    The first axis is cut to L by a singular value decomposition over the imaging readouts, so that Φ is orthonormal
    there and ordered; the others are HOSVD's.

    Parameters
    ----------
    completed : (K, C, R, T) float64
        From :func:`complete`.
    imaging : BinWeights
        Bins of the imaging readouts.
    recovery : (pulses, T) float64
        U_τ.
    rank : int
        L, an upper bound.
    energy : float, optional
        Keep as few as hold this share of the energy.

    Returns
    -------
    TemporalTensor
    (K,) float64
        Singular values over the imaging readouts, largest first.

    Raises
    ------
    DataError
        If the tensor holds no signal.
    """
    cells = completed.reshape(len(completed), -1)
    design = imaging.products()
    gram = cells @ (design.T @ design) @ cells.T
    values, vectors = np.linalg.eigh(gram)
    singular_values = np.sqrt(np.maximum(values[::-1], 0))
    if singular_values[0] == 0:
        raise DataError("the navigators hold no signal: all samples are zero")
    kept = min(rank, int(np.count_nonzero(singular_values > 1e-6 * singular_values[0])))
    if energy is not None:
        held = np.cumsum(singular_values**2) / np.sum(singular_values**2)
        kept = min(kept, int(np.searchsorted(held, energy)) + 1)
    rows = (vectors[:, ::-1][:, :kept] / singular_values[:kept]).T @ cells
    peaks = design @ rows.T
    peaks = peaks[np.argmax(np.abs(peaks), axis=0), np.arange(kept)]
    rows *= np.sign(peaks)[:, None]
    core = rows.reshape(kept, *completed.shape[1:])
    reduced, (_, cardiac, respiratory, _) = hosvd(core, (None, core.shape[1], core.shape[2], None))
    return TemporalTensor(reduced, cardiac, respiratory, recovery), singular_values


def hosvd(tensor: NDArray, ranks: tuple[int | None, ...]) -> tuple[NDArray, list[NDArray]]:
    """Higher-order singular value decomposition, truncated.

    Parameters
    ----------
    tensor : (n_1, ..., n_d) float
    ranks : tuple of int or None
        Columns to keep of each factor, at most; None leaves an axis as it is.

    Returns
    -------
    core : (r_1, ..., r_d) float64
    factors : list of (n_i, r_i) float64
        Orthonormal columns, by singular value.
    """
    factors, core = [], tensor
    for axis, rank in enumerate(ranks):
        if rank is None:
            factors.append(np.eye(tensor.shape[axis]))
            continue
        unfolded = np.moveaxis(tensor, axis, 0).reshape(tensor.shape[axis], -1)
        factors.append(np.linalg.svd(unfolded, full_matrices=False)[0][:, :rank])
    for axis, factor in enumerate(factors):
        core = np.moveaxis(np.tensordot(factor.T, core, axes=(1, axis)), 0, axis)
    return core, factors
