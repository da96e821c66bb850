"""The data model of a temporal subspace, as SigPy Linops, and its density-compensated back-projection.

``d = E_Φ(U)``: for coil j and spoke t, ``d_j(t) = NUFFT_t(S_j · U φ(t))`` (dissertation 6.2.2; docs/method/space.md).
"""

import sigpy
from numpy.typing import NDArray
from sigpy import linop

from recon.spatial.nufft import NufftPlan
from recon.threads import available_cpus


class Nufft(linop.Linop):
    """A planned NUFFT of a stack of images as a Linop.

    Parameters
    ----------
    plan : NufftPlan
    stack : tuple of int
        Leading axes: from ``(*stack, N, N)`` to ``(*stack, spokes, samples)``.
    """

    def __init__(self, plan: NufftPlan, stack: tuple[int, ...]) -> None:
        self.plan, self.stack = plan, stack
        super().__init__((*stack, *plan.data_shape), (*stack, plan.matrix, plan.matrix))

    def _apply(self, images: NDArray) -> NDArray:
        return self.plan.forward(images.reshape(-1, *images.shape[-2:])).reshape(self.oshape)

    def _adjoint_linop(self) -> linop.Linop:
        return _NufftAdjoint(self)


class _NufftAdjoint(linop.Linop):
    def __init__(self, nufft: Nufft) -> None:
        self.nufft = nufft
        super().__init__(nufft.ishape, nufft.oshape)

    def _apply(self, data: NDArray) -> NDArray:
        return self.nufft.plan.adjoint(data.reshape(-1, *data.shape[-2:])).reshape(self.oshape)

    def _adjoint_linop(self) -> linop.Linop:
        return self.nufft


class SubspaceNufft(linop.Linop):
    """P·F of the data model: the NUFFT of every basis map, projected on the temporal basis at each spoke.

    Basis maps are transformed a few at a time, so that ``L × spokes × samples`` numbers never exist at once.

    Parameters
    ----------
    plan : NufftPlan
        Transform of the imaging spokes.
    temporal_basis : (L, spokes) complex64
        Φ at the imaging spokes.
    maps_at_a_time : int, optional
        Basis maps transformed at once: bounds the memory, does not change the result. By default one for each
        core, and at least 8.
    """

    def __init__(
        self,
        plan: NufftPlan,
        temporal_basis: NDArray,
        maps_at_a_time: int | None = None,
    ) -> None:
        self.plan = plan
        self.temporal_basis = temporal_basis
        self.maps_at_a_time = maps_at_a_time or max(8, available_cpus())
        super().__init__(plan.data_shape, (len(temporal_basis), plan.matrix, plan.matrix))

    def _chunks(self) -> list[slice]:
        rank, step = len(self.temporal_basis), self.maps_at_a_time
        return [slice(start, min(start + step, rank)) for start in range(0, rank, step)]

    def _apply(self, spatial_factor: NDArray) -> NDArray:
        xp = sigpy.get_array_module(spatial_factor)
        data = xp.zeros(self.plan.data_shape, dtype=xp.complex64)
        for chunk in self._chunks():
            readouts = self.plan.forward(spatial_factor[chunk])
            # d[t,s] = Σ_l Φ[l,t] (F u_l)[t,s]: every spoke sees its own mixture of basis maps
            data += xp.einsum("lt,lts->ts", self.temporal_basis[chunk], readouts)
        return data

    def _adjoint_linop(self) -> linop.Linop:
        return _SubspaceNufftAdjoint(self)


class _SubspaceNufftAdjoint(linop.Linop):
    def __init__(self, forward: SubspaceNufft) -> None:
        self.forward = forward
        super().__init__(forward.ishape, forward.oshape)

    def _apply(self, data: NDArray) -> NDArray:
        xp = sigpy.get_array_module(data)
        maps = xp.empty(self.oshape, dtype=xp.complex64)
        for chunk in self.forward._chunks():
            weighted = self.forward.temporal_basis[chunk].conj()[:, :, None] * data
            maps[chunk] = self.forward.plan.adjoint(weighted)
        return maps

    def _adjoint_linop(self) -> linop.Linop:
        return self.forward


