"""Pictures of restored volumes show a vessel, not the middle of the heart."""

from pathlib import Path

import ismrmrd
import numpy as np
import pytest

from gadgets.evaluation.restorations import ORIGINAL
from gadgets.evaluation.super_resolution import Evaluation
from gadgets.reports import evaluation, super_resolution as replayed

SHAPE = (48, 48, 40)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """What is shown, panel by panel, in the order of drawing."""
    found: list[np.ndarray] = []

    def figure(module: object) -> type:
        class Kept(module.Figure):
            def subplots(self, *size: int, **options: object) -> np.ndarray:
                panels = super().subplots(*size, **options)
                for axes in panels.ravel():
                    show = axes.imshow
                    axes.imshow = lambda image, show=show, **more: (found.append(image), show(image, **more))[1]
                return panels

        return Kept

    for module in (evaluation, replayed):
        monkeypatch.setattr(module, "Figure", figure(module))
    return found


def heart_with_vessel() -> tuple[np.ndarray, np.ndarray]:
    """A large bright cavity in the middle and a vessel of 3 voxels beside it, along z at y = 38, x = 32."""
    volume = np.full(SHAPE, 0.1, np.float32)
    volume[14:34, 14:30, 10:28] = 1.0
    volume[:, 37:40, 31:34] = 0.8
    line = np.stack([np.arange(6, 42, 0.5), np.full(72, 38.0), np.full(72, 32.0)], axis=1)
    return volume, line


def test_the_replays_picture_enlarges_the_vessel(drawn: list[np.ndarray]) -> None:
    volume, _ = heart_with_vessel()

    def images(offset: int) -> list[ismrmrd.Image]:
        image = ismrmrd.Image.from_array(volume[None].copy(), transpose=False)
        image.meta = {
            "MalibuReconstruction": "super-resolution",
            "MalibuNetwork": "mdcsrn",
            "MalibuGeneratedDetail": "generated",
        }
        image.image_series_index = offset
        return [image]

    ((name, caption, png),) = replayed.volume_pictures({101: images(101)})
    assert name == "super_resolution.png"
    assert "thin and bright" in caption
    assert png.startswith(b"\x89PNG")
    plane, enlarged, *_ = drawn
    assert plane[24, 38] == pytest.approx(0.8), "the plane goes through the vessel"
    assert enlarged.shape == (16, 16)
    assert np.median(enlarged[:, enlarged.shape[1] // 2 - 2 : enlarged.shape[1] // 2 + 2]) == pytest.approx(0.8)


def test_the_evaluations_picture_enlarges_a_known_vessel_and_lays_it_out(
    drawn: list[np.ndarray], tmp_path: Path
) -> None:
    volume, line = heart_with_vessel()
    evaluation.write_picture(
        Evaluation(last_volumes={ORIGINAL: volume}, last_vessels=[(line, np.full(72, 1.5))]), tmp_path / "p.png"
    )
    plane, enlarged, slab, straight = drawn
    assert np.array_equal(plane, volume[:, :, 32])
    assert enlarged[8, 8] == pytest.approx(0.8)
    assert (slab >= plane).all()
    assert straight.shape[0] == 41, "10 voxels to either side, half a voxel apart"
    assert straight[20].min() > 0.75
    assert straight[2].max() < 0.2
