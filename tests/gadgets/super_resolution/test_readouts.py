"""The super-resolution gadget on raw k-space: scale, place, stages, sampling, and what is refused."""

import json
import shutil
import subprocess
from pathlib import Path

import h5py
import ismrmrd
import numpy as np
import pytest
import sigpy

import malibu
from gadgets import RESEARCH_LABEL
from gadgets.errors import ParameterError, RemoteError
from gadgets.mrd.files import ScanFile, write_scan
from gadgets.mrd.intake.measurement import Measurement
from gadgets.registry import gadget_entry
from gadgets.simulated.cartesian import VolumeProtocol, write_volume_scan
from gadgets.simulated.radial import truth_path
from gadgets.super_resolution.parameters import parse_super_resolution
from gadgets.super_resolution.readouts import volumes_of_readouts
from gadgets.super_resolution.slices import cut_of_header
from recon.cartesian import to_image, to_kspace, truncate
from recon.errors import DataError
from tests.support.peer import CLOSE, Peer, message, scan_messages
from tests.support.replays import needs_torch
from tests.support.volume_scans import (
    one,
    random_weights,
    restore_here,
    stacked,
)

SHAPE = (16, 32, 24)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("raw") / "scan.h5"
    write_volume_scan(VolumeProtocol(shape=SHAPE, coils=3, snr=1e4), 3, path)
    return path


@pytest.fixture(scope="module")
def truth(raw: Path) -> np.ndarray:
    with h5py.File(truth_path(raw)) as file:
        return file["volume"][:]


def test_raw_scan_comes_back_zero_filled_on_its_scale_and_in_its_place(
    raw: Path, truth: np.ndarray, identity_network: Path, tmp_path: Path
) -> None:
    series = restore_here(
        raw, tmp_path / "images.h5", **one(identity_network, images="original super_resolved difference")
    )
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


def test_meta_says_what_made_the_images(raw: Path, identity_network: Path, tmp_path: Path) -> None:
    series = restore_here(raw, tmp_path / "images.h5", **one(identity_network))
    meta = series[101][0].meta
    assert meta["MalibuNetwork"] == "mdcsrn"
    assert len(meta["MalibuWeightsSha256"]) == 64
    assert meta["MalibuAcceleration"] == "4x4"
    assert "generated" in meta["MalibuGeneratedDetail"]
    assert RESEARCH_LABEL in meta["ImageComments"]
    assert {"receive", "volume", "network"} <= set(json.loads(meta["MalibuStageSeconds"]))
    assert "MalibuNetwork" not in series[1][0].meta
    assert RESEARCH_LABEL in series[1][0].meta["ImageComments"]


