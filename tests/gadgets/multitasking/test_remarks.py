"""What a user of the images must know goes into log, Meta and report; what can only be wrong is not sent."""

from pathlib import Path
from typing import Any

import ismrmrd
import numpy as np
import pytest

from gadgets.errors import RemoteError
from gadgets.multitasking.live import answers
from gadgets.reports.multitasking import write_report
from recon.quality.plausibility import Finding
from tests.support.replays import replay_here, rewrite_readouts

LAST = 1 << (ismrmrd.ACQ_LAST_IN_MEASUREMENT - 1)


def remarks(images: dict[int, list[ismrmrd.Image]]) -> set[str]:
    return {image.meta.get("MalibuRemarks", "") for series in images.values() for image in series}


def test_a_good_scan_has_no_remarks(tiny_images: dict[int, list[ismrmrd.Image]]) -> None:
    assert remarks(tiny_images) == {""}


def test_a_scan_that_was_cut_says_so_in_every_image(editable_copy: Path, tmp_path: Path) -> None:
    def cut(number: int, record: Any) -> None:
        record["head"]["flags"] = int(record["head"]["flags"]) & ~LAST
        record["head"]["scan_counter"] += 6 if number > 90 else 0
        record["head"]["acquisition_time_stamp"] += 30 if number > 90 else 0

    rewrite_readouts(editable_copy, cut)
    (said,) = remarks(replay_here(editable_copy, tmp_path / "images.h5", rank="3", images="time_average basis_maps"))
    assert said.startswith("the stream ended without ACQ_LAST_IN_MEASUREMENT")
    assert said.endswith("6 readouts are missing by the scan counters")
    page = write_report(tmp_path / "images.h5", tmp_path / "report").read_text()
    assert page.count("Beware:") == 1
    assert said in page


@pytest.mark.parametrize("certain", [False, True])
def test_implausible_results_are_marked_and_wrong_ones_stay_here(
    short_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, certain: bool
) -> None:
    monkeypatch.setattr(answers, "implausible", lambda result: [Finding("T1 is <negative> in 7 pixels", certain)])
    if certain:
        with pytest.raises(RemoteError, match=r"slice 0: T1 is <negative> in 7 pixels. The images are not sent"):
            replay_here(short_file, tmp_path / "images.h5", rank="3", images="time_average")
        assert not (tmp_path / "images.h5").exists()
    else:
        images = replay_here(short_file, tmp_path / "images.h5", rank="3", images="time_average")
        assert remarks(images) == {"T1 is <negative> in 7 pixels"}
        assert "T1 is &lt;negative&gt;" in write_report(tmp_path / "images.h5", tmp_path / "report").read_text()
    assert "slice 0: T1 is <negative> in 7 pixels" in caplog.text


def test_a_scan_of_noise_is_marked(editable_copy: Path, tmp_path: Path) -> None:
    def noise(number: int, record: Any) -> None:
        record["data"] = np.random.default_rng(number).standard_normal(record["data"].size).astype(np.float32)

    rewrite_readouts(editable_copy, noise)
    images = replay_here(editable_copy, tmp_path / "i.h5", rank="3", images="time_average", coils="1")
    assert "shows noise and no object" in remarks(images).pop()
