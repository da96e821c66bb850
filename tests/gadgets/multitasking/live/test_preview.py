"""The preview: the moment that it says it shows, series of its own, and final images as without it."""

import dataclasses
import logging
from pathlib import Path

import h5py
import ismrmrd
import numpy as np
import pytest

from gadgets.multitasking.live.preview import CINE_SERIES, REALTIME_SERIES
from gadgets.simulated.radial import truth_path, write_simulation
from recon.simulation.chest import PRESETS, simulate_scan
from tests.support.replays import needs_torch, replay_here, rewrite_readouts, whitened_shading

QUICK = {"temporal_model": "realtime", "images": "time_average basis_maps", "rank": "6"}


@pytest.fixture(scope="module")
def standard_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine seconds of a `standard` scan: 160 × 160, noise of its own coils."""
    protocol = dataclasses.replace(PRESETS["standard"], duration_s=9.0, coils=4)
    path = tmp_path_factory.mktemp("standard") / "scan.h5"
    write_simulation(simulate_scan(protocol, seed=6), path)
    return path


@pytest.fixture(scope="module")
def shown(standard_file: Path) -> dict[int, list[ismrmrd.Image]]:
    return replay_here(standard_file, standard_file.with_name("shown.h5"), preview="true", **QUICK)


def test_every_frame_shows_the_truth_of_its_moment(standard_file: Path, shown: dict[int, list[ismrmrd.Image]]) -> None:
    with h5py.File(truth_path(standard_file)) as truth, h5py.File(standard_file) as scan:
        images, readout, shading = truth["images"][:], truth["image_readout"][:], whitened_shading(truth)
        flags = scan["dataset/data"].fields("head")[:]["flags"]
    flags = flags[flags & (1 << (ismrmrd.ACQ_IS_NOISE_MEASUREMENT - 1)) == 0]
    imaging = np.flatnonzero(flags & (1 << (ismrmrd.ACQ_IS_NAVIGATION_DATA - 1)) == 0)
    frames = shown[REALTIME_SERIES]
    assert 5 <= len(frames) <= 9
    correlations, scales = [], []
    for frame in frames:
        moment = imaging[int(frame.meta["FrameSpoke"])]
        true = np.abs(images[np.argmin(np.abs(readout - moment))]) * shading
        correlations.append(np.corrcoef(frame.data[0, 0].ravel(), true.ravel())[0, 1])
        scales.append(np.vdot(true, frame.data[0, 0]) / np.vdot(true, true))
    assert 0.95 < np.median(scales) < 1.05, np.round(scales, 3)  # in units of the noise, as the final images
    assert min(correlations) > 0.9, np.round(correlations, 3)
    assert [frame.image_index for frame in frames] == list(range(frames[0].image_index, frames[-1].image_index + 1))
    spokes = [int(frame.meta["FrameSpoke"]) for frame in frames]
    assert max(np.diff(spokes)) < 1.5 * 1000 / (2 * PRESETS["standard"].tr_ms)  # none is more than half a second late


def test_frames_say_what_they_are(shown: dict[int, list[ismrmrd.Image]]) -> None:
    for frame in shown[REALTIME_SERIES]:
        assert "research use only" in frame.meta["ImageComments"]
        assert "preview" in frame.meta["SeriesDescription"]
        assert frame.read_dir[0] != 0
        assert frame.data.dtype == np.float32


def test_the_final_images_are_those_without_a_preview(
    standard_file: Path, shown: dict[int, list[ismrmrd.Image]], tmp_path: Path
) -> None:
    plain = replay_here(standard_file, tmp_path / "plain.h5", **QUICK)
    assert set(shown) == set(plain) | {REALTIME_SERIES}
    for series, images in plain.items():
        for one, other in zip(images, shown[series], strict=True):
            assert one.data.tobytes() == other.data.tobytes()


@needs_torch
def test_a_first_cine_comes_once_the_heart_is_found(
    moving_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        images = replay_here(
            moving_file, tmp_path / "images.h5", reconstruction="mdcn", preview="true", images="cine_bright"
        )
    first, final = (np.stack([image.data[0, 0] for image in images[series]]) for series in (CINE_SERIES, 5))
    assert first.shape == final.shape
    assert "beats" in caplog.text.partition("received")[0]  # the rate is told before the scan has ended
    spread = final.std(axis=0)
    moving = spread > np.percentile(spread, 90)
    cycle, expected = (frames[:, moving] - frames[:, moving].mean(axis=0) for frames in (first, final))
    alike = [
        np.vdot(np.roll(cycle, shift, axis=0), expected) / np.linalg.norm(cycle) / np.linalg.norm(expected)
        for shift in range(len(cycle))
    ]
    best = int(np.argmax(alike))
    assert min(best, len(cycle) - best) <= 3  # of 20 phases: where end-diastole was found among fewer beats
    assert alike[best] > 0.7  # 0.77: of half the scan, and the network keeps some of its noise
    rates = [float(images[series][0].meta["MalibuHeartRatePerMinute"]) for series in (CINE_SERIES, 5)]
    assert abs(rates[0] - rates[1]) < 1


def test_what_spoils_a_preview_ends_as_without_one(editable_copy: Path, tmp_path: Path) -> None:
    def spoil(number: int, record: np.void) -> None:
        if number == 60:
            record["data"][:4] = np.nan

    rewrite_readouts(editable_copy, spoil)
    errors = []
    for preview in ("false", "true"):
        with pytest.raises(Exception, match="NaN or Inf") as caught:
            replay_here(editable_copy, tmp_path / f"{preview}.h5", preview=preview, **QUICK)
        errors.append(str(caught.value))
    assert errors[0] == errors[1]
