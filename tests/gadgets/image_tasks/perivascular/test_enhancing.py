"""Simulated brains through the perivascular gadget over the wire."""

import json
from pathlib import Path

import h5py
import ismrmrd
import numpy as np
import pytest

from gadgets.errors import RemoteError
from gadgets.mrd.files import ImageSource, read_images
from gadgets.simulated.labelled_volumes import write_perivascular_scan
from recon.perivascular.tubes import find_spaces, tubeness
from tests.support.task_scans import assert_untouched, enhancer_weights, replay_task, retyped, rewritten, volume_of

torch = pytest.importorskip("torch")
GADGET = "PerivascularGadget"
SHAPE = (24, 48, 48)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pvs")


@pytest.fixture(scope="module")
def scan(folder: Path) -> Path:
    write_perivascular_scan(SHAPE, 4, folder / "scan.h5", with_mask=True, snr=25)
    return folder / "scan.h5"


@pytest.fixture(scope="module")
def weights(folder: Path) -> Path:
    return enhancer_weights(folder / "w.safetensors")


def truth(scan: Path, name: str) -> np.ndarray:
    with h5py.File(scan.with_suffix(".truth.h5")) as file:
        return file[name][()]


def test_white_matter_is_enhanced_and_all_else_is_as_it_came(scan: Path, weights: Path, tmp_path: Path) -> None:
    from nets.inference.masked_enhancement import MaskedEnhancement

    kinds = "original enhanced spaces difference mask"
    series = replay_task(GADGET, scan, tmp_path / "out.h5", weights=str(weights), images=kinds)
    assert sorted(series) == [1, 2, 101, 201, 301, 401]
    assert_untouched(scan, series[1] + series[2])
    mask, came = truth(scan, "mask"), volume_of(series[1])
    enhanced = volume_of(series[101])
    assert enhanced.dtype == came.dtype == np.uint16
    np.testing.assert_array_equal(volume_of(series[401]), mask.astype(np.uint16))
    np.testing.assert_array_equal(enhanced[~mask], came[~mask])
    volume = torch.from_numpy(came.astype(np.float32))
    expected = MaskedEnhancement(weights)(volume, torch.from_numpy(mask)).numpy()
    np.testing.assert_array_equal(enhanced, np.rint(expected))
    np.testing.assert_allclose(volume_of(series[301]), expected - came, atol=1e-2)
    np.testing.assert_allclose(volume_of(series[201]), tubeness(expected, mask), atol=1e-6)


def test_meta_count_the_spaces_and_name_the_network(scan: Path, weights: Path, tmp_path: Path) -> None:
    settings = {"weights": str(weights), "threshold": "0.03"}
    series = replay_task(GADGET, scan, tmp_path / "out.h5", **settings)
    image, mask = series[101][5], truth(scan, "mask")
    with h5py.File(scan.with_suffix(".truth.h5")) as file:
        edges = (float(file.attrs["voxel_mm"]),) * 3
    found = find_spaces(volume_of(series[201]), mask, edges, 0.03)
    meta = image.meta
    assert (int(meta["MalibuSpacesCount"]), meta["MalibuSpacesThreshold"]) == (found.count, "0.03")
    assert found.count > 0
    assert float(meta["MalibuSpacesMl"]) == pytest.approx(found.volume_ml, rel=1e-3)
    assert float(meta["MalibuWhiteMatterMl"]) == pytest.approx(mask.sum() * edges[0] ** 3 / 1000, rel=1e-3)
    assert meta["MalibuMaskSource"] == "a series"
    assert (meta["MalibuNetwork"], meta["MalibuTrainingData"]) == ("dcdensenet", "random")
    assert len(meta["MalibuWeightsSha256"]) == 64
    assert "may be invented" in meta["MalibuGeneratedDetail"]
    assert "research use only" in meta["ImageComments"]
    assert "enhance and map" in json.loads(meta["MalibuStageSeconds"])
    assert "MalibuNetwork" not in series[401][0].meta
    assert series[401][0].meta["DataRole"] == "Mask"
    original = list(ImageSource(scan).items())[5]
    for name in ("position", "read_dir", "phase_dir", "slice_dir", "field_of_view"):
        assert getattr(image, name)[:] == getattr(original, name)[:]


