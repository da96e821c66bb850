"""Training slices are made once, split by subject, and hold parts of the scan beside its truth."""

from pathlib import Path

import numpy as np

from gadgets.datasets.perfusion import prepare_perfusion
from nets.data.perfusion_slices import read_slice


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
