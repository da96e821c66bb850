"""What comes out of the gadget is the object that went in: place, scale, orientation, geometry."""

import dataclasses
from pathlib import Path

import h5py
import ismrmrd
import numpy as np
import pytest
import sigpy

from gadgets.mrd.files import ScanFile, read_images, write_scan
from gadgets.simulated.radial import common_head, scan_header, write_simulation
from recon.readouts.trajectory import golden_angles_rad, radial_trajectory
from recon.simulation.chest import PRESETS, simulate_scan
from recon.simulation.chest.motion import Physiology
from tests.support.replays import replay_here, whitened_shading

STILL = Physiology(heartbeat=0.0, breathing=0.0)
BRAIN = Path(__file__).parents[4] / "shared/data/brain_kspace_8ch_cartesian.npy"


@pytest.mark.parametrize("coils", [4, 5])
def test_frames_of_a_static_phantom_show_the_phantom(tmp_path: Path, coils: int) -> None:
    protocol = dataclasses.replace(PRESETS["tiny"], physiology=STILL, coils=coils, snr=60)
    write_simulation(simulate_scan(protocol, seed=4), tmp_path / "scan.h5")
    spokes = [150, 350, 550]
    images = replay_here(tmp_path / "scan.h5", tmp_path / "images.h5", rank="4", frames="150:551:200")[2]
    dropped = protocol.readouts_per_inversion // 2
    with h5py.File(tmp_path / "scan.truth.h5") as truth:
        shading, body = whitened_shading(truth), truth["tissue"][:] > 0
        for image, spoke in zip(images, spokes, strict=True):
            row = int(np.argmin(np.abs(truth["image_readout"][:] - (2 * (spoke + dropped) + 1))))
            expected = np.abs(truth["images"][row] * shading)
            frame = image.data[0, 0]
            assert np.corrcoef(frame[body], expected[body])[0, 1] > 0.95
            gain = np.sum(frame[body] * expected[body]) / np.sum(expected[body] ** 2)
            assert gain == pytest.approx(1, abs=0.05)


def test_moving_phantom_is_followed(tiny_file: Path, tmp_path: Path) -> None:
    """From the inversion to the steady state, frames are nearer to the truth at their own time than the average is."""
    images = replay_here(tiny_file, tmp_path / "images.h5", rank="8")
    with h5py.File(tiny_file.with_suffix(".truth.h5")) as truth:
        shading, body = whitened_shading(truth), truth["tissue"][:] > 0
        times = truth["image_time_s"][:]
        mean = images[1][0].data[0, 0][body]
        for image in images[2][::4]:
            stamp_s = (image.acquisition_time_stamp - 36_000_000) / 1000
            expected = np.abs(truth["images"][int(np.argmin(np.abs(times - stamp_s)))] * shading)[body]
            frame = image.data[0, 0][body]
            error = np.linalg.norm(frame - expected) / np.linalg.norm(expected)
            assert error < 0.25
            assert error < np.linalg.norm(mean - expected) / np.linalg.norm(expected)
            assert np.corrcoef(frame, expected)[0, 1] > 0.88


def test_spatial_factor_and_temporal_basis_give_the_frames(tiny_images: dict[int, list[ismrmrd.Image]]) -> None:
    spatial_factor = np.stack([image.data[0, 0] for image in tiny_images[3]])
    basis = tiny_images[4][0].data[0, 0]
    assert np.allclose(basis @ basis.conj().T, np.eye(len(basis)), atol=1e-4)
    for image in tiny_images[2]:
        column = basis[:, int(image.meta["FrameSpoke"])]
        assert np.allclose(
            np.abs(np.einsum("lyx,l->yx", spatial_factor, column)), image.data[0, 0], rtol=1e-3, atol=1e-3
        )


def test_inversion_time_of_frames(tiny_images: dict[int, list[ismrmrd.Image]], tiny_file: Path) -> None:
    protocol = PRESETS["tiny"]
    with h5py.File(tiny_file.with_suffix(".truth.h5")) as truth:
        pulse, time_s = truth["readout/pulse"][:], truth["readout/time_s"][:]
    for image in tiny_images[2]:
        stamp_s = (image.acquisition_time_stamp - 36_000_000) / 1000
        readout = int(np.argmin(np.abs(time_s - stamp_s)))
        expected = protocol.inversion_delay_ms + pulse[readout] * protocol.tr_ms
        assert float(image.meta["InversionTime"]) == pytest.approx(expected)


