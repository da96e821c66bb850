"""Training pairs from scans: the back-projection that the gadget makes, and what the network should make of it."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gadgets import __version__
from gadgets.device import choose_device
from gadgets.evaluation.truth import seen_truth, slice_of_simulation
from gadgets.mrd.files import ScanFile
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.readouts import read_slices
from nets.data.pair_files import Pair
from recon.multitasking import EncodedScan, RadialScan, SpatialFactor, encode, estimate
from recon.quality.metrics import nrmse
from recon.simulation.chest import Protocol, simulate_scan
from recon.simulation.chest.motion import Physiology
from recon.stages import StageClock

# True images from which a label is computed: many times the rank of 32.
_TRUTH_IMAGES = 400
# Matrices of training scans, relative to 160; half of the scans keep the full one.
_MATRICES = (96, 112, 128, 160, 160, 160)


def varied_protocol(base: Protocol, seed: int) -> Protocol:
    """Change a protocol as scans of different subjects differ.

    The image keeps the field of view while the matrix is 0.6 to 1 of the base's, and the scan is as much shorter, down
    to 0.7: the undersampling, and with it the streaks, stay near those of the base.

    Parameters
    ----------
    base : Protocol
    seed : int
        Seed of the subject.

    Returns
    -------
    Protocol
    """
    rng = np.random.default_rng([seed, 17])
    matrix = round(base.matrix * int(rng.choice(_MATRICES)) / 160 / 2) * 2
    physiology = Physiology(
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
        physiology=physiology,
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
    simulated = simulate_scan(protocol, seed)
    measured = slice_of_simulation(simulated, parameters)
    encoded, estimated = _estimated(measured.scan, parameters, "backprojection")
    index = measured.scan.imaging.index
    drawn = index[np.unique(np.linspace(0, len(index) - 1, _TRUTH_IMAGES).round().astype(int))]
    images, maps = simulated.truth_images(drawn), simulated.coils.maps(protocol.matrix)
    truth = seen_truth(encoded, measured.scan, images, maps, drawn)
    back_projection = estimated.maps
    attributes: dict[str, str | int | float] = {"seed": seed, "spokes": len(index), "snr": protocol.snr}
    return _pair(back_projection, truth.spatial_factor, "truth", parameters, attributes)


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
    for measured in read_slices(scan, parameters):
        _, estimated = _estimated(measured.scan, parameters, "admm")
        yield _pair(
            estimated.back_projection, estimated.maps, "admm", parameters, {"spokes": len(measured.scan.imaging)}
        )


def _estimated(
    scan: RadialScan, parameters: MultitaskingParameters, reconstruction: str
) -> tuple[EncodedScan, SpatialFactor]:
    settings = parameters.model_copy(update={"reconstruction": reconstruction}).settings()
    device, clock = choose_device(parameters.device), StageClock()
    encoded = encode(scan, settings, device, clock)
    with device:
        return encoded, estimate(encoded.problem, settings, clock)


def _pair(
    back_projection: np.ndarray,
    label: np.ndarray,
    kind: str,
    parameters: MultitaskingParameters,
    attributes: dict[str, str | int | float],
) -> Pair:
    attributes = attributes | {
        "label": kind,
        "temporal_model": parameters.temporal_model,
        "malibu_version": __version__,
        "nrmse": nrmse(back_projection, label),
    }
    return Pair(back_projection, label, attributes)
