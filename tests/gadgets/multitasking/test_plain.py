"""Plain golden-angle scans: no inversion, no navigator, no TI; and scans with a given temporal basis."""

import dataclasses
from pathlib import Path

import h5py
import numpy as np
import pytest

import malibu
from gadgets.errors import ParameterError, RemoteError
from gadgets.mrd.files import ScanFile
from gadgets.multitasking.inspection import inspect
from gadgets.multitasking.parameters import parse_parameters
from gadgets.multitasking.series import GATING_ROWS
from gadgets.simulated.radial import write_simulation
from recon.errors import DataError
from recon.multitasking import RadialScan
from recon.multitasking.scan import Signal
from recon.simulation.chest import PRESETS, simulate_scan
from tests.support.replays import replay_here


@pytest.fixture(scope="module")
def plain_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    protocol = dataclasses.replace(PRESETS["plain"], matrix=48, samples=96, tr_ms=5.0)
    path = tmp_path_factory.mktemp("plain") / "scan.h5"
    write_simulation(simulate_scan(protocol, seed=4), path)
    return path


@pytest.fixture(scope="module")
def cine(plain_file: Path) -> dict:
    return replay_here(plain_file, plain_file.with_name("cine.h5"))


@pytest.fixture(scope="module")
def brief_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds, too short for gating."""
    protocol = dataclasses.replace(PRESETS["plain"], matrix=32, samples=64, coils=2, tr_ms=5.0, duration_s=3.0)
    path = tmp_path_factory.mktemp("brief") / "scan.h5"
    write_simulation(simulate_scan(protocol, seed=3), path)
    return path


@pytest.fixture(scope="module")
def short_scan(brief_file: Path) -> RadialScan:
    return malibu.read_scan(brief_file)[0]


def seen_truth(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True magnitudes as the whitened coils see them, their times, and the body."""
    with h5py.File(path.with_suffix(".truth.h5")) as truth:
        whitening = np.linalg.inv(np.linalg.cholesky(truth["noise_covariance"][:]))
        shading = np.linalg.norm(np.einsum("ij,jyx->iyx", whitening, truth["coil_maps"][:]), axis=0)
        return np.abs(truth["images"][:]) * shading, truth["image_time_s"][:], truth["tissue"][:] > 0


def test_plain_scan_gives_a_cine_and_says_that_there_is_no_t1(plain_file: Path, cine: dict) -> None:
    assert set(cine) == {1, 2, 3, 4, 5, 8, 11, 19}
    meta = cine[5][0].meta
    assert meta["MalibuTemporalModel"] == "tensor without recovery"
    assert meta["MalibuTemporalSource"] == "sliding windows"
    assert "no navigators" in meta["MalibuRemarks"]
    assert "no inversions: T1" in meta["MalibuRemarks"]
    assert int(meta["MalibuNavigators"]) == 0
    assert not {"InversionTime", "PulsesSinceInversion"} & set(meta)
    assert len(cine[5]) == 20
    with h5py.File(plain_file.with_suffix(".truth.h5")) as truth:
        time_s, displacement = truth["readout/time_s"][:], truth["readout/displacement_mm"][:]
        beats_s = time_s[1:][np.diff(truth["readout/since_r_wave_s"][:]) < 0]
    rate = float(meta["MalibuHeartRatePerMinute"])
    assert rate == pytest.approx(60 / np.median(np.diff(beats_s)), rel=0.05)
    rows = dict(zip(GATING_ROWS, cine[11][0].data[0, 0], strict=True))
    assert np.corrcoef(rows["respiration"], np.interp(rows["time_s"], time_s, displacement))[0, 1] > 0.9
    assert rows["time_s"][0] == pytest.approx(2.48, abs=0.02)  # dropped before the steady state


