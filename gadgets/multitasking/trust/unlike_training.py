"""A slice whose scan the network does not know: it is said, and by parameter reconstructed by ADMM."""

import logging
from dataclasses import replace

from gadgets.multitasking.network import ArrayNetwork
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.readouts import MeasuredSlice
from gadgets.multitasking.trust.familiarity import Verdict, verdict_of
from recon.multitasking import EncodedScan, Result, solve
from recon.multitasking.played_out import DELAY_LIMIT
from recon.quality.map_statistics import map_statistics
from recon.readouts.angles import DISAGREEMENT_LIMIT, angle_disagreement
from recon.stages import StageClock

log = logging.getLogger(__name__)


def checked_result(
    result: Result,
    measured: MeasuredSlice,
    encoded: EncodedScan,
    parameters: MultitaskingParameters,
    network: ArrayNetwork | None,
    clock: StageClock,
) -> tuple[Result, MeasuredSlice]:
    """Compare a network's slice with its training.

    Parameters
    ----------
    result : Result
    measured : MeasuredSlice
    encoded : EncodedScan
        To solve it by ADMM.
    parameters : MultitaskingParameters
        ``unlike_training`` says what is done.
    network : ArrayNetwork or None
    clock : StageClock

    Returns
    -------
    Result, MeasuredSlice
        With the distance in its provenance, and a remark if the scan is strange; ADMM's result, if that is wanted then.
    """
    if network is None or parameters.reconstruction == "admm" or parameters.unlike_training == "ignore":
        return result, measured
    verdict = _worst(_by_statistics(result, network, clock), _by_angles(encoded, result), _by_delays(encoded))
    if verdict is None:
        return result, measured
    said = {"MalibuUnlikeTraining": f"{verdict.distance:.3g}", "MalibuUnlikeTrainingReason": verdict.reason}
    if not verdict.is_strange:
        log.info("the scan is like those of the training: %.2f of the limit", verdict.distance)
        return replace(result, provenance={**result.provenance, **said}), measured
    falls_back = parameters.unlike_training == "admm"
    remark = _remark(verdict, network.name, falls_back)
    log.warning("slice %d: %s", measured.scan.slice_index, remark)
    if falls_back:
        by_admm = parameters.model_copy(update={"reconstruction": "admm", "uncertainty_samples": 0})
        result = solve(encoded, by_admm.settings(), None, clock)
    marked = replace(measured, remarks=[*measured.remarks, remark])
    return replace(result, provenance={**result.provenance, **said}), marked


def _worst(by_statistics: Verdict | None, *of_spokes: Verdict | None) -> Verdict | None:
    """The verdict that counts; spokes that are right are not worth a word."""
    strange = [one for one in of_spokes if one is not None and one.is_strange]
    known = strange if by_statistics is None else [by_statistics, *strange]
    return max(known, key=lambda one: one.distance, default=None)


def _by_statistics(result: Result, network: ArrayNetwork, clock: StageClock) -> Verdict | None:
    entry = network.training_statistics
    if not entry:
        return verdict_of(None, {}, 0)
    with clock.stage("comparison with the training"):
        rank = len(result.back_projection)
        return verdict_of(entry, map_statistics(result.back_projection, result.spatial_factor), rank)


def _by_angles(encoded: EncodedScan, result: Result) -> Verdict | None:
    """Statistics of images hardly tell wrong angles, since a network knows streaks; spokes do."""
    problem = encoded.problem
    found = angle_disagreement(problem.kspace, problem.trajectory, float(result.prewhitened))
    if found is None:
        return None
    reason = "spokes are no more alike at neighbouring angles than at any: check trajectory and golden_angle_deg"
    return Verdict(found / DISAGREEMENT_LIMIT, reason)


def _by_delays(encoded: EncodedScan) -> Verdict | None:
    """Nor do they tell a delay that is not corrected; nan, where the spokes do not tell it, is no verdict."""
    left = encoded.played_out.left_samples
    reason = f"spokes tell gradient delays of {left:.1f} samples that are not corrected: set gradient_delays=auto"
    return Verdict(left / DELAY_LIMIT, reason) if left > DELAY_LIMIT else None


def _remark(verdict: Verdict, name: str, falls_back: bool) -> str:
    what = f"the scan is unlike what {name} was trained on ({verdict.distance:.1f} times the limit: {verdict.reason})"
    if falls_back:
        return f"{what}; it is reconstructed by ADMM instead"
    return f"{what}; compare with reconstruction=admm, or set unlike_training=admm"
