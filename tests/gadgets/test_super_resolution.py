"""The super-resolution gadget over its stream: raw and image input, geometry, order, stages, and what is refused."""

import json
import shutil
import subprocess
from pathlib import Path

import h5py
import ismrmrd
import numpy as np
import pytest
import sigpy
from gadgetron.types.image_array import ImageArray
from hypothesis import given, settings
from hypothesis import strategies as st

from gadgets import RESEARCH_LABEL
from gadgets.errors import ParameterError, RemoteError
from gadgets.gadget_list import gadget_entry
from gadgets.scan_file import ScanFile, write_scan
from gadgets.simulate import truth_path
from gadgets.simulate_volume import VolumeProtocol, write_volume_scan
from gadgets.volumes import unpacked, volumes_of_images
from nets.super_resolution import SuperResolution
from recon.cartesian import to_image, to_kspace, truncate, zero_fill
from recon.errors import DataError
from tests.gadgets.peer import CLOSE, Peer, message, scan_messages
from tests.gadgets.volume_scans import (
    identity_weights,
    random_weights,
    restore_here,
    slices_of,
    stacked,
    write_images,
)

SHAPE = (16, 32, 24)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return identity_weights(tmp_path_factory.mktemp("weights") / "identity.safetensors")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("raw") / "scan.h5"
    write_volume_scan(VolumeProtocol(shape=SHAPE, coils=3, snr=1e4), 3, path)
    return path


@pytest.fixture(scope="module")
def truth(raw: Path) -> np.ndarray:
    with h5py.File(truth_path(raw)) as file:
        return file["volume"][:]


def one(weights: Path, **settings: str) -> dict[str, str]:
    return {"stages": "one", "first_stage": str(weights)} | settings