def coil_encoding(coil_maps: NDArray, subspace_nufft: SubspaceNufft) -> linop.Linop:
    """E_Φ = [P F S_j] over the coils j.

    Parameters
    ----------
    coil_maps : (coils, N, N) complex64
        S.
    subspace_nufft : SubspaceNufft
        P F.

    Returns
    -------
    Linop
        From U ``(L, N, N)`` to data ``(coils, spokes, samples)``.
    """
    spokes = (1, *subspace_nufft.oshape)
    per_coil = [
        linop.Reshape(spokes, spokes[1:]) * subspace_nufft * linop.Multiply(subspace_nufft.ishape, coil_map)
        for coil_map in coil_maps
    ]
    return linop.Vstack(per_coil, axis=0)


def back_projection(coil_maps: NDArray, subspace_nufft: SubspaceNufft, weights: NDArray) -> linop.Linop:
    """U₀ = S⁺ F_NUᴴ W Ω*(·) Φᴴ = (Σ|S_j|²)⁻¹ E_Φᴴ W.

    Parameters
    ----------
    coil_maps : (coils, N, N) complex64
        S. Where all coils are zero the result is zero.
    subspace_nufft : SubspaceNufft
        F_NU and Φ.
    weights : (spokes, samples) float32
        W, from :func:`recon.readouts.density.ramp_weights`.

    Returns
    -------
    Linop
        From data ``(coils, spokes, samples)`` to U₀ ``(L, N, N)``, with unit gain.
    """
    e_phi = coil_encoding(coil_maps, subspace_nufft)
    return (
        normalisation(coil_maps, len(subspace_nufft.temporal_basis)) * e_phi.H * linop.Multiply(e_phi.oshape, weights)
    )


def normalisation(coil_maps: NDArray, rank: int) -> linop.Linop:
    """(Σ|S_j|²)⁻¹ on spatial factors ``(L, N, N)``; zero where all coils are zero."""
    xp = sigpy.get_array_module(coil_maps)
    energy = xp.sum(xp.abs(coil_maps) ** 2, axis=0)
    inverse_energy = xp.where(energy > 0, 1 / xp.where(energy > 0, energy, 1), 0).astype(xp.complex64)
    return linop.Multiply((rank, *coil_maps.shape[1:]), inverse_energy)


def lines_adjoint(coil_maps: NDArray, plan: NufftPlan, rank: int, weights: NDArray | None = None) -> linop.Linop:
    """E_Φᴴ W from the lines on which :class:`recon.spatial.fold.Fold` has folded the data.

    Parameters
    ----------
    coil_maps : (coils, N, N) complex64
    plan : NufftPlan
        Transform of the fan's lines.
    rank : int
        L.
    weights : (lines, radii) float32, optional
        W; one if not given.

    Returns
    -------
    Linop
        From lines ``(coils, L, lines, radii)`` to ``(L, N, N)``.
    """
    nufft = Nufft(plan if weights is None else plan.weighted(weights), (len(coil_maps), rank))
    return linop.Sum(nufft.ishape, axes=(0,)) * linop.Multiply(nufft.ishape, coil_maps[:, None].conj()) * nufft.H


def coil_images(plan: NufftPlan, weights: NDArray, kspace: NDArray) -> NDArray:
    """Time-averaged back-projection of each coil, for the coil maps.

    Parameters
    ----------
    plan : NufftPlan
    weights : (spokes, samples) float32
        W of single spokes; the mean over the spokes is taken here.
    kspace : (coils, spokes, samples) complex64

    Returns
    -------
    (coils, N, N) complex64
    """
    return plan.adjoint(kspace * (weights / plan.data_shape[0]))
