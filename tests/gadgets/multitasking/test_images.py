"""Cine, T1-recovery, respiratory series and T1 map out of the gadget."""

import dataclasses
from pathlib import Path
from typing import Any

import h5py
import ismrmrd
import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from gadgets.errors import RemoteError
from gadgets.evaluation.truth import slice_of_simulation
from gadgets.mrd.files import ScanFile
from gadgets.multitasking.parameters import parse_parameters
from gadgets.multitasking.series import GATING_ROWS, SENT, SERIES
from gadgets.reports.motion import heart_center
from gadgets.simulated.radial import write_simulation
from recon.errors import DataError
from recon.multitasking import encode, solve
from recon.simulation.chest import PRESETS, simulate_scan
from tests.support.replays import replay_here, rewrite_readouts

Images = dict[int, list[ismrmrd.Image]]


def planes(images: Images, kind: str) -> np.ndarray:
    return np.stack([image.data[0, 0] for image in images[SERIES[kind].number]])


def truth_of(path: Path) -> h5py.File:
    return h5py.File(path.with_suffix(".truth.h5"))


def mask_of(truth: h5py.File, name: str, erosions: int = 1) -> np.ndarray:
    inside = truth["shape"][:] == truth["shape"].attrs["names"].tolist().index(name)
    return binary_erosion(inside, iterations=erosions) if erosions else inside


def test_every_series_is_there(moving_images: Images) -> None:
    counts = {kind: len(moving_images.get(record.number, [])) for kind, record in SERIES.items() if kind in SENT}
    assert counts == {
        "time_average": 1,
        "realtime": 40,
        "basis_maps": 32,
        "temporal_basis": 1,
        "cine_bright": 20,
        "back_projection": 20,
        "cine_dark": 20,
        "t1_recovery": 20,
        "respiratory": 6,
        "frame_uncertainty": 0,
        "t1_map": 1,
        "t1_uncertainty": 1,
        "gating": 1,
        "tensor": 5,
        "b1_map": 0,  # only where B1 is estimated or measured
        "b1_uncertainty": 0,
    }
    meta = moving_images[1][0].meta
    assert meta["MalibuTemporalModel"] == "tensor"
    assert meta["MalibuUnresolved"] == "none"
    assert 0.1 < float(meta["MalibuEmptyCells"]) < 0.95
    assert float(meta["MalibuHeartQuality"]) > 0.6


def test_cine_contracts_from_end_diastole(moving_images: Images, moving_file: Path) -> None:
    """Blood leaves the rim of the left ventricle at end-systole, and comes back."""
    cine = planes(moving_images, "cine_bright")
    with truth_of(moving_file) as truth:
        blood = mask_of(truth, "left ventricle", 0)
        rim = blood & ~binary_erosion(blood, iterations=1)
    curve = cine[:, rim].mean(axis=1)
    assert curve.argmin() in range(5, 15)
    assert curve[0] > 0.95 * curve.max()
    assert curve.min() < 0.92 * curve.max()
    metas = [image.meta for image in moving_images[SERIES["cine_bright"].number]]
    assert [int(meta["CardiacBin"]) for meta in metas] == list(range(20))
    assert len({meta["InversionTime"] for meta in metas}) == 1
    rate = float(moving_images[1][0].meta["MalibuHeartRatePerMinute"])
    assert float(metas[10]["CardiacPhaseMs"]) == pytest.approx(30_000 / rate, rel=1e-2)


def test_blood_is_bright_in_one_cine_and_dark_in_the_other(moving_images: Images, moving_file: Path) -> None:
    with truth_of(moving_file) as truth:
        blood, wall = mask_of(truth, "left ventricle"), mask_of(truth, "left ventricle wall")
    bright, dark = (planes(moving_images, kind)[0] for kind in ("cine_bright", "cine_dark"))
    assert bright[blood].mean() > 1.1 * bright[wall].mean()
    assert dark[blood].mean() < 0.3 * bright[blood].mean()


def test_recovery_series_follows_the_truth(moving_images: Images, moving_file: Path) -> None:
    """Liver at each inversion time against the simulated signal at the same pulse, one scale for all."""
    series = planes(moving_images, "t1_recovery")
    pulses = [int(image.meta["PulsesSinceInversion"]) for image in moving_images[SERIES["t1_recovery"].number]]
    with truth_of(moving_file) as truth:
        spot = binary_erosion(mask_of(truth, "chest wall"), iterations=1)
        period = truth["readout/inversion"][:] == 8
        signal = dict(zip(truth["readout/pulse"][period], np.abs(truth["signal/muscle"][period]), strict=True))
    expected = np.array([signal[pulse] for pulse in pulses])
    found = np.array([np.median(image[spot]) for image in series])
    scale = found @ expected / (expected @ expected)
    assert np.abs(found - scale * expected).max() < 0.08 * found.max()
    times = [float(image.meta["InversionTime"]) for image in moving_images[SERIES["t1_recovery"].number]]
    assert times[0] == pytest.approx(5 + pulses[0] * 5.0)
    assert times == sorted(times)


