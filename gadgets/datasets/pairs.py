"""Training pairs from scans: the back-projection that the gadget makes, and what the network should make of it."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gadgets import __version__
from gadgets.device import choose_device
from gadgets.evaluation.truth import seen_truth
from gadgets.mrd.files import ScanFile
from gadgets.mrd.header import read_header
from gadgets.mrd.measurement import Measurement
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.problem import pose, prepare
from gadgets.multitasking.spatial_factor import solve
from gadgets.simulated.radial import acquisitions, scan_header
from nets.data.pair_files import Pair
from recon.quality.metrics import nrmse
from recon.simulation.chest import Protocol, simulate_scan
from recon.simulation.chest.motion import Habits
from recon.stages import StageClock

_TRUTH_IMAGES = 400
_MATRICES = (96, 112, 128, 160, 160, 160)


def varied_protocol(base: Protocol, seed: int) -> Protocol:
    """Change a protocol as scans of different subjects differ.

    The image keeps the field of view while the matrix is 0.6 to 1 of the base's, and the scan is as much shorter, down
    to 0.7: the undersampling, and with it the streaks, stay near those of the base.

    Parameters
    ----------
    base : Protocol
    seed : int
        Of the subject.

    Returns
    -------
    Protocol
    """
    rng = np.random.default_rng([seed, 17])
    matrix = round(base.matrix * int(rng.choice(_MATRICES)) / 160 / 2) * 2
    habits = Habits(
        heart_rate_variability=float(rng.uniform(0.01, 0.08)),
        ectopic_share=float(rng.choice([0.0, 0.0, 0.03])),
        deep_breath_share=float(rng.choice([0.0, 0.0, 0.1])),
        drift_mm=float(rng.uniform(0, 3)),
    )
    return replace(
        base,
        matrix=matrix,
        samples=2 * matrix,
        duration_s=base.duration_s * max(0.7, matrix / base.matrix) * float(rng.uniform(0.9, 1.1)),
        fov_mm=base.fov_mm * float(rng.uniform(0.96, 1.12)),
        coils=int(rng.integers(5, 9)),
        snr=base.snr * float(rng.uniform(0.6, 1.5)),
        inversion_efficiency=float(rng.uniform(0.88, 0.98)),
        flip_angle_scale=float(rng.uniform(0.9, 1.05)),
        infarct=bool(rng.random() < 0.25),
        habits=habits,
    )


def varied_parameters(parameters: MultitaskingParameters, seed: int) -> MultitaskingParameters:
    """Take the real-time basis for every fifth subject: the network is to know both."""
    if seed % 5:
        return parameters
    return parameters.model_copy(update={"temporal_model": "realtime", "images": ("basis_maps",)})


def simulated_pair(protocol: Protocol, seed: int, parameters: MultitaskingParameters) -> Pair:
    """Simulate a scan and take it through the gadget's own steps; the label is the truth.

    Parameters
    ----------
    protocol : Protocol
    seed : int
    parameters : MultitaskingParameters

    Returns
    -------
    Pair
    """
    scan, clock = simulate_scan(protocol, seed), StageClock()
    measurement = Measurement.of(acquisitions(scan))
    header, device = read_header(scan_header(scan)), choose_device(parameters.device)
    ((readouts, whitening),) = prepare(measurement, header, parameters, clock)
    posed = pose(readouts, whitening, header, parameters, device, clock)
    with device:
        back_projection = solve(posed.problem, _with(parameters, "backprojection"), clock).maps
    drawn = np.unique(np.linspace(0, len(readouts.readout_index) - 1, _TRUTH_IMAGES).round().astype(int))
    drawn = readouts.readout_index[drawn]
    truth = seen_truth(posed, readouts, scan.truth_images(drawn), scan.coils.maps(protocol.matrix), drawn)
    facts: dict[str, str | int | float] = {"seed": seed, "spokes": len(readouts.readout_index), "snr": protocol.snr}
    return _pair(back_projection, truth.spatial_factor, "truth", parameters, facts)


def scanned_pairs(scan: ScanFile, parameters: MultitaskingParameters) -> Iterator[Pair]:
    """Reconstruct each slice of a scan by back-projection and by ADMM; the label is ADMM's result.

    Parameters
    ----------
    scan : ScanFile
    parameters : MultitaskingParameters
        ADMM's settings are taken from it.

    Yields
    ------
    Pair
    """
    measurement, clock = Measurement.of(scan.items()), StageClock()
    header, device = read_header(scan.header), choose_device(parameters.device)
    for readouts, whitening in prepare(measurement, header, parameters, clock):
        posed = pose(readouts, whitening, header, parameters, device, clock)
        with device:
            found = solve(posed.problem, _with(parameters, "admm"), clock)
        yield _pair(found.back_projection, found.maps, "admm", parameters, {"spokes": len(readouts.readout_index)})


def _with(parameters: MultitaskingParameters, reconstruction: str) -> MultitaskingParameters:
    return parameters.model_copy(update={"reconstruction": reconstruction})


def _pair(
    back_projection: np.ndarray,
    label: np.ndarray,
    kind: str,
    parameters: MultitaskingParameters,
    facts: dict[str, str | int | float],
) -> Pair:
    facts = facts | {
        "label": kind,
        "temporal_model": parameters.temporal_model,
        "malibu_version": __version__,
        "nrmse": nrmse(back_projection, label),
    }
    return Pair(back_projection, label, facts)