def test_a_volume_comes_back_as_a_volume_of_its_type(scan: Path, weights: Path, tmp_path: Path) -> None:
    slices = list(ImageSource(scan).items())[: SHAPE[0]]
    mid = slices[SHAPE[0] // 2]
    voxels = np.concatenate([image.data[0] for image in slices])[None].astype(np.float32)
    voxels[0, 0, 0, :2] = -0.0, -1e-3  # rounding of a Fourier transform
    volume = retyped(mid, voxels)
    volume.meta = {"RescaleSlope": "2.5", "RescaleIntercept": "-3"}
    volume.field_of_view[2] = SHAPE[0] * mid.field_of_view[2]
    path = rewritten(scan, tmp_path / "volume.h5", [volume])
    mask = scan.with_suffix(".truth.h5")
    series = replay_task(GADGET, path, tmp_path / "out.h5", weights=str(weights), mask=str(mask))
    (enhanced,) = series[101]
    assert enhanced.data.dtype == np.float32
    outside = ~truth(scan, "mask")
    np.testing.assert_array_equal(enhanced.data[0][outside].view(np.int32), voxels[0][outside].view(np.int32))
    assert (enhanced.meta["RescaleSlope"], enhanced.meta["RescaleIntercept"]) == ("2.5", "-3")
    assert "RescaleSlope" not in series[201][0].meta
    assert enhanced.meta["MalibuMaskSource"] == "a file"
    assert "truth" not in str(dict(enhanced.meta))


def test_without_a_network_spaces_are_mapped_in_what_came(scan: Path, tmp_path: Path) -> None:
    images = list(ImageSource(scan).items())
    for image in images[SHAPE[0] :]:
        image.meta = {}
    path = rewritten(scan, tmp_path / "plain.h5", images)  # whose mask is named by its series alone
    series = replay_task(GADGET, path, tmp_path / "out.h5", weights="none", mask_series="2")
    assert sorted(series) == [1, 2, 201, 401]
    came = volume_of(series[1]).astype(np.float32)
    np.testing.assert_allclose(volume_of(series[201]), tubeness(came, truth(scan, "mask")), atol=1e-6)
    assert "MalibuGeneratedDetail" not in series[201][0].meta


def test_white_matter_is_found_where_no_mask_comes(scan: Path, tmp_path: Path) -> None:
    path = rewritten(scan, tmp_path / "brain.h5", list(ImageSource(scan).items())[: SHAPE[0]])
    series = replay_task(GADGET, path, tmp_path / "out.h5", weights="none", images="mask")
    assert series[401][0].meta["MalibuMaskSource"] == "found by brightness"
    found, true = volume_of(series[401]) > 0, truth(scan, "mask")
    assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.8


def set_of(images: list[ismrmrd.Image], name: str, value: int) -> list[ismrmrd.Image]:
    for image in images:
        setattr(image, name, value)
    return images


def moved(images: list[ismrmrd.Image]) -> list[ismrmrd.Image]:
    for image in images:
        image.position[0] += 2
    return images


def enlarged(images: list[ismrmrd.Image]) -> list[ismrmrd.Image]:
    for image in images:
        image.field_of_view[0] *= 1.6
    return images


def with_nan(images: list[ismrmrd.Image]) -> list[ismrmrd.Image]:
    floats = [retyped(image, image.data.astype(np.float32)) for image in images]
    floats[9].data[0, 0, 3, 4:6] = np.nan
    return floats


SPOILED = {
    "no mask": lambda brain, mask: brain,
    "two contrasts": lambda brain, mask: brain[:10] + set_of(brain[10:], "contrast", 1) + mask,
    "two series": lambda brain, mask: brain[:10] + set_of(brain[10:], "image_series_index", 5) + mask,
    "gap": lambda brain, mask: brain[:9] + brain[10:] + mask,
    "small mask": lambda brain, mask: brain + mask[4:],
    "moved mask": lambda brain, mask: brain + moved(mask),
    "empty mask": lambda brain, mask: brain + [retyped(image, 0 * image.data) for image in mask],
    "large voxels": lambda brain, mask: enlarged(brain + mask),
    "nan": lambda brain, mask: with_nan(brain) + mask,
}


def spoiled_scan(scan: Path, target: Path, how: str) -> Path:
    images = list(ImageSource(scan).items())
    return rewritten(scan, target, SPOILED[how](images[: SHAPE[0]], images[SHAPE[0] :]))


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ("no mask", "no mask came: send white matter as a series of its own whose Meta DataRole is Mask"),
        ("two contrasts", r"takes one volume, but 2 came \(series 1; series 1, contrast 1\)"),
        ("two series", r"takes one volume, but 2 came \(series 1; series 5\): send one series"),
        ("gap", "series 1 lacks slices"),
        ("small mask", "the mask has 20x48x48 voxels, the volume 24x48x48"),
        ("moved mask", "the mask lies elsewhere than the volume"),
        ("empty mask", "the mask is empty; give one of white matter"),
        (
            "large voxels",
            "trained on 0.4 to 0.5 mm; use weights for this size, or set mismatch=warn",
        ),
        ("nan", "2 voxels are NaN or Inf"),
    ],
)
def test_bad_volumes_are_refused_and_no_original_is_lost(
    how: str, problem: str, scan: Path, weights: Path, tmp_path: Path
) -> None:
    path = spoiled_scan(scan, tmp_path / "bad.h5", how)
    with pytest.raises(RemoteError, match=problem):
        replay_task(GADGET, path, tmp_path / "out.h5", weights=str(weights), mask="series")
    kept = read_images(tmp_path / "out.incomplete.h5")
    assert sum(len(images) for number, images in kept.items() if number < 100) == ImageSource(path).item_count


def test_voxels_of_another_size_may_be_let_through_and_images_say_so(scan: Path, weights: Path, tmp_path: Path) -> None:
    path = spoiled_scan(scan, tmp_path / "large.h5", "large voxels")
    series = replay_task(GADGET, path, tmp_path / "out.h5", weights=str(weights), mismatch="warn")
    assert "trained on 0.4 to 0.5 mm" in series[101][0].meta["MalibuVoxelMismatch"]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"mask": "no/such.h5"}, "mask: .*such.h5"),
        ({"weights": "sr_coronary_l1"}, "trained for another task"),
        ({"weights": "no.safetensors"}, r"no\.safetensors does not exist"),
        ({"mask_series": "7"}, r"takes one volume, but 2 came \(series 1; series 2\)"),
    ],
)
def test_parameters_that_cannot_be_met_are_told(
    settings: dict[str, str], problem: str, scan: Path, weights: Path, tmp_path: Path
) -> None:
    with pytest.raises(RemoteError, match=problem):
        replay_task(GADGET, scan, tmp_path / "out.h5", **({"weights": str(weights)} | settings))