def test_respiratory_series_moves_the_liver(moving_images: Images, moving_file: Path) -> None:
    states = planes(moving_images, "respiratory")
    with truth_of(moving_file) as truth:
        assert truth["readout/displacement_mm"][:].max() > 4
        chest = mask_of(truth, "chest wall")
        organs = mask_of(truth, "liver", 0) ^ binary_erosion(mask_of(truth, "liver", 0), iterations=2)
    change = np.abs(states[-1] - states[0])
    assert change[organs].mean() > 2.5 * np.median(change[chest])
    assert [int(image.meta["RespiratoryBin"]) for image in moving_images[SERIES["respiratory"].number]] == list(
        range(6)
    )


def test_t1_map_in_milliseconds(moving_images: Images, moving_file: Path) -> None:
    (t1_map,), (deviation,) = moving_images[SERIES["t1_map"].number], moving_images[SERIES["t1_uncertainty"].number]
    assert t1_map.data.dtype == np.uint16
    with truth_of(moving_file) as truth:
        true_ms, values = truth["t1_ms"][:], t1_map.data[0, 0]
        for name, tolerance in (("chest wall", 0.03), ("liver", 0.06), ("left ventricle wall", 0.08)):
            mask = mask_of(truth, name)
            assert np.median(values[mask]) == pytest.approx(np.median(true_ms[mask]), rel=tolerance), name
        blood = mask_of(truth, "left ventricle")
        # 30 s on 64² leave blood T1 loose: rounding errors of the data (5e-8) alone move it by 3 %.
        assert np.median(values[blood]) == pytest.approx(np.median(true_ms[blood]), rel=0.22)
        assert not values[:6].any()
        assert np.median(deviation.data[0, 0][mask_of(truth, "liver")]) < 0.05 * np.median(
            values[mask_of(truth, "liver")]
        )
    meta = t1_map.meta
    assert meta["MalibuUnit"] == "ms"
    assert float(meta["GADGETRON_ScaleRatio"]) == 1
    assert meta["GADGETRON_ColorMap"]
    assert float(meta["InversionEfficiency"]) == pytest.approx(0.95, abs=0.03)
    assert "research use only" in meta["ImageComments"]
    common = values == int(meta["MalibuBloodT1Ms"])
    assert np.mean(common[blood]) > 0.9
    between = 0.04 * float(meta["MalibuBloodT1Ms"])
    expected = np.hypot(float(meta["MalibuBloodT1DeviationMs"]), between)
    assert np.median(deviation.data[0, 0][common & blood]) == pytest.approx(expected, abs=1.5)


def test_the_headers_field_says_what_t1_blood_is_expected_to_have(caplog: pytest.LogCaptureFixture) -> None:
    protocol = dataclasses.replace(PRESETS["tiny"], field_t=1.5)
    parameters = parse_parameters("", {"reconstruction": "backprojection", "heart_source": "self"})
    encoded = encode(slice_of_simulation(simulate_scan(protocol, 3), parameters).scan, parameters.settings())
    assert encoded.field_t == 1.5
    at = [solve(dataclasses.replace(encoded, field_t=field_t), parameters.settings()) for field_t in (1.5, 7.0)]
    assert at[1].t1_map.blood.t1_ms > 1.02 * at[0].t1_map.blood.t1_ms
    assert "systemFieldStrength_T" not in caplog.text
    for field_t, said in ((None, "is missing"), (63.9, "is 63.9")):
        solve(dataclasses.replace(encoded, field_t=field_t), parameters.settings())
        assert f"systemFieldStrength_T {said}; correct it" in caplog.text


def test_gating_image_partitions_the_spokes(moving_images: Images, moving_file: Path) -> None:
    (image,) = moving_images[SERIES["gating"].number]
    assert list(image.meta["Rows"]) == list(GATING_ROWS)
    rows = dict(zip(GATING_ROWS, image.data[0, 0], strict=True))
    assert set(rows["cardiac_bin"]) == set(range(20))
    assert set(rows["respiratory_bin"]) == set(range(6))
    assert rows["kept"].all()
    with truth_of(moving_file) as truth:
        displacement = np.interp(rows["time_s"], truth["readout/time_s"][:], truth["readout/displacement_mm"][:])
    assert np.corrcoef(rows["respiration"], displacement)[0, 1] > 0.95
    assert len(image.meta["BeatTimesS"].split()) == int(image.meta["MalibuBeats"])


