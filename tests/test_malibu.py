"""The public face: the same numbers as the gadget's, from a file, from arrays, and by own functions."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import malibu
import recon
from gadgets.errors import ParameterError, ScanFileError
from gadgets.mrd.files import read_images
from gadgets.multitasking.series import SERIES
from recon.errors import DataError
from recon.multitasking import Frames, RadialScan
from recon.super_resolution import CartesianVolume
from tests.support.replays import replay_here


@pytest.fixture(scope="module")
def scan() -> RadialScan:
    return malibu.simulate("tiny", seed=2, duration_s=30, snr=40)


def test_import_is_light() -> None:
    code = "import sys, malibu; print([name for name in ('torch', 'sigpy', 'ismrmrd', 'numba') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_simulated_scan_is_the_one_of_the_file(tiny_file: Path) -> None:
    (read,), made = malibu.read_scan(tiny_file), malibu.simulate("tiny", seed=1)
    assert np.array_equal(read.imaging.kspace, made.imaging.kspace)
    assert np.array_equal(read.trajectory, made.trajectory)
    assert np.array_equal(read.navigator_of_spoke, made.navigator_of_spoke)
    assert read.sequence == made.sequence
    assert read.geometry == made.geometry
    assert read.geometry.position_mm == (10.0, -20.0, 30.0)


def test_written_images_are_those_of_a_replay(tiny_file: Path, tmp_path: Path) -> None:
    """Pixels, series, numbers, positions and Meta, but for counters that an array knows nothing of."""
    replayed = replay_here(tiny_file, tmp_path / "replayed.h5", reconstruction="mdcn")
    (scan,), network = malibu.read_scan(tiny_file), malibu.load_network("multitasking_mdcn")
    malibu.write_images(tmp_path / "written.h5", scan, malibu.reconstruct(scan, network))
    written = read_images(tmp_path / "written.h5")
    assert written.keys() == replayed.keys()
    for series, images in replayed.items():
        for ours, theirs in zip(written[series], images, strict=True):
            assert np.array_equal(ours.data, theirs.data)
            for name in ("position", "read_dir", "phase_dir", "slice_dir", "field_of_view"):
                assert list(getattr(ours, name)) == list(getattr(theirs, name)), name
            assert (ours.image_index, ours.repetition, ours.slice) == (theirs.image_index, theirs.repetition, 0)
            left_out = {"MalibuStageSeconds", "MalibuTrajectoryUnit", "MalibuParameters"}
            # the comparison with the training is the gadget's
            of_gadget = {"MalibuUnlikeTraining", "MalibuUnlikeTrainingReason", "MalibuRemarks"}
            assert not of_gadget & set(ours.meta)
            assert {k: v for k, v in ours.meta.items() if k not in left_out} == {
                k: v for k, v in theirs.meta.items() if k not in left_out | of_gadget
            }


def test_written_images_say_how_they_were_made(scan: RadialScan, tmp_path: Path) -> None:
    """Not what the parameters' defaults are, nor which network happens to be at hand."""
    result = malibu.reconstruct(scan, rank=9, reconstruction="admm", iterations=3, cardiac_bins=11)
    malibu.write_images(tmp_path / "written.h5", scan, result, images="cine_bright")
    (series,) = read_images(tmp_path / "written.h5").values()
    meta = series[0].meta
    written = json.loads(meta["MalibuParameters"])
    expected = {"rank": 9, "reconstruction": "admm", "iterations": 3, "cardiac_bins": 11, "images": ["cine_bright"]}
    assert {name: written[name] for name in expected} == expected
    assert not {"navigator", "device", "precision"} & written.keys()  # nothing that a result does not know
    assert meta["MalibuReconstruction"] == "admm"
    assert "MalibuWeightsSha256" not in meta
    with pytest.raises(ParameterError, match="'rank' does not choose what is written; known are images, frames"):
        malibu.write_images(tmp_path / "again.h5", scan, result, rank=4)
    assert not (tmp_path / "again.h5").exists()
    with pytest.raises(ParameterError, match="a Result of a CartesianVolume cannot be written"):
        malibu.write_images(tmp_path / "again.h5", CartesianVolume(np.zeros((2, 4, 4), np.complex64)), result)


