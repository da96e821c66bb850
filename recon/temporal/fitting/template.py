"""A template over the cycle, fitted to navigators and compared with them.

A navigator is ``D(t) = Σ_j m_j(t) C_j u(t) + Σ_q h_q(t) T_q u(t)``: known terms m, and the patterns T of the knots
beside its phase, each with a recovery of its own. Two knots are beside a phase, so that sums over navigators take the
place of products with a matrix of all knots, and the misfit at any phase follows from that at two knots.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.temporal.fitting.knots import knot_sums, knots_beside, phase_costs
from recon.temporal.fitting.rows import products, solve_ridge, stacked_gram, stacked_product


@dataclass(frozen=True)
class TemplateModel:
    """Navigators and the known terms of their model, ready for a template at any phase.

    Attributes
    ----------
    features : (times, K) float64
    recovery : (times, R) float64
        u.
    static : (times, terms · R) float64
        Products of known terms and recovery.
    gram, right : (terms · R, terms · R) and (terms · R, K) float64
        Normal equations of the known terms alone.
    knots : int
    """

    features: NDArray
    recovery: NDArray
    static: NDArray
    gram: NDArray
    right: NDArray
    knots: int

    @classmethod
    def of(cls, features: NDArray, known: NDArray, recovery: NDArray, knots: int) -> "TemplateModel":
        """Make the model of known terms, ``(times, terms)``; the other shapes are those of the attributes."""
        static = products(known, recovery)
        return cls(
            np.ascontiguousarray(features),
            recovery,
            static,
            stacked_gram(static, static),
            stacked_gram(static, features),
            knots,
        )

    def fit(self, phase: NDArray) -> tuple[NDArray, NDArray]:
        """Least squares of known terms and template, the latter a little smooth.

        Parameters
        ----------
        phase : (times,) float64
            Cycles.

        Returns
        -------
        rest : (times, K) float64
            What the known terms leave.
        template : (knots, R, K) float64
        """
        gram, right = self._normal_equations(phase)
        terms = self.static.shape[1]
        difference = np.eye(self.knots) - np.roll(np.eye(self.knots), 1, axis=0)
        roughness = 2 * difference.T @ difference + 1e-3 * np.eye(self.knots)
        energy = np.diag((self.recovery**2).sum(axis=0)) / self.knots
        gram[terms:, terms:] += np.kron(roughness, energy)
        patterns = np.linalg.solve(gram, right)
        template = patterns[terms:].reshape(self.knots, self.recovery.shape[1], -1)
        return self.features - stacked_product(self.static, patterns[:terms]), template

    def explained(self, phase: NDArray) -> float:
        """Energy of the navigators that known terms, of which one is constant, and a template at a phase explain."""
        gram, right = self._normal_equations(phase)
        terms = self.static.shape[1]
        # beside a constant one knot adds nothing
        needed = np.r_[:terms, terms + self.recovery.shape[1] : len(gram)]
        right = right[needed]
        # Σ_t ⟨y, C d⟩ = ⟨Σ_t y dᵀ, C⟩
        return float(np.sum(right * solve_ridge(gram[np.ix_(needed, needed)], right)))

    def cost(self, rest: NDArray, template: NDArray, steps: int, block: int) -> NDArray:
        """Misfit of the template at each phase over blocks of navigators, in units of the noise.

        Parameters
        ----------
        rest : (times, K) float64
        template : (knots, R, K) float64
        steps : int
            Phases of a cycle.
        block : int
            Navigators that share one phase.

        Returns
        -------
        (times // block, steps) float64
        """
        # ‖T_q u‖² = Σ_lm u_l u_m ⟨T_q,l, T_q,m⟩, and the same of T_q with T_q+1
        squares = products(self.recovery, self.recovery)
        own, between = (
            stacked_product(squares, pairs.reshape(-1, self.knots))
            for pairs in (np.einsum("qlk,qmk->lmq", template, np.roll(template, -shift, axis=0)) for shift in (0, 1))
        )
        # ⟨rest, T_q u⟩ = Σ_lk u_l rest_k T_q,lk
        linear = stacked_product(products(self.recovery, rest), template.reshape(self.knots, -1).T)
        cost, least = phase_costs(own, between, linear, steps, block)
        noise = np.median(np.sum(rest**2, axis=1) + least) / rest.shape[1]
        return cost / (2 * max(noise, 1e-30))

    def _normal_equations(self, phase: NDArray) -> tuple[NDArray, NDArray]:
        """Gram matrix and right side of known terms and knots, each times every order of recovery."""
        low, share = knots_beside(phase, self.knots)
        sums = knot_sums(low, share, self.knots, self.static, self.recovery, self.features)
        own, between, beside, right = sums
        orders = own.shape[1]
        blocks = np.zeros((self.knots, orders, self.knots, orders))
        here = np.arange(self.knots)
        there = (here + 1) % self.knots
        blocks[here, :, here] = own
        blocks[here, :, there] += between
        blocks[there, :, here] += between  # u uᵀ is symmetric
        cross = beside.reshape(self.knots * orders, -1)
        gram = np.block([[self.gram, cross.T], [cross, blocks.reshape(self.knots * orders, -1)]])
        return gram, np.concatenate([self.right, right.reshape(self.knots * orders, -1)])
