"""Where voxels look, through the gadget's socket: series, place, sums, and what is refused."""

from pathlib import Path

import ismrmrd
import numpy as np
import pytest

from tests.support.volume_scans import attention_weights, one, restore_here, slices_of, stacked, write_images

torch = pytest.importorskip("torch")

TURNED = np.array([[0.0, 1, 0], [0, 0, -1], [-1, 0, 0]])
MATRIX = (16, 24, 12)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return attention_weights(tmp_path_factory.mktemp("weights") / "attention.safetensors", seed=3)


def source_of(path: Path, series: int = 1) -> Path:
    voxels = np.random.default_rng(5).uniform(0, 900, (4, 6, 12)).astype(np.float32)
    return write_images(path, slices_of(voxels, TURNED, series), MATRIX)


def test_maps_come_as_a_series_of_their_own_for_each_query(weights: Path, tmp_path: Path) -> None:
    source = source_of(tmp_path / "in.h5", series=2)
    asked = one(weights, attention_at="8,12,6 1,20,3", patch="12x12x12", margin="2")
    series = restore_here(source, tmp_path / "out.h5", **asked)
    assert set(series) == {2, 102, 402}
    found = series[402]
    assert [image.getHead().set for image in found] == [0] * 16 + [1] * 16
    assert [image.image_index for image in found] == list(range(1, 33))
    volumes = stacked(found[:16]), stacked(found[16:])
    spans = (slice(2, 14), slice(6, 18), slice(0, 12)), (slice(0, 12), slice(12, 24), slice(0, 12))
    for voxels, inside in zip(volumes, spans, strict=True):
        assert voxels.shape == MATRIX
        assert voxels.dtype == np.float32
        assert voxels.min() >= 0
        halved = voxels.reshape(8, 2, 12, 2, 6, 2).mean(axis=(1, 3, 5))
        assert halved.sum() == pytest.approx(1, rel=1e-5)
        assert voxels[inside].sum() == pytest.approx(voxels.sum(), rel=1e-6)
        assert voxels[inside].max() > 1.1 * voxels[inside].min()
    assert not np.array_equal(*volumes)
    first, last = found[0], found[16]
    assert first.image_type == ismrmrd.IMTYPE_MAGNITUDE
    assert first.meta["MalibuAttentionQuery"] == "8,12,6"
    assert first.meta["MalibuAttentionPatch"] == "2:14 6:18 0:12"
    assert last.meta["MalibuAttentionPatch"] == "0:12 12:24 0:12"
    assert first.meta["SeriesDescription"] == "malibu attention of voxel 8,12,6"
    assert first.meta["MalibuNetwork"] == "mdcsrn_attention"
    assert "esearch" in first.meta["MalibuUse"]
    assert float(first.meta["WindowWidth"]) > 0
    # voxels n // 2 lie at the position of what came; from there on, 2 / 4, 24 / 24 and 12 / 12 mm along z, y, x
    step_mm = np.array([0.5, 1.0, 1.0])
    centre_mm, query_mm = (
        np.array([float(value) for value in image.meta["MalibuAttentionQueryMm"]]) for image in (first, last)
    )
    np.testing.assert_allclose(centre_mm, [5, -6, 7], atol=1e-5)
    offset = (np.array([1, 20, 3]) - np.array(MATRIX) // 2) * step_mm
    np.testing.assert_allclose(query_mm, [5, -6, 7] + offset @ TURNED[::-1], atol=1e-4)
    slice_of_query = found[16 + 1]
    normal = np.array(slice_of_query.slice_dir[:])
    assert normal @ query_mm == pytest.approx(normal @ np.array(slice_of_query.position[:]), abs=1e-4)


def test_without_queries_nothing_is_added(weights: Path, tmp_path: Path) -> None:
    assert set(restore_here(source_of(tmp_path / "in.h5"), tmp_path / "out.h5", **one(weights))) == {1, 101}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("16,0,0", "attention_at 16,0,0 lies outside of the volume, which has 16x24x12 voxels"),
        ("1,2", "attention_at"),
        ("-1,2,3", "attention_at"),
    ],
)
def test_queries_that_make_no_sense_are_refused(weights: Path, tmp_path: Path, asked: str, message: str) -> None:
    source = source_of(tmp_path / "in.h5")
    with pytest.raises(Exception, match=message):
        restore_here(source, tmp_path / "out.h5", **one(weights, attention_at=asked))


def test_weights_without_attention_are_refused(identity_network: Path, tmp_path: Path) -> None:
    source = source_of(tmp_path / "in.h5")
    with pytest.raises(Exception, match="attention_at: mdcsrn of the first stage has no self-attention"):
        restore_here(source, tmp_path / "out.h5", **one(identity_network, attention_at="1,1,1"))