def test_frames_of_cells_follow_from_the_series_on_file(moving_images: Images) -> None:
    """The real-time series is U·Φ of the file: the tensor is a basis like any other."""
    factor = np.stack([image.data[0, 0] for image in moving_images[SERIES["basis_maps"].number]])
    phi = moving_images[SERIES["temporal_basis"].number][0].data[0, 0]
    frame = moving_images[SERIES["realtime"].number][7]
    expected = np.abs(np.einsum("lyx,l->yx", factor, phi[:, int(frame.meta["FrameSpoke"])]))
    assert np.allclose(frame.data[0, 0], expected, rtol=1e-4, atol=1e-3)
    assert np.allclose(phi @ phi.conj().T, np.eye(len(phi)), atol=1e-4)


def test_waveforms_of_the_stream_on_request(moving_file: Path, tmp_path: Path) -> None:
    wanted = {"heart_source": "ecg", "respiration_source": "waveform", "images": "gating"}
    (image,) = replay_here(moving_file, tmp_path / "images.h5", **wanted)[SERIES["gating"].number]
    rows = dict(zip(GATING_ROWS, image.data[0, 0], strict=True))
    with truth_of(moving_file) as truth:
        time_s, phase = truth["readout/time_s"][:], truth["readout/cardiac_phase"][:]
        displacement = np.interp(rows["time_s"], time_s, truth["readout/displacement_mm"][:])
        phase = phase[np.searchsorted(time_s, rows["time_s"].astype(float)).clip(0, len(phase) - 1)]
    assert np.corrcoef(rows["respiration"], displacement)[0, 1] > 0.999
    apart = np.abs((rows["cardiac_phase"] - phase + 0.5) % 1 - 0.5)
    assert np.percentile(apart, 90) < 0.04
    assert image.meta["MalibuHeartQuality"] == "nan"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heart_source": "ecg", "ecg_waveform_id": "7"}, r"no ECG waveform with id 7 \(ids: \[0, 2\]\)"),
        ({"respiration_source": "waveform", "respiration_waveform_id": "9"}, "set respiration_source=self"),
    ],
)
def test_missing_waveforms_are_named(moving_file: Path, tmp_path: Path, settings: dict, message: str) -> None:
    with pytest.raises(RemoteError, match=message):
        replay_here(moving_file, tmp_path / "images.h5", **settings)


@pytest.mark.parametrize(
    ("element", "field"), [(b"<TI>5.0</TI>", "TI"), (b"<flipAngle_deg>5.0</flipAngle_deg>", "flip")]
)
def test_missing_timing_is_named_and_may_come_from_parameters(
    editable_copy: Path, tmp_path: Path, element: bytes, field: str
) -> None:
    with h5py.File(editable_copy, "r+") as file:
        xml = file["dataset/xml"][0]
        assert element in xml
        file["dataset/xml"][0] = xml.replace(element, b"")
    with pytest.raises(RemoteError, match=f"sequenceParameters have no {field}"):
        replay_here(editable_copy, tmp_path / "images.h5")
    given = {"ti_ms": "5"} if field == "TI" else {"flip_angle_deg": "5"}
    assert SERIES["t1_map"].number in replay_here(editable_copy, tmp_path / "images.h5", **given)
    assert SERIES["realtime"].number in replay_here(editable_copy, tmp_path / "images.h5", temporal_model="realtime")


