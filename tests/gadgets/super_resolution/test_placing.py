"""Cartesian readouts in their place: backwards, cut short, discarded, averaged, and what cannot be placed."""

import ismrmrd
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from gadgets.mrd.headers.roles import DefaultRules
from gadgets.mrd.intake.measurement import Measurement
from gadgets.super_resolution.readouts import fill_kspace, volumes_of_readouts
from recon.errors import DataError

COILS, LINES, PARTITIONS, SAMPLES = 2, 6, 4, 20
KSPACE = np.random.default_rng(5).standard_normal((2, COILS, PARTITIONS, LINES, SAMPLES)).view(np.float64)
KSPACE = (KSPACE[0] + 1j * KSPACE[1]).astype(np.complex64)


def header(samples: int = SAMPLES, fov_x_mm: float = 40.0) -> ismrmrd.xsd.ismrmrdHeader:
    xsd = ismrmrd.xsd

    def space(x: int, x_mm: float) -> ismrmrd.xsd.encodingSpaceType:
        return xsd.encodingSpaceType(
            matrixSize=xsd.matrixSizeType(x=x, y=LINES, z=PARTITIONS),
            fieldOfView_mm=xsd.fieldOfViewMm(x=x_mm, y=12.0, z=8.0),
        )

    limits = xsd.encodingLimitsType(
        kspace_encoding_step_1=xsd.limitType(minimum=0, maximum=LINES - 1, center=LINES // 2),
        kspace_encoding_step_2=xsd.limitType(minimum=0, maximum=PARTITIONS - 1, center=PARTITIONS // 2),
    )
    encoding = xsd.encodingType(
        encodedSpace=space(samples, fov_x_mm),
        reconSpace=space(SAMPLES // 2, 20.0),
        encodingLimits=limits,
        trajectory=xsd.trajectoryType.CARTESIAN,
    )
    return xsd.ismrmrdHeader(
        experimentalConditions=xsd.experimentalConditionsType(H1resonanceFrequency_Hz=1), encoding=[encoding]
    )


def line(z: int, y: int, start: int = 0, stop: int = SAMPLES) -> ismrmrd.Acquisition:
    readout = ismrmrd.Acquisition.from_array(np.ascontiguousarray(KSPACE[:, z, y, start:stop]))
    readout.idx.kspace_encode_step_1, readout.idx.kspace_encode_step_2 = y, z
    readout.center_sample, readout.scan_counter = SAMPLES // 2 - start, 1 + z * LINES + y
    readout.read_dir[:], readout.phase_dir[:], readout.slice_dir[:] = (1, 0, 0), (0, 1, 0), (0, 0, 1)
    return readout


def scan(**cut: int) -> list[ismrmrd.Acquisition]:
    return [line(z, y, **cut) for z in range(PARTITIONS) for y in range(LINES)]


def turned(readout: ismrmrd.Acquisition, centre: int) -> ismrmrd.Acquisition:
    readout.data[:] = readout.data[:, ::-1].copy()
    readout.center_sample = centre
    readout.discard_pre, readout.discard_post = readout.discard_post, readout.discard_pre
    readout.set_flag(ismrmrd.ACQ_IS_REVERSE)
    return readout


def placed(readouts: list[ismrmrd.Acquisition]) -> tuple[np.ndarray, np.ndarray]:
    return fill_kspace(readouts, header().encoding[0])


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(0, PARTITIONS * LINES - 1)), st.booleans(), st.integers(0, 3))
def test_backward_lines_are_turned_back(backward: set[int], mirrored: bool, missing: int) -> None:
    """Whether the converter wrote the centre in the order of acquisition or of rising k; also of partial echoes."""
    readouts = scan(start=2 * missing)
    forward = int(readouts[0].center_sample)
    samples = readouts[0].data.shape[1]
    for row in backward:
        turned(readouts[row], samples - forward if mirrored else forward)
    if mirrored and len(backward) == len(readouts) and missing:
        return  # nothing runs forwards: no other readout tells which order is meant
    kspace, sampled = placed(readouts)
    assert np.array_equal(kspace[..., 2 * missing :], KSPACE[..., 2 * missing :])
    assert not kspace[..., : 2 * missing].any()
    assert np.array_equal(sampled, np.broadcast_to(np.arange(SAMPLES) >= 2 * missing, sampled.shape))


def test_a_backward_line_whose_centre_fits_neither_order_is_refused() -> None:
    readouts = scan(start=4)
    turned(readouts[3], 1)
    with pytest.raises(DataError, match=r"readout 4 is flagged ACQ_IS_REVERSE with center_sample 1.*6 of the forward"):
        placed(readouts)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=24, max_size=24), st.booleans())
