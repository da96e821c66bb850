"""Pairs by the normal operator: what the back-projection of a scan would be, had the body been another one.

A scan is linear in what it images. With the images of K recovery functions in S states of motion, ``A = Σ_s Σ_k w_s(t)
ρ_k(t) I_sk``, and the operator ``E_Ψᴴ W E_Ψ`` of a basis Ψ that holds Φ and the leading functions of what Φ leaves of
``w_s ρ_k``, the back-projection is that operator applied to the coordinates of A in Ψ, its first L maps: streaks of
what Φ cannot express included. Noise goes through the operators of a real scan.
"""

from dataclasses import dataclass, replace

import numpy as np
import sigpy
from numpy.typing import NDArray

from recon.readouts.density import ramp_weights
from recon.relaxometry.inversion_recovery import InversionRecovery
from recon.simulation.moving.motion_states import MotionStates, states_on
from recon.simulation.moving.recovery import RecoveryTable
from recon.simulation.moving.sampling import area_means, sampled
from recon.simulation.pairs.content import Content
from recon.simulation.pairs.course import Course
from recon.spatial.back_projection import SubspaceProblem, back_project_and_adjoint, normal_operator
from recon.spatial.encoding import normalisation
from recon.spatial.toeplitz import ToeplitzNormal

BEYOND = 8
"""Functions beside Φ: of the simulated scans, they leave 0.1 % of the truth's energy outside."""

_NOISES = 8
"""Back-projections of noise that are mixed at random."""

_CONTRACTIONS, _DISPLACEMENTS = 10, 6
"""States of motion: neighbours are a tenth of an ejection and about 2 mm apart."""

_STEADY = InversionRecovery(tr_ms=4.0, flip_angle_deg=8.0, delay_ms=0.0, pulses=1)
"""Of courses without inversions [chosen: fast FLASH]."""

_B1 = (0.7, 1.3)
"""What any body has at 3 T."""

_TOLERANCE = 1e-4
"""Of the recovery's norm, in all functions that are left out."""


@dataclass(frozen=True)
class MadePair:
    """What a network is given, and what it should say of it.

    Attributes
    ----------
    back_projection : (L, N, N) complex64
        U₀.
    adjoint : (L, N, N) complex64
        E_Φᴴ d of the same data.
    label : (L, N, N) complex64
        U.
    noise_variance : float
        Of a complex sample.
    """

    back_projection: NDArray[np.complex64]
    adjoint: NDArray[np.complex64]
    label: NDArray[np.complex64]
    noise_variance: float


