"""Blood flow of simulated scans: exact without noise, and near the truth with all that spoils a scan."""

import dataclasses
from functools import cache

import numpy as np
import pytest

from recon.errors import DataError
from recon.perfusion import AslSeries, Labelling, PerfusionMaps, PerfusionSettings, perfusion_maps
from recon.perfusion.perfusion_maps import head_in
from recon.simulation.perfusion import AslProtocol, AslScan, Brain, scan_brain, simulate_brain, true_cbf
from recon.simulation.perfusion.brain import VOXEL_MM

SHAPE = (6, 48, 48)
STILL = AslProtocol(pairs=6, tsnr=0, drift=0, physiology=0, jitter_mm=0, outliers=0)
PLAIN = PerfusionSettings(False, False, False)


@cache
def brain() -> Brain:
    return simulate_brain(SHAPE, 3)


def series_of(scan: AslScan, protocol: AslProtocol, with_m0: bool = False) -> AslSeries:
    labelling = Labelling(protocol.pld_s, protocol.duration_s, protocol.tr_s, protocol.slice_time_s)
    return AslSeries(scan.frames, scan.is_control, labelling, VOXEL_MM, scan.m0 if with_m0 else None)


def maps_of(protocol: AslProtocol, settings: PerfusionSettings | None = None, with_m0: bool = False) -> PerfusionMaps:
    return perfusion_maps(series_of(scan_brain(brain(), protocol, 5), protocol, with_m0), settings)


def error_in_brain(maps: PerfusionMaps, protocol: AslProtocol) -> float:
    """Root mean square over the root mean square of the truth."""
    inside = maps.brain & (brain().grey + brain().white > 0.7)
    truth = true_cbf(brain(), protocol)[inside]
    return float(np.linalg.norm(maps.cbf[inside] - truth) / np.linalg.norm(truth))


@pytest.mark.parametrize("control_first", [True, False])
def test_blood_flow_is_exact_without_noise_in_every_tissue_and_slice(control_first: bool) -> None:
    protocol = dataclasses.replace(STILL, blur_voxels=0.0, control_first=control_first)
    maps = maps_of(protocol, with_m0=True)
    arrived = maps.brain & (brain().cbf > 5) & (brain().arrival_s < protocol.pld_s)
    assert {int(z) for z in np.nonzero(arrived)[0]} == set(range(SHAPE[0]))
    np.testing.assert_allclose(maps.cbf[arrived], brain().cbf[arrived], rtol=2e-3)  # float32 of a difference of 1 %
    assert maps.m0 == "measured"
    assert maps.kept.all()


def test_control_images_stand_for_proton_density_and_are_scaled_up_for_grey_matter() -> None:
    protocol = dataclasses.replace(STILL, blur_voxels=0.0)
    maps, truth = maps_of(protocol), true_cbf(brain(), protocol)
    grey, white = brain().grey > 0.95, brain().white > 0.98
    assert maps.m0 == "control"
    assert maps.cbf[grey].mean() / truth[grey].mean() == pytest.approx(1.0, abs=0.005)
    expected = (1 - np.exp(-4 / 1.33)) / (1 - np.exp(-4 / 0.83))  # its T1 is shorter than that of grey matter
    assert maps.cbf[white].mean() / truth[white].mean() == pytest.approx(expected, abs=0.005)


def test_blood_that_arrives_late_is_missed() -> None:
    late = dataclasses.replace(brain(), arrival_s=brain().arrival_s + np.float32(1.5))
    inside = (brain().cbf > 5) & (late.arrival_s > STILL.pld_s + 0.3)
    assert inside.any()
    assert (true_cbf(late, STILL)[inside] < 0.9 * true_cbf(brain(), STILL)[inside]).all()


def test_a_drift_does_not_pass_for_blood_flow() -> None:
    protocol = dataclasses.replace(STILL, pairs=20, drift=0.05)
    reference = error_in_brain(maps_of(dataclasses.replace(protocol, drift=0.0)), protocol)
    assert error_in_brain(maps_of(protocol, PLAIN), protocol) > reference + 0.1
    assert error_in_brain(maps_of(protocol), protocol) == pytest.approx(reference, abs=0.01)


