"""Simulated abdomens through the segmentation gadget over the wire, in any orientation."""

import json
from pathlib import Path

import h5py
import ismrmrd
import numpy as np
import pytest

from gadgets.errors import RemoteError
from gadgets.image_tasks.segmentation.series import COLOUR_MAP, label_colour
from gadgets.image_tasks.segmentation.work import grid_of
from gadgets.image_tasks.stacks import one_volume
from gadgets.mrd.files import ImageSource, read_images
from gadgets.simulated.labelled_volumes import turned, write_abdomen_scan
from recon.simulation.abdomen.organ_labels import ORGANS
from recon.simulation.abdomen.subject import simulate_abdomen
from tests.support.task_scans import (
    SPACING_MM,
    assert_untouched,
    outliner_weights,
    replay_task,
    retyped,
    rewritten,
    volume_of,
)

torch = pytest.importorskip("torch")
GADGET = "SegmentationGadget"
SHAPE = (12, 24, 32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("abdomen")


@pytest.fixture(scope="module")
def scans(folder: Path) -> dict[str, Path]:
    paths = {orientation: folder / f"{orientation}.h5" for orientation in ("axial", "coronal", "sagittal")}
    for orientation, path in paths.items():
        write_abdomen_scan(SHAPE, SPACING_MM, 3, path, orientation)
    return paths


@pytest.fixture(scope="module")
def weights(folder: Path) -> Path:
    return outliner_weights(folder / "w.safetensors")


@pytest.fixture(scope="module")
def expected(weights: Path) -> tuple[np.ndarray, np.ndarray]:
    """Labels and disagreement of the body on its own axes, by the network alone."""
    from nets.inference.organs.segmentation import OrganNetwork

    body = simulate_abdomen(3, SHAPE, SPACING_MM)
    image = np.rint(1000 * body.image).clip(0).astype(np.float32)
    found = OrganNetwork(weights)(torch.from_numpy(image))
    return found.labels.numpy(), found.disagreement.numpy()


@pytest.mark.parametrize("orientation", ["axial", "coronal", "sagittal"])
def test_labels_lie_on_the_input_s_voxels_whatever_its_orientation(
    orientation: str, scans: dict[str, Path], weights: Path, expected: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    series = replay_task(GADGET, scans[orientation], tmp_path / "out.h5", weights=str(weights))
    assert sorted(series) == [1, 101, 201]
    assert_untouched(scans[orientation], series[1])
    labels, disagreement = (turned(each, SPACING_MM, orientation).voxels for each in expected)
    found = volume_of(series[101])
    assert found.dtype == np.uint16
    assert len(np.unique(found)) > 2
    assert (found == labels).mean() > 0.999  # resampling on equal voxels rounds
    np.testing.assert_allclose(volume_of(series[201]), disagreement, atol=1e-3)
    image, original = series[101][3], list(ImageSource(scans[orientation]).items())[3]
    for name in ("position", "read_dir", "phase_dir", "slice_dir", "field_of_view"):
        assert getattr(image, name)[:] == getattr(original, name)[:]


def test_meta_name_organs_their_volumes_and_the_network(scans: dict[str, Path], weights: Path, tmp_path: Path) -> None:
    kinds = "labels organs"
    series = replay_task(GADGET, scans["axial"], tmp_path / "out.h5", weights=str(weights), images=kinds, views="one")
    labels, meta = volume_of(series[101]), series[101][0].meta
    assert sorted(series) == [101, *range(302, 312)]
    assert meta["MalibuLabels"] == [f"{number}:{organ}" for number, organ in enumerate(ORGANS)]
    assert meta["MalibuLabelColours"] == [f"{number}:{label_colour(number)}" for number in range(1, len(ORGANS))]
    assert meta["ColorMap"] == meta["GADGETRON_ColorMap"] == COLOUR_MAP
    assert (float(meta["WindowCenter"]), float(meta["WindowWidth"])) == (labels.max() / 2, labels.max())
    volumes_ml = json.loads(meta["MalibuOrganVolumesMl"])
    for number, organ in enumerate(ORGANS[1:], start=1):
        count = int((labels == number).sum())
        assert volumes_ml[organ] == pytest.approx(count * 0.216, abs=0.01)
        assert int(volume_of(series[301 + number]).sum()) == count
        assert organ in series[301 + number][0].meta["SeriesDescription"]
    assert (meta["MalibuNetwork"], meta["MalibuViews"]) == ("alamo", "one")
    assert len(meta["MalibuWeightsSha256"]) == 64
    assert "do not diagnose" in meta["MalibuGeneratedDetail"]
    assert "research use only" in meta["ImageComments"]
    assert json.loads(meta["MalibuStageSeconds"])["outline organs"] > 0
    assert "MalibuPadding" not in meta


def test_thin_volumes_are_padded_and_images_say_so(scans: dict[str, Path], weights: Path, tmp_path: Path) -> None:
    images = list(ImageSource(scans["axial"]).items())[:5]
    path = rewritten(scans["axial"], tmp_path / "thin.h5", images)
    series = replay_task(GADGET, path, tmp_path / "out.h5", weights=str(weights))
    assert volume_of(series[101]).shape == (5, *SHAPE[1:])
    assert (
        "5x24x32 voxels of 6x6x6 mm (head, back, left), and the network sees 8x8x8"
        in (series[101][0].meta["MalibuPadding"])
    )


def spoiled(images: list[ismrmrd.Image], how: str) -> list[ismrmrd.Image]:
    if how == "contrasts":
        for image in images[::2]:
            image.contrast = 1
        return images
    if how == "series":
        images[-1].image_series_index = 9
        return images
    if how == "phase":
        for image in images:
            image.image_type = ismrmrd.IMTYPE_PHASE
        return images
    if how == "directions":
        for image in images:
            image.read_dir[1] = 0.7
        return images
    if how == "constant":
        return [retyped(image, 0 * image.data) for image in images]
    floats = [retyped(image, image.data.astype(np.float32)) for image in images]
    floats[2].data[0, 0, 3, 4:7] = np.inf
    return floats


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        (
            "contrasts",
            r"takes one volume, but 2 came \(series 1, contrast 1; series 1\): send one series of one contrast",
        ),
        ("series", r"takes one volume, but 2 came \(series 1; series 9\)"),
        ("phase", "no magnitude images came"),
        ("directions", "are not orthonormal"),
        ("constant", "the volume is constant"),
        ("inf", "3 voxels that are NaN or Inf"),
    ],
)
def test_bad_volumes_are_refused_and_no_original_is_lost(
    how: str, problem: str, scans: dict[str, Path], weights: Path, tmp_path: Path
) -> None:
    path = rewritten(scans["axial"], tmp_path / "bad.h5", spoiled(list(ImageSource(scans["axial"]).items()), how))
    with pytest.raises(RemoteError, match=problem):
        replay_task(GADGET, path, tmp_path / "out.h5", weights=str(weights))
    kept = read_images(tmp_path / "out.incomplete.h5")
    assert sum(len(images) for number, images in kept.items() if number < 100) == ImageSource(path).item_count


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("none", "there are no organs without a network"),
        ("sr_coronary_l1", "is no network that outlines organs"),
    ],
)
def test_weights_of_another_task_are_refused(given: str, problem: str, scans: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match=problem):
        replay_task(GADGET, scans["axial"], tmp_path / "out.h5", weights=given)


