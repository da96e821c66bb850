"""Volumes for super-resolution: files, degradation, patches, and two-stage inference without seams."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

import recon.cartesian
from nets.architectures.blocks import boxes_to_channels, channels_to_boxes
from nets.architectures.registry import build
from nets.data.degradation import (
    MeasuredTexture,
    RandomPhase,
    degraded,
    lines_measured,
    random_texture,
    smooth_phase,
    truncate_kspace,
)
from nets.data.volume_files import Volume, read_volume, write_volume
from nets.data.volumes import VolumesData, degraded_pair
from nets.inference.super_resolution import SuperResolution
from nets.scaling import intensity_scale
from nets.training.losses import measured_error
from nets.weights import ModelCard, WeightsError, card_config, save_weights

nibabel = pytest.importorskip("nibabel")
pydicom = pytest.importorskip("pydicom")


def save(path: Path, network, config: dict, preprocessing: dict, architecture: str = "mdcsrn") -> Path:
    card = ModelCard(architecture, card_config(architecture, config), "tests", "none", 0, preprocessing=preprocessing)
    save_weights(path, network, card)
    return path


def trained_like(config: dict, seed: int):
    """A network with weights that matter everywhere, and with batch statistics."""
    torch.manual_seed(seed)
    network = build("mdcsrn", config)
    torch.nn.init.normal_(network.combine.weight, std=0.1)
    with torch.no_grad():
        for _ in range(3):
            network.train()(torch.rand(1, 1, 16, 16, 16))
    return network.eval()


def test_hdf5_round_trip(tmp_path: Path) -> None:
    voxels = torch.rand(4, 5, 6)
    write_volume(tmp_path / "v.h5", Volume(voxels, {"domain": "brain", "seed": 3}))
    volume = read_volume(tmp_path / "v.h5")
    assert torch.allclose(volume.voxels, voxels, atol=1e-3)
    assert volume.attributes == {"domain": "brain", "seed": 3}


def test_nifti_is_read_with_its_last_axis_first(tmp_path: Path) -> None:
    voxels = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), tmp_path / "v.nii.gz")
    assert torch.equal(read_volume(tmp_path / "v.nii.gz").voxels, torch.from_numpy(voxels.T.copy()))


def test_dicom_slices_are_put_in_order_of_position(tmp_path: Path) -> None:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    series = generate_uid()
    for number, place in enumerate((2.0, 0.0, 1.0)):
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.SOPClassUID, data.SOPInstanceUID, data.SeriesInstanceUID = MRImageStorage, generate_uid(), series
        data.ImageOrientationPatient, data.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, place]
        data.Rows, data.Columns, data.SamplesPerPixel = 2, 3, 1
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit, data.PixelRepresentation, data.PhotometricInterpretation = 15, 0, "MONOCHROME2"
        data.PixelData = np.full((2, 3), int(place) + 1, np.uint16).tobytes()
        data.save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
    assert read_volume(tmp_path).voxels[:, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("name", ["v.png", "v.h5"])
def test_what_is_no_volume_is_refused(name: str, tmp_path: Path) -> None:
    if name == "v.h5":
        write_volume(tmp_path / name, Volume(torch.full((2, 2, 2), torch.nan)))
    with pytest.raises(ValueError, match=r"no volume|NaN or Inf"):
        read_volume(tmp_path / name)
    with pytest.raises(ValueError, match="train holds no volumes; run malibu prepare-volumes"):
        VolumesData([str(tmp_path)]).files(tmp_path, "train")


@pytest.mark.parametrize("shape", [(16, 24, 20), (17, 23, 9)])
def test_degradation_keeps_the_centre_of_kspace_and_nothing_else(shape: tuple[int, int, int]) -> None:
    volume = torch.rand(shape) * smooth_phase(shape, torch.Generator().manual_seed(1))
    found = truncate_kspace(volume, (4, 2, 1))
    kspace = np.fft.fftshift(np.fft.fftn(volume.numpy()))
    mask = np.zeros(shape, dtype=bool)
    lines = [lines_measured(n, factor) for n, factor in zip(shape, (4, 2, 1), strict=True)]
    mask[tuple(slice(n // 2 - k // 2, n // 2 - k // 2 + k) for n, k in zip(shape, lines, strict=True))] = True
    expected = np.abs(np.fft.ifftn(np.fft.ifftshift(kspace * mask)))
    assert np.allclose(found.numpy(), expected, atol=1e-5)
    assert lines[2] == shape[2]


def test_scale_is_that_of_bright_blood_and_pair_shares_it(tmp_path: Path) -> None:
    voxels = torch.rand(64, 64, 16) * 500
    assert intensity_scale(voxels) == pytest.approx(float(np.percentile(voxels.numpy(), 99.9)), rel=1e-3)
    write_volume(tmp_path / "v.h5", Volume(voxels))
    write_volume(tmp_path / "v.h5", Volume(voxels + 2000))
    low, full = degraded_pair(tmp_path / "v.h5", (4, 4, 1), [RandomPhase()], 1)
    assert intensity_scale(low) == pytest.approx(1, rel=1e-4)
    assert float(full.mean() / low.mean()) == pytest.approx(1, abs=0.02)


def test_random_texture_has_unit_deviation_and_another_grain_for_each_seed() -> None:
    textures = [random_texture((24, 20, 16), torch.Generator().manual_seed(seed)) for seed in range(40)]
    assert torch.equal(textures[2], random_texture((24, 20, 16), torch.Generator().manual_seed(2)))
    grains = []
    for texture in textures:
        assert float(texture.std()) == pytest.approx(1, rel=1e-4)
        power = torch.fft.fftn(texture).abs().square()
        grains.append(float(power[11:14].mean() / power.mean()))  # of the highest waves along z; 1 is white
    assert max(grains) > 0.5
    assert min(grains) < 0.05


def test_what_was_measured_stays_in_the_label(tmp_path: Path) -> None:
    """With texture, too, a restored volume differs from its label only outside the measured lines."""
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in (32, 40, 24)], indexing="ij")
    detail = 1 + 0.3 * np.cos(0.8 * np.pi * np.arange(32))[:, None, None]
    write_volume(tmp_path / "v.h5", Volume(torch.from_numpy(detail * np.exp(-8 * (z**2 + y**2 + x**2))).float()))
    textured = [RandomPhase(), MeasuredTexture(0.1)]
    plain, label = (degraded_pair(tmp_path / "v.h5", (2, 4, 1), steps, 1)[1] for steps in (textured[:1], textured))
    low, _ = degraded_pair(tmp_path / "v.h5", (2, 4, 1), textured, 1)
    added = float((label - plain * label.mean() / plain.mean()).std())
    assert added > 0.005
    missing = (label - low)[None, None]
    inside = float(measured_error(missing, torch.tensor([[2.0, 4.0, 1.0]])))
    assert inside < 0.15 * float(missing.abs().mean())
    assert inside < 0.2 * added


def test_batches_are_input_label_and_factors_in_turn(tmp_path: Path) -> None:
    for number, split in enumerate(("train", "train", "validation", "test")):
        (tmp_path / split).mkdir(exist_ok=True)
        write_volume(tmp_path / split / f"v{number}.h5", Volume(torch.rand(20, 22, 24)))
    data = VolumesData([str(tmp_path)], (8, 9, 40), ((4, 4, 1), (2, 2, 1)), patches_per_volume=3, batch_size=2)
    shown, label, _ = next(iter(data.train_dataloader()))
    assert shown.shape == label.shape == (2, 1, 8, 9, 24)
    assert shown.dtype == label.dtype == torch.float32
    assert {tuple(each) for batch in data.train_dataloader() for each in batch[2].tolist()} == {(4, 4, 1), (2, 2, 1)}
    assert next(iter(data.val_dataloader()))[2].tolist() == [[4, 4, 1]]
    assert data.preprocessing()["factors"] == [[4, 4, 1], [2, 2, 1]]
    text = "2 files of 2 subjects (0 simulated) of 1 domains, validation 1 files of 1 subjects (0 simulated); lines cut"
    assert data.describe() == f"{text} by 4x4x1 or 2x2x1 (z, y, x)"


def test_what_is_not_asked_for_does_not_happen(tmp_path: Path) -> None:
    """Without degradations and augmentations, a patch is the volume and its truncation, and nothing else."""
    (tmp_path / "train").mkdir()
    voxels = torch.rand(20, 22, 24)
    write_volume(tmp_path / "train/v.h5", Volume(voxels))
    data = VolumesData([str(tmp_path)], (20, 22, 24), ((2, 2, 1),), [], [])
    shown, label, _ = data.train_dataloader().dataset[0, 0]
    full = voxels / intensity_scale(voxels)
    low = truncate_kspace(full, (2, 2, 1))
    assert torch.allclose(label[0], full / intensity_scale(low), atol=5e-3)
    assert torch.allclose(shown[0], low / intensity_scale(low), atol=5e-3)
    flipped = VolumesData([str(tmp_path)], (20, 22, 24), ((2, 2, 1),), []).train_dataloader().dataset
    assert not all(torch.equal(flipped[epoch, 0][1], label) for epoch in range(5))


def test_degradations_act_on_the_signal_before_its_lines_are_cut() -> None:
    full, generator = torch.rand(16, 16, 16), torch.Generator().manual_seed(3)
    low, label = degraded(full, (4, 2, 1), [RandomPhase()], generator)
    signal = full * smooth_phase((16, 16, 16), torch.Generator().manual_seed(3))
    assert torch.allclose(low, truncate_kspace(signal, (4, 2, 1)), atol=1e-6)
    assert torch.allclose(label, full, atol=1e-6)
    added = MeasuredTexture(0.3)(signal, (4, 2, 1), torch.Generator().manual_seed(4)) - signal
    again = torch.Generator().manual_seed(4)
    level = 0.3 * float(torch.rand((), generator=again))
    kspace = torch.fft.fftn(added)
    assert float(kspace[2:14].abs().max()) < 1e-3
    texture = torch.fft.fftn(level * random_texture((16, 16, 16), again))
    assert torch.allclose(kspace[:2, :4], texture[:2, :4], atol=1e-3)


CONFIG = {"blocks": 2, "units": 2, "growth": 4}


@pytest.mark.parametrize("shape", [(40, 33, 30), (64, 20, 41)])
def test_patches_have_no_seams_where_margins_cover_the_receptive_field(shape, tmp_path: Path) -> None:
    path = save(tmp_path / "n.safetensors", trained_like(CONFIG, 1), CONFIG, {"factors": [(4, 4, 1)]})
    volume = torch.rand(shape)
    whole = SuperResolution([path], patch=(99, 99, 99))(volume)[0]
    cut = SuperResolution([path], patch=(30, 28, 29))
    assert cut.margins == [(5, 5, 5)]
    assert torch.allclose(cut(volume)[0], whole, atol=1e-4)
    seam = SuperResolution([path], patch=(30, 28, 29), margin=1)(volume)[0]
    assert float((seam - whole).abs().max()) > 1e-4


@pytest.mark.parametrize(("kernel", "along_x"), [((3, 3, 3), 3), ((3, 3, 1), 1)])
@pytest.mark.parametrize("shape", [(70, 61, 30), (41, 90, 41)])
def test_folded_networks_have_no_seams_either(shape, kernel, along_x: int, tmp_path: Path) -> None:
    config = {"blocks": 2, "units": 1, "growth": 8, "fold": (4, 2, 1), "kernel": kernel}
    path = save(tmp_path / "n.safetensors", trained_like(config, 4), config, {"factors": [(4, 4, 1)]})
    volume = torch.rand(shape)
    whole = SuperResolution([path], patch=(99, 99, 99))(volume)[0]
    cut = SuperResolution([path], patch=(31, 29, 20))
    assert cut.margins == [(12, 6, along_x)]
    assert torch.allclose(cut(volume)[0], whole, atol=1e-4)


@pytest.mark.parametrize("factors", [(1, 1, 1), (4, 2, 1), (2, 3, 5)])
def test_folding_is_undone_and_the_folded_network_starts_as_the_identity(factors: tuple[int, int, int]) -> None:
    volume = torch.rand(2, 3, 8, 12, 10)[:, :, : 8 - 8 % factors[0], :, :]
    assert torch.equal(channels_to_boxes(boxes_to_channels(volume, factors), factors), volume)
    box = boxes_to_channels(torch.arange(8.0).reshape(1, 1, 2, 2, 2), (2, 1, 2))
    assert box[0, :, 0, 0, 0].tolist() == [0, 1, 4, 5]
    odd = torch.rand(1, 1, 9, 7, 11)
    for growth, residual in ((16, False), (2, True)):
        config = {"blocks": 1, "units": 1, "growth": growth, "fold": factors, "residual": residual}
        assert torch.allclose(build("mdcsrn", config).eval()(odd), odd, atol=1e-5)


def test_residual_network_adds_its_input() -> None:
    config = {**CONFIG, "fold": (2, 1, 1), "start": "random"}
    plain, residual = build("mdcsrn", config).eval(), build("mdcsrn", config | {"residual": True}).eval()
    residual.load_state_dict(plain.state_dict())
    volume = torch.rand(1, 1, 9, 8, 7)
    assert torch.allclose(residual(volume) - volume, plain(volume), atol=1e-5)
    assert float(plain(volume).abs().max()) > 0.01


def test_networks_never_see_more_than_a_patch(tmp_path: Path) -> None:
    path = save(tmp_path / "n.safetensors", build("mdcsrn", CONFIG), CONFIG, {"factors": [(4, 4, 1)]})
    restore, seen = SuperResolution([path], patch=(16, 18, 20)), []
    runner = restore.runners[0]
    restore.runners[0] = lambda patch: seen.append(tuple(patch.shape[2:])) or runner(patch)  # type: ignore[assignment]
    assert restore(torch.rand(40, 17, 50))[0].shape == (40, 17, 50)
    assert {size[0] for size in seen} == {16}
    assert max(size[1] for size in seen) <= 18
    assert {size[2] for size in seen} == {20}


def test_result_scales_with_the_input(tmp_path: Path) -> None:
    path = save(tmp_path / "n.safetensors", trained_like(CONFIG, 2), CONFIG, {"factors": [(4, 4, 1)]})
    restore, volume = SuperResolution([path]), torch.rand(12, 12, 12)
    assert torch.allclose(restore(1000 * volume)[0], 1000 * restore(volume)[0], rtol=1e-3, atol=1e-2)
    assert float(restore(volume)[0].min()) >= 0


def test_bfloat16_is_near_float32(tmp_path: Path) -> None:
    path = save(tmp_path / "n.safetensors", trained_like(CONFIG, 3), CONFIG, {"factors": [(4, 4, 1)]})
    volume = torch.rand(16, 16, 16)
    exact, rough = (SuperResolution([path], precision=kind)(volume)[0] for kind in ("float32", "bfloat16"))
    assert 0 < float((exact - rough).norm() / exact.norm()) < 0.03


def test_stages_must_fit_each_other_and_the_task(tmp_path: Path) -> None:
    first = save(tmp_path / "a.safetensors", build("mdcsrn", CONFIG), CONFIG, {"factors": [(4, 4, 1)]})
    other = save(tmp_path / "b.safetensors", build("mdcsrn", CONFIG), CONFIG, {"factors": [(2, 2, 1)]})
    with pytest.raises(WeightsError, match="different accelerations"):
        SuperResolution([first, other])
    config = {"rank": 2, "growth": 4, "blocks": 1}
    mdcn = save(tmp_path / "c.safetensors", build("mdcn", config), config, {}, "mdcn")
    with pytest.raises(WeightsError, match="mdcn is no network for super-resolution"):
        SuperResolution([mdcn])


@given(st.integers(1, 600), st.one_of(st.integers(1, 12), st.floats(1, 12)))
def test_training_cuts_as_many_lines_as_a_scan_measures(size: int, factor: float) -> None:
    """Neither package may import the other: this holds both to one rule."""
    assert lines_measured(size, factor) == recon.cartesian.lines_measured(size, factor)