def test_a_network_that_changes_the_shape_is_refused(scan: RadialScan) -> None:
    def cropped(maps: np.ndarray) -> np.ndarray:
        return maps[:, 1:-1]

    with pytest.raises(DataError, match=r"cropped gave \(8, 62, 64\); let it return basis maps .* \(8, 64, 64\)"):
        malibu.reconstruct(scan, cropped, rank=8)


def test_own_function_is_a_network(scan: RadialScan) -> None:
    def doubled(back_projection: np.ndarray) -> np.ndarray:
        return 2 * back_projection

    result = malibu.reconstruct(scan, doubled, rank=8)
    assert result.method == "doubled"
    assert np.array_equal(result.spatial_factor, 2 * result.back_projection)
    assert np.allclose(result.cine().images, 2 * result.before().cine().images)
    alone = malibu.reconstruct(scan, rank=8)
    assert np.array_equal(alone.spatial_factor, result.back_projection)
    assert alone.method == "backprojection"
    # where no network is used, its rank does not matter
    other = malibu.reconstruct(scan, "multitasking_mdcn", rank=40, reconstruction="backprojection")
    assert other.spatial_factor.shape[0] == 40


def test_frames_name_their_cells(scan: RadialScan) -> None:
    result = malibu.reconstruct(scan, rank=12, reconstruction="backprojection", cardiac_bins=10)
    cine, recovery, states = result.cine(ti_ms=300), result.recovery(5), result.respiration()
    assert all(isinstance(shown, Frames) for shown in (cine, recovery, states))
    assert cine.images.shape == (10, 64, 64)
    assert np.allclose(cine.inversion_time_ms, 300, atol=scan.sequence.tr_ms * 2)
    assert list(cine.cells.cardiac) == list(range(10))
    assert np.all(np.diff(recovery.inversion_time_ms) > 0)
    assert list(states.cells.respiratory) == list(range(6))
    frame = result.frames(cine.cells.cardiac[3], cine.cells.respiratory[3], cine.cells.pulse[3])
    assert np.allclose(np.abs(frame[0]), cine.images[3])
    assert {"temporal basis", "coil maps", "back-projection", "T1 map"} <= set(result.seconds)


def test_encoding_operator_predicts_the_data(scan: RadialScan) -> None:
    """A reconstruction, sent through recon.encoding, explains most of what was measured."""
    result = malibu.reconstruct(scan, reconstruction="admm", iterations=4)
    problem = recon.multitasking.encode(scan, result.settings).problem
    residual = recon.encoding(problem)(result.spatial_factor) - problem.kspace
    assert np.linalg.norm(residual) < 0.4 * np.linalg.norm(problem.kspace)
    assert np.allclose(recon.back_project(problem), result.back_projection)


def test_without_a_heartbeat_there_is_no_cine() -> None:
    result = malibu.reconstruct(malibu.simulate("tiny", seed=3, duration_s=4), reconstruction="backprojection")
    with pytest.raises(DataError, match="no heartbeat was resolved"):
        result.cine()
    realtime = malibu.reconstruct(malibu.simulate("tiny", seed=3, duration_s=4), temporal_model="realtime", rank=4)
    with pytest.raises(DataError, match="set temporal_model=tensor"):
        realtime.recovery()


def test_arrays_that_do_not_fit_are_refused(scan: RadialScan) -> None:
    with pytest.raises(DataError, match="the trajectory has shape"):
        dataclasses.replace(scan, trajectory=scan.trajectory[:-1])
    noise = dataclasses.replace(scan.noise, samples=scan.noise.samples[:2])
    with pytest.raises(DataError, match="the noise scan has 2 coils, the imaging readouts 4"):
        dataclasses.replace(scan, noise=noise)
    short = dataclasses.replace(scan.navigators, index=scan.navigators.index[:-1])
    with pytest.raises(DataError, match=r"index and timeline of the .* navigators are not of that length"):
        dataclasses.replace(scan, navigators=short)
    with pytest.raises(DataError, match="heart_source=ecg needs an ECG, and the scan has none"):
        malibu.reconstruct(scan, heart_source="ecg")


