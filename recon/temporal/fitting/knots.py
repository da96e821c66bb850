"""Knots of a template over the cycle: between two of them lies each navigator, and each phase."""

import numba
import numpy as np
from numpy.typing import NDArray


def interpolation(phase: NDArray, knots: int) -> NDArray:
    """Periodic linear interpolation between knots at ``i / knots``: ``(times, knots)``, rows add to one."""
    low, share = knots_beside(phase, knots)
    weights = np.zeros((len(phase), knots))
    rows = np.arange(len(phase))
    weights[rows, low] = 1 - share
    weights[rows, (low + 1) % knots] += share
    return weights


def knots_beside(phase: NDArray, knots: int) -> tuple[NDArray, NDArray]:
    """The knot before each phase, and the weight of the one behind it."""
    place = np.mod(phase, 1.0) * knots
    low = np.floor(place).astype(int)
    return low % knots, place - low


@numba.njit(cache=True, nogil=True)
def knot_sums(
    low: NDArray, share: NDArray, knots: int, static: NDArray, recovery: NDArray, features: NDArray
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Sums of products over the navigators beside each knot, w being a navigator's weights at its two knots.

    Parameters
    ----------
    low : (times,) int64
        The knot before each navigator, from 0; the one behind it follows on the circle.
    share : (times,) float64
        Weight of the knot behind; the one before has the rest.
    knots : int
    static : (times, S) float64
        Columns of the model that have nothing to do with the knots.
    recovery : (times, R) float64
        u.
    features : (times, K) float64
        y.

    Returns
    -------
    own, next : (knots, R, R) float64
        Σ w_q² u uᵀ and Σ w_q w_q+1 u uᵀ.
    beside : (knots, R, S) float64
        Σ w_q u sᵀ.
    right : (knots, R, K) float64
        Σ w_q u yᵀ.
    """
    orders, terms, components = recovery.shape[1], static.shape[1], features.shape[1]
    own = np.zeros((knots, orders, orders))
    between = np.zeros((knots, orders, orders))
    beside = np.zeros((knots, orders, terms))
    right = np.zeros((knots, orders, components))
    for time in range(len(low)):
        first = low[time]
        second = first + 1 if first + 1 < knots else 0
        late = share[time]
        early = 1.0 - late
        for order in range(orders):
            value = recovery[time, order]
            before, after = early * value, late * value
            for other in range(orders):
                product = recovery[time, other]
                own[first, order, other] += early * before * product
                own[second, order, other] += late * after * product
                between[first, order, other] += early * after * product
            for term in range(terms):
                beside[first, order, term] += before * static[time, term]
            for term in range(terms):
                beside[second, order, term] += after * static[time, term]
            for component in range(components):
                right[first, order, component] += before * features[time, component]
            for component in range(components):
                right[second, order, component] += after * features[time, component]
    return own, between, beside, right


@numba.njit(cache=True, nogil=True)
def phase_costs(own: NDArray, between: NDArray, linear: NDArray, steps: int, block: int) -> tuple[NDArray, NDArray]:
    """Misfit ‖rest - T(p) u‖² - ‖rest‖² at evenly spaced phases p, where T(p) is linear between two knots.

    Parameters
    ----------
    own, between : (times, knots) float64
        ‖T_q u‖² and ⟨T_q u, T_q+1 u⟩; the knots lie on a circle.
    linear : (times, knots) float64
        ⟨rest, T_q u⟩.
    steps : int
        Phases of a cycle.
    block : int
        Navigators that share one phase.

    Returns
    -------
    cost : (times // block, steps) float64
        Sums over blocks of navigators; those of the last, incomplete one belong to none.
    least : (times,) float64
        The least of each navigator over all phases.
    """
    times, knots = own.shape
    cost = np.zeros((times // block, steps))
    least = np.empty(times)
    place = np.arange(steps) / steps * knots
    low = np.minimum(place.astype(np.int64), knots - 1)
    high = (low + 1) % knots
    late = place - low
    early = 1.0 - late
    misfit = np.empty(steps)
    for time in range(times):
        lowest = np.inf
        for step in range(steps):
            first, second = low[step], high[step]
            value = early[step] * (early[step] * own[time, first] - 2.0 * linear[time, first])
            value += late[step] * (late[step] * own[time, second] - 2.0 * linear[time, second])
            value += 2.0 * early[step] * late[step] * between[time, first]
            misfit[step] = value
            lowest = min(lowest, value)
        least[time] = lowest
        if time // block < len(cost):
            cost[time // block] += misfit
    return cost, least