def test_slices_and_volume_of_a_raw_scan_hold_the_same(raw: Path, identity_network: Path, tmp_path: Path) -> None:
    slices = restore_here(raw, tmp_path / "slices.h5", **one(identity_network))[101]
    (volume,) = restore_here(raw, tmp_path / "volume.h5", **one(identity_network, output="volume"))[101]
    assert np.array_equal(stacked(slices), volume.data[0])
    assert volume.field_of_view[2] == pytest.approx(SHAPE[0])
    place = np.array([image.position[:] for image in slices])
    assert np.allclose(np.diff(place, axis=0), [0, 0, 1])
    assert np.allclose(place[SHAPE[0] // 2], volume.position[:])
    assert [image.slice for image in slices] == list(range(SHAPE[0]))


def test_two_stages_are_the_two_models_in_turn(raw: Path, tmp_path: Path) -> None:
    first, second = (random_weights(tmp_path / f"{name}.safetensors", name) for name in (1, 2))
    both = {"first_stage": str(first), "second_stage": str(second), "images": "original first_stage super_resolved"}
    series = restore_here(raw, tmp_path / "two.h5", stages="two", **both)
    import torch

    from nets.inference.super_resolution import SuperResolution

    volume = torch.from_numpy(stacked(series[1]).copy())
    step = SuperResolution([first])(volume)[0]
    assert np.allclose(stacked(series[201]), step.numpy(), rtol=1e-4, atol=1e-5 * float(step.max()))
    turn = SuperResolution([first, second])(volume)[-1]
    assert np.allclose(stacked(series[101]), turn.numpy(), rtol=1e-4, atol=1e-5 * float(turn.max()))
    assert not np.allclose(stacked(series[101]), stacked(series[201]), rtol=1e-3)


def test_blended_stages_are_one_network_that_says_so(raw: Path, tmp_path: Path) -> None:
    first, second = (random_weights(tmp_path / f"{name}.safetensors", name) for name in (1, 2))
    both = {"stages": "two", "first_stage": str(first), "second_stage": str(second)}
    for alpha, alone in (("1", first), ("0", second)):
        blended = restore_here(raw, tmp_path / f"blend{alpha}.h5", blending=alpha, **both)
        plain = restore_here(raw, tmp_path / f"one{alpha}.h5", **one(alone))
        assert np.array_equal(stacked(blended[101]), stacked(plain[101]))
        assert blended[101][0].meta["MalibuBlend"] == alpha
        assert "MalibuBlend" not in plain[101][0].meta
    with pytest.raises(ParameterError, match="blending mixes the weights of both stages; set stages=two"):
        parse_super_resolution(None, {"blending": "0.5"})
    with pytest.raises(ParameterError, match="one network, whose result is super_resolved"):
        parse_super_resolution(None, {"blending": "0.5", "stages": "two", "images": "first_stage"})


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
    keep, change, message: str, raw: Path, identity_network: Path, tmp_path: Path
) -> None:
    source = raw_with(raw, tmp_path / "bad.h5", keep, change)
    with pytest.raises(RemoteError, match=message):
        restore_here(source, tmp_path / "out.h5", **one(identity_network))


def test_recon_space_beyond_the_encoded_one_is_refused(raw: Path) -> None:
    with ScanFile(raw) as file:
        header, measurement = file.header, Measurement.of(file.items())
    header.encoding[0].reconSpace.fieldOfView_mm.y *= 1.5
    with pytest.raises(DataError, match=r"recon field of view .* is larger than the encoded one"):
        volumes_of_readouts(measurement, header, "maps", as_slices=True)


def test_second_measurement_of_a_stream_has_series_of_its_own(
    raw: Path, identity_network: Path, tmp_path: Path
) -> None:
    with ScanFile(raw) as file:
        readouts = list(file.acquisitions())
        write_scan(tmp_path / "two.h5", file.header, [*readouts, *readouts[1:]])
    series = restore_here(tmp_path / "two.h5", tmp_path / "out.h5", **one(identity_network))
    assert list(series) == [1, 2, 101, 102]
    assert np.array_equal(stacked(series[101]), stacked(series[102]))


def test_volume_that_was_not_cut_is_refused_unless_told_to_pass(identity_network: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.h5"
    write_volume_scan(VolumeProtocol(shape=(8, 12, 10), factors=(1, 1), coils=2), 1, whole)
    with pytest.raises(RemoteError, match="was not cut at all"):
        restore_here(whole, tmp_path / "out.h5", **one(identity_network))
    assert 101 in restore_here(whole, tmp_path / "out.h5", **one(identity_network, mismatch="warn"))
    assert 101 in restore_here(whole, tmp_path / "out.h5", **one(identity_network, acceleration="4x4"))


def test_elliptical_sampling_is_taken(raw: Path, identity_network: Path, tmp_path: Path) -> None:
    def inside(readout: ismrmrd.Acquisition) -> bool:
        y, z = readout.idx.kspace_encode_step_1 - 15.5, readout.idx.kspace_encode_step_2 - 7.5
        return is_noise(readout) or (y / 4.2) ** 2 + (z / 2.2) ** 2 <= 1

    source = raw_with(raw, tmp_path / "ellipse.h5", inside)
    with ScanFile(source) as few, ScanFile(raw) as all_:
        assert len(few) < len(all_)
        lines = len(few) - 1
    series = restore_here(source, tmp_path / "out.h5", **one(identity_network))
    assert series[101][0].meta["MalibuAcceleration"] == "4x4"
    (volume,) = malibu.read_volume(source)
    assert volume.measured.shape == (*volume.zero_filled.shape[:2], 1)
    assert volume.measured.sum() == lines


def test_partial_echo_leaves_samples_unmeasured(raw: Path, tmp_path: Path) -> None:
    """The first quarter of each readout is missing: data consistency must not put zeros back there."""
    with ScanFile(raw) as file:
        readouts, header = list(file.acquisitions()), file.header
    for number, readout in enumerate(readouts):
        if not is_noise(readout):
            samples = readout.number_of_samples
            cut = ismrmrd.Acquisition.from_array(np.ascontiguousarray(readout.data[:, samples // 4 :]))
            cut.center_sample = samples // 2 - samples // 4
            cut.idx.kspace_encode_step_1 = readout.idx.kspace_encode_step_1
            cut.idx.kspace_encode_step_2 = readout.idx.kspace_encode_step_2
            readouts[number] = cut
    write_scan(tmp_path / "partial.h5", header, readouts)
    (whole,), (volume,) = malibu.read_volume(raw), malibu.read_volume(tmp_path / "partial.h5")
    columns = volume.zero_filled.shape[2]
    lines = np.flatnonzero(whole.measured.any(axis=(1, 2)))
    assert volume.measured.shape == volume.zero_filled.shape
    seen = volume.measured[lines[0]].any(axis=0)
    assert list(np.flatnonzero(seen)) == list(range(columns // 4, columns))


def test_noise_bandwidth_of_the_header_scales_the_pixels(raw: Path, tmp_path: Path) -> None:
    with ScanFile(raw) as file:
        readouts, header = list(file.acquisitions()), file.header
    header.acquisitionSystemInformation.relativeReceiverNoiseBandwidth = 4.0
    write_scan(tmp_path / "wide.h5", header, readouts)
    (plain,), (wide,) = malibu.read_volume(raw), malibu.read_volume(tmp_path / "wide.h5")
    assert np.allclose(np.abs(wide.zero_filled), 2 * np.abs(plain.zero_filled), rtol=1e-4, atol=1e-3)


def test_limits_of_the_header_tell_which_lines_were_measured(raw: Path) -> None:
    """Partial Fourier: two lines before the centre, six from it on."""
    with ScanFile(raw) as file:
        header = file.header
    space, limits = header.encoding[0].encodedSpace.matrixSize, header.encoding[0].encodingLimits
    full = (space.z, space.y, 8)
    limit = limits.kspace_encoding_step_1
    limit.minimum, limit.center, limit.maximum = 2, 4, 9
    factors, measured = cut_of_header(header, full)
    first = space.y // 2 - 2
    assert list(np.flatnonzero(measured[:, :, 0].any(axis=0))) == list(range(first, first + 8))
    assert factors[1] == space.y / 8


def test_sum_of_squares_and_maps_agree_where_there_is_signal(raw: Path, identity_network: Path, tmp_path: Path) -> None:
    maps, squares = (
        stacked(restore_here(raw, tmp_path / f"{way}.h5", **one(identity_network, coil_combination=way))[1])
        for way in ("maps", "sum_of_squares")
    )
    bright = squares > 0.3 * squares.max()
    assert np.allclose(maps[bright], squares[bright], rtol=0.02)


def test_gadgetron_starts_it_and_the_images_are_those_of_a_replay(
    raw: Path, identity_network: Path, tmp_path: Path
) -> None:
    here = restore_here(raw, tmp_path / "here.h5", **one(identity_network))
    settings_ = "".join(f"<{name}>{value}</{name}>" for name, value in one(identity_network).items())
    configuration = f"<configuration>{settings_}</configuration>".encode()
    with Peer("SuperResolutionGadget", "gadgets.super_resolution") as peer:
        for data in [*scan_messages(raw, configuration), message(CLOSE)]:
            peer.send(data)
        answer = peer.receive()
    sent = [image for series in here.values() for image in series]
    assert len(answer.images) == len(sent)
    for (_, _, voxels), image in zip(answer.images, sent, strict=True):
        assert np.array_equal(voxels.ravel(), image.data.ravel())


def test_unknown_gadget_and_lonely_first_stage_are_refused(raw: Path, identity_network: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="malibu has no gadget 'Sharpener'"):
        gadget_entry("Sharpener")
    with pytest.raises(RemoteError, match="first_stage is given without second_stage"):
        restore_here(raw, tmp_path / "out.h5", stages="two", first_stage=str(identity_network))


@needs_torch
def test_weights_that_are_not_there_are_named_and_the_scan_is_kept_first_if_asked(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match=r"nowhere\.safetensors does not exist"):
        restore_here(raw, tmp_path / "out.h5", stages="one", first_stage=str(tmp_path / "nowhere.safetensors"))
    nowhere, rescue = tmp_path / "nowhere.safetensors", tmp_path / "rescued"
    with pytest.raises(RemoteError, match=r"nowhere\.safetensors does not exist"):
        restore_here(raw, tmp_path / "out.h5", stages="one", first_stage=str(nowhere), rescue_folder=str(rescue))
    (kept,) = rescue.iterdir()
    with ScanFile(kept) as file, ScanFile(raw) as sent:
        assert len(file) == len(sent)


_TURNS = {
    "upright": np.s_[:, :],
    "upside down": np.s_[::-1, :],
    "mirrored": np.s_[:, ::-1],
    "turned": np.s_[::-1, ::-1],
}


@pytest.mark.skipif(
    not shutil.which("ismrmrd_generate_cartesian_shepp_logan"), reason="Debian package ismrmrd-tools is not installed"
)
def test_phantom_of_ismrmrd_tools_passes_the_raw_path(identity_network: Path, tmp_path: Path) -> None:
    command = ["ismrmrd_generate_cartesian_shepp_logan", "-m", "64", "-c", "4", "-o", str(tmp_path / "phantom.h5")]
    subprocess.run(command, check=True, capture_output=True)
    settings_ = one(identity_network, mismatch="warn", output="volume")
    series = restore_here(tmp_path / "phantom.h5", tmp_path / "out.h5", **settings_)
    image, expected = series[1][0].data[0, 0], sigpy.shepp_logan((64, 64)).real
    found = {name: np.corrcoef(image.ravel(), expected[turn].ravel())[0, 1] for name, turn in _TURNS.items()}
    assert found["upright"] > 0.95
    assert max(found.values()) == found["upright"]
