"""What pages find in image files that tasks made."""

import ismrmrd
import numpy as np

from gadgets.image_tasks.images import task_images
from gadgets.image_tasks.segmentation.series import SERIES, organ_series
from gadgets.image_tasks.sent_series import sent_series
from gadgets.image_tasks.stacks import stacked
from gadgets.reports.image_tasks.task_page import task_facts_html, task_pictures
from gadgets.viewer.task_volumes import is_of_task, task_scans
from tests.support.volume_scans import slices_of

LABELS = np.zeros((4, 6, 5), dtype=np.uint8)
LABELS[2, 1:3, 2] = 2
META = {
    "MalibuReconstruction": "segmentation",
    "MalibuLabels": ["0:background", "1:liver", "2:spleen"],
    "MalibuOrganVolumesMl": '{"liver": 0, "spleen": 2.5}',
}


def made() -> dict[int, list[ismrmrd.Image]]:
    like = stacked(slices_of(np.random.default_rng(1).random(LABELS.shape, np.float32), series=3), "series 3")
    unsure = np.full(LABELS.shape, 0.25, np.float32)
    return {
        3: like.images,
        103: list(task_images(LABELS, like, SERIES["labels"], META)),
        203: list(task_images(unsure, like, SERIES["disagreement"], {"MalibuReconstruction": "segmentation"})),
        305: list(task_images(LABELS == 2, like, organ_series(2, "spleen"), META)),
    }


def test_series_are_known_by_what_made_them_and_single_organs_are_left_out() -> None:
    found = sent_series(made())
    assert [(one.base, one.kind) for one in found] == [(3, "labels"), (3, "disagreement")]
    assert found[0].labels == ["background", "liver", "spleen"]
    assert not is_of_task({3: made()[3]})


def test_the_explorer_keeps_labels_as_numbers_with_their_names() -> None:
    (scan,) = task_scans(made())
    assert (scan.main, list(scan.volumes)) == ("received", ["received", "labels", "disagreement"])
    labels = scan.volumes["labels"]
    assert labels.voxels.dtype == np.uint16
    np.testing.assert_array_equal(labels.voxels, LABELS)
    assert (labels.names, labels.window) == (["background", "liver", "spleen"], (0.0, 2.0))
    assert scan.volumes["disagreement"].window == (0.0, 0.25)
    assert scan.volumes["received"].window is None


def test_the_report_tells_volumes_and_draws_the_slice_with_labels() -> None:
    assert "2.5 mL" in task_facts_html(made())
    ((name, caption, picture),) = task_pictures(made())
    assert (name, picture[:4]) == ("task_3.png", b"\x89PNG")
    assert "Series 3, slice 3: organs, disagreement of the views, 0 to 1." in caption
    assert "do not diagnose" in caption