class PairMaker:
    """Makes pairs of any content for one course.

    Parameters
    ----------
    course : Course
        On the device where pairs are made, which is the current one.
    rng : numpy.random.Generator
        Draws the noise.
    beyond : int
        Functions of what Φ leaves out that are added to it.
    noises : int
        Back-projections of noise that are mixed at random.
    memory_bytes : int
        For each of two normal operators.

    Attributes
    ----------
    course : Course
    normal : ToeplitzNormal
        E_Φᴴ E_Φ, which keeps a network honest.
    """

    def __init__(
        self,
        course: Course,
        rng: np.random.Generator,
        beyond: int = BEYOND,
        noises: int = _NOISES,
        memory_bytes: int = 16 * 2**30,
    ) -> None:
        self.course = course
        axes = _nodes(course.contraction, _CONTRACTIONS), _nodes(course.displacement_mm, _DISPLACEMENTS)
        self._states: MotionStates = states_on(course.contraction, course.displacement_mm, *axes)
        self._table = recovery_table(course)
        extended, self._mixing = self._extended(beyond)
        xp = sigpy.get_array_module(course.coil_maps)
        empty = xp.zeros((len(course.coil_maps), *course.trajectory.shape[:2]), dtype=xp.complex64)
        problem = SubspaceProblem(empty, course.trajectory, extended, course.coil_maps)
        ramp = ramp_weights(sigpy.to_device(course.trajectory[:1]))[0]
        self._weighted = _first_maps(normal_operator(problem, memory_bytes, ramp), course.rank)
        self._plain = _first_maps(normal_operator(problem, memory_bytes), course.rank)
        self.normal = _among_first(self._plain)
        self._unit_gain = normalisation(course.coil_maps, course.rank)
        self._noises = [self._noise(replace(problem, temporal_basis=course.temporal_basis), rng) for _ in range(noises)]

    def pair(self, content: Content, snr: float, rng: np.random.Generator) -> MadePair:
        """Show a content as the course's scan would.

        Parameters
        ----------
        content : Content
            On the same device.
        snr : float
            Median of the time-averaged body over the noise of a fully sampled image.
        rng : numpy.random.Generator

        Returns
        -------
        MadePair
        """
        rank = self.course.rank
        coordinates = self.coordinates(content)
        label = coordinates[:rank]
        deviation = self.level(label) / snr
        noise = self._mixed_noise(deviation, rng)
        shown = self._unit_gain(self._weighted(coordinates)) + noise[0]
        return MadePair(shown, self._plain(coordinates) + noise[1], label, deviation**2)

    def coordinates(self, content: Content) -> NDArray:
        """Coordinates of the moving, recovering content in Ψ: ``(L + beyond, N, N)`` complex64."""
        xp = sigpy.get_array_module(content.density)
        signal = self._table.shares(content.t1_ms.ravel(), content.b1.ravel(), content.inflow.ravel())
        images = content.density[..., None] * signal.reshape(*content.density.shape, -1)
        total, mixing, states = 0.0, xp.asarray(self._mixing), self._states
        for contraction in np.unique(states.contraction):
            appearing = images * content.appears(contraction)[..., None]
            for state in np.flatnonzero(states.contraction == contraction):
                places = content.places(contraction, states.displacement_mm[state])
                # U[y,x,l] += Σ_k I_sk P[s,k,l]
                total = total + area_means(sampled(appearing, places), self.course.matrix) @ mixing[state]
        return xp.ascontiguousarray(xp.moveaxis(total, -1, 0), dtype=xp.complex64)

    def _extended(self, beyond: int) -> tuple[NDArray, NDArray]:
        """Ψ, and what takes images of states and recovery functions to coordinates in it: (S, K, L + beyond)."""
        basis = sigpy.to_device(self.course.temporal_basis, sigpy.cpu_device).astype(np.complex128)
        recovery, shares = self._table.curves.T[self.course.pulse], self._states.shares
        # D[s k, t] = w_s(t) ρ_k(t)
        design = np.einsum("ts,tk->skt", shares, recovery, optimize=True).reshape(-1, len(basis[0]))
        inside = design @ basis.conj().T
        importance = _importance(self._table)
        left = (design - inside @ basis) * np.tile(importance, len(design) // len(importance))[:, None]
        values, vectors = np.linalg.eigh(left @ left.conj().T)
        count = min(beyond, int(np.count_nonzero(values > 1e-10 * max(values[-1], 1e-30))))
        count = count if values[-1] > 1e-12 * np.sum(np.abs(design) ** 2) else 0
        functions = (vectors[:, ::-1][:, :count] / np.sqrt(values[::-1][:count])).conj().T @ left
        extended = np.concatenate([basis, functions])
        mixing = (design @ extended.conj().T).reshape(shares.shape[1], -1, len(extended))
        device = sigpy.get_device(self.course.temporal_basis)
        return sigpy.to_device(extended.astype(np.complex64), device), mixing.astype(np.complex64)

    def _noise(self, problem: SubspaceProblem, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
        xp, shape = sigpy.get_array_module(problem.kspace), problem.kspace.shape
        draw = xp.random.default_rng(int(rng.integers(2**31)))
        white = draw.standard_normal((2, *shape), dtype=np.float32) / np.sqrt(np.float32(2))
        return back_project_and_adjoint(replace(problem, kspace=white[0] + np.complex64(1j) * white[1]))

    def _mixed_noise(self, deviation: float, rng: np.random.Generator) -> NDArray:
        """Noise of U₀ and of the adjoint: (2, L, N, N); a mixture of white noises is white noise."""
        shares = rng.standard_normal((2, len(self._noises)))
        shares /= np.linalg.norm(shares)
        xp, complex_shares = sigpy.get_array_module(self._noises[0][0]), deviation * (shares[0] + 1j * shares[1])
        return sum(
            np.complex64(share) * xp.stack(noise) for share, noise in zip(complex_shares, self._noises, strict=True)
        )

    def level(self, label: NDArray) -> float:
        """Median of the time-averaged body."""
        xp = sigpy.get_array_module(label)
        weights = self.course.temporal_basis.mean(axis=1)
        # mean image: Σ_l φ̄_l U_l
        mean = xp.abs(xp.tensordot(weights, label, axes=1))
        return float(xp.median(mean[mean > 0.05 * mean.max()]))


def _first_maps(normal: ToeplitzNormal, rank: int) -> ToeplitzNormal:
    """What an operator does to all maps, of which the first are wanted: a rectangular kernel."""
    xp, maps = sigpy.get_array_module(normal.kernel), normal.maps[..., 0]
    kernel = xp.ascontiguousarray(normal.kernel[..., :rank])
    grid = 2 * len(maps)
    return ToeplitzNormal(
        kernel.reshape(grid, grid, *kernel.shape[1:]), xp.moveaxis(maps, -1, 0), normal.coils_at_a_time
    )


def _among_first(normal: ToeplitzNormal) -> ToeplitzNormal:
    """The square operator of the first maps, which shares the rectangular kernel's memory."""
    (wanted, matrix, _), maps = normal.oshape, normal.maps[..., 0]
    xp, grid = sigpy.get_array_module(maps), 2 * matrix
    kernel = normal.kernel[:, :wanted].reshape(grid, grid, wanted, wanted)
    return ToeplitzNormal(kernel, xp.moveaxis(maps, -1, 0), normal.coils_at_a_time)


def recovery_table(course: Course) -> RecoveryTable:
    """Recovery of a course in the periodic steady state, by pulses since the inversion; constant without inversions."""
    sequence, efficiency = (_STEADY, -1.0) if course.sequence is None else (course.sequence, course.efficiency)
    pulses = np.arange(sequence.pulses)

    def curve(t1_ms: float, ratio: float, fresh: float) -> NDArray:
        played = replace(sequence, flip_angle_deg=ratio * sequence.flip_angle_deg)
        return np.sin(np.deg2rad(played.flip_angle_deg)) * played.curves(t1_ms, efficiency, fresh, pulses)[0]

    return RecoveryTable(curve, _B1, _TOLERANCE)


def _nodes(values: NDArray, count: int) -> NDArray:
    low, high = float(np.min(values)), float(np.max(values))
    return np.linspace(low, high, count) if high - low > 1e-6 else np.array([low])


def _importance(table: RecoveryTable) -> NDArray:
    """How much tissue has of each recovery function: root mean square over T1 from 0.2 to 2.2 s."""
    t1_ms = np.geomspace(200, 2200, 40).astype(np.float32)
    some = table.shares(t1_ms, np.ones_like(t1_ms), np.zeros_like(t1_ms))
    return np.sqrt(np.mean(some.astype(np.float64) ** 2, axis=0))
