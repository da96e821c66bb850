"""Volumes for super-resolution: files, degradation, patches, and two-stage inference without seams."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

import recon.cartesian
from nets.architectures.blocks import boxes_to_channels, channels_to_boxes
from nets.architectures.registry import build
from nets.data.degradation import lines_measured, random_texture, smooth_phase, truncate_kspace
from nets.data.volume_files import Volume, read_volume, volume_files, write_volume
from nets.data.volumes import CentrePatches, VolumePatches, VolumesData, degraded_pair
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
    with pytest.raises(ValueError, match="prepare-volumes"):
        volume_files(tmp_path, "train")


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
    low, full = degraded_pair(tmp_path / "v.h5", (4, 4, 1), 0.0, 1)
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
    plain, label = (degraded_pair(tmp_path / "v.h5", (2, 4, 1), texture, 1)[1] for texture in (0.0, 0.1))
    low, _ = degraded_pair(tmp_path / "v.h5", (2, 4, 1), 0.1, 1)
    added = float((label - plain * label.mean() / plain.mean()).std())
    assert added > 0.005
    missing = (label - low)[None, None]
    inside = float(measured_error(missing, torch.tensor([[2.0, 4.0, 1.0]])))
    assert inside < 0.15 * float(missing.abs().mean())
    assert inside < 0.2 * added


def test_patches_depend_on_seed_epoch_and_number_alone(tmp_path: Path) -> None:
    write_volume(tmp_path / "v.h5", Volume(torch.rand(20, 22, 24)))
    first, again = (VolumePatches([tmp_path / "v.h5"], (8, 9, 40), 3, [(4, 4, 1)], 0.02, 5) for _ in range(2))
    for key in ((0, 0), (0, 2), (7, 1)):
        for a, b in zip(first[key], again[key], strict=True):
            assert torch.equal(a, b)
        assert [tuple(part.shape) for part in first[key]] == [(1, 8, 9, 24), (1, 8, 9, 24), (3,)]
        assert first[key][2].tolist() == [4, 4, 1]
    assert not torch.equal(first[0, 0][1], first[1, 0][1])
    assert CentrePatches([tmp_path / "v.h5"], (8, 8, 8), 1, [(4, 4, 1)], 0.0, 5)[0][0].shape == (1, 8, 8, 8)


def test_domains_have_loaders_of_their_own_or_share_one(tmp_path: Path) -> None:
    for domain in ("coronary", "brain"):
        (tmp_path / domain / "train").mkdir(parents=True)
        write_volume(tmp_path / domain / "train/v.h5", Volume(torch.rand(8, 8, 8) + (domain == "brain")))
    folders = [str(tmp_path / domain) for domain in ("coronary", "brain")]
    options = {"patch": (8, 8, 8), "batch_size": 2, "patches_per_volume": 2, "texture": 0.0}
    assert len(VolumesData(folders, **options).train_dataloader()) == 2
    coronary, brain = VolumesData(folders, separate=True, **options).train_dataloader()
    assert len(coronary) == len(brain) == 1
    assert float(next(iter(coronary))[1].min()) < 0.5 < float(next(iter(brain))[1].min())


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
