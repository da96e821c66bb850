"""Tables of outlined organs, and figures that mean what they say."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from gadgets.datasets.labelled.labelled_subjects import abdomens, prepare_labelled
from gadgets.errors import ParameterError, ScanFileError
from gadgets.evaluation.image_tasks import segmentation
from gadgets.evaluation.image_tasks.segmentation import (
    MEAN,
    Subject,
    evaluate_organs,
    loaded_subjects,
    simulated_subjects,
)
from nets.data.organs.labelled_files import read_labelled
from recon.organs.outlining import OrganMap

ORGANS = ("background", "liver", "spleen")


class Thresholds:
    """A network of the test: labels are the rounded image, with errors that are asked for."""

    def __init__(self, missed: int = -1, spacing: float = 2.0) -> None:
        self.organs, self.spacing_mm, self.missed = ORGANS, (spacing,) * 3, missed

    def of_array(self, volume: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shares = np.stack([np.clip(1 - np.abs(volume - number), 0, 1) for number in range(3)])
        if self.missed >= 0:
            shares[self.missed] = 0
            shares[0] = np.maximum(shares[0], 0.01)
        return shares, np.zeros(volume.shape)


def subject(number: int = 0) -> Subject:
    labels = np.zeros((16, 20, 24), dtype=np.uint8)
    labels[4:12, 4:16, 3 + number % 3 : 11] = 1
    labels[5:10, 6:14, 14:20] = 2
    return Subject(f"subject {number}", labels.astype(np.float32), labels, ORGANS, (2.0, 2.0, 2.0))


def test_figures_per_organ_and_method() -> None:
    networks = {"right": Thresholds(), "blind": Thresholds(missed=2)}
    result = evaluate_organs([partial(subject, number) for number in range(7)], lambda: networks)  # type: ignore[arg-type, return-value]
    right, blind = result.rows("right"), result.rows("blind")
    assert list(right) == ["liver", "spleen", MEAN]
    assert list(right["liver"].values()) == ["1.000±0.000", "1.000±0.000", "0.00±0.00", "0.00±0.00", ""]
    assert (blind["spleen"]["Dice"], blind["spleen"]["MSD mm"], blind["spleen"]["missed"]) == ("0.000±0.000", "-", "7")
    np.testing.assert_allclose(result.means("blind"), 0.5)
    np.testing.assert_allclose(result.means("blind", "MSD mm"), 0.0)
    assert result.significance("right", "blind") == pytest.approx(2 / 2**7)
    assert result.significance("right", "right") is None
    text = json.dumps(result.to_json())
    assert '"inf"' in text
    assert len(result.seconds["right"]) == 7


def test_volumes_of_another_spacing_are_judged_on_their_own_voxels() -> None:
    result = evaluate_organs([subject], lambda: {"coarse": Thresholds(spacing=3.0)})  # type: ignore[dict-item]
    assert 0.85 < float(result.means("coarse")[0]) < 1
    assert result.significance("coarse", "coarse") is None


def test_figures_are_of_the_volume_s_own_voxels_and_of_organs_that_were_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A liver of 8 slices of 5 mm that lies a slice too high, and a spleen that is missed: by hand."""
    given = replace(subject(), spacing_mm=(5.0, 1.0, 1.0))
    liver = np.roll(given.labels == 1, 1, axis=0).astype(np.uint8)
    monkeypatch.setattr(segmentation, "outline_organs", lambda *_: OrganMap(liver, np.zeros(liver.shape), {}))
    result = evaluate_organs([lambda: given], lambda: {"high": Thresholds(spacing=3.0)})  # type: ignore[dict-item]
    found = result.rows("high")
    assert [found["liver"][name] for name in ("Dice", "Jaccard", "95HD mm")] == ["0.875", f"{7 / 9:.3f}", "5.00"]
    assert found["spleen"] == {"Dice": "0.000", "Jaccard": "0.000", "MSD mm": "-", "95HD mm": "-", "missed": "1"}
    assert (found[MEAN]["Dice"], found[MEAN]["95HD mm"]) == (f"{0.875 / 2:.3f}", "5.00")


def test_other_organs_are_refused() -> None:
    other = Subject("one", subject().image, subject().labels, ("background", "heart", "lung"), (2.0, 2.0, 2.0))
    with pytest.raises(ParameterError, match="one list of organs"):
        evaluate_organs([lambda: other], lambda: {"any": Thresholds()})  # type: ignore[dict-item]


def test_abdomens_are_written_once_and_read_back(tmp_path: Path) -> None:
    prepare_labelled(tmp_path, abdomens((10.0, 10.0, 12.0)), (20, 24, 30), 40, 10)
    paths = sorted(tmp_path.glob("*/*.h5"))
    splits = [path.parent.name for path in paths]
    assert (splits.count("train"), splits.count("validation"), splits.count("test")) == (8, 1, 1)
    before = [path.stat().st_mtime_ns for path in paths]
    prepare_labelled(tmp_path, abdomens((10.0, 10.0, 12.0)), (20, 24, 30), 40, 10)
    assert [path.stat().st_mtime_ns for path in paths] == before
    (read,) = (one() for one in loaded_subjects([tmp_path / "train/simulated-abdomen-000041.h5"]))
    (drawn,) = (one() for one in simulated_subjects((20, 24, 30), (10.0, 10.0, 12.0), 41, 1))
    assert read.organs == drawn.organs
    assert read.spacing_mm == (10.0, 10.0, 12.0)
    np.testing.assert_array_equal(read.labels, drawn.labels)
    np.testing.assert_allclose(read.image, drawn.image, atol=2e-3)
    assert torch.isfinite(read_labelled(paths[0]).voxels).all()
    (tmp_path / "bad.h5").write_bytes(b"none")
    with pytest.raises(ScanFileError, match=r"bad\.h5"):
        loaded_subjects([tmp_path / "bad.h5"])[0]()
