"""Frames of any cell from the images of a replay alone: the tensor's factors as a series of their own."""

from pathlib import Path
from typing import Any

import ismrmrd
import numpy as np
import pytest

import malibu
from gadgets.mrd.files import read_images
from gadgets.multitasking.images import multitasking_images
from gadgets.multitasking.parameters import shown_parameters
from gadgets.multitasking.pictures.temporal_factors import FACTORS
from gadgets.multitasking.readouts import bare_slice
from gadgets.multitasking.series import SENT, SERIES
from recon.multitasking import Result
from recon.stages import StageClock
from tests.support.replays import replay_here, rewrite_readouts

Images = dict[int, list[ismrmrd.Image]]


@pytest.fixture(scope="module")
def images(explored: tuple[Result, Path]) -> Images:
    return read_images(explored[1])


def factors_of(images: Images) -> dict[str, np.ndarray]:
    """The factors without the zeros that fill them."""
    found = {}
    for image in images[SERIES["tensor"].number]:
        shape = tuple(map(int, image.meta["TensorShape"].split("x")))
        array, columns = image.data[0, 0], int(np.prod(shape[1:]))
        assert not array[shape[0] :].any()
        assert not array[:, columns:].any()
        found[image.meta["TensorFactor"]] = array[: shape[0], :columns].reshape(shape)
    return found


def test_frames_of_arbitrary_cells_from_images_alone(explored: tuple[Result, Path], images: Images) -> None:
    result, factors = explored[0], factors_of(images)
    maps = np.stack([image.data[0, 0] for image in images[SERIES["basis_maps"].number]])
    before = np.stack([image.data[0, 0] for image in images[SERIES["basis_maps_before"].number]])
    draw, sizes = np.random.default_rng(0), [factors[name].shape[1] for name in FACTORS[1:4]]
    for c, r, pulse in draw.integers(0, sizes, (20, 3)):
        at = (factors[name][:, bin_] for name, bin_ in zip(FACTORS[1:4], (c, r, pulse), strict=True))
        phi = np.einsum("labt,a,b,t->l", factors["core"], *at)
        for some, expected in ((maps, result), (before, result.before())):
            (frame,) = expected.frames(c, r, pulse)
            assert np.abs(np.einsum("l,lyx->yx", phi, some) - frame).max() < 1e-5 * np.abs(frame).max()
    assert np.abs(maps - before).max() > 0.01 * np.abs(maps).max()


def test_its_meta_say_how_to_read_it(explored: tuple[Result, Path], images: Images) -> None:
    result, series = explored[0], images[SERIES["tensor"].number]
    assert [image.meta["TensorFactor"] for image in series] == list(FACTORS)
    assert len({image.data.shape for image in series}) == 1
    meta, gated = series[0].meta, result.gated
    assert float(meta["TensorRepetitionTimeMs"]) == gated.sequence.tr_ms
    assert float(meta["TensorDelayMs"]) == gated.sequence.delay_ms
    assert int(meta["TensorPulses"]) == gated.sequence.pulses == factors_of(images)["recovery"].shape[1]
    assert float(meta["TensorFlipAngleDeg"]) == gated.sequence.flip_angle_deg
    assert int(meta["TensorEndExpirationBin"]) == gated.end_expiration
    assert float(meta["TensorHeartRatePerMinute"]) == pytest.approx(gated.gating.beats.rate_per_minute)
    assert int(meta["TensorBrightBloodPulse"]) == result.cine().cells.pulse[0]
    assert int(meta["TensorDarkBloodPulse"]) == result.cine(dark_blood=True).cells.pulse[0]
    shown = result.recovery().cells
    assert int(meta["TensorT1CardiacBin"]) == shown.cardiac[0]
    assert int(meta["TensorT1RespiratoryBin"]) == shown.respiratory[0]
    assert int(meta["TensorBloodT1Ms"]) == int(np.rint(result.t1_map.blood.t1_ms))
    assert float(meta["TensorInflow"]) == 0.8  # of blood that is dark
    pulses = factors_of(images)["imaging_pulses"][0]
    assert np.array_equal(pulses, np.unique(result.temporal.imaging.pulse))


def test_the_factors_are_sent_unless_others_are_named_and_the_maps_before_only_on_request() -> None:
    assert "tensor" in SENT
    assert "basis_maps_before" not in SENT
    assert max(record.number for record in SERIES.values()) == 20


def test_slices_with_longer_recoveries_share_one_size(explored: tuple[Result, Path], moving_file: Path) -> None:
    """Readers of ISMRMRD files take one matrix size in a series."""
    (scan,), result = malibu.read_scan(moving_file), explored[0]
    choices, stated = shown_parameters({"images": ["tensor"]}, result.settings)
    size = (result.settings.rank, len(scan.imaging), 900)
    images = list(multitasking_images(result, bare_slice(scan), choices, stated, StageClock(), size=size))
    assert {image.data.shape[-2:] for image in images} == {(32, 900)}
    again = factors_of({SERIES["tensor"].number: images})
    assert np.array_equal(again["recovery"], result.gated.tensor.recovery.T.astype(np.float32))


def test_two_slices_come_back_with_factors_of_their_own(tiny_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "slices.h5"
    path.write_bytes(tiny_file.read_bytes())

    def second_slice(number: int, record: Any) -> None:
        record["head"]["idx"]["slice"] = int(number >= 1200)

    rewrite_readouts(path, second_slice)
    images = replay_here(path, tmp_path / "i.h5", rank="4", skip_inversions="0", images="tensor basis_maps")
    series = images[SERIES["tensor"].number]
    assert [image.slice for image in series] == [0] * 5 + [1] * 5
    assert not np.array_equal(series[0].data, series[5].data)
