"""Tissue signals of inversion-recovery FLASH."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.readouts.timeline import Timeline
from recon.simulation.chest.protocol import Protocol


@dataclass(frozen=True)
class Tissue:
    """Magnetic properties at 3 T.

    Attributes
    ----------
    name : str
    t1_ms : float
        Longitudinal relaxation time.
    proton_density : float
        Relative to water.
    inflow : float
        Share of fresh spins, which saw the inversion but none of the excitation pulses before.
    """

    name: str
    t1_ms: float
    proton_density: float
    inflow: float = 0.0


def random_tissues(rng: np.random.Generator) -> dict[str, Tissue]:
    """Tissues of one subject, T1 drawn from ranges that were measured at 3 T.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to Tissue
    """
    myocardium_t1 = rng.uniform(1150, 1300)
    tissues = [
        Tissue("fat", rng.uniform(350, 400), 0.75),
        Tissue("muscle", rng.uniform(1000, 1400), 0.80),
        Tissue("lung", rng.uniform(1100, 1300), 0.12),
        Tissue("liver", rng.uniform(750, 850), 0.75),
        Tissue("marrow", rng.uniform(500, 600), 0.55),
        Tissue("myocardium", myocardium_t1, 0.82),
        Tissue("blood", rng.uniform(1800, 2000), 0.95, inflow=rng.uniform(0.7, 0.9)),
        Tissue("infarct", rng.uniform(1450, 1600), 0.82),
    ]
    return {tissue.name: tissue for tissue in tissues}


def ir_flash_timeline(readouts: int, tr_ms: float, readouts_per_inversion: int, delay_ms: float) -> Timeline:
    """Timeline of readouts at constant TR between inversions that are followed by a delay.

    Parameters
    ----------
    readouts, readouts_per_inversion : int
    tr_ms, delay_ms : float

    Returns
    -------
    Timeline
    """
    index = np.arange(readouts)
    inversion, pulse = np.divmod(index, readouts_per_inversion)
    time_ms = index * tr_ms + (inversion + 1) * delay_ms
    return Timeline(time_ms / 1000, pulse, inversion)


def transverse_signal(
    tissue: Tissue, timeline: Timeline, tr_ms: float, flip_angle_deg: float, delay_ms: float, efficiency: float
) -> NDArray:
    """Signed signal of a tissue at every readout, relative to the equilibrium magnetisation of water.

    Within a period the longitudinal magnetisation before pulse n is
    ``M_n = M_ss + (M_0 - M_ss) (E cos α)ⁿ`` with ``M_ss = (1-E)/(1-E cos α)``, ``E = exp(-TR/T1)``; the first period
    starts from equilibrium, so it is not yet in the periodic steady state. Fresh spins recover freely.

    Parameters
    ----------
    tissue : Tissue
    timeline : Timeline
    tr_ms, flip_angle_deg, delay_ms : float
    efficiency : float
        Magnetisation M becomes ``-efficiency · M`` at an inversion.

    Returns
    -------
    (readouts,) float64
    """
    alpha = np.deg2rad(flip_angle_deg)
    recovery = np.exp(-tr_ms / tissue.t1_ms)
    delay = np.exp(-delay_ms / tissue.t1_ms)
    decay = recovery * np.cos(alpha)
    steady = (1 - recovery) / (1 - decay)
    period = int(timeline.pulse.max()) + 1
    starts = np.empty(int(timeline.inversion[-1]) + 1)
    fresh_starts = np.empty_like(starts)
    before = before_fresh = 1.0
    for number in range(len(starts)):
        starts[number] = 1 - (1 + efficiency * before) * delay
        fresh_starts[number] = 1 - (1 + efficiency * before_fresh) * delay
        before = steady + (starts[number] - steady) * decay**period
        before_fresh = 1 - (1 - fresh_starts[number]) * recovery**period
    pulsed = steady + (starts[timeline.inversion] - steady) * decay**timeline.pulse
    fresh = 1 - (1 - fresh_starts[timeline.inversion]) * recovery**timeline.pulse
    magnetisation = (1 - tissue.inflow) * pulsed + tissue.inflow * fresh
    return tissue.proton_density * np.sin(alpha) * magnetisation


def signals_of(tissues: dict[str, Tissue], timeline: Timeline, protocol: Protocol) -> dict[str, NDArray]:
    """Signal of each tissue, and of air, by the protocol with its flip angle's scale.

    Parameters
    ----------
    tissues : dict of str to Tissue
    timeline : Timeline
    protocol : Protocol

    Returns
    -------
    dict of str to (readouts,) float64
    """
    flip_angle_deg = protocol.flip_angle_scale * protocol.flip_angle_deg
    fixed = (timeline, protocol.tr_ms, flip_angle_deg, protocol.delay_ms, protocol.efficiency)
    signals = {name: transverse_signal(tissue, *fixed) for name, tissue in tissues.items()}
    return {"air": np.zeros(protocol.readouts)} | signals