@pytest.mark.parametrize("orientation", ["axial", "coronal", "sagittal"])
def test_voxels_lie_where_the_images_say(orientation: str, scans: dict[str, Path]) -> None:
    images = list(ImageSource(scans[orientation]).items())
    stack = one_volume(images[::-1], "the test")
    z, y, x = stack.voxels.shape
    grid, middle = grid_of(stack), images[z // 2]
    for number in (0, z // 2, z - 1):
        found = grid.affine @ [number, y // 2, x // 2, 1]
        np.testing.assert_allclose(found[:3], images[number].position[:], atol=1e-3)
    along_x = grid.affine[:3, 2] * x
    np.testing.assert_allclose(along_x, middle.field_of_view[0] * np.array(middle.read_dir[:]), atol=1e-3)
    volume = retyped(middle, stack.voxels[None])
    volume.field_of_view[2] = z * stack.voxel_mm[0]
    np.testing.assert_allclose(grid_of(one_volume([volume], "the test")).affine, grid.affine, atol=1e-3)


def test_positions_count_where_heads_have_no_directions(scans: dict[str, Path]) -> None:
    """Slices counted from head to feet: the last one lies lowest, and comes first."""
    images = list(ImageSource(scans["axial"]).items())
    expected = one_volume(images, "the test").voxels
    turned_round = []
    for image in images:
        head = image.getHead()
        for name in ("read_dir", "phase_dir", "slice_dir"):
            getattr(head, name)[:] = (0.0, 0.0, 0.0)
        head.slice = len(images) - 1 - image.slice
        image.setHead(head)
        turned_round.append(image)
    np.testing.assert_array_equal(one_volume(turned_round, "the test").voxels, expected)


def test_simulated_organs_lie_where_their_slices_say(scans: dict[str, Path]) -> None:
    """The liver is on the right, whatever the slices: x falls to the patient's right in LPS."""
    for path in scans.values():
        images = list(ImageSource(path).items())
        with h5py.File(path.with_suffix(".truth.h5")) as file:
            liver = file["labels"][()] == ORGANS.index("liver")
        z, y, x = np.argwhere(liver).mean(axis=0)
        head, (rows, columns) = images[round(z)].getHead(), images[0].data.shape[-2:]
        along_x = (x - columns // 2) * head.field_of_view[0] / columns * np.array(head.read_dir[:])
        along_y = (y - rows // 2) * head.field_of_view[1] / rows * np.array(head.phase_dir[:])
        middle = np.mean([image.position[:] for image in images], axis=0)
        assert (np.array(head.position[:]) + along_x + along_y)[0] < middle[0] - 20