def test_errors_name_cause_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(ScanFileError, match="does not exist"):
        malibu.read_scan(tmp_path / "none.h5")
    with pytest.raises(ParameterError, match="unknown parameter 'rnk'; did you mean 'rank'"):
        malibu.read_scan(tmp_path / "none.h5", rnk=3)
    with pytest.raises(ParameterError, match="unknown setting 'rnk'; did you mean 'rank'"):
        malibu.reconstruct(None, rnk=3)
    with pytest.raises(ParameterError, match="parameter 'rank' = 0: Input should be greater than or equal to 1"):
        malibu.reconstruct(None, rank=0)
    with pytest.raises(ParameterError, match="unknown setting 'frames'"):  # a parameter that has no effect here
        malibu.reconstruct(None, frames="0:10:1")
    with pytest.raises(ParameterError, match="does not exist"):
        malibu.load_network(tmp_path / "none.safetensors")
    with pytest.raises(ParameterError, match="3 weights were given"):
        malibu.load_network("a", "b", "c")
    with pytest.raises(ParameterError, match="is a network for Multitasking, which takes one"):
        malibu.load_network("multitasking_mdcn", "gan_coronary_dragan")
    with pytest.raises(ParameterError, match="the weights are those of super-resolution"):
        malibu.reconstruct(None, "sr_brain_l1")
    with pytest.raises(ParameterError, match="rank 40 is above the 32 basis maps that the network takes"):
        malibu.reconstruct(None, "multitasking_mdcn", rank=40)
    with pytest.raises(ParameterError, match="there is no preset 'big'; known are tiny, standard"):
        malibu.simulate("big")
    volume = CartesianVolume(np.ones((4, 8, 8), np.complex64))
    with pytest.raises(ParameterError, match="'patch' is no setting of the restoration; known are data_consistency"):
        malibu.restore(volume, lambda image: image, patch=4)
    with pytest.raises(ParameterError, match="parameter 'acceleration' = '4'"):
        malibu.restore(volume, lambda image: image, acceleration=4)
    with pytest.raises(ParameterError, match="parameter 'mismatch' = 'erorr'"):
        malibu.restore(volume, lambda image: image, mismatch="erorr")
    with pytest.raises(ParameterError, match="the weights are those of Multitasking"):
        malibu.restore(volume, "multitasking_mdcn")


def test_volumes_keep_their_place(tmp_path: Path) -> None:
    from gadgets.simulated.cartesian import VolumeProtocol, write_volume_scan

    write_volume_scan(VolumeProtocol(shape=(24, 48, 48)), 1, tmp_path / "raw.h5")
    (volume,) = malibu.read_volume(tmp_path / "raw.h5")
    assert volume.factors == (4.0, 4.0)
    assert volume.measured.sum() == 6 * 12
    network = malibu.load_network("sr_coronary_l1", "gan_coronary_dragan")
    restored = malibu.restore(volume, network, data_consistency=True, acceleration=(4, 4))
    malibu.write_images(tmp_path / "out.h5", volume, restored, images="super_resolved")
    images = read_images(tmp_path / "out.h5")[101]
    assert np.array_equal(np.stack([image.data[0, 0] for image in images]), restored.result)
    assert np.allclose(images[12].position, (12.0, -7.0, 25.0))
    assert images[0].meta["MalibuWeightsSha256"]
    assert images[0].meta["MalibuDataConsistency"] == "true"
    assert images[0].meta["MalibuAcceleration"] == "4x4"
    assert images[0].meta["MalibuPatch"] == "192x192x128"
    assert "generated by a network" in images[0].meta["MalibuGeneratedDetail"]
    with pytest.raises(DataError, match="those of the network's training"):
        malibu.restore(volume, malibu.load_network("sr_brain_l1"))


def test_series_have_numbers_of_their_own() -> None:
    assert sorted(record.number for record in SERIES.values()) == [
        *range(1, 13),
        *range(15, 21),
    ]  # 13 and 14 are the preview's
