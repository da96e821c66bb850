"""Frames of any cell from the images of a replay alone: the tensor's factors as a series of their own."""

from pathlib import Path

import ismrmrd
import numpy as np
import pytest

from gadgets.mrd.files import read_images
from gadgets.multitasking.pictures.temporal_factors import FACTORS
from gadgets.multitasking.series import SENT, SERIES
from recon.multitasking import Result

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
    pulses = factors_of(images)["imaging_pulses"][0]
    assert np.array_equal(pulses, np.unique(result.temporal.imaging.pulse))


def test_the_factors_are_sent_unless_others_are_named_and_the_maps_before_only_on_request() -> None:
    assert "tensor" in SENT
    assert "basis_maps_before" not in SENT
    assert max(record.number for record in SERIES.values()) == 20
