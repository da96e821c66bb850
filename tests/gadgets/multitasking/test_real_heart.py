"""A real heart whose spokes have k = 0 between two samples: it comes out upright, with few streaks."""

from pathlib import Path

import ismrmrd
import numpy as np
import pytest
import sigpy

from gadgets.mrd.files import write_scan
from tests.support.replays import replay_here

HEART = Path(__file__).parents[4] / "shared/data/cardiac_radial_25spokes_12coils.npz"

TURNS = 4
"""How often the 25 spokes are repeated, so that there are more readouts than basis functions."""


def header(matrix: int) -> ismrmrd.xsd.ismrmrdHeader:
    xsd = ismrmrd.xsd
    space = xsd.encodingSpaceType(
        matrixSize=xsd.matrixSizeType(x=matrix, y=matrix, z=1),
        fieldOfView_mm=xsd.fieldOfViewMm(x=300.0, y=300.0, z=8.0),
    )
    encoding = xsd.encodingType(
        encodedSpace=space,
        reconSpace=space,
        encodingLimits=xsd.encodingLimitsType(),
        trajectory=xsd.trajectoryType.RADIAL,
    )
    sequence = xsd.sequenceParametersType(TR=[2.7], flipAngle_deg=[8.0])
    conditions = xsd.experimentalConditionsType(H1resonanceFrequency_Hz=123_200_000)
    return xsd.ismrmrdHeader(experimentalConditions=conditions, encoding=[encoding], sequenceParameters=sequence)


def write_turns(path: Path, kspace: np.ndarray, trajectory: np.ndarray) -> None:
    """Write the spokes ``(coils, spokes, samples)`` several times, before each the first one as navigator."""
    spokes = kspace.shape[1]
    rows = np.zeros(2 * spokes * TURNS, dtype=int)
    rows[1::2] = np.tile(np.arange(spokes), TURNS)
    readouts = []
    for number, row in enumerate(rows):
        readout = ismrmrd.Acquisition.from_array(
            np.ascontiguousarray(kspace[:, row]), trajectory[row].astype(np.float32), center_sample=kspace.shape[2] // 2
        )
        readout.scan_counter, readout.acquisition_time_stamp = number, round(14_400_000 + 2.7 * number / 2.5)
        readout.read_dir[:], readout.phase_dir[:], readout.slice_dir[:] = (1, 0, 0), (0, 1, 0), (0, 0, 1)
        if number % 2 == 0:
            readout.set_flag(ismrmrd.ACQ_IS_NAVIGATION_DATA)
        readouts.append(readout)
    readouts[-1].set_flag(ismrmrd.ACQ_LAST_IN_MEASUREMENT)
    write_scan(path, header(kspace.shape[2]), readouts)


@pytest.mark.skipif(not HEART.is_file(), reason=f"../shared/data/{HEART.name} is not here")
def test_real_heart_is_upright_and_admm_takes_the_streaks_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = np.load(HEART)
    kspace, trajectory = file["kspace"], file["trajectory_cycles_per_pixel"]
    matrix = kspace.shape[2]
    write_turns(tmp_path / "heart.h5", kspace, trajectory)
    settings = {"temporal_model": "realtime", "rank": "1", "images": "time_average"}
    images = {}
    for method in ("backprojection", "admm"):
        with caplog.at_level("INFO"):
            made = replay_here(tmp_path / "heart.h5", tmp_path / f"{method}.h5", reconstruction=method, **settings)
        images[method] = made[1][0].data[0, 0].astype(np.float64)
        assert made[1][0].meta["MalibuGradientDelays"] == "not estimated: 25 angles are fewer than 40"
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert not [message for message in warnings if "spoke" in message or "straight" in message]
    # another way: weighted by |k|, gridded by SigPy along (y, x), root sum of squares
    weighted = kspace * np.linalg.norm(trajectory, axis=-1)
    gridded = sigpy.nufft_adjoint(weighted, trajectory[..., ::-1] * matrix, oshape=(len(kspace), matrix, matrix))
    reference = np.linalg.norm(gridded, axis=0)
    y, x = (np.mgrid[:matrix, :matrix] - matrix // 2) / matrix
    disc = np.hypot(x, y) < 0.5
    streaks = {}
    for method, image in images.items():
        upright = np.corrcoef(image[disc], reference[disc])[0, 1]
        assert upright > 0.65  # not 1: the coils are combined in another way, and ADMM has fewer streaks
        for wrong in (image[::-1], image[:, ::-1], image[::-1, ::-1], image.T, np.rot90(image), np.rot90(image, 3)):
            assert np.corrcoef(wrong[disc], reference[disc])[0, 1] < upright - 0.3
        rim = disc & (np.hypot(x, y) > 0.46)
        streaks[method] = float(np.sqrt(np.mean(image[rim] ** 2)) / image.max())
    assert streaks["backprojection"] < 0.065
    assert streaks["admm"] < 0.038