def test_outliers_are_left_out_and_told() -> None:
    protocol = AslProtocol(pairs=24, tsnr=200.0, physiology=0.0, outliers=4)
    scan = scan_brain(brain(), protocol, 5)
    series = series_of(scan, protocol)
    maps = perfusion_maps(series)
    assert (maps.left_out[scan.spoiled_pairs] >= 2).all()
    others = np.setdiff1d(np.arange(protocol.pairs), scan.spoiled_pairs)
    assert maps.left_out[others].sum() <= 0.15 * len(others) * SHAPE[0]  # images that jittered most among them
    grey = brain().grey > 0.8
    truth = true_cbf(brain(), protocol)[grey].mean()
    plain = perfusion_maps(series, PLAIN)
    assert abs(plain.cbf[grey].mean() / truth - 1) > 0.2
    assert abs(maps.cbf[grey].mean() / truth - 1) < 0.08


def test_means_of_parts_are_of_their_pairs_alone() -> None:
    maps = maps_of(dataclasses.replace(STILL, tsnr=100.0), PLAIN)
    np.testing.assert_allclose(maps.mean_of(2, 4), maps.pair_cbf[2:4].mean(axis=0), atol=1e-3)
    kept = maps.kept.copy()
    kept[2, 1], kept[2:4, 0] = False, False
    part = dataclasses.replace(maps, kept=kept).mean_of(2, 4)
    np.testing.assert_allclose(part[1], maps.pair_cbf[3, 1], atol=1e-3)
    np.testing.assert_allclose(part[0], maps.pair_cbf[2:4, 0].mean(axis=0), atol=1e-3)  # none is kept: all


def test_swapped_order_is_refused_with_the_remedy() -> None:
    scan = scan_brain(brain(), STILL, 5)
    swapped = dataclasses.replace(series_of(scan, STILL), is_control=~scan.is_control)
    with pytest.raises(DataError, match=r"control and label are swapped, set order the other way round"):
        perfusion_maps(swapped)


def test_bad_series_are_refused() -> None:
    series = series_of(scan_brain(brain(), STILL, 5), STILL)
    with pytest.raises(DataError, match="11 images, 6 control and 5 label, make no pairs"):
        dataclasses.replace(series, frames=series.frames[:11], is_control=series.is_control[:11])
    spoiled = series.frames.copy()
    spoiled[4, 1, 2, 3:5] = np.nan
    with pytest.raises(DataError, match="2 voxels are NaN or Inf, the first of them in image 5"):
        dataclasses.replace(series, frames=spoiled)
    with pytest.raises(DataError, match=r"proton density has \(2, 2, 2\) voxels"):
        dataclasses.replace(series, m0=np.ones((2, 2, 2), np.float32))
    with pytest.raises(DataError, match="empty: all voxels are equal"):
        perfusion_maps(dataclasses.replace(series, frames=np.zeros_like(series.frames)))


def test_images_that_are_differences_already_are_refused() -> None:
    """Asltk's real series of several echoes and delays is such a one. Real images may be negative in the air alone."""
    series = series_of(scan_brain(brain(), STILL, 5), STILL)
    rng, control = np.random.default_rng(1), series.frames[0]
    noise = 0.2 * float(control[control > 100].mean()) * rng.standard_normal(series.frames.shape)
    real = dataclasses.replace(series, frames=(series.frames + noise).astype(np.float32))
    assert (real.frames < 0).mean() > 0.1
    differences = 0.02 * control + 0.2 * noise
    with pytest.raises(DataError, match=r"\d+ % of the values .* differences of control and label"):
        dataclasses.replace(series, frames=differences.astype(np.float32))


def test_the_head_has_no_holes_and_no_air() -> None:
    image = np.zeros((2, 20, 20))
    image[:, 4:16, 4:16], image[:, 8:10, 8:10], image[:, 0, 0] = 100.0, 0.0, 100.0
    head = head_in(image)
    assert head[:, 4:16, 4:16].all()
    assert head.sum() == 2 * 144
