"""Navigators that are summed up while they come: lent where the guess was right, and never a difference in a result."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import ismrmrd
import numpy as np
import pytest
import sigpy

from gadgets.mrd.files import ScanFile
from gadgets.mrd.header import read_header
from gadgets.mrd.intake.measurement import Measurement
from gadgets.multitasking.live.ahead import Ahead
from gadgets.multitasking.live.plans_ahead import PlansAhead
from gadgets.multitasking.live.preview import Preview
from gadgets.multitasking.parameters import parse_parameters
from gadgets.multitasking.readouts import MeasuredSlice, slices_of
from recon.multitasking import prewhitening_of
from recon.multitasking.temporal_basis import temporal_basis
from recon.readouts.trajectory import samples_within
from recon.spatial import plans
from recon.spatial.fan import line_fan
from recon.temporal.fitting.profiles import BLOCK, NavigatorProfiles


@pytest.fixture(scope="module")
def readouts(tiny_file: Path) -> list[ismrmrd.Acquisition]:
    with ScanFile(tiny_file) as scan:
        return list(scan.acquisitions())


def lent(
    readouts: list[ismrmrd.Acquisition], file: Path, before: list[ismrmrd.Acquisition] = (), **settings: str
) -> MeasuredSlice:
    """Take readouts in as a stream does, and give the slice what was summed up by then."""
    parameters = parse_parameters(None, settings)
    with ScanFile(file) as scan:
        header = read_header(scan.header)
    measurement = Measurement()
    ahead = Ahead(measurement, parameters, lambda: header)
    for readout in [*before, *readouts]:
        measurement.add(readout)
        ahead()
    (measured,) = slices_of(measurement, header, parameters)
    return ahead.lent_to(measured)


def anew(measured: MeasuredSlice) -> NavigatorProfiles:
    scan = measured.scan
    whitening = prewhitening_of(scan.noise, scan.imaging.kspace.shape[1])
    return NavigatorProfiles.of(scan.navigators.kspace, scan.matrix, whitening)


def test_sums_that_were_made_on_the_way_are_those_of_the_whole_scan(
    readouts: list[ismrmrd.Acquisition], tiny_file: Path
) -> None:
    measured = lent(readouts, tiny_file)
    assert len(measured.scan.navigators) > 3 * BLOCK
    expected = anew(measured)
    assert np.array_equal(measured.scan.profiles.components, expected.components)
    assert np.array_equal(measured.scan.profiles.values, expected.values)
    assert np.array_equal(measured.scan.profiles.to_coils, expected.to_coils)


def test_a_slice_by_itself_may_have_any_number(readouts: list[ismrmrd.Acquisition], tiny_file: Path) -> None:
    sixth = [ismrmrd.Acquisition(one.getHead(), one.data, one.traj) for one in readouts]
    for one in sixth:
        one.idx.slice = 5
    measured = lent(sixth, tiny_file)
    assert np.array_equal(measured.scan.profiles.values, anew(measured).values)


@pytest.mark.parametrize(
    "settings",
    [
        {"navigator": "every_nth"},
        {"inversion_counter": "none"},
        {"temporal_model": "realtime", "images": "time_average"},
        {"coils": "2"},
        {"readouts_per_inversion": "690"},
    ],
)
def test_what_cannot_be_guessed_is_not(
    readouts: list[ismrmrd.Acquisition], tiny_file: Path, settings: dict[str, str]
) -> None:
    assert lent(readouts, tiny_file, **settings).scan.profiles is None


@pytest.mark.parametrize("how", ["noise comes late", "another first period", "a dropped navigator"])
def test_a_wrong_guess_changes_nothing(readouts: list[ismrmrd.Acquisition], tiny_file: Path, how: str) -> None:
    """The sums are left aside, or made anew in the temporal basis: Φ is the same."""
    changed, settings = list(readouts), {}
    if how == "noise comes late":
        noise = [one for one in readouts if one.is_flag_set(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)]
        changed = [one for one in readouts if not one.is_flag_set(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)] + noise
    elif how == "another first period":
        settings = {"skip_inversions": "40"}  # more than the scan can spare
    else:
        row = len(readouts) // 2 // 2 * 2
        copy = ismrmrd.Acquisition(readouts[row].getHead(), readouts[row].data, readouts[row].traj)
        copy.set_flag(ismrmrd.ACQ_IS_DUMMYSCAN_DATA)
        changed = [*readouts[:row], copy, *readouts[row + 1 :]]
    measured = lent(changed, tiny_file, **settings)
    parameters = parse_parameters(None, settings)
    whitening = prewhitening_of(measured.scan.noise, measured.scan.imaging.kspace.shape[1])
    plain = dataclasses.replace(measured.scan, profiles=None)
    bases = [temporal_basis(whitening, scan, parameters.settings()).basis for scan in (measured.scan, plain)]
    assert np.array_equal(*bases)


def test_the_gridding_that_is_planned_ahead_is_the_one_that_serves(
    tiny_file: Path, readouts: list[ismrmrd.Acquisition], monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters, shelf = parse_parameters(None, {}), plans.Shelf(8, 2**29)
    monkeypatch.setattr(plans, "SHELF", shelf)
    with ScanFile(tiny_file) as scan:
        header = read_header(scan.header)
    measurement = Measurement()
    planned = PlansAhead(measurement, parameters, sigpy.cpu_device, lambda: header)
    for readout in readouts[:300]:
        measurement.add(readout)
        planned()
    (measured,) = slices_of(Measurement.of(readouts), header, parameters)
    matrix = measured.scan.matrix
    within = np.ascontiguousarray(measured.scan.trajectory[:, samples_within(measured.scan.trajectory, matrix)])
    fan = line_fan(within, matrix)
    made: list[object] = []
    monkeypatch.setattr(plans, "plan_nufft", lambda *given: made.append(given))
    plans.kept_plan(fan.trajectory, matrix, parameters.nufft, sigpy.cpu_device)
    assert made == []  # it was on the shelf


@pytest.mark.parametrize("first", ["navigators alone", "a prescan of other samples"])
def test_a_scan_that_begins_otherwise_is_left_to_its_end(
    tiny_file: Path, readouts: list[ismrmrd.Acquisition], first: str
) -> None:
    """What looks on while readouts come must not refuse what the whole scan would not."""
    imaging = [one for one in readouts if not one.is_flag_set(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)]
    navigators = [one for one in imaging if one.is_flag_set(ismrmrd.ACQ_IS_NAVIGATION_DATA)]
    before = navigators[:80]
    if first == "a prescan of other samples":
        before = []
        for number in range(1030):
            made = ismrmrd.Acquisition.from_array(np.ones((readouts[-1].data.shape[0], 30), np.complex64))
            made.encoding_space_ref, made.idx.repetition = 1, number // 100
            if number % 2:
                made.set_flag(ismrmrd.ACQ_IS_NAVIGATION_DATA)
            before.append(made)
    parameters = parse_parameters(None, {"skip_inversions": "0", "preview": "true"})
    with ScanFile(tiny_file) as scan:
        header = read_header(scan.header)
    measurement, sent = Measurement(), []
    stream = SimpleNamespace(header=None, send=sent.append)
    preview = Preview(stream, measurement, parameters, sigpy.cpu_device, lambda: header, lambda: None)
    attending = [
        Ahead(measurement, parameters, lambda: header),
        PlansAhead(measurement, parameters, sigpy.cpu_device, lambda: header),
        preview,
    ]
    for readout in [*before, *imaging[:700]]:
        measurement.add(readout)
        for one in attending:
            one()
    assert measurement.received == len(before) + 700