def blob(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Something smooth that has no symmetry."""
    rng = np.random.default_rng(seed)
    kspace = np.zeros(shape, dtype=complex)
    middle = tuple(slice(n // 2 - 1, n // 2 + 2) for n in shape)
    kspace[middle] = rng.standard_normal(kspace[middle].shape)
    return (np.abs(to_image(kspace)) + 0.1).astype(np.float32)


def test_raw_scan_comes_back_zero_filled_on_its_scale_and_in_its_place(
    raw: Path, truth: np.ndarray, weights: Path, tmp_path: Path
) -> None:
    series = restore_here(raw, tmp_path / "images.h5", **one(weights, images="original super_resolved difference"))
    assert list(series) == [1, 101, 301]
    zero_filled, restored, difference = (stacked(series[number]) for number in (1, 101, 301))
    assert zero_filled.shape == SHAPE
    expected = np.abs(to_image(truncate(to_kspace(truth), (4, 8, 24))))
    scale = float(np.vdot(expected, zero_filled) / np.vdot(expected, expected))
    noise_unit = scale * 1e-4  # prewhitened: blood of 1 is 10,000 noise deviations
    assert noise_unit == pytest.approx(1, rel=0.05)
    assert np.corrcoef(zero_filled.ravel(), expected.ravel())[0, 1] > 0.995
    assert np.allclose(restored, zero_filled, rtol=1e-4, atol=1e-3 * zero_filled.max())
    assert np.allclose(difference, restored - zero_filled, atol=1e-3)


def test_meta_says_what_made_the_images(raw: Path, weights: Path, tmp_path: Path) -> None:
    series = restore_here(raw, tmp_path / "images.h5", **one(weights))
    meta = series[101][0].meta
    assert meta["MalibuNetwork"] == "mdcsrn"
    assert len(meta["MalibuWeightsSha256"]) == 64
    assert meta["MalibuAcceleration"] == "4x4"
    assert "generated" in meta["MalibuGeneratedDetail"]
    assert RESEARCH_LABEL in meta["ImageComments"]
    assert {"receive", "volume", "network"} <= set(json.loads(meta["MalibuStageSeconds"]))
    assert "MalibuNetwork" not in series[1][0].meta
    assert RESEARCH_LABEL in series[1][0].meta["ImageComments"]


def test_slices_and_volume_of_a_raw_scan_hold_the_same(raw: Path, weights: Path, tmp_path: Path) -> None:
    slices = restore_here(raw, tmp_path / "slices.h5", **one(weights))[101]
    (volume,) = restore_here(raw, tmp_path / "volume.h5", **one(weights, output="volume"))[101]
    assert np.array_equal(stacked(slices), volume.data[0])
    assert volume.field_of_view[2] == pytest.approx(SHAPE[0])
    place = np.array([image.position[:] for image in slices])
    assert np.allclose(np.diff(place, axis=0), [0, 0, 1])
    assert np.allclose(place[SHAPE[0] // 2], volume.position[:])
    assert [image.slice for image in slices] == list(range(SHAPE[0]))


def test_images_come_back_unchanged_and_refined(weights: Path, tmp_path: Path) -> None:
    low = blob((4, 6, 12))
    source = write_images(tmp_path / "in.h5", slices_of(low), (16, 24, 12))
    series = restore_here(source, tmp_path / "out.h5", **one(weights))
    sent, restored = slices_of(low), series[101]
    for before, after in zip(sent, series[1], strict=True):
        assert bytes(before.getHead())[:-4] == bytes(after.getHead())[:-4]
        assert np.array_equal(before.data, after.data)
    expected = to_image(zero_fill(to_kspace(low), (16, 24, 12)))
    assert np.allclose(stacked(restored), np.abs(expected), rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    assert expected.mean() == pytest.approx(low.mean(), rel=1e-4)
    step = np.diff([image.position[2] for image in restored])
    assert np.allclose(step, 0.5)
    assert restored[8].position[2] == pytest.approx(sent[2].getHead().position[2])
    assert restored[0].field_of_view[:] == pytest.approx((12, 24, 0.5))


@given(st.permutations(range(6)), st.integers(0, 5))
@settings(max_examples=15, deadline=None)
def test_order_of_slices_does_not_matter(order: list[int], turned: int) -> None:
    """Also for turned and mirrored directions: voxels and places stay together."""
    directions = np.eye(3)[list(([0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 2, 1], [2, 1, 0], [1, 0, 2])[turned])]
    directions[2] *= -1 if turned % 2 else 1
    low = blob((6, 8, 8))
    images = slices_of(low, directions)
    header = ScanHeaderOf((6, 8, 8))
    (volume,) = volumes_of_images([images[index] for index in order], header)
    assert np.array_equal(volume.zero_filled.real, low)
    assert np.allclose(volume.head.position[:], images[3].getHead().position[:])
    assert np.allclose(np.array(volume.head.slice_dir[:]), directions[2])


def ScanHeaderOf(matrix: tuple[int, int, int]):  # noqa: N802 - reads as a constructor
    from tests.gadgets.volume_scans import HEADER

    return ismrmrd.xsd.CreateFromDocument(HEADER.format(z=matrix[0], y=matrix[1], x=matrix[2]))


def test_mirrored_directions_go_out_as_they_came(weights: Path, tmp_path: Path) -> None:
    directions = np.array([[0, -1, 0], [0, 0, 1], [-1, 0, 0]], dtype=float)
    source = write_images(tmp_path / "in.h5", slices_of(blob((4, 6, 12)), directions), (16, 24, 12))
    restored = restore_here(source, tmp_path / "out.h5", **one(weights))[101]
    head = restored[0].getHead()
    assert np.array_equal([head.read_dir[:], head.phase_dir[:], head.slice_dir[:]], directions)
    place = np.array([image.position[:] for image in restored])
    assert np.allclose(np.diff(place, axis=0), 0.5 * directions[2])


def test_image_array_is_unpacked_in_place() -> None:
    volume = blob((3, 4, 5))
    heads = np.empty((1, 1, 3), dtype=object)
    for index, image in enumerate(slices_of(volume)):
        heads[0, 0, index] = image.getHead()
    data = volume.transpose(2, 1, 0)[:, :, None, None, None, None].astype(np.complex64)
    images = unpacked(ImageArray(data=data, headers=heads, meta=[""] * 3))
    assert np.array_equal(stacked(images).real, volume)
    assert [image.position[2] for image in images] == [5.0, 7.0, 9.0]


def test_two_stages_are_the_two_models_in_turn(raw: Path, tmp_path: Path) -> None:
    first, second = (random_weights(tmp_path / f"{name}.safetensors", name) for name in (1, 2))
    both = {"first_stage": str(first), "second_stage": str(second), "images": "original first_stage super_resolved"}
    series = restore_here(raw, tmp_path / "two.h5", **both)
    import torch

    volume = torch.from_numpy(stacked(series[1]).copy())
    step = SuperResolution([first])(volume)[0]
    assert np.allclose(stacked(series[201]), step.numpy(), rtol=1e-4, atol=1e-5 * float(step.max()))
    turn = SuperResolution([first, second])(volume)[-1]
    assert np.allclose(stacked(series[101]), turn.numpy(), rtol=1e-4, atol=1e-5 * float(turn.max()))
    assert not np.allclose(stacked(series[101]), stacked(series[201]), rtol=1e-3)


def test_data_consistency_puts_the_measured_lines_back(raw: Path, tmp_path: Path) -> None:
    network = random_weights(tmp_path / "random.safetensors", 3)
    plain, consistent = (
        stacked(restore_here(raw, tmp_path / f"{on}.h5", **one(network, data_consistency=on))[101])
        for on in ("false", "true")
    )
    zero_filled = stacked(restore_here(raw, tmp_path / "z.h5", **one(network))[1])
    centre = (slice(6, 10), slice(12, 20))

    def error(volume: np.ndarray) -> float:
        found, wanted = (to_kspace(each)[centre] for each in (volume, zero_filled))
        return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))

    assert error(consistent) < 0.5 * error(plain)


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_volume_without_contrast_comes_back_unchanged(value: float, tmp_path: Path) -> None:
    network = random_weights(tmp_path / "random.safetensors", 4)
    source = write_images(tmp_path / "in.h5", slices_of(np.full((4, 6, 12), value, np.float32)), (16, 24, 12))
    restored = stacked(restore_here(source, tmp_path / "out.h5", **one(network))[101])
    assert restored.shape == (16, 24, 12)
    assert np.allclose(restored, value, rtol=1e-5)


def test_uint16_images_stay_uint16_and_differences_are_signed(tmp_path: Path) -> None:
    network = random_weights(tmp_path / "random.safetensors", 5)
    low = (1000 * blob((4, 6, 12))).astype(np.uint16)
    source = write_images(tmp_path / "in.h5", slices_of(low), (16, 24, 12))
    series = restore_here(source, tmp_path / "out.h5", **one(network, images="original super_resolved difference"))
    assert series[1][0].data.dtype == series[101][0].data.dtype == np.uint16
    assert series[301][0].data.dtype == np.float32
    assert stacked(series[301]).min() < 0


def spoiled(tmp_path: Path, change) -> Path:
    images = slices_of(blob((4, 6, 12)))
    return write_images(tmp_path / "in.h5", change(images) or images, (16, 24, 12))


def nan_voxel(images: list[ismrmrd.Image]) -> None:
    images[1].data[0, 0, 2, 3] = np.nan


def test_mixed_matrix_sizes_are_refused() -> None:
    images = slices_of(blob((4, 6, 12)))[:3] + slices_of(blob((4, 8, 12)))[3:]
    with pytest.raises(DataError, match="series 1 mixes matrix sizes"):
        volumes_of_images(images, ScanHeaderOf((16, 24, 12)))


def test_no_images_are_refused() -> None:
    with pytest.raises(DataError, match="the stream is empty"):
        volumes_of_images([], ScanHeaderOf((16, 24, 12)))


@pytest.mark.parametrize(
    ("change", "settings_", "message"),
    [
        (lambda images: images[:2] + images[3:], {}, "lacks slices"),
        (lambda images: [*images, images[2]], {}, "two slices at"),
        (nan_voxel, {}, "1 voxels that are NaN"),
        (lambda images: images, {"matrix": "4x6x12"}, "neither header nor data tell"),
        (lambda images: images, {"matrix": "4x6x8"}, "more than the full matrix"),
        (lambda images: images, {"matrix": "8x12x12"}, "cut by 2x2"),
        (lambda images: images, {"acceleration": "2x2"}, "acceleration=2x2, but header and data say 4x4"),
    ],
)
def test_images_that_do_not_make_a_volume_are_refused(
    change, settings_: dict[str, str], message: str, weights: Path, tmp_path: Path
) -> None:
    with pytest.raises(RemoteError, match=message):
        restore_here(spoiled(tmp_path, change), tmp_path / "out.h5", **one(weights, **settings_))
    assert not (tmp_path / "out.h5").exists()
    kept = tmp_path / "out.incomplete.h5"
    assert kept.exists(), "the images that came went back before the restoration failed"


def test_mismatch_can_be_a_warning(weights: Path, tmp_path: Path) -> None:
    settings_ = one(weights, matrix="8x12x12", mismatch="warn")
    series = restore_here(spoiled(tmp_path, lambda images: images), tmp_path / "out.h5", **settings_)
    assert stacked(series[101]).shape == (8, 12, 12)


def raw_with(raw: Path, path: Path, keep=lambda readout: True, change=lambda readout: None) -> Path:
    with ScanFile(raw) as file:
        readouts = [readout for readout in file.acquisitions() if keep(readout)]
        for readout in readouts:
            change(readout)
        write_scan(path, file.header, readouts)
    return path


def is_noise(readout: ismrmrd.Acquisition) -> bool:
    return bool(readout.is_flag_set(ismrmrd.ACQ_IS_NOISE_MEASUREMENT))


@pytest.mark.parametrize(
    ("keep", "change", "message"),
    [
        (is_noise, lambda readout: None, "the stream is empty"),
        (
            lambda r: is_noise(r) or r.idx.kspace_encode_step_1 % 2 == 0,
            lambda readout: None,
            "phase-encoding lines are",
        ),
        (lambda r: is_noise(r) or r.scan_counter % 2 == 0 or r.scan_counter < 12, lambda readout: None, "missing"),
        (lambda r: True, lambda r: setattr(r.idx, "kspace_encode_step_2", 99), "outside of the encoded matrix"),
        (lambda r: True, lambda r: r.data.__setitem__((0, 0), np.inf), "NaN or Inf"),
    ],
)
def test_raw_data_that_do_not_make_a_volume_are_refused(
    keep, change, message: str, raw: Path, weights: Path, tmp_path: Path
) -> None:
    source = raw_with(raw, tmp_path / "bad.h5", keep, change)
    with pytest.raises(RemoteError, match=message):
        restore_here(source, tmp_path / "out.h5", **one(weights))


def test_second_measurement_of_a_stream_has_series_of_its_own(raw: Path, weights: Path, tmp_path: Path) -> None:
    with ScanFile(raw) as file:
        readouts = list(file.acquisitions())
        write_scan(tmp_path / "two.h5", file.header, [*readouts, *readouts[1:]])
    series = restore_here(tmp_path / "two.h5", tmp_path / "out.h5", **one(weights))
    assert list(series) == [1, 2, 101, 102]
    assert np.array_equal(stacked(series[101]), stacked(series[102]))


def test_volume_that_was_not_cut_is_refused_unless_told_to_pass(weights: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.h5"
    write_volume_scan(VolumeProtocol(shape=(8, 12, 10), factors=(1, 1), coils=2), 1, whole)
    with pytest.raises(RemoteError, match="was not cut at all"):
        restore_here(whole, tmp_path / "out.h5", **one(weights))
    assert 101 in restore_here(whole, tmp_path / "out.h5", **one(weights, mismatch="warn"))
    assert 101 in restore_here(whole, tmp_path / "out.h5", **one(weights, acceleration="4x4"))


def test_elliptical_sampling_is_taken(raw: Path, weights: Path, tmp_path: Path) -> None:
    def inside(readout: ismrmrd.Acquisition) -> bool:
        y, z = readout.idx.kspace_encode_step_1 - 15.5, readout.idx.kspace_encode_step_2 - 7.5
        return is_noise(readout) or (y / 4.2) ** 2 + (z / 2.2) ** 2 <= 1

    source = raw_with(raw, tmp_path / "ellipse.h5", inside)
    with ScanFile(source) as few, ScanFile(raw) as all_:
        assert len(few) < len(all_)
    series = restore_here(source, tmp_path / "out.h5", **one(weights))
    assert series[101][0].meta["MalibuAcceleration"] == "4x4"


def test_sum_of_squares_and_maps_agree_where_there_is_signal(raw: Path, weights: Path, tmp_path: Path) -> None:
    maps, squares = (
        stacked(restore_here(raw, tmp_path / f"{way}.h5", **one(weights, coil_combination=way))[1])
        for way in ("maps", "sum_of_squares")
    )
    bright = squares > 0.3 * squares.max()
    assert np.allclose(maps[bright], squares[bright], rtol=0.02)


def test_gadgetron_starts_it_and_the_images_are_those_of_a_replay(raw: Path, weights: Path, tmp_path: Path) -> None:
    here = restore_here(raw, tmp_path / "here.h5", **one(weights))
    settings_ = "".join(f"<{name}>{value}</{name}>" for name, value in one(weights).items())
    configuration = f"<configuration>{settings_}</configuration>".encode()
    with Peer("SuperResolutionGadget", "gadgets.super_resolution") as peer:
        for data in [*scan_messages(raw, configuration), message(CLOSE)]:
            peer.send(data)
        answer = peer.receive()
    sent = [image for series in here.values() for image in series]
    assert len(answer.images) == len(sent)
    for (_, _, voxels), image in zip(answer.images, sent, strict=True):
        assert np.array_equal(voxels.ravel(), image.data.ravel())


def test_unknown_gadget_and_lonely_first_stage_are_refused(raw: Path, weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="malibu has no gadget 'Sharpener'"):
        gadget_entry("Sharpener")
    with pytest.raises(RemoteError, match="first_stage is given without second_stage"):
        restore_here(raw, tmp_path / "out.h5", first_stage=str(weights))


def test_weights_that_are_not_there_are_named(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match=r"nowhere\.safetensors does not exist"):
        restore_here(raw, tmp_path / "out.h5", stages="one", first_stage=str(tmp_path / "nowhere.safetensors"))


_TURNS = {
    "upright": np.s_[:, :],
    "upside down": np.s_[::-1, :],
    "mirrored": np.s_[:, ::-1],
    "turned": np.s_[::-1, ::-1],
}


@pytest.mark.skipif(
    not shutil.which("ismrmrd_generate_cartesian_shepp_logan"), reason="Debian package ismrmrd-tools is not installed"
)
def test_phantom_of_ismrmrd_tools_passes_the_raw_path(weights: Path, tmp_path: Path) -> None:
    command = ["ismrmrd_generate_cartesian_shepp_logan", "-m", "64", "-c", "4", "-o", str(tmp_path / "phantom.h5")]
    subprocess.run(command, check=True, capture_output=True)
    settings_ = one(weights, mismatch="warn", output="volume")
    series = restore_here(tmp_path / "phantom.h5", tmp_path / "out.h5", **settings_)
    image, expected = series[1][0].data[0, 0], sigpy.shepp_logan((64, 64)).real
    found = {name: np.corrcoef(image.ravel(), expected[turn].ravel())[0, 1] for name, turn in _TURNS.items()}
    assert found["upright"] > 0.95
    assert max(found.values()) == found["upright"]
