"""The temporal model of one scan: gating, bins, completed tensor, Φ (docs/method/time.md)."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recon.errors import DataError
from recon.readouts.timeline import Timeline
from recon.relaxometry.inversion_recovery import InversionRecovery, recovery_basis
from recon.temporal.bins import nearest_bin
from recon.temporal.fitting.profiles import FEATURES
from recon.temporal.gating import Gating, bin_weights, gate
from recon.temporal.motion import principal_features
from recon.temporal.navigator import navigator_subspace, orthonormalise
from recon.temporal.self_gating import GatingSettings
from recon.temporal.tensor import BinWeights, TemporalTensor, complete, temporal_tensor


@dataclass(frozen=True)
class TensorSettings:
    """What the temporal tensor looks like.

    Attributes
    ----------
    rank : int
        L.
    energy : float or None
        Keep fewer: those that hold this share of the energy.
    cardiac_bins, respiratory_bins, recovery_rank : int
    cardiac_rank, respiratory_rank : int or None
        Multilinear ranks; None keeps the axis whole.
    gating : GatingSettings
    keep_ectopic : bool
        Leave ectopic beats in the cardiac bins.
    """

    rank: int = 32
    energy: float | None = None
    cardiac_bins: int = 20
    respiratory_bins: int = 6
    recovery_rank: int = 5
    cardiac_rank: int | None = None
    respiratory_rank: int | None = None
    gating: GatingSettings = field(default_factory=GatingSettings)
    keep_ectopic: bool = False


@dataclass(frozen=True)
class GatedTensor:
    """The low-rank tensor of time, and the gating that sorted the scan into it.

    Attributes
    ----------
    sequence : InversionRecovery
    tensor : TemporalTensor
    gating : Gating
    weights : BinWeights
        Bins of all imaging readouts.
    navigator_time_s : (navigators,) float64
        Times at which the gating's respiration is known.
    empty_share : float
        Share of the (cardiac, respiratory, recovery) cells that no navigator touched; the model fills them.
    end_expiration : int
        Respiratory bin with the most readouts.
    """

    sequence: InversionRecovery
    tensor: TemporalTensor
    gating: Gating
    weights: BinWeights
    navigator_time_s: NDArray[np.float64]
    empty_share: float
    end_expiration: int

    @property
    def recovers(self) -> bool:
        """Whether there is a T1 recovery: the pulses of a scan without inversions count as one."""
        return len(self.tensor.recovery) > 1


@dataclass(frozen=True)
class TemporalModel:
    """The temporal basis Φ of a scan, and what it comes from.

    Attributes
    ----------
    basis : (L, kept spokes) complex64
        Φ at the imaging readouts that are reconstructed; rows orthonormal.
    kept : (spokes,) bool
        Imaging readouts that are reconstructed: those outside of ectopic beats.
    singular_values : (components,) float64
        Largest first.
    imaging : Timeline
        Times of all imaging readouts.
    gated : GatedTensor or None
        None for the real-time basis, which knows no state of motion.
    source : str
        What it comes from, for people: ``navigators``, ``sliding windows``, ``static`` or ``given``.
    """

    basis: NDArray[np.complex64]
    kept: NDArray[np.bool_]
    singular_values: NDArray[np.float64]
    imaging: Timeline
    gated: GatedTensor | None = None
    source: str = "navigators"


def realtime_model(
    profiles: NDArray, navigator_of_spoke: NDArray, imaging: Timeline, rank: int, energy: float | None = None
) -> TemporalModel:
    """Take Φ from the navigator's principal components alone.

    Parameters
    ----------
    profiles : (navigators, coils, pixels) complex64
        Prewhitened.
    navigator_of_spoke : (spokes,) int
        The navigator that saw the state of each imaging readout.
    imaging : Timeline
    rank : int
        L, an upper bound.
    energy : float, optional
        Keep as few components as hold this share of the energy.

    Returns
    -------
    TemporalModel
        Without states of motion; all imaging readouts are kept.
    """
    subspace = navigator_subspace(profiles, rank, energy)
    basis = orthonormalise(subspace.basis[:, navigator_of_spoke]).astype(np.complex64)
    return TemporalModel(basis, np.ones(basis.shape[1], dtype=bool), subspace.singular_values, imaging)


def tensor_model(
    profiles: NDArray,
    navigators: Timeline,
    imaging: Timeline,
    sequence: InversionRecovery,
    settings: TensorSettings,
    respiration: NDArray | None = None,
    triggers_s: NDArray | None = None,
    components: NDArray | None = None,
) -> TemporalModel:
    """Gate, sort navigators into the tensor, complete it, and read Φ from it.

    Parameters
    ----------
    profiles : (navigators, coils, pixels) complex64
        Prewhitened.
    navigators, imaging : Timeline
    sequence : InversionRecovery
    settings : TensorSettings
    respiration, triggers_s : array, optional
        External signals; see :func:`gate`.
    components : array, optional
        Of the profiles' parts; see :func:`principal_features`.

    Returns
    -------
    TemporalModel

    Raises
    ------
    DataError
        If no imaging readout is left.
    """
    recovery = recovery_basis(sequence.tr_ms, sequence.flip_angle_deg, sequence.pulses, settings.recovery_rank)
    features = principal_features(profiles, FEATURES, components)
    gating = gate(features, navigators, recovery, settings.gating, settings.respiratory_bins, respiration, triggers_s)
    seen = bin_weights(gating, navigators, navigators, recovery, settings.cardiac_bins)
    spokes = bin_weights(gating, imaging, navigators, recovery, settings.cardiac_bins)
    used, kept = (_outside_ectopic(gating, timeline, settings) for timeline in (navigators, imaging))
    if not kept.any():
        raise DataError("every imaging readout lies in an ectopic beat; set keep_ectopic to use them")
    completed = complete(
        features[used],
        seen.at(used),
        (settings.cardiac_rank or settings.cardiac_bins, settings.respiratory_rank or settings.respiratory_bins),
    )
    tensor, singular_values = temporal_tensor(completed, spokes.at(kept), recovery, settings.rank, settings.energy)
    gated = GatedTensor(
        sequence=sequence,
        tensor=tensor,
        gating=gating,
        weights=spokes,
        navigator_time_s=navigators.time_s,
        empty_share=_empty_share(seen.at(used), navigators.pulse[used]),
        end_expiration=int(np.argmax(np.bincount(nearest_bin(spokes.respiratory)))),
    )
    basis = tensor.at(spokes.at(kept)).astype(np.complex64)
    return TemporalModel(basis, kept, singular_values, imaging, gated)


def _outside_ectopic(gating: Gating, timeline: Timeline, settings: TensorSettings) -> NDArray:
    if gating.beats is None or settings.keep_ectopic:
        return np.ones(len(timeline.time_s), dtype=bool)
    return ~gating.beats.disturbed(timeline.time_s, gating.origin)


def _empty_share(seen: BinWeights, pulse: NDArray) -> float:
    cells = np.stack([nearest_bin(seen.cardiac), nearest_bin(seen.respiratory), pulse])
    touched = np.unique(cells, axis=1).shape[1]
    return 1.0 - touched / (seen.cardiac.shape[1] * seen.respiratory.shape[1] * len(np.unique(pulse)))