def test_samples_to_be_discarded_are_never_used(discards: list[tuple[int, int]], backward: bool) -> None:
    readouts = scan()
    expected = np.ones((PARTITIONS, LINES, SAMPLES), dtype=bool)
    for row, (pre, post) in enumerate(discards):
        readout = readouts[row]
        readout.discard_pre, readout.discard_post = pre, post
        readout.data[:, :pre], readout.data[:, SAMPLES - post :] = np.nan, 1e6
        expected[row // LINES, row % LINES] = (np.arange(SAMPLES) >= pre) & (np.arange(SAMPLES) < SAMPLES - post)
        if backward and row % 2:
            turned(readout, SAMPLES // 2)
    kspace, sampled = placed(readouts)
    assert np.array_equal(sampled, expected)
    assert np.array_equal(kspace, np.where(expected, KSPACE, 0))


def test_averages_count_sample_by_sample() -> None:
    first, second = scan(), scan()
    for readout in second:
        readout.discard_pre, readout.data[:] = 6, 3 * readout.data
    kspace, _ = placed(first + second)
    assert np.allclose(kspace[..., :6], KSPACE[..., :6])
    assert np.allclose(kspace[..., 6:], 2 * KSPACE[..., 6:])


@pytest.mark.parametrize("samples", [10, 12, 16])
def test_readouts_that_reach_neither_edge_are_refused(samples: int) -> None:
    """Their samples are spaced otherwise than the header says, as after the removal of oversampling."""
    start = (SAMPLES - samples) // 2
    with pytest.raises(DataError, match=f"{samples} samples, not the {SAMPLES} of the header's encodedSpace"):
        placed(scan(start=start, stop=start + samples))


@pytest.mark.parametrize("cut", [{"start": 6}, {"stop": 15}, {"start": 1}, {"stop": 19}])
def test_partial_echoes_reach_one_edge(cut: dict[str, int]) -> None:
    kspace, sampled = placed(scan(**cut))
    assert np.array_equal(kspace, np.where(sampled, KSPACE, 0))


@pytest.mark.parametrize(
    ("spoil", "names"),
    [
        (lambda one: one.position.__setitem__(2, 4.0), "the position of its readouts differs"),
        (lambda one: setattr(one, "sample_time_us", 9.0), "the sample_time_us of its readouts differs"),
        (lambda one: one.channel_mask.__setitem__(0, 6), "the channel_mask of its readouts differs"),
        (lambda one: one.patient_table_position.__setitem__(0, 2.0), "the patient_table_position"),
        (lambda one: setattr(one, "discard_pre", 20), "discards all of its 20 samples"),
        (lambda one: one.set_flag(ismrmrd.ACQ_COMPRESSION2), "ACQ_COMPRESSION2: their samples are compressed"),
        (lambda one: setattr(one, "measurement_uid", 4), "2 measurements are mixed"),
    ],
)
def test_a_line_of_something_else_is_refused_by_name(spoil, names: str) -> None:  # type: ignore[no-untyped-def]
    readouts = scan()
    spoil(readouts[9])
    with pytest.raises(DataError, match=names):
        volumes_of_readouts(Measurement.of(readouts), header(), "maps", True)


@pytest.mark.parametrize("fov_x_mm", [float("nan"), float("inf"), -40.0, 0.0])
def test_an_impossible_field_of_view_is_refused(fov_x_mm: float) -> None:
    with pytest.raises(DataError, match="recon space is"):
        volumes_of_readouts(Measurement.of(scan()), header(fov_x_mm=fov_x_mm), "maps", True)


def test_each_echo_is_a_volume_and_one_may_be_chosen() -> None:
    echoes = scan() + scan()
    for number, readout in enumerate(echoes):
        readout.idx.contrast, readout.scan_counter = number // 24, number + 1
    measurement = Measurement.of(echoes)
    assert len(volumes_of_readouts(measurement, header(), "sum_of_squares", True)) == 2
    rules = DefaultRules(contrast=1)
    assert len(volumes_of_readouts(measurement, header(), "sum_of_squares", True, None, rules)) == 1