def test_letter_comes_back_upright_in_an_oblique_slice(tmp_path: Path) -> None:
    """An F of point sources, data by their exponentials: every flip and the transpose would show.

    The slice is oblique and off centre: every geometry field of the images must be the readouts'.
    """
    matrix, spokes = 48, 200
    stem = [(-8, y) for y in range(-9, 10)]
    letter = stem + [(x, -9) for x in range(-7, 9)] + [(x, -1) for x in range(-7, 3)]
    k = np.zeros((2 * spokes, 2 * matrix, 2), dtype=np.float32)
    k[::2] = radial_trajectory(np.zeros(spokes), 2 * matrix, matrix)
    k[1::2] = radial_trajectory(golden_angles_rad(np.arange(spokes)), 2 * matrix, matrix)
    data = sum(np.exp(-2j * np.pi * (k[..., 0] * x + k[..., 1] * y) / matrix) for x, y in letter)
    scan = simulate_scan(dataclasses.replace(PRESETS["tiny"], matrix=matrix, samples=2 * matrix, coils=1), seed=0)
    head = common_head(scan)
    head.trajectory_dimensions = 2
    head.position[:] = (12.5, -33.0, 71.25)
    head.read_dir[:], head.phase_dir[:], head.slice_dir[:] = (0.6, 0.0, 0.8), (0.0, 1.0, 0.0), (-0.8, 0.0, 0.6)
    head.patient_table_position[:] = (0.0, 0.0, -1210.0)
    head.idx.slice, head.idx.average = 3, 1
    acquisitions = []
    for number, (line, trajectory) in enumerate(zip(data, k, strict=True)):
        acquisition = ismrmrd.Acquisition(bytes(head), line[None].astype(np.complex64), trajectory)
        acquisition.scan_counter = number
        if number % 2 == 0:
            acquisition.set_flag(ismrmrd.ACQ_IS_NAVIGATION_DATA)
        acquisitions.append(acquisition)
    write_scan(tmp_path / "scan.h5", scan_header(scan), acquisitions)
    image = replay_here(tmp_path / "scan.h5", tmp_path / "images.h5", rank="1", images="time_average")[1][0]
    drawn = np.zeros((matrix, matrix))
    for x, y in letter:
        drawn[matrix // 2 + y, matrix // 2 + x] = 1
    pixels = image.data[0, 0]
    right = np.corrcoef(pixels.ravel(), drawn.ravel())[0, 1]
    assert right > 0.85
    for wrong in (drawn[::-1], drawn[:, ::-1], drawn[::-1, ::-1], drawn.T, np.rot90(drawn), np.roll(drawn, 1, axis=1)):
        assert np.corrcoef(pixels.ravel(), wrong.ravel())[0, 1] < 0.6
    made = image.getHead()
    for name in ("position", "read_dir", "phase_dir", "slice_dir", "patient_table_position"):
        assert list(getattr(made, name)) == list(getattr(head, name)), name
    assert (made.slice, made.average, tuple(made.matrix_size), made.channels) == (3, 1, (matrix, matrix, 1), 1)
    assert tuple(made.field_of_view) == (270.0, 270.0, 8.0)
    assert made.acquisition_time_stamp == head.acquisition_time_stamp
    assert made.measurement_uid == head.measurement_uid


@pytest.mark.skipif(not BRAIN.is_file(), reason="../shared/data/brain_kspace_8ch_cartesian.npy is not here")
def test_real_brain_comes_back_upright(tmp_path: Path) -> None:
    """Measured 8-coil brain data, turned into golden-angle spokes by an explicit DFT of their image."""
    matrix, spokes = 96, 300
    cartesian = np.load(BRAIN)
    image = sigpy.resize(sigpy.ifft(cartesian, axes=(-2, -1)), (8, 230, 230))
    image = sigpy.ifft(sigpy.resize(sigpy.fft(image, axes=(-2, -1)), (8, matrix, matrix)), axes=(-2, -1))
    k = np.zeros((2 * spokes, 2 * matrix, 2), dtype=np.float32)
    k[::2] = radial_trajectory(np.zeros(spokes), 2 * matrix, matrix)
    k[1::2] = radial_trajectory(golden_angles_rad(np.arange(spokes)), 2 * matrix, matrix)
    position = np.arange(matrix) - matrix // 2
    x_phase = np.exp(-2j * np.pi * k[..., 0].reshape(-1, 1) * position / matrix)
    y_phase = np.exp(-2j * np.pi * k[..., 1].reshape(-1, 1) * position / matrix)
    data = np.stack([np.sum((y_phase @ coil) * x_phase, axis=1) for coil in image], axis=0) / matrix
    data = data.reshape(8, 2 * spokes, 2 * matrix).astype(np.complex64)
    scan = simulate_scan(dataclasses.replace(PRESETS["tiny"], matrix=matrix, samples=2 * matrix, coils=8), seed=0)
    head = common_head(scan)
    head.trajectory_dimensions = 2
    acquisitions = []
    for number in range(2 * spokes):
        acquisition = ismrmrd.Acquisition(bytes(head), data[:, number], k[number] / np.float32(matrix))
        if number % 2 == 0:
            acquisition.set_flag(ismrmrd.ACQ_IS_NAVIGATION_DATA)
        acquisitions.append(acquisition)
    write_scan(tmp_path / "scan.h5", scan_header(scan), acquisitions)
    settings = {"rank": "1", "temporal_model": "realtime"}
    pixels = replay_here(tmp_path / "scan.h5", tmp_path / "images.h5", **settings)[1][0].data[0, 0]
    brain = np.linalg.norm(image, axis=0)
    assert np.corrcoef(pixels.ravel(), brain.ravel())[0, 1] > 0.97
    assert np.sum(pixels * brain) / np.sum(brain**2) == pytest.approx(1, abs=0.05)
    for wrong in (brain[::-1], brain[:, ::-1], brain.T):
        assert np.corrcoef(pixels.ravel(), wrong.ravel())[0, 1] < 0.95
    assert set(read_images(tmp_path / "images.h5")) == {1, 2, 3, 4}


def test_smaller_and_larger_matrix_show_the_same_object(tmp_path: Path, tiny_file: Path) -> None:
    """Another matrix over the same field of view: the images agree where both have pixels."""
    full = replay_here(tiny_file, tmp_path / "full.h5", rank="4", images="time_average")[1][0]
    for matrix in (32, 128):
        other = replay_here(tiny_file, tmp_path / "other.h5", rank="4", images="time_average", matrix=str(matrix))[1][0]
        assert tuple(other.matrix_size) == (matrix, matrix, 1)
        assert tuple(other.field_of_view) == tuple(full.field_of_view)
        coarse, fine = sorted((full.data[0, 0], other.data[0, 0]), key=len)
        blurred = np.abs(sigpy.ifft(sigpy.resize(sigpy.fft(fine), coarse.shape)))
        assert np.corrcoef(blurred.ravel(), coarse.ravel())[0, 1] > 0.98


def test_sigpy_and_finufft_give_the_same_images(tmp_path: Path, short_file: Path) -> None:
    ours = replay_here(short_file, tmp_path / "finufft.h5", rank="4", nufft="finufft")
    reference = replay_here(short_file, tmp_path / "sigpy.h5", rank="4", nufft="sigpy")
    for series in (1, 2, 3):
        a, b = (np.stack([image.data for image in images[series]]) for images in (ours, reference))
        assert np.linalg.norm(a - b) < 1e-3 * np.linalg.norm(b)


@pytest.mark.gpu
def test_gpu_replay_agrees_with_the_cpu(tmp_path: Path, tiny_file: Path) -> None:
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    if not cupy.cuda.is_available():
        pytest.skip("no GPU")
    on_cpu = replay_here(tiny_file, tmp_path / "cpu.h5", device="cpu")
    on_gpu = replay_here(tiny_file, tmp_path / "gpu.h5", device="cuda:0")
    for series in (1, 2, 3):
        a, b = (np.stack([image.data for image in images[series]]) for images in (on_gpu, on_cpu))
        assert np.linalg.norm(a - b) < 1e-3 * np.linalg.norm(b)


def test_slices_and_their_images_stay_apart(tmp_path: Path, short_file: Path) -> None:
    """Two slices of one stream, interleaved, each come back as if they had been measured alone."""
    with ScanFile(short_file) as file:
        header, readouts = file.header, list(file.acquisitions())
    alone = replay_here(short_file, tmp_path / "alone.h5", rank="4", images="time_average realtime")
    both = []
    for acquisition in readouts:
        both.append(acquisition)
        if not acquisition.is_flag_set(ismrmrd.ACQ_IS_NOISE_MEASUREMENT):
            second = ismrmrd.Acquisition(bytes(acquisition.getHead()), 2 * acquisition.data, acquisition.traj)
            second.idx.slice = 1
            second.position[2] = 99.0
            acquisition.clear_flag(ismrmrd.ACQ_LAST_IN_MEASUREMENT)
            both.append(second)
    write_scan(tmp_path / "both.h5", header, both)
    images = replay_here(tmp_path / "both.h5", tmp_path / "images.h5", rank="4", images="time_average realtime")
    assert [image.image_index for image in images[1]] == [1, 2]
    assert [image.slice for image in images[1]] == [0, 1]
    assert len({image.image_index for image in images[2]}) == len(images[2]) == 2 * len(alone[2])
    assert images[1][1].position[2] == 99.0
    assert np.allclose(images[1][0].data, alone[1][0].data, rtol=1e-4, atol=1e-4)
    assert np.allclose(images[1][1].data, 2 * images[1][0].data, rtol=1e-3, atol=1e-3)