def test_five_seconds_of_standard_protocol(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing but recovery can be resolved: said in log and Meta, and the T1 map still comes."""
    protocol = dataclasses.replace(PRESETS["tiny"], duration_s=5.0)
    write_simulation(simulate_scan(protocol, seed=3), tmp_path / "scan.h5")
    images = replay_here(tmp_path / "scan.h5", tmp_path / "images.h5")
    assert images[1][0].meta["MalibuUnresolved"] == "respiration heartbeat"
    missing = {"cine_bright", "cine_dark", "respiratory", "back_projection", "b1_map", "b1_uncertainty"}
    assert set(images) == {SERIES[kind].number for kind in set(SENT) - missing - {"frame_uncertainty"}}
    assert "heartbeat could not be resolved" in caplog.text
    assert "did not resolve what cine_bright, cine_dark, respiratory would show" in caplog.text
    assert "instead of 2 leading inversion periods dropped" in caplog.text


def test_without_inversions_there_is_a_cine_and_no_t1(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    protocol = dataclasses.replace(PRESETS["tiny"], duration_s=21.0, coils=2, readouts_per_inversion=100_000)
    write_simulation(simulate_scan(protocol, seed=3), tmp_path / "scan.h5")
    with ScanFile(tmp_path / "scan.h5") as scan:
        assert len(scan) > 4000
    images = replay_here(tmp_path / "scan.h5", tmp_path / "images.h5", rank="4")
    meta = images[1][0].meta
    assert meta["MalibuTemporalModel"] == "tensor without recovery"
    assert "no inversions: T1" in meta["MalibuRemarks"]
    assert meta["MalibuUnresolved"] == "none"
    assert set(images) == {1, 2, 3, 4, 5, 8, 11, 19}
    assert "InversionTime" not in images[5][0].meta
    assert "the scan has no inversions" in caplog.text


def test_t1_at_a_chosen_state_of_motion(moving_file: Path, moving_images: Images, tmp_path: Path) -> None:
    chosen = {"t1_cardiac_bin": "7", "t1_respiratory_bin": "2", "images": "t1_map t1_recovery", "t1_frames": "4"}
    images = replay_here(moving_file, tmp_path / "images.h5", **chosen)
    metas = [image.meta for image in images[SERIES["t1_recovery"].number]]
    assert {(meta["CardiacBin"], meta["RespiratoryBin"]) for meta in metas} == {("7", "2")}
    assert len(metas) == 4
    assert not np.array_equal(images[SERIES["t1_map"].number][0].data, moving_images[SERIES["t1_map"].number][0].data)
    with pytest.raises(RemoteError, match="t1_respiratory_bin = 6 is above the last bin, 5"):
        replay_here(moving_file, tmp_path / "none.h5", t1_respiratory_bin="6")


def test_a_t1_fit_that_fails_costs_no_other_image(
    short_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise DataError("the T1 map's mask is empty")

    monkeypatch.setattr("recon.multitasking.quantitative.fit_t1", fail)
    images = replay_here(short_file, tmp_path / "images.h5")
    assert {SERIES["time_average"].number, SERIES["basis_maps"].number, SERIES["t1_recovery"].number} <= set(images)
    assert not {SERIES["t1_map"].number, SERIES["t1_uncertainty"].number} & set(images)
    assert "no T1 map: the T1 map's mask is empty" in caplog.text


def test_wall_motion_is_shown_along_a_line_through_the_heart(moving_images: Images, moving_file: Path) -> None:
    """Also with noise that differs from phase to phase, as streaks do."""
    cine = planes(moving_images, "cine_bright")
    rng = np.random.default_rng(0)
    noisy = cine + 0.02 * cine.max() * rng.standard_normal(cine.shape)
    with truth_of(moving_file) as truth:
        middle = np.argwhere(mask_of(truth, "left ventricle", 0)).mean(axis=0)
    for series in (cine, noisy):
        assert np.linalg.norm(heart_center(series) - middle) < 5


def test_slices_with_fewer_spokes_have_images_of_one_size(editable_copy: Path, tmp_path: Path) -> None:
    """Readers of ISMRMRD files take one matrix size in a series."""

    def second_slice(number: int, record: Any) -> None:
        record["head"]["idx"]["slice"] = int(number >= 104)

    rewrite_readouts(editable_copy, second_slice)
    images = replay_here(editable_copy, tmp_path / "i.h5", rank="3", temporal_model="realtime", images="temporal_basis")
    first, second = (image.data[0, 0] for image in images[4])
    assert first.shape == second.shape == (3, 50)
    assert images[4][1].meta["MalibuFilledFrom"] == "3x30"
    assert "MalibuFilledFrom" not in images[4][0].meta
    assert np.all(second[:, 30:] == 0)
    assert np.allclose(second[:, :30] @ second[:, :30].conj().T, np.eye(3), atol=1e-5)


def test_a_single_long_period_after_one_inversion_is_reconstructed(tmp_path: Path) -> None:
    protocol = dataclasses.replace(PRESETS["tiny"], duration_s=11.0, coils=2, readouts_per_inversion=3000)
    write_simulation(simulate_scan(protocol, seed=3), tmp_path / "scan.h5")
    images = replay_here(tmp_path / "scan.h5", tmp_path / "images.h5", rank="4", images="time_average t1_map")
    assert images[1][0].meta["MalibuTemporalModel"] == "tensor"
    assert np.isfinite(images[1][0].data).all()