def test_cine_follows_the_heart(plain_file: Path, cine: dict) -> None:
    """How phases differ from their mean, where the heart moves, is how they differ in truth at end-expiration."""
    images, time_s, body = seen_truth(plain_file)
    rows = dict(zip(GATING_ROWS, cine[11][0].data[0, 0], strict=True))
    spoke = np.searchsorted(rows["time_s"], time_s).clip(0, len(rows["time_s"]) - 1)
    quiet = (rows["respiratory_bin"][spoke] <= 1) & (time_s > rows["time_s"][0])
    phases = np.stack([image.data[0, 0] for image in cine[5]]).reshape(10, 2, 48, 48).mean(axis=1)
    pairs = rows["cardiac_bin"][spoke] // 2
    truth = np.stack([images[quiet & (pairs == number)].mean(axis=0) for number in range(10)])
    heart = body & (truth.std(axis=0) > 0.05 * truth[:, body].mean())
    shown, expected = ((series - series.mean(axis=0))[:, heart].ravel() for series in (phases, truth))
    assert np.corrcoef(shown, expected)[0, 1] > 0.8
    assert np.sum(shown * expected) / np.sum(expected**2) == pytest.approx(1, abs=0.25)


def test_realtime_frames_follow_the_truth_and_static_is_its_average(plain_file: Path, tmp_path: Path) -> None:
    frames = replay_here(plain_file, tmp_path / "realtime.h5", temporal_model="real_time", images="realtime")[2]
    still = replay_here(plain_file, tmp_path / "static.h5", temporal_model="static")
    assert set(still) == {1, 3, 4}
    assert (still[1][0].meta["MalibuTemporalModel"], still[1][0].meta["MalibuRank"]) == ("static", "1")
    assert frames[0].meta["MalibuTemporalModel"] == "realtime"
    assert frames[0].meta["MalibuTemporalSource"] == "sliding windows"
    images, time_s, body = seen_truth(plain_file)
    one, average = still[1][0].data[0, 0], images.mean(axis=0)
    assert np.linalg.norm((one - average)[body]) < 0.08 * np.linalg.norm(average[body])
    times = [float(frame.meta["FrameTimeMs"]) / 1000 for frame in frames]
    assert len(times) == 40
    assert np.ptp(times) > 29  # over the whole scan
    error, error_of_average = [], []
    for frame, time in zip(frames, times, strict=True):
        expected = images[np.argmin(np.abs(time_s - time))]
        moving = body & (images.std(axis=0) > 0.1 * images.mean())
        error.append(np.linalg.norm((frame.data[0, 0] - expected)[moving]))
        error_of_average.append(np.linalg.norm((one - expected)[moving]))
    assert np.mean(error) < 0.7 * np.mean(error_of_average)


def test_given_basis_gives_the_same_images_bit_for_bit(plain_file: Path, cine: dict, tmp_path: Path) -> None:
    basis = cine[4][0].data[0, 0]
    np.save(tmp_path / "basis.npy", basis)
    for path in (tmp_path / "basis.npy", plain_file.with_name("cine.h5")):
        again = replay_here(plain_file, tmp_path / "again.h5", basis=str(path))
        assert set(again) == {1, 2, 3, 4}
        assert again[1][0].meta["MalibuTemporalModel"] == "given"
        for number in (1, 3, 4):
            for one, other in zip(again[number], cine[number], strict=True):
                assert np.array_equal(one.data, other.data)
    every = np.zeros((len(basis), 6000), np.complex64)  # of all spokes, also those before the steady state
    every[:, -basis.shape[1] :] = basis
    np.save(tmp_path / "every.npy", every)
    scan = malibu.read_scan(plain_file, basis=tmp_path / "every.npy")[0]
    assert np.array_equal(scan.basis, basis)


