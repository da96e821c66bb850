"""Data consistency: what was measured overrules what was learned (docs/method/space.md)."""

import sigpy
from numpy.typing import NDArray
from sigpy import alg, linop

from recon.errors import DataError
from recon.spatial.admm import Circulant
from recon.spatial.toeplitz import ToeplitzNormal


def enforce_data(
    normal: ToeplitzNormal, adjoint_data: NDArray, prior: NDArray, relative_weight: float, steps: int
) -> NDArray:
    """Take CG steps from a prior towards the minimum of ``‖d - E_Φ(U)‖² + μ ‖U - U_prior‖²``.

    The system is ``(E_Φᴴ E_Φ + μ) U = E_Φᴴ d + μ U_prior``, preconditioned by the sampling density.

    Parameters
    ----------
    normal : ToeplitzNormal
        E_Φᴴ E_Φ on ``(L, N, N)``.
    adjoint_data : (L, N, N) complex64
        E_Φᴴ d.
    prior : (L, N, N) complex64
        What the network says; CG starts there.
    relative_weight : float
        μ over the mean sampling density.
    steps : int

    Returns
    -------
    (L, N, N) complex64

    Raises
    ------
    DataError
        If the weight is not positive.
    """
    if relative_weight <= 0:
        raise DataError(f"the weight of the prior is {relative_weight:g}; it must be above 0")
    weight = relative_weight * float(normal.density.mean())
    system = normal + weight * linop.Identity(normal.ishape)
    precondition = Circulant(1 / (normal.density + weight), len(prior))
    estimate = sigpy.get_array_module(prior).array(prior)
    right = adjoint_data + weight * estimate
    solver = alg.ConjugateGradient(system, right, estimate, P=precondition, max_iter=steps)
    while not solver.done():
        solver.update()
    return estimate
