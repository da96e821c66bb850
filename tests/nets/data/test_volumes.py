"""Volumes for super-resolution: files, degradation, patches, and two-stage inference without seams."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

import recon.cartesian
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
from nets.scaling import intensity_scale
from nets.training.losses import measured_error

nibabel = pytest.importorskip("nibabel")
pydicom = pytest.importorskip("pydicom")


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
    assert intensity_scale(torch.tensor([[[7.0]]])) == 7
    assert intensity_scale(torch.arange(1.0, 1001).reshape(10, 10, 10)) == 999
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


def test_grain_of_the_texture_is_a_gaussian_of_up_to_one_and_a_half_voxels() -> None:
    shape, generator = (10, 12, 8), torch.Generator().manual_seed(6)
    noise = torch.randn(shape, dtype=torch.complex64, generator=generator)
    width = 1.5 * float(torch.rand((), generator=generator))
    assert width > 0.4
    waves = np.meshgrid(*[2 * np.pi * np.fft.fftfreq(size) for size in shape], indexing="ij")
    blur = np.exp(-0.5 * width**2 * sum(wave**2 for wave in waves))
    expected = np.fft.ifftn(np.fft.fftn(noise.numpy()) * blur)
    expected /= np.sqrt(np.mean(np.abs(expected - expected.mean()) ** 2) * noise.numel() / (noise.numel() - 1))
    assert np.allclose(random_texture(shape, torch.Generator().manual_seed(6)).numpy(), expected, atol=1e-4)


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


def test_each_volume_has_a_phase_and_a_texture_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    voxels = torch.rand(16, 16, 16)
    for number in range(2):
        write_volume(tmp_path / f"train/v{number}.h5", Volume(voxels))
    for degradation in (RandomPhase(), MeasuredTexture(0.3)):
        patches = VolumesData([str(tmp_path)], (16, 16, 16), ((4, 4, 1),), [degradation], []).train_dataloader().dataset
        assert not torch.allclose(patches[0, 0][0], patches[0, 1][0], atol=1e-3)
        first = degraded_pair(tmp_path / "train/v0.h5", (4, 4, 1), [degradation], 5)[0]
        seeded = VolumesData([str(tmp_path)], (16, 16, 16), ((4, 4, 1),), [degradation], [], seed=4)
        assert torch.allclose(seeded.train_dataloader().dataset[0, 1][0][0], first, atol=5e-3)


def test_subjects_are_whole_names_without_the_format(tmp_path: Path) -> None:
    data = VolumesData([str(tmp_path)])
    (tmp_path / "1.2.840.1").mkdir()
    assert data.subject_of(tmp_path / "1.2.840.1") == "1.2.840.1"
    for name in ("sub.01.nii.gz", "sub.01.nii", "sub.01.h5", "sub.01.hdr"):
        assert data.subject_of(tmp_path / name) == "sub.01"


def test_nearly_empty_volumes_have_the_scale_of_their_maximum_and_empty_ones_are_refused(tmp_path: Path) -> None:
    voxels = torch.zeros(24, 24, 24)
    write_volume(tmp_path / "e.h5", Volume(voxels))
    with pytest.raises(ValueError, match=r"e\.h5 is empty"):
        degraded_pair(tmp_path / "e.h5", (2, 2, 1), [], 1)
    voxels[12, 12, 12] = 50
    write_volume(tmp_path / "s.h5", Volume(voxels))
    low, label = degraded_pair(tmp_path / "s.h5", (1, 1, 1), [], 1)
    assert float(label.max()) == pytest.approx(1)
    assert torch.isfinite(low).all()


def test_domains_that_only_help_need_no_validation(tmp_path: Path) -> None:
    for number, place in enumerate(("a/train", "a/validation", "b/train")):
        (tmp_path / place).mkdir(parents=True)
        write_volume(tmp_path / place / f"v{number}.h5", Volume(torch.rand(8, 8, 8)))
    data = VolumesData([str(tmp_path / "a"), str(tmp_path / "b")], (8, 8, 8))
    assert "2 files of 2 subjects (0 simulated) of 2 domains, validation 1 files of 1 subjects" in data.describe()


def test_simulated_kinds_are_counted_for_the_card(tmp_path: Path) -> None:
    names = ("heart-000001", "heart-000002", "head_slices-000001", "shapes-000003")
    for number, name in enumerate(names):
        place = tmp_path / ("validation" if number == 3 else "train")
        place.mkdir(exist_ok=True)
        write_volume(place / f"simulated-{name}.h5", Volume(torch.rand(8, 8, 8)))
    text = VolumesData([str(tmp_path)], (8, 8, 8)).describe()
    assert text.endswith("by 4x4x1 (z, y, x); 1 of head_slices; 2 of heart"), "what is validated on is not trained on"


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


def test_smooth_phase_is_a_constant_a_slope_and_a_slow_wave() -> None:
    shape, generator = (5, 6, 7), torch.Generator().manual_seed(9)
    turn, numbers = torch.rand((), generator=generator), [torch.randn(3, generator=generator) for _ in range(3)]
    z, y, x = (torch.linspace(-1, 1, size) for size in shape)
    angle = 2 * torch.pi * turn
    for along, (slope, wave, start) in zip((z[:, None, None], y[:, None], x), numbers, strict=True):
        angle = angle + 0.5 * (slope * along + 0.5 * wave * torch.sin(2 * along + start))
    found = smooth_phase(shape, torch.Generator().manual_seed(9), strength=0.5)
    assert torch.allclose(found, torch.polar(torch.ones(shape), angle.expand(shape)), atol=1e-5)


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


@given(st.integers(1, 600), st.one_of(st.integers(1, 12), st.floats(1, 12)))
def test_training_cuts_as_many_lines_as_a_scan_measures(size: int, factor: float) -> None:
    """Neither package may import the other: this holds both to one rule."""
    assert lines_measured(size, factor) == recon.cartesian.lines_measured(size, factor)