def pickled(path: Path) -> None:
    np.save(path, np.array([{"basis": 1}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: np.save(path, np.ones((2, 17))), r"shape \(2, 17\); the 600 imaging spokes"),
        (lambda path: path.write_bytes(b"\x93NUMPY and no more"), "basis.npy cannot be read"),
        (pickled, "basis.npy cannot be read"),
        (lambda path: None, "basis.npy cannot be read.*give a .npy"),
    ],
)
def test_basis_that_cannot_be_used_is_refused(brief_file: Path, tmp_path: Path, write, message: str) -> None:
    write(tmp_path / "basis.npy")
    with pytest.raises(RemoteError, match=message):
        replay_here(brief_file, tmp_path / "i.h5", basis=str(tmp_path / "basis.npy"), temporal_model="realtime")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"images": "t1_map cine_bright"}, "no inversions, so that t1_map cannot be given"),
        ({"dark_blood_ti_ms": "300"}, "no inversions, so that dark_blood_ti_ms cannot be given"),
        ({"navigator": "zero_angle", "golden_angle_deg": "111"}, "rule navigator=zero_angle; correct the rule"),
    ],
)
def test_what_a_plain_scan_cannot_give_is_refused_before(
    brief_file: Path, tmp_path: Path, settings: dict, message: str
) -> None:
    with ScanFile(brief_file) as scan:
        found = inspect(scan, parse_parameters(None, settings))
    if "navigator" not in settings:  # which spokes lie at 0 degrees, info does not know
        assert any(message in problem for problem in found.problems)
        with pytest.raises(RemoteError, match=message):
            replay_here(brief_file, tmp_path / "images.h5", **settings)


def test_info_says_what_a_plain_scan_gives(plain_file: Path) -> None:
    with ScanFile(plain_file) as scan:
        found = inspect(scan, parse_parameters(None))
    assert not found.problems
    assert found.properties["inversions"] == "none: no T1, no dark blood"
    assert "from the sliding windows" in found.plan
    assert "cine_bright" in found.plan
    assert "t1_map" not in found.plan


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temporal_model": "static", "images": "realtime"}, "static has one image"),
        ({"temporal_model": "static", "images": "cine_bright"}, "need temporal_model=tensor"),
        ({"basis": "b.npy", "images": "t1_map"}, "leave basis out"),
        ({"inversion_counter": "none", "ti_ms": 5}, "contradicts inversion_counter=none"),
    ],
)
def test_contradictions_are_named(settings: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        parse_parameters(None, settings)


def test_scan_that_is_too_short_for_motion_gives_real_time_frames(short_scan: RadialScan) -> None:
    result = malibu.reconstruct(short_scan, reconstruction="backprojection")
    assert result.temporal.gated is None
    assert len(result.temporal.basis) == 8
    assert result.t1_map is None
    assert len(malibu.reconstruct(short_scan, reconstruction="backprojection", rank=11).temporal.basis) == 11


def test_inversions_without_navigators_are_refused_by_the_method_too(short_scan: RadialScan) -> None:
    timeline = dataclasses.replace(short_scan.imaging.timeline, inversion=np.arange(len(short_scan.imaging)) // 300)
    inverting = dataclasses.replace(
        short_scan,
        imaging=dataclasses.replace(short_scan.imaging, timeline=timeline),
        sequence=dataclasses.replace(short_scan.sequence, ti_ms=5.0),
    )
    with pytest.raises(DataError, match=r"inversions and no navigators.*navigator=every_nth"):
        malibu.reconstruct(inverting, reconstruction="backprojection")
    said = dataclasses.replace(inverting, sequence=dataclasses.replace(inverting.sequence, inverts=False))
    assert malibu.reconstruct(said, reconstruction="backprojection").temporal.gated is None


def test_cine_of_a_scan_without_inversions_has_no_inversion_time(short_scan: RadialScan) -> None:
    """Motion may come from outside, too; an inversion time may not."""
    time_s = np.arange(0, 3.1, 0.0025)
    waves = {
        "ecg": Signal(time_s, 1000 * np.exp(-(((time_s % 0.9 - 0.02) / 0.01) ** 2))),
        "respiration": Signal(time_s, np.sin(2 * np.pi * 0.4 * time_s)),
    }
    settings = {"reconstruction": "backprojection", "heart_source": "ecg", "respiration_source": "waveform"}
    result = malibu.reconstruct(dataclasses.replace(short_scan, **waves), **settings)
    assert (result.beats, result.breathes, result.recovers, result.t1_map) == (True, True, False, None)
    assert result.gated.gating.beats.rate_per_minute == pytest.approx(60 / 0.9, rel=0.01)
    assert np.isnan(result.cine().inversion_time_ms).all()
    assert len(result.respiration().images) == 6
    for ask in (lambda: result.cine(300.0), lambda: result.cine(dark_blood=True), result.recovery):
        with pytest.raises(DataError, match="no inversions"):
            ask()
