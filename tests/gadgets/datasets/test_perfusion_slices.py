"""Training slices are made once, split by subject, and hold parts of the scan beside its truth."""

from pathlib import Path

import numpy as np

from gadgets.datasets.perfusion import PARTS, prepare_guided, prepare_perfusion
from nets.data.blood_flow.guided_slices import read_guided_slice
from nets.data.blood_flow.perfusion_slices import read_slice


def test_slices_are_made_once_and_hold_parts_reference_and_truth(tmp_path: Path) -> None:
    prepare_perfusion(tmp_path, (3, 40, 40), 10, 1)
    paths = sorted((tmp_path / "train").glob("[!.]*.h5"))
    assert paths[0].name == "simulated-000010-00.h5"
    assert len(paths) == 3
    one = read_slice(paths[1])
    assert one.segments.shape == (4, 40, 40)
    brain = one.truth > 10
    assert 20 < one.truth[brain].mean() < 90
    assert abs(one.segments.mean(axis=0)[brain].mean() / one.truth[brain].mean() - 1) < 0.3
    assert np.std(one.reference - one.truth) < np.std(one.segments[0] - one.truth)
    stamps = [path.stat().st_mtime_ns for path in paths]
    prepare_perfusion(tmp_path, (3, 40, 40), 10, 1)
    assert [path.stat().st_mtime_ns for path in paths] == stamps


def test_guided_slices_are_what_the_gadget_would_show_with_lesions_where_they_are(tmp_path: Path) -> None:
    prepare_guided(tmp_path, (3, 40, 40), 11, 1)
    paths = sorted((tmp_path / "train").glob("[!.]*.h5"))
    assert [path.name for path in paths] == [f"simulated-000011-{z:02d}.h5" for z in range(3)]
    slices = [read_guided_slice(path) for path in paths]
    one = slices[1]
    assert one.shown.shape == (len(PARTS), 3, 40, 40)
    brain = one.shown[0, 2] > 0
    errors = [np.mean(np.abs(part[0] - one.truth)[brain]) for part in one.shown]
    assert errors[5] < errors[4] < np.mean(errors[:4])  # 40, 20 and 10 pairs
    shown_errors = [part[2][brain].mean() for part in one.shown]
    assert shown_errors[5] < shown_errors[4] < np.mean(shown_errors[:4])
    contrast, pure = one.shown[0, 1], (one.grey > 0.9, one.white > 0.9)
    assert contrast[pure[0]].mean() > contrast[pure[1]].mean() + 0.3  # grey matter is brighter
    assert not (one.grey + one.white)[~brain].any()
    assert sum(each.lesion.sum() for each in slices) > 8
